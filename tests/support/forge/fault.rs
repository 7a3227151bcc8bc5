//! What goes wrong between a forge and whoever asks it: silence, lost connections, limits.

use std::{
    io,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use axum::{body::Body, http::Response as Answer, response::Response};
use futures_util::stream;
use serde_json::json;

use super::{Asked, Reply, World, plain};

/// A minute, less what a request may be under way.
const MINUTE: Duration = Duration::from_secs(58);

/// What goes wrong with the next request to a place.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    /// A part of `METHOD /path`; empty: any request.
    pub(crate) place: &'static str,
    pub(crate) kind: FaultKind,
}

/// How a request goes wrong.
#[derive(Clone, Debug)]
pub(crate) enum FaultKind {
    /// It is answered with this, and nothing is done.
    Answer(Reply),
    /// No answer ever comes.
    Silence(Done),
    /// The connection is cut in the middle of the answer.
    Cut(Done),
    /// It was enough: from now on every request to the place is refused, for so long.
    Limit(Limit, Duration),
}

/// Whether a request that goes wrong has been carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Done {
    Yes,
    No,
}

/// How a forge says that it was enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limit {
    /// GitHub's limit an hour: 403, nothing remains, and when it is reset.
    Primary,
    /// GitHub's limits of other kinds: 403, and in how many seconds to come back.
    Secondary,
    /// What everybody else says: 429.
    Plain,
}

/// A limit that is in force.
#[derive(Clone, Debug)]
pub(crate) struct Shut {
    place: &'static str,
    limit: Limit,
    until: SystemTime,
    /// The requests that were refused, with the one that found it shut first.
    pub(crate) refused: Vec<String>,
}

/// What to do with a request.
pub(super) enum Course {
    /// Carry it out and answer.
    Well,
    /// Answer this.
    Reply(Reply),
    /// Carry it out or not, and never answer.
    Silence(Done),
    /// Carry it out or not, and cut the answer.
    Cut(Done),
}

/// What goes wrong with this request.
pub(super) fn course(world: &mut World, asked: &Asked) -> Course {
    let request = format!("{} {}", asked.method, asked.path);
    let now = SystemTime::now();
    let mut shut = world.shut.iter_mut();
    if let Some(shut) = shut.find(|shut| request.contains(shut.place) && now < shut.until) {
        shut.refused.push(request);
        return Course::Reply(shut.reply());
    }
    if let Some(reply) = too_many(world, &request) {
        return Course::Reply(reply);
    }
    let mut faults = world.faults.iter();
    let Some(index) = faults.position(|fault| request.contains(fault.place)) else {
        return Course::Well;
    };
    let fault = world.faults.remove(index).expect("it was found");
    match fault.kind {
        FaultKind::Answer(reply) => Course::Reply(reply),
        FaultKind::Silence(done) => Course::Silence(done),
        FaultKind::Cut(done) => Course::Cut(done),
        FaultKind::Limit(limit, duration) => {
            let shut = Shut {
                place: fault.place,
                limit,
                // Told in whole seconds.
                until: UNIX_EPOCH + Duration::from_secs(epoch(now + duration) + 1),
                refused: vec![request],
            };
            let reply = shut.reply();
            world.shut.push(shut);
            Course::Reply(reply)
        }
    }
}

/// A refusal, if it is about a state more than may be written in a minute. One that is taken is counted.
fn too_many(world: &mut World, request: &str) -> Option<Reply> {
    let limit = world.writes_per_minute?;
    let is_state = request.starts_with("POST") && request.contains("/statuses/")
        || !request.starts_with("GET") && request.contains("/check-runs");
    if !is_state {
        return None;
    }
    let now = Instant::now();
    let of_late = |at: &&Instant| now.duration_since(**at) < MINUTE;
    if world.written.iter().filter(of_late).count() < limit {
        world.written.push(now);
        return None;
    }
    world.too_many.push(now);
    let first = world.written.iter().find(of_late)?;
    let left = MINUTE.saturating_sub(now.duration_since(*first));
    let retry_after = ("retry-after", (left.as_secs() + 1).to_string());
    let message = "You have exceeded a secondary rate limit.";
    Some((403, vec![retry_after], json!({ "message": message })))
}

impl Shut {
    fn reply(&self) -> Reply {
        let left = self.until.duration_since(SystemTime::now());
        let seconds = left.unwrap_or_default().as_secs() + 1;
        let (status, headers, message) = match self.limit {
            Limit::Primary => (
                403,
                vec![
                    ("x-ratelimit-limit", "5000".to_owned()),
                    ("x-ratelimit-remaining", "0".to_owned()),
                    ("x-ratelimit-used", "5000".to_owned()),
                    ("x-ratelimit-reset", epoch(self.until).to_string()),
                    ("x-ratelimit-resource", "core".to_owned()),
                ],
                "API rate limit exceeded for installation ID 5.",
            ),
            Limit::Secondary => (
                403,
                vec![
                    ("retry-after", seconds.to_string()),
                    ("x-ratelimit-remaining", "4321".to_owned()),
                    ("x-ratelimit-reset", epoch(self.until).to_string()),
                ],
                "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.",
            ),
            Limit::Plain => (
                429,
                vec![("retry-after", seconds.to_string())],
                "Too Many Requests",
            ),
        };
        let (_, _, body) = plain(status, json!({ "message": message }));
        (status, headers, body)
    }
}

fn epoch(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// The beginning of an answer, after which the connection is gone.
pub(super) fn cut(status: u16, body: &str) -> Response {
    let (begin, _) = body.split_at(body.len() / 2);
    let parts = [
        Ok(begin.to_owned()),
        Err(io::Error::from(io::ErrorKind::ConnectionReset)),
    ];
    Answer::builder()
        .status(status)
        .header("content-type", "application/json; charset=utf-8")
        .header("content-length", body.len().max(1))
        .body(Body::from_stream(stream::iter(parts)))
        .unwrap()
}
