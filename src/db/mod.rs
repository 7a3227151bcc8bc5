//! What nixci remembers of earlier runs: a SQLite database and the logs of builds as files, below one folder.
//!
//! ```text
//!  event ──► Recorder ──► thread ──► history.sqlite ──► History   nixci history, nixci log
//!  line  ──► LogWriter ─► thread ──► logs/RUN/STEP.log
//! ```
//!
//! Apart from `run` and `report` so that neither knows of SQL or of threads that write. A run never waits for a disk
//! here and never fails by one: what cannot be kept is said once and left out.
//!
//! | file | what is in it |
//! |---|---|
//! | `open` | the database: making it, versions, setting a damaged one aside |
//! | `row`, `write` | what is recorded of an event, and how it gets into tables |
//! | `recorder` | the thread that writes rows in batches and answers what a run asks |
//! | `duration` | how long a step may take, by the builds before |
//! | `prune` | how long all of it is kept |
//! | `history` | what `nixci history` and `nixci log` read |
//! | `log_writer` | the files of logs |

mod duration;
#[cfg(test)]
mod filled;
mod history;
mod log_writer;
mod open;
mod prune;
mod recorder;
mod row;
pub mod server;
mod write;

pub use history::{CheckRecord, History, RunRecord, StepRecord};
pub use log_writer::{LogSink, LogWriter};
pub use open::HistoryError;
pub use recorder::{ExpectedAnswer, Recorder, ShortLogs, Warn};
