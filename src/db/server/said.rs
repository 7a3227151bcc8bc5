//! What runs say of a commit as a whole, and which of it counts: a branch, a tag and pull requests may all be at one commit,
//! and forges know one state of it.
//!
//! | of the runs of a commit | what counts |
//! |---|---|
//! | several of one ref | the newest that was not ended without a result |
//! | some by people who may write, some not | the former alone, also when their ref is gone by now |
//! | those of a ref that is gone, of a pull request that is closed | only where there are no others, and then the newest |
//! | those that were ended without a result | only where there are no others |
//! | what is left | what goes on before what failed, that before what passed |
//!
//! So a stranger who opens a pull request of somebody else's commit changes nothing of what is said of it, nor does
//! whoever has the same commit built for a branch that demands less.

use std::collections::HashSet;

use rusqlite::{Connection, params};

use super::{
    repositories::RepositoryId,
    run::RunId,
    statuses::{NewStatus, write_status},
};

/// What a run says, with what decides how much that counts.
#[derive(Clone, Debug)]
struct Said {
    run: i64,
    git_ref: String,
    /// Whether it is by people who may write; not known of a pull request before it was looked at.
    is_trusted: bool,
    /// Whether its ref is gone.
    is_gone: bool,
    /// Whether it was ended without a result.
    is_ended: bool,
    state: String,
    description: String,
    target_url: String,
}

/// What counts of all that is said, newest first.
fn gravest(said: &[Said]) -> Option<&Said> {
    let weight = |said: &Said| match said.state.as_str() {
        "pending" => 3,
        "failure" => 2,
        "error" => 1,
        _ => 0,
    };
    let live = || said.iter().filter(|said| !said.is_gone && !said.is_ended);
    let (mut trusted, mut others) = (Vec::new(), Vec::new());
    let mut refs = HashSet::new();
    for newest in live().filter(|said| refs.insert(&said.git_ref)) {
        let mut of_ref = live().filter(|said| said.git_ref == newest.git_ref);
        match of_ref.find(|said| said.is_trusted) {
            // Who may write had it built before. That they may no longer, or that it is not known yet, takes nothing of
            // that away, but for something worse.
            Some(before) if weight(newest) == 0 => trusted.push(before),
            Some(_) => trusted.push(newest),
            None => others.push(newest),
        }
    }
    let gravest = |of: Vec<_>| {
        of.into_iter()
            .max_by_key(|said: &&Said| (weight(said), said.run))
    };
    let newest = |is: fn(&Said) -> bool| said.iter().find(|said| is(said));
    gravest(trusted)
        .or_else(|| newest(|said| said.is_trusted && !said.is_ended))
        .or_else(|| gravest(others))
        .or_else(|| newest(|said| !said.is_ended))
        .or_else(|| newest(|said| said.is_trusted))
        .or_else(|| said.first())
}

/// Notes what a run says of its commit as a whole. What it has said stays when it begins again after the server was killed.
pub(super) fn say(connection: &Connection, run: RunId, status: &NewStatus) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO said (run, context, state, description, target_url)
             SELECT id, ?2, ?3, ?4, ?5 FROM runs WHERE id = ?1
             ON CONFLICT (run, context) DO UPDATE SET state = ?3, description = ?4, target_url = ?5
             WHERE ?3 <> 'pending' OR state = 'pending'",
        )?
        .execute(params![
            run.0,
            status.context,
            status.state,
            status.description,
            status.target_url
        ])?;
    Ok(())
}

/// Ends what a run that is over says is pending.
pub(super) fn end_said(connection: &Connection, run: RunId, why: &str) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "UPDATE said SET state = 'error', description = ?2 WHERE run = ?1 AND state = 'pending'",
        )?
        .execute(params![run.0, why])?;
    Ok(())
}

/// Whether what a run says of single checks counts: not what a stranger's does of a commit that a run of people who may
/// write is of.
pub(super) fn counts(
    connection: &Connection,
    repository: RepositoryId,
    commit: &str,
    run: RunId,
) -> rusqlite::Result<bool> {
    let outranked = connection
        .prepare_cached(
            "SELECT 1 FROM runs r JOIN runs o ON o.repository = r.repository AND o.commit_id = r.commit_id
             WHERE r.id = ?1 AND r.repository = ?2 AND r.commit_id = ?3 AND o.id <> r.id AND NOT o.gone
             AND o.outcome IS NOT 'cancelled'
             AND r.pull_request IS NOT NULL AND r.trust IS NOT 'trusted' AND r.trust IS NOT 'approved'
             AND (o.pull_request IS NULL OR o.trust IN ('trusted', 'approved'))",
        )?
        .exists(params![run.0, repository.0, commit])?;
    Ok(!outranked)
}

/// Has forges told what counts of a commit.
pub(super) fn weigh(
    connection: &Connection,
    repository: RepositoryId,
    commit: &str,
    context: &str,
    now: i64,
) -> rusqlite::Result<()> {
    let said: Vec<Said> = connection
        .prepare_cached(
            "SELECT s.run, r.git_ref, r.pull_request IS NULL OR coalesce(r.trust, '') IN ('trusted', 'approved'),
             r.gone, r.outcome IS 'cancelled', s.state, s.description, s.target_url
             FROM runs r JOIN said s ON s.run = r.id
             WHERE r.repository = ?1 AND r.commit_id = ?2 AND s.context = ?3 ORDER BY s.run DESC",
        )?
        .query_map(params![repository.0, commit, context], |row| {
            Ok(Said {
                run: row.get(0)?,
                git_ref: row.get(1)?,
                is_trusted: row.get(2)?,
                is_gone: row.get(3)?,
                is_ended: row.get(4)?,
                state: row.get(5)?,
                description: row.get(6)?,
                target_url: row.get(7)?,
            })
        })?
        .collect::<Result<_, _>>()?;
    let Some(said) = gravest(&said) else {
        return Ok(());
    };
    let status = (&*said.state, &*said.description, &*said.target_url);
    write_status(
        connection,
        repository,
        commit,
        context,
        Some(said.run),
        status,
        now,
    )
}

/// Has forges told what counts of the commit of a run.
pub(super) fn weigh_run(connection: &Connection, run: RunId, now: i64) -> rusqlite::Result<()> {
    weigh_all(connection, "r.id = ?1", params![run.0], now)
}

/// Has forges told what counts of the commits that a ref was at.
pub(super) fn weigh_ref(
    connection: &Connection,
    repository: RepositoryId,
    git_ref: &str,
    now: i64,
) -> rusqlite::Result<()> {
    let of_ref = "r.repository = ?1 AND r.git_ref = ?2";
    weigh_all(connection, of_ref, params![repository.0, git_ref], now)
}

fn weigh_all(
    connection: &Connection,
    which: &str,
    values: &[&dyn rusqlite::ToSql],
    now: i64,
) -> rusqlite::Result<()> {
    let sql = format!(
        "SELECT DISTINCT r.repository, r.commit_id, s.context FROM runs r JOIN said s ON s.run = r.id WHERE {which}"
    );
    let contexts: Vec<(i64, String, String)> = connection
        .prepare_cached(&sql)?
        .query_map(values, |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<Result<_, _>>()?;
    for (repository, commit, context) in contexts {
        weigh(connection, RepositoryId(repository), &commit, &context, now)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
