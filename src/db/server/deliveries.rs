//! Webhooks that were taken: kept until what they say is done, their ids for longer, so that a replay does nothing.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::database::{DbError, ServerDb};

/// For how long the id of a delivery is known, in milliseconds: GitHub sends one again for three days.
const KNOWN_FOR: i64 = 30 * 24 * 60 * 60 * 1000;

/// A webhook whose signature was right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewDelivery {
    /// The forge, by its name in the configuration.
    pub forge: String,
    /// The forge's id of it.
    pub delivery: String,
    /// The kind of event, as the forge calls it.
    pub event: String,
    /// The type of the body.
    pub content_type: String,
    /// The body.
    pub body: Vec<u8>,
}

/// A webhook that is not handled yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Its number.
    pub id: i64,
    /// What was taken.
    pub new: NewDelivery,
}

impl ServerDb {
    /// Keeps a webhook. Returns whether it is new: one whose id is known is not kept again.
    pub async fn keep_delivery(&self, new: NewDelivery) -> Result<bool, DbError> {
        let now = Timestamp::now().as_millisecond();
        self.write(move |connection| {
            let added = connection
                .prepare_cached(
                    "INSERT OR IGNORE INTO deliveries (forge, delivery, event, content_type, body, received_at)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                )?
                .execute(params![new.forge, new.delivery, new.event, new.content_type, new.body, now])?;
            Ok(added > 0)
        })
        .await
    }

    /// The numbers of the webhooks that are not handled yet, oldest first, at most so many: their bodies may be large.
    pub async fn open_deliveries(&self, limit: usize) -> Result<Vec<i64>, DbError> {
        self.read(move |connection| {
            connection
                .prepare_cached(
                    "SELECT id FROM deliveries WHERE handled_at IS NULL ORDER BY id LIMIT ?1",
                )?
                .query_map([limit], |row| row.get(0))?
                .collect()
        })
        .await
    }

    /// A webhook.
    pub async fn delivery(&self, id: i64) -> Result<Option<Delivery>, DbError> {
        self.read(move |connection| {
            connection
                .prepare_cached(
                    "SELECT id, forge, delivery, event, content_type, body FROM deliveries WHERE id = ?1",
                )?
                .query_row([id], |row| {
                    Ok(Delivery {
                        id: row.get(0)?,
                        new: NewDelivery {
                            forge: row.get(1)?,
                            delivery: row.get(2)?,
                            event: row.get(3)?,
                            content_type: row.get(4)?,
                            body: row.get::<_, Option<_>>(5)?.unwrap_or_default(),
                        },
                    })
                })
                .optional()
        })
        .await
    }

    /// Whether a delivery of this id was taken.
    pub async fn knows_delivery(&self, forge: String, delivery: String) -> Result<bool, DbError> {
        self.read(move |connection| {
            connection
                .query_row(
                    "SELECT 1 FROM deliveries WHERE forge = ?1 AND delivery = ?2",
                    [forge, delivery],
                    |_| Ok(()),
                )
                .optional()
                .map(|found| found.is_some())
        })
        .await
    }

    /// Forgets webhooks that are too old to come again.
    pub async fn prune_deliveries(&self) -> Result<usize, DbError> {
        let before = Timestamp::now().as_millisecond() - KNOWN_FOR;
        self.write(move |connection| {
            connection.execute(
                "DELETE FROM deliveries WHERE received_at < ?1 AND handled_at IS NOT NULL",
                [before],
            )
        })
        .await
    }
}

/// Notes what came of a webhook, and drops its body.
pub(super) fn handled(
    connection: &Connection,
    id: i64,
    result: &str,
    now: i64,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "UPDATE deliveries SET handled_at = ?2, result = ?3, body = NULL WHERE id = ?1",
        )?
        .execute(params![id, now, result])?;
    Ok(())
}
