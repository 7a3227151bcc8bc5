//! Which step waits for which.
//!
//! [`Planner`] asks the store what is missing for a batch of checks and reads the derivations of what must be built;
//! out comes a [`Plan`], plain data that the owner of the run links into its steps. Knows no run, no event and no
//! connection: the store is whatever implements [`StoreView`].

mod plan;
mod planner;

pub use plan::{Disposition, How, Plan, PlannedStep, Wanted};
pub use planner::{MissingPaths, PlanError, Planner, StoreView};
