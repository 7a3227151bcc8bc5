//! What schedules come to at a moment. Pure.

use std::collections::{BTreeMap, HashMap};

use crate::{
    config::{Cron, ServerSchedule},
    db::server::{OwnSchedule, Repository, ScheduleKey, ScheduleOrigin, ScheduleRow},
};

/// What was dealt with so much later than now, in milliseconds, was so by a clock that was wrong.
const AHEAD_MS: i64 = 60 * 60 * 1000;

/// What is to be built again and again.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    key: ScheduleKey,
    cron: Cron,
    branch: String,
}

/// What is to be done.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    /// What is known and no longer wanted.
    pub(super) gone: Vec<ScheduleKey>,
    /// What is new, or changed.
    pub(super) put: Vec<ScheduleRow>,
    /// What is due.
    pub(super) due: Vec<ScheduleRow>,
    /// When the first of the others is due, in milliseconds since 1970.
    pub(super) next: Option<i64>,
}

/// What the server's settings and repositories want to have built again and again.
pub(super) fn wanted<'r>(
    of_server: &[ServerSchedule],
    repositories: impl Iterator<Item = &'r Repository>,
) -> Vec<Wanted> {
    let mut all = Vec::new();
    for repository in repositories.filter(|repository| repository.enabled) {
        let seen = &repository.seen;
        let mut want = |origin, name: &str, cron: Cron, branch: Option<&String>| {
            all.push(Wanted {
                key: ScheduleKey {
                    repository: repository.id,
                    origin,
                    name: name.to_owned(),
                },
                cron,
                branch: branch.unwrap_or(&seen.default_branch).clone(),
            });
        };
        for ServerSchedule { schedule, .. } in of_server
            .iter()
            .filter(|schedule| schedule.is_for_repository(&seen.forge, &seen.full_name))
        {
            let (cron, branch) = (schedule.cron.clone(), schedule.branch.as_ref());
            want(ScheduleOrigin::Server, &schedule.name, cron, branch);
        }
        for OwnSchedule { name, cron, branch } in &repository.rules.schedules {
            // What an older version took and this one does not is not built.
            if let Ok(cron) = Cron::parse(cron) {
                want(ScheduleOrigin::Repository, name, cron, branch.as_ref());
            }
        }
    }
    all
}

/// Compares what is wanted with what is known. What is in `put_off` is not due before the time there; all times are in
/// milliseconds since 1970.
pub(super) fn plan(
    wanted: Vec<Wanted>,
    known: Vec<ScheduleRow>,
    put_off: &HashMap<ScheduleKey, i64>,
    now: i64,
) -> Plan {
    let known = known.into_iter().map(|row| (row.key.clone(), row));
    let mut known: BTreeMap<ScheduleKey, ScheduleRow> = known.collect();
    let mut plan = Plan::default();
    for Wanted { key, cron, branch } in wanted {
        let before = known.remove(&key);
        let row = match &before {
            Some(row) if row.cron == cron.as_str() => ScheduleRow {
                branch,
                done_until: if row.done_until > now + AHEAD_MS {
                    now
                } else {
                    row.done_until
                },
                ..row.clone()
            },
            // What was not wanted until now, or at other times, is not late.
            Some(_) | None => ScheduleRow {
                key,
                cron: cron.to_string(),
                branch,
                done_until: now,
                run: before.as_ref().and_then(|row| row.run),
                problem: None,
            },
        };
        let due_at = cron.next_after(row.done_until).map(|at| {
            let not_before = put_off.get(&row.key).copied();
            at.max(not_before.unwrap_or(at))
        });
        if before.as_ref() != Some(&row) {
            plan.put.push(row.clone());
        }
        match due_at {
            Some(at) if at <= now => plan.due.push(row),
            at => plan.next = plan.next.into_iter().chain(at).min(),
        }
    }
    plan.gone = known.into_keys().collect();
    plan
}

#[cfg(test)]
mod tests;
