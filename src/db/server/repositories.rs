//! The repositories that are built, or were.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use serde::{Deserialize, Serialize};

use super::{
    database::{DbError, ServerDb},
    run::RunId,
};
use crate::config::PullRequests;

/// The number of a repository on this server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RepositoryId(pub i64);

/// A repository as a forge describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenRepository {
    /// The forge, by its name in the configuration.
    pub forge: String,
    /// What the forge calls it for ever.
    pub forge_id: String,
    /// What it is called now: `owner/name`.
    pub full_name: String,
    /// The branch that counts.
    pub default_branch: String,
    /// Whether it is not for everybody.
    pub private: bool,
    /// The installation of the app that may see it, on GitHub.
    pub installation: Option<String>,
}

/// A repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repository {
    /// Its number.
    pub id: RepositoryId,
    /// What its forge says of it.
    pub seen: SeenRepository,
    /// Whether it is built.
    pub enabled: bool,
    /// Whether its runs wait for someone to let them go on.
    pub paused: bool,
    /// What is wrong with it.
    pub problem: Option<String>,
    /// What its default branch says about how it is built.
    pub rules: OwnRules,
}

/// What the default branch of a repository says about how a server builds it: `[serve]` of its `nixci.toml`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct OwnRules {
    /// The branch that says so; `None`: none was looked at yet.
    pub branch: Option<String>,
    /// Globs of branches that are built besides those of the server.
    pub branches: Vec<String>,
    /// Globs of tags that are built besides those of the server.
    pub tags: Vec<String>,
    /// The attribute paths of checks that have to be there and pass.
    pub required: Vec<String>,
    /// Whose pull requests are built, if the server is not stricter.
    pub pull_requests: Option<PullRequests>,
    /// What is built again and again.
    pub schedules: Vec<OwnSchedule>,
}

/// What a repository wants to have built again and again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnSchedule {
    /// What it is called.
    pub name: String,
    /// When, as a cron expression.
    pub cron: String,
    /// Which branch; `None`: the default one.
    pub branch: Option<String>,
}

/// Who has a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// Of those that are built the one that was known first, with its forge.
    pub first: Option<(RepositoryId, String)>,
    /// The names, of all that are known, that go on where this one ends.
    pub longer: Vec<String>,
}

const COLUMNS: &str = "id, forge, forge_id, full_name, default_branch, private, installation, enabled, paused, problem, serve";

pub(super) fn of_row(row: &Row<'_>) -> rusqlite::Result<Repository> {
    let rules: Option<String> = row.get(10)?;
    Ok(Repository {
        id: RepositoryId(row.get(0)?),
        seen: SeenRepository {
            forge: row.get(1)?,
            forge_id: row.get(2)?,
            full_name: row.get(3)?,
            default_branch: row.get(4)?,
            private: row.get(5)?,
            installation: row.get(6)?,
        },
        enabled: row.get(7)?,
        paused: row.get(8)?,
        problem: row.get(9)?,
        rules: rules
            .and_then(|text| serde_json::from_str(&text).ok())
            .unwrap_or_default(),
    })
}

impl ServerDb {
    /// Notes what a forge says of a repository, and that it is built. Returns its number. What is wrong with one that is
    /// built stays wrong until somebody has looked again.
    pub async fn see_repository(&self, seen: SeenRepository) -> Result<RepositoryId, DbError> {
        let now = Timestamp::now().as_millisecond();
        self.write(move |connection| {
            connection
                .prepare_cached(
                    "INSERT INTO repositories (forge, forge_id, full_name, default_branch, private, installation, seen_at)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
                     ON CONFLICT (forge, forge_id) DO UPDATE SET full_name = ?3, default_branch = ?4, private = ?5,
                     installation = coalesce(?6, installation), seen_at = ?7, enabled = 1,
                     problem = CASE WHEN enabled THEN problem END
                     RETURNING id",
                )?
                .query_row(
                    params![
                        seen.forge,
                        seen.forge_id,
                        seen.full_name,
                        seen.default_branch,
                        seen.private,
                        seen.installation,
                        now
                    ],
                    |row| row.get(0).map(RepositoryId),
                )
        })
        .await
    }

    /// The repository that a forge calls so for ever.
    pub async fn repository_of(
        &self,
        forge: String,
        forge_id: String,
    ) -> Result<Option<Repository>, DbError> {
        self.read(move |connection| {
            connection
                .prepare_cached(&format!(
                    "SELECT {COLUMNS} FROM repositories WHERE forge = ?1 AND forge_id = ?2"
                ))?
                .query_row([forge, forge_id], of_row)
                .optional()
        })
        .await
    }

    /// The repository of this number.
    pub async fn repository(&self, id: RepositoryId) -> Result<Option<Repository>, DbError> {
        self.read(move |connection| find(connection, id)).await
    }

