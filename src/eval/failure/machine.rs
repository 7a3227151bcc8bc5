//! Tells what Nix says when the machine is at fault, and not what it evaluates.
//!
//! A flake can `throw` such words, and gains nothing by it: its evaluation fails as a whole, and is tried a few times.

use super::parse;
use crate::eval::sections::{ACCESS_LINE, UNREACHABLE};

/// What the message begins with when the daemon is gone (`uds-remote-store.cc`, `remote-store.cc`, `serialise.cc` and
/// `file-descriptor.cc` of Nix 2.8 to 2.34; the reads and writes as seen when a daemon is killed).
const DAEMON: [&str; 4] = [
    "cannot connect to socket at '",
    "cannot open connection to remote store '",
    "Nix daemon disconnected unexpectedly",
    "unexpected end-of-file",
];
/// What it begins with when something cannot be written to or read from, and ends with when that is a daemon's connection.
const TRANSFER: [&str; 4] = [
    "writing to file: ",
    "write of ",
    "reading from file: ",
    "read of ",
];
const CUT: [&str; 2] = [": Broken pipe", ": Connection reset by peer"];
/// What is in it when the machine has no more of something (`strerror(3)`; SQLite's words; `filetransfer.cc`).
const SHORT_OF: [&str; 6] = [
    ": No space left on device",
    ": Disk quota exceeded",
    ": Cannot allocate memory",
    ": Too many open files",
    "database or disk is full",
    ": Read-only file system",
];
/// What is in it when something cannot be fetched now, and may be later. Not that a host cannot be found or reached: that
/// is so on purpose where an evaluation has no network. Where it has a proxy that says so by 504 (`egress` of the server).
/// The words are those of `filetransfer.cc`, curl and git.
const PASSING: [&str; 6] = [
    "Timeout was reached",
    "HTTP error 429",
    "HTTP error 5",
    "returned error: 429",
    "returned error: 5",
    "CONNECT tunnel failed, response 504",
];
/// What is before the address in such a message, from Nix 2.19 on inside of another one for archives.
const DOWNLOADS: [&str; 2] = [
    "unable to download '",
    "Failed to open archive (Source threw exception: error: unable to download '",
];

/// What is said of something that cannot be fetched, behind its address, which may have any words in it.
fn said_of_fetching<'t>(first: &'t str, text: &'t str) -> Option<&'t str> {
    let mut downloads = DOWNLOADS.iter();
    if let Some(rest) = downloads.find_map(|begin| first.strip_prefix(begin)) {
        return Some(rest.split_once("': ")?.1);
    }
    let (_, last) = text.rsplit_once('\n')?;
    let of_git = last.strip_prefix(ACCESS_LINE)?;
    Some(of_git.split_once(UNREACHABLE)?.1)
}

/// Returns the message of an error text of Nix if it says that the machine is at fault.
pub(in crate::eval) fn machines_fault(text: &str) -> Option<String> {
    let (message, frames) = parse(text);
    let is_thrown = frames.iter().any(|frame| {
        let text = frame.text.first().map_or("", String::as_str);
        ["'throw' builtin", "'abort' builtin"]
            .iter()
            .any(|called| text.contains(called))
    });
    let first = message.text.first()?;
    let is_cut = TRANSFER.iter().any(|begin| first.starts_with(begin))
        && CUT.iter().any(|end| first.ends_with(end));
    let is_passing = said_of_fetching(first, text)
        .is_some_and(|said| PASSING.iter().any(|why| said.contains(why)));
    let is_at_fault = is_cut
        || is_passing
        || DAEMON.iter().any(|begin| first.starts_with(begin))
        || SHORT_OF.iter().any(|why| first.contains(why));
    (is_at_fault && !is_thrown).then(|| first.clone())
}
