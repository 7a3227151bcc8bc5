//! Who did what.

use jiff::Timestamp;
use rusqlite::params;

use super::database::{DbError, ServerDb};

/// Something that somebody did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deed {
    /// When, in milliseconds since 1970.
    pub at: i64,
    /// Who, such as `socket:uid 0`, `token:deploy` or `work:alice`.
    pub who: String,
    /// What, in a word.
    pub what: String,
    /// To which thing.
    pub detail: String,
}

impl ServerDb {
    /// Notes who did what.
    pub async fn audit(
        &self,
        who: String,
        what: String,
        mut detail: String,
    ) -> Result<(), DbError> {
        self.clean([&mut detail]);
        let now = Timestamp::now().as_millisecond();
        self.write(move |connection| {
            connection.execute(
                "INSERT INTO audit (at, who, what, detail) VALUES (?1, ?2, ?3, ?4)",
                params![now, who, what, detail],
            )?;
            Ok(())
        })
        .await
    }

    /// What was done last, the newest first.
    pub async fn audited(&self, limit: usize) -> Result<Vec<Deed>, DbError> {
        self.read(move |connection| {
            connection
                .prepare("SELECT at, who, what, detail FROM audit ORDER BY id DESC LIMIT ?1")?
                .query_map([limit], |row| {
                    Ok(Deed {
                        at: row.get(0)?,
                        who: row.get(1)?,
                        what: row.get(2)?,
                        detail: row.get(3)?,
                    })
                })?
                .collect()
        })
        .await
    }
}
