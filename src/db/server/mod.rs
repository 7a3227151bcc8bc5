//! What a server keeps: one SQLite file with everything that has to survive a crash.
//!
//! Apart from the history of `nixci check`, which may be lost; here nothing may. SQL stands in these files alone: one for
//! each group of tables, as methods of [`ServerDb`].

mod annotations;
mod audit;
mod commands;
mod compared;
mod counts;
mod database;
mod deliveries;
mod failed_builds;
mod gone;
mod post_builds;
mod repositories;
mod results;
mod run;
mod run_queries;
mod runs;
mod said;
mod schedules;
mod sight;
mod statuses;
mod tags;
mod upkeep;
mod warnings;

pub use annotations::{AnnotationRow, RunPart};
pub use audit::Deed;
pub use commands::CommandKey;
pub use compared::Compared;
pub use counts::ServerCounts;
pub use database::{DbError, ServerDb, backup};
pub use deliveries::{Delivery, NewDelivery};
pub use failed_builds::FailedBuild;
pub use post_builds::{Begun, NewPostBuild, PostBuildOutcome, PostBuildRow};
pub use repositories::{Name, OwnRules, OwnSchedule, Repository, RepositoryId, SeenRepository};
pub use results::{CheckRow, StepRow, path_of};
pub use run::{NewRun, OUT_OF_DATE, Run, RunEnd, RunId, RunKind, RunState, Tested, Trust};
pub use runs::TakeUp;
pub use schedules::{ScheduleKey, ScheduleOrigin, ScheduleRow};
pub use sight::{OpenRun, Sight, ToldStatus};
pub use statuses::{DueStatus, NewStatus, Remote, StatusId, StatusRow};
pub use tags::{ChangedTags, Tags};
pub use warnings::{Warning, Warnings};
