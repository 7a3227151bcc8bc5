//! What people asked for by comments and buttons of a forge, and was carried out: told again, it does nothing.
//!
//! Kept as long as the repository: whoever can send an old webhook can do so at any time, under any name.

use rusqlite::{Connection, params};

use super::{
    database::{DbError, ServerDb},
    repositories::RepositoryId,
};

/// A command, by what it is known by however often it is told.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CommandKey {
    /// The repository.
    pub repository: RepositoryId,
    /// The comment, or the webhook that told of a button.
    pub word: String,
}

impl ServerDb {
    /// Whether a command was carried out.
    pub async fn knows_command(&self, command: CommandKey) -> Result<bool, DbError> {
        self.read(move |connection| {
            connection
                .prepare_cached("SELECT 1 FROM commands WHERE repository = ?1 AND word = ?2")?
                .exists(params![command.repository.0, command.word])
        })
        .await
    }
}

/// Notes that a command was carried out.
pub(super) fn note_command(
    connection: &Connection,
    command: &CommandKey,
    now: i64,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT OR IGNORE INTO commands (repository, word, at) VALUES (?1, ?2, ?3)",
        )?
        .execute(params![command.repository.0, command.word, now])?;
    Ok(())
}
