//! What the daemon sends between a request and its reply: messages, then one word that ends them.
//!
//! Apart from the operations, because all of them, the handshake included, share it.

use tokio::io::AsyncRead;

use super::{
    Activity, ActivityId, ActivityKind, ActivityResult, LogMessage, StoreError, Verbosity,
    wire::WireReader,
};

/// One of the things that come before a reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// The daemon tells what it does.
    Message(LogMessage),
    /// The operation failed; there is no reply.
    Failed {
        /// What the daemon says, without ANSI escapes and without a leading `error:`.
        message: String,
    },
    /// The operation is done; the reply follows.
    Finished,
}

/// A value that comes with an activity or a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Number(u64),
    Text(String),
}

/// How many fields of an activity or a result are kept; none has more than four that mean something.
const FIELDS_KEPT: usize = 16;

// The words of the protocol; as bytes, most read as ASCII backwards.
const NEXT: u64 = 0x6f6c_6d67;
const START_ACTIVITY: u64 = 0x5354_5254;
const STOP_ACTIVITY: u64 = 0x5354_4f50;
const RESULT: u64 = 0x5253_4c54;
const ERROR: u64 = 0x6378_7470;
const LAST: u64 = 0x616c_7473;
const WRITE: u64 = 0x6461_7416;

impl Frame {
    /// Reads the next one.
    pub async fn read<R: AsyncRead + Unpin>(
        reader: &mut WireReader<R>,
    ) -> Result<Self, StoreError> {
        loop {
            let message = match reader.u64("message type").await? {
                NEXT => LogMessage::Next(reader.text("log text").await?),
                START_ACTIVITY => {
                    let id = ActivityId(reader.u64("activity id").await?);
                    let level = Verbosity::from_wire(reader.u64("activity level").await?);
                    let kind = ActivityKind::from_wire(reader.u64("activity type").await?);
                    let text = reader.text("activity text").await?;
                    let activity = Activity::from_fields(kind, read_fields(reader).await?);
                    let parent = ActivityId(reader.u64("activity parent").await?);
                    LogMessage::ActivityStarted {
                        id,
                        level,
                        activity,
                        text,
                        parent,
                    }
                }
                STOP_ACTIVITY => LogMessage::ActivityStopped {
                    id: ActivityId(reader.u64("activity id").await?),
                },
                RESULT => {
                    let id = ActivityId(reader.u64("result's activity id").await?);
                    let kind = reader.u64("result type").await?;
                    LogMessage::Result {
                        id,
                        result: ActivityResult::from_fields(kind, read_fields(reader).await?),
                    }
                }
                // Old daemons stream a NAR this way for an operation that this client does not use.
                WRITE => {
                    reader.text("data").await?;
                    continue;
                }
                ERROR => {
                    return Ok(Self::Failed {
                        message: read_error(reader).await?,
                    });
                }
                LAST => return Ok(Self::Finished),
                other => return Err(reader.nonsense("message type", format!("{other:#x} is none"))),
            };
            return Ok(Self::Message(message));
        }
    }
}

async fn read_fields<R: AsyncRead + Unpin>(
    reader: &mut WireReader<R>,
) -> Result<Vec<Field>, StoreError> {
    let mut fields = Vec::new();
    for _ in 0..reader.count("field count").await? {
        let field = match reader.u64("field type").await? {
            0 => Field::Number(reader.u64("number field").await?),
            1 => Field::Text(reader.text("text field").await?),
            other => {
                return Err(reader.nonsense(
                    "field type",
                    format!("{other} is neither a number nor a text"),
                ));
            }
        };
        if fields.len() < FIELDS_KEPT {
            fields.push(field);
        }
    }
    Ok(fields)
}

/// Reads an error in the form of protocol 1.26 and later and returns its message.
async fn read_error<R: AsyncRead + Unpin>(
    reader: &mut WireReader<R>,
) -> Result<String, StoreError> {
    reader.text("error type").await?;
    reader.u64("error level").await?;
    reader.text("error name").await?;
    let message = reader.text("error message").await?;
    read_no_position(reader).await?;
    for _ in 0..reader.count("error trace count").await? {
        read_no_position(reader).await?;
        reader.text("error trace").await?;
    }
    Ok(clean_message(&message))
}

/// Positions in source files never come from a store, and no daemon sends one.
async fn read_no_position<R: AsyncRead + Unpin>(
    reader: &mut WireReader<R>,
) -> Result<(), StoreError> {
    match reader.u64("error position").await? {
        0 => Ok(()),
        _ => Err(reader.nonsense(
            "error position",
            "a position is announced, and its form is not known",
        )),
    }
}

/// A message of Nix without ANSI escapes, without a leading `error:` and without space around it.
pub(crate) fn clean_message(message: &str) -> String {
    let message = console::strip_ansi_codes(message);
    let message = message.trim();
    message
        .strip_prefix("error:")
        .unwrap_or(message)
        .trim_start()
        .to_owned()
}

#[cfg(test)]
mod tests;
