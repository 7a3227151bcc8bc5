use std::{
    io,
    path::Path,
    time::{Duration, Instant},
};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_util::task::TaskTracker;

use super::{ChildOutput, STDERR_KEPT_BYTES, start};

/// How long it may take on a busy machine until a child is gone.
const PATIENCE: Duration = Duration::from_secs(20);

fn shell(script: &str) -> (ChildOutput, tokio::process::ChildStdin) {
    start(
        Path::new("/bin/sh"),
        &["-c".into(), script.into()],
        &[("GREETING".into(), "hello".into())],
        &TaskTracker::new(),
    )
    .unwrap()
}

async fn read_to_end(output: &mut ChildOutput) -> (String, io::Error) {
    let mut said = Vec::new();
    let error = output.read_to_end(&mut said).await.unwrap_err();
    (String::from_utf8(said).unwrap(), error)
}

/// Whether such a process runs. One that ended and that nobody has waited for yet has no command line.
fn exists(pid: &str) -> bool {
    let path = Path::new("/proc").join(pid.trim()).join("cmdline");
    std::fs::read(path).is_ok_and(|command_line| !command_line.is_empty())
}

#[tokio::test]
async fn it_talks_on_its_pipes() {
    let (mut output, mut input) = shell("read line; echo \"$GREETING $line\"");
    input.write_all(b"world\n").await.unwrap();
    assert_eq!(read_to_end(&mut output).await.0, "hello world\n");
}

#[tokio::test]
async fn its_end_is_an_error_that_says_why() {
    let (mut output, _input) =
        shell("printf '\\033[31merror:\\033[0m no store here\\n' >&2; exit 3");
    let (said, error) = read_to_end(&mut output).await;
    assert_eq!(
        (said.as_str(), error.kind()),
        ("", io::ErrorKind::BrokenPipe)
    );
    assert_eq!(
        error.to_string(),
        "the daemon's process ended (exit status: 3): no store here"
    );
}

#[tokio::test]
async fn a_flood_of_errors_is_read_and_its_end_is_kept() {
    let (mut output, _input) = shell(
        "i=0; while [ $i -lt 20000 ]; do echo 'some words to fill the pipe' >&2; i=$((i+1)); done; echo last >&2",
    );
    let error = read_to_end(&mut output).await.1.to_string();
    assert!(error.ends_with("last"), "{error}");
    assert!(error.len() < STDERR_KEPT_BYTES + 100, "{}", error.len());
}

#[tokio::test]
async fn a_missing_program_is_an_error() {
    let error = start(Path::new("/no/such/program"), &[], &[], &TaskTracker::new()).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
}

#[tokio::test]
async fn it_ends_when_its_input_is_closed() {
    let (mut output, input) = shell("echo $$; while read line; do :; done");
    let mut pid = [0; 32];
    let length = output.read(&mut pid).await.unwrap();
    let pid = String::from_utf8_lossy(&pid[..length]).into_owned();
    assert!(exists(&pid));
    drop(input);
    let started = Instant::now();
    output.close().await;
    assert!(started.elapsed() < PATIENCE, "{:?}", started.elapsed());
    assert!(!exists(&pid));
}

#[tokio::test]
async fn a_stubborn_one_is_killed_with_its_group() {
    // Neither the end of its input nor a SIGTERM impresses it, and it has a child that is as stubborn.
    let (mut output, input) = shell(
        "trap '' TERM; (trap '' TERM; while :; do sleep 1; done) & echo $$ $!; while :; do sleep 1; done",
    );
    let mut pids = [0; 64];
    let length = output.read(&mut pids).await.unwrap();
    let pids = String::from_utf8_lossy(&pids[..length]).into_owned();
    let started = Instant::now();
    drop((input, output));
    while pids.split_whitespace().any(exists) {
        assert!(started.elapsed() < PATIENCE, "it still runs: {pids}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn one_that_closes_its_output_is_ended() {
    let (mut output, _input) = shell("exec >&-; sleep 60");
    let started = Instant::now();
    let error = read_to_end(&mut output).await.1.to_string();
    assert!(started.elapsed() < PATIENCE, "{:?}", started.elapsed());
    // It is killed if that does not come about soon enough.
    let ends = ["15 (SIGTERM)", "9 (SIGKILL)"]
        .map(|signal| format!("the daemon's process ended (signal: {signal})"));
    assert!(ends.contains(&error), "{error}");
}
