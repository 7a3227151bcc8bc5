//! What builds may log without a cost.

use std::time::Instant;

use nixci::store::{ActivityResult, BuildMode, LogMessage};

use crate::{
    fault::{DRV, build_with, good_end, open},
    support::{
        PATIENCE,
        stand_in::{
            Act, StandIn,
            answer::{self, Value},
            wire::Wire,
        },
    },
};

/// The most memory this process ever had, in bytes.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

/// Runs a test of this program alone in a process of its own, where its memory can be measured.
fn run_alone(test: &str) {
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--ignored", "--nocapture"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[cfg(target_os = "linux")]
#[test]
fn a_line_of_100_mb_costs_no_memory() {
    run_alone("memory::a_line_of_100_mb");
}

#[tokio::test]
#[ignore = "it measures the memory of its process; another test runs it"]
async fn a_line_of_100_mb() {
    const LENGTH: u64 = 100_000_000;
    let before = peak_memory();
    let acts = vec![
        Act::Send(answer::start_build(1, DRV).raw(answer::log_line_header(1, LENGTH))),
        Act::Flood(LENGTH),
        Act::Send(good_end()),
    ];
    let started = Instant::now();
    let (results, messages, (mut connection, _stand_in)) = build_with(acts).await;
    assert_eq!(results.unwrap().len(), 1);
    let [
        _,
        LogMessage::Result {
            result: ActivityResult::LogLine(line),
            ..
        },
    ] = &messages[..]
    else {
        panic!("{messages:?}")
    };
    assert!(line.ends_with(&format!("xx… [{} more bytes]", LENGTH - (64 << 10))));
    connection.query_missing(&[]).await.unwrap();
    let grown = peak_memory() - before;
    assert!(grown < 4 << 20, "{grown} bytes");
    assert!(started.elapsed() < PATIENCE, "{:?}", started.elapsed());
}

#[cfg(target_os = "linux")]
#[test]
fn a_million_lines_cost_no_memory() {
    run_alone("memory::a_million_lines");
}

#[tokio::test]
#[ignore = "it measures the memory of its process; another test runs it"]
async fn a_million_lines() {
    let line = answer::result(
        1,
        answer::LOG_LINE,
        &[Value::Text("a line of a log, as builds write them")],
    );
    let thousand = Wire((0..1000).flat_map(|_| line.0.clone()).collect());
    let mut acts = vec![Act::Send(thousand); 1000];
    acts.push(Act::Send(good_end()));
    let stand_in = StandIn::builder().building_with(acts).start();
    let mut connection = open(&stand_in).await.unwrap();
    let (before, mut lines) = (peak_memory(), 0);
    let started = Instant::now();
    connection
        .build_paths_with_results(&[], BuildMode::Normal, &mut |_| lines += 1)
        .await
        .unwrap();
    let elapsed = started.elapsed();
    assert_eq!(lines, 1_000_000);
    let grown = peak_memory() - before;
    // The stand-in in this process copies the acts, which are 96 MB.
    assert!(grown < (96 << 20) + (8 << 20), "{grown} bytes");
    println!("{lines} lines in {elapsed:?}");
}
