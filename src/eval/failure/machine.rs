//! Tells what Nix says when the machine is at fault, and not what it evaluates.
//!
//! A flake can `throw` such words, and gains nothing by it: its evaluation fails as a whole, and is tried a few times.

use super::parse;

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
/// is so on purpose where an evaluation has no network.
const DOWNLOAD: &str = "unable to download '";
const PASSING: [&str; 3] = ["Timeout was reached", "HTTP error 429", "HTTP error 5"];

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
    // What is behind the address is Nix's.
    let is_passing = first
        .strip_prefix(DOWNLOAD)
        .and_then(|rest| rest.split_once("': "))
        .is_some_and(|(_, said)| PASSING.iter().any(|why| said.contains(why)));
    let is_at_fault = is_cut
        || is_passing
        || DAEMON.iter().any(|begin| first.starts_with(begin))
        || SHORT_OF.iter().any(|why| first.contains(why));
    (is_at_fault && !is_thrown).then(|| first.clone())
}
