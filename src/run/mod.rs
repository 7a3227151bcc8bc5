//! Owns all state of a run: one loop takes inputs, changes the state in one synchronous function, and carries out the
//! effects that come out.
//!
//! [`State::apply`] is the only place where a check or a step changes; it is pure but for the clock that is handed in.
//! [`coordinate`] is the loop around it. Knows no reporter, forge or database: events go to a callback, in order.

mod coordinator;
mod delivery;
mod evaluation;
mod gate;
mod host;
mod input;
mod notes;
mod past;
mod ready;
mod reason;
mod settings;
mod signal;
mod slots;
mod state;
mod step;
mod store_view;
mod upload;
mod worker;

pub use coordinator::{Evaluate, Ports, Report, coordinate};
pub use delivery::{Deliver, delivered};
pub use evaluation::{Evaluation, Kept};
pub use gate::{Entry, Gate};
pub use host::{BuildTimes, client_settings, store_address};
pub use input::{Effect, Input, Start, StepEnd, StepNote, Stop};
pub use past::{Expected, KeepLog, KeptLog, LogNote, Past};
pub use settings::RunSettings;
pub use signal::stops;
pub use slots::{Permit, Share, Slots};
pub use state::State;
pub use step::StepId;
pub use store_view::PooledStore;
pub use upload::{UPLOAD_FAILED, Upload, UploadEnd, UploadNote, UploadSettings, Uploader};
pub use worker::Builder;
