//! Pages: what rows of the database look like in a browser.
//!
//! Typed view models and their templates; no handler, no request, no effect. Apart from `server`, which finds the rows and
//! decides who may see them. Everything in a row comes from outside: a view model takes it through
//! [`harmless`](crate::report::harmless), templates escape it, and [`ansi`] alone writes HTML by itself. Pages work
//! without JavaScript, and have neither script nor style of their own: the policy that goes with them allows none.
//!
//! | file | what it is |
//! |---|---|
//! | `site`, `asset` | addresses; stylesheet, script and icon, named by their content |
//! | `sign`, `moment` | outcomes and times in words |
//! | `run_line`, `step_line`, `schedule_line`, `matrix`, `failure` | parts of pages |
//! | `run_list`, `run`, `check`, `log`, `repository`, `queue`, `trouble` | pages |
//! | `badge` | a picture |
//! | `ansi`, `escape` | HTML written by hand |

pub mod ansi;
pub mod asset;
pub mod badge;
pub mod check;
pub mod escape;
mod failure;
pub mod log;
mod matrix;
mod moment;
pub mod queue;
pub mod repository;
pub mod run;
mod run_line;
pub mod run_list;
mod schedule_line;
mod sign;
pub mod site;
mod step_line;
pub mod trouble;

pub use moment::now;
pub use site::{Page, Site};
