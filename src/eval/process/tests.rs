use std::{process::Stdio, time::Duration};

use rustix::process::Pid;
use tokio::process::Command;

use super::{LINE_MAX, Lines, Process};

async fn lines_of(text: &[u8]) -> Vec<Vec<u8>> {
    let mut lines = Lines::new(text, None);
    let mut all = Vec::new();
    while let Some(line) = lines.next().await {
        all.push(line);
    }
    all
}

#[tokio::test]
async fn lines_end_at_newlines_and_at_the_end() {
    assert_eq!(
        lines_of(b"a\n\nb\xff\nc").await,
        [&b"a"[..], b"", b"b\xff", b"c"]
    );
    assert!(lines_of(b"").await.is_empty());
}

#[tokio::test]
async fn a_line_without_end_is_cut() {
    let mut text = vec![b'x'; LINE_MAX + 10];
    text.extend_from_slice(b"\nnext\n");
    let lines = lines_of(&text).await;
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0].len(), LINE_MAX);
    assert_eq!(lines[1], b"next");
}

/// Starts a shell with a child, and returns it with the child's process id.
async fn with_grandchild(script: &str) -> (Process, Pid) {
    let mut process = Process::spawn(
        Command::new("/bin/sh")
            .args(["-c", script])
            .stdout(Stdio::piped()),
    )
    .unwrap();
    let line = Lines::new(process.stdout(), None).next().await.unwrap();
    let grandchild: i32 = String::from_utf8(line).unwrap().parse().unwrap();
    let grandchild = Pid::from_raw(grandchild).unwrap();
    assert!(is_running(grandchild));
    (process, grandchild)
}

fn assert_ends(grandchild: Pid) {
    for _ in 0..500 {
        if !is_running(grandchild) {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("the grandchild lives on");
}

const PLAIN: &str = "sleep 1000 & echo $!; wait";
const STUBBORN: &str = "trap '' TERM; sleep 1000 & echo $!; while :; do sleep 1; done";

#[tokio::test]
async fn ending_a_process_ends_its_whole_group() {
    for script in [PLAIN, STUBBORN] {
        let (mut process, grandchild) = with_grandchild(script).await;
        assert!(!process.end().await.unwrap().success());
        assert_eq!(process.id(), None);
        assert_ends(grandchild);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn dropping_a_process_ends_its_whole_group() {
    for script in [PLAIN, STUBBORN] {
        let (process, grandchild) = with_grandchild(script).await;
        drop(process);
        assert_ends(grandchild);
    }
}

#[test]
fn a_runtime_that_ends_takes_its_processes_with_it() {
    for script in [PLAIN, STUBBORN] {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let (process, grandchild) = runtime.block_on(with_grandchild(script));
        let (dropped, other) = runtime.block_on(with_grandchild(script));
        {
            let _entered = runtime.enter();
            drop(dropped);
        }
        drop(runtime);
        drop(process);
        assert_ends(grandchild);
        assert_ends(other);
    }
}

/// A process that nobody waits for (there is no init in a container) stays as a zombie, which does not run.
fn is_running(pid: Pid) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()));
    match stat {
        Ok(stat) => !stat.contains(") Z "),
        Err(_) => rustix::process::test_kill_process(pid).is_ok() && !cfg!(target_os = "linux"),
    }
}

#[tokio::test]
async fn a_program_that_is_not_there_is_named() {
    let error = match Process::spawn(&mut Command::new("/nowhere/nix")) {
        Ok(_) => panic!("it ran"),
        Err(error) => error.to_string(),
    };
    assert!(
        error.starts_with("cannot run `/nowhere/nix`: No such file"),
        "{error}"
    );
}