    /// The repository that is called so now.
    pub async fn repository_named(
        &self,
        forge: String,
        full_name: String,
    ) -> Result<Option<Repository>, DbError> {
        self.read(move |connection| {
            connection
                .prepare_cached(&format!(
                    "SELECT {COLUMNS} FROM repositories WHERE forge = ?1 AND full_name = ?2 COLLATE NOCASE
                     ORDER BY enabled DESC, seen_at DESC LIMIT 1"
                ))?
                .query_row([forge, full_name], of_row)
                .optional()
        })
        .await
    }

    /// Which repositories, at whatever forge, have a name.
    pub async fn who_is_called(&self, full_name: String) -> Result<Name, DbError> {
        self.read(move |connection| {
            let first = connection
                .prepare_cached(
                    "SELECT id, forge FROM repositories WHERE enabled AND full_name = ?1 ORDER BY id LIMIT 1",
                )?
                .query_row([&full_name], |row| Ok((RepositoryId(row.get(0)?), row.get(1)?)))
                .optional()?;
            let longer = connection
                .prepare_cached(
                    "SELECT DISTINCT full_name FROM repositories WHERE substr(full_name, 1, length(?1) + 1) = ?1 || '/'",
                )?
                .query_map([&full_name], |row| row.get(0))?
                .collect::<Result<_, _>>()?;
            Ok(Name { first, longer })
        })
        .await
    }

    /// All repositories, by name.
    pub async fn repositories(&self) -> Result<Vec<Repository>, DbError> {
        self.read(|connection| {
            connection
                .prepare_cached(&format!(
                    "SELECT {COLUMNS} FROM repositories ORDER BY forge, full_name COLLATE NOCASE"
                ))?
                .query_map([], of_row)?
                .collect()
        })
        .await
    }

    /// The repositories that are no longer built, and that no forge has named since a time in milliseconds since 1970.
    pub async fn repositories_unseen_since(&self, before: i64) -> Result<Vec<Repository>, DbError> {
        self.read(move |connection| {
            connection
                .prepare_cached(&format!(
                    "SELECT {COLUMNS} FROM repositories WHERE enabled = 0 AND seen_at < ?1"
                ))?
                .query_map([before], of_row)?
                .collect()
        })
        .await
    }

    /// Forgets all about a repository that is no longer built. Returns its runs.
    pub async fn forget_repository(&self, id: RepositoryId) -> Result<Vec<RunId>, DbError> {
        self.write(move |connection| {
            let runs = connection
                .prepare_cached(
                    "SELECT id FROM runs WHERE repository IN (SELECT id FROM repositories WHERE id = ?1 AND enabled = 0)",
                )?
                .query_map([id.0], |row| row.get(0).map(RunId))?
                .collect::<Result<_, _>>()?;
            connection.execute("DELETE FROM repositories WHERE id = ?1 AND enabled = 0", [id.0])?;
            Ok(runs)
        })
        .await
    }

    /// Builds a repository no longer. The tags that it has when it is built again are its past.
    pub async fn disable_repository(&self, id: RepositoryId) -> Result<(), DbError> {
        self.write(move |connection| {
            connection.execute(
                "UPDATE repositories SET enabled = 0, tags_seen = 0 WHERE id = ?1",
                [id.0],
            )?;
            Ok(())
        })
        .await
    }

    /// Lets the runs of a repository wait, or go on.
    pub async fn pause_repository(&self, id: RepositoryId, paused: bool) -> Result<(), DbError> {
        self.write(move |connection| {
            connection.execute(
                "UPDATE repositories SET paused = ?2 WHERE id = ?1",
                params![id.0, paused],
            )?;
            Ok(())
        })
        .await
    }

    /// Notes what the default branch of a repository says.
    pub async fn set_own_rules(&self, id: RepositoryId, rules: OwnRules) -> Result<(), DbError> {
        self.write(move |connection| {
            connection
                .prepare_cached("UPDATE repositories SET serve = ?2 WHERE id = ?1")?
                .execute(params![id.0, serde_json::to_string(&rules).ok()])?;
            Ok(())
        })
        .await
    }

    /// Notes what is wrong with a repository, or that nothing is any more.
    pub async fn set_problem(
        &self,
        id: RepositoryId,
        mut problem: Option<String>,
    ) -> Result<(), DbError> {
        self.clean(&mut problem);
        self.write(move |connection| {
            connection.execute(
                "UPDATE repositories SET problem = ?2 WHERE id = ?1",
                params![id.0, problem],
            )?;
            Ok(())
        })
        .await
    }
}

pub(super) fn find(
    connection: &Connection,
    id: RepositoryId,
) -> rusqlite::Result<Option<Repository>> {
    connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM repositories WHERE id = ?1"))?
        .query_row([id.0], of_row)
        .optional()
}
