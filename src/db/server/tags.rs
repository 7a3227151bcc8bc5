//! The tags that repositories had when they were looked at.

use std::collections::BTreeMap;

use rusqlite::{Connection, params};

use super::{
    database::{DbError, ServerDb},
    repositories::RepositoryId,
};

/// Tags by their names below `refs/tags`, with the commits that they stand for.
pub type Tags = BTreeMap<String, String>;

/// What is other with the tags of a repository than when it was looked at before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChangedTags {
    /// Those that are new or elsewhere.
    pub set: Tags,
    /// The names of those that are gone.
    pub gone: Vec<String>,
    /// Whether it was never looked at before.
    pub is_first: bool,
}

impl ChangedTags {
    /// Whether there is nothing to note.
    pub fn is_empty(&self) -> bool {
        self.set.is_empty() && self.gone.is_empty() && !self.is_first
    }
}

impl ServerDb {
    /// Compares the tags that a repository has with those that were noted.
    pub async fn changed_tags(
        &self,
        repository: RepositoryId,
        mut tags: Tags,
    ) -> Result<ChangedTags, DbError> {
        self.read(move |connection| {
            let is_first = connection
                .prepare_cached("SELECT 1 FROM repositories WHERE id = ?1 AND NOT tags_seen")?
                .exists([repository.0])?;
            let mut gone = Vec::new();
            let mut noted = connection
                .prepare_cached("SELECT name, commit_id FROM tags WHERE repository = ?1")?;
            let mut rows = noted.query([repository.0])?;
            while let Some(row) = rows.next()? {
                let (name, commit): (String, String) = (row.get(0)?, row.get(1)?);
                match tags.get(&name) {
                    None => gone.push(name),
                    Some(now) if *now == commit => drop(tags.remove(&name)),
                    Some(_) => {}
                }
            }
            Ok(ChangedTags {
                set: tags,
                gone,
                is_first,
            })
        })
        .await
    }

    /// Notes what is other.
    pub async fn note_tags(
        &self,
        repository: RepositoryId,
        changed: ChangedTags,
    ) -> Result<(), DbError> {
        self.write(move |connection| note(connection, repository, &changed))
            .await
    }
}

fn note(
    connection: &Connection,
    repository: RepositoryId,
    changed: &ChangedTags,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached("UPDATE repositories SET tags_seen = 1 WHERE id = ?1")?
        .execute([repository.0])?;
    for name in &changed.gone {
        connection
            .prepare_cached("DELETE FROM tags WHERE repository = ?1 AND name = ?2")?
            .execute(params![repository.0, name])?;
    }
    for (name, commit) in &changed.set {
        connection
            .prepare_cached(
                "INSERT INTO tags (repository, name, commit_id) SELECT id, ?2, ?3 FROM repositories WHERE id = ?1
                 ON CONFLICT (repository, name) DO UPDATE SET commit_id = ?3",
            )?
            .execute(params![repository.0, name, commit])?;
    }
    Ok(())
}
