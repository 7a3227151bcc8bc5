//! Shows a run of a server as `nixci check` shows its own.

use std::{
    io::{self, IsTerminal as _},
    process::ExitCode,
    sync::{Arc, Mutex},
    time::Duration,
};

use anyhow::anyhow;

use super::{connection::Connection, show::text};
use crate::{
    cli::{Failure, check::lock, print_note},
    event::{Event, EventKind},
    report::{Again, Detail, Format, NoSource, ReportFiles, ReportOptions, Reporter, resolve},
};

/// The longest line of events, in bytes.
const LINE_BYTES: usize = 16 << 20;
/// How often to look at a run that waits.
const LOOK: Duration = Duration::from_secs(1);
/// How many last lines of a failed build are shown.
const LOG_LINES: usize = 25;

/// Shows a run until it is over; ends with its exit code. Where it begins anew, that is shown from its beginning.
pub(super) async fn watch(server: &Connection, run: u64, json: bool) -> Result<ExitCode, Failure> {
    loop {
        if let Some(code) = watch_attempt(server, run, json).await? {
            return Ok(code);
        }
        print_note(&format_args!("run {run} is tried again"));
        tokio::time::sleep(LOOK).await;
    }
}

/// Shows an attempt at a run; `None`: there is to be another.
async fn watch_attempt(
    server: &Connection,
    run: u64,
    json: bool,
) -> Result<Option<ExitCode>, Failure> {
    let path = format!("/api/v1/runs/{run}");
    let mut said = String::new();
    let known = loop {
        let known = server.get(&path, &[]).await?;
        let state = known["state"].as_str().unwrap_or_default();
        if matches!(state, "running" | "finished") {
            break known;
        }
        if said != state {
            said = state.to_owned();
            print_note(&format_args!(
                "run {run}: {}",
                if state == "approval" {
                    "waits for approval"
                } else {
                    "waits for its turn"
                }
            ));
        }
        tokio::time::sleep(LOOK).await;
    };
    let format = json.then_some(Format::Json);
    let look = resolve(
        format,
        None,
        0,
        io::stdout().is_terminal(),
        io::stderr().is_terminal(),
        |name| std::env::var(name).ok(),
    );
    let options = ReportOptions {
        look,
        log_lines: LOG_LINES,
        verbosity: 0,
        detail: Detail::Events,
        keys: false,
        fold: true,
        stall_timeout: None,
        flake: text(&known["flake"]),
        attribute: "checks".to_owned(),
        scope: None,
        again: Again::default(),
        logs: None,
        flake_check: false,
        nix_version: (2, 34),
    };
    Reporter::restore_terminal_on_panic();
    let reporter = Arc::new(Mutex::new(Reporter::new(
        options,
        Box::new(NoSource),
        ReportFiles::default(),
    )));
    let result = follow(server, &format!("{path}/events"), &mut |event| {
        lock(&reporter).report(event)
    })
    .await;
    let _ = lock(&reporter).finish();
    let code = match result? {
        Followed::ToItsEnd(code) => code,
        Followed::Unseen => return Ok(Some(ExitCode::FAILURE)),
    };
    let known = server.get(&path, &[]).await?;
    if known["state"] != "finished" {
        return Ok(None);
    }
    if let Some(code) = code {
        return Ok(Some(ExitCode::from(code)));
    }
    // It never began, or was cut short.
    let outcome = text(&known["outcome"]);
    print_note(&format_args!(
        "run {run} {outcome}: {}",
        text(&known["error"])
    ));
    Ok(Some(ExitCode::from(u8::from(outcome != "passed"))))
}

/// How far a run was followed.
enum Followed {
    /// To the end of its events, with its exit code if it came to its own.
    ToItsEnd(Option<u8>),
    /// As long as somebody saw it.
    Unseen,
}

/// Reads events as they come.
async fn follow(
    server: &Connection,
    path: &str,
    report: &mut (dyn FnMut(&Event) -> io::Result<()> + Send),
) -> Result<Followed, Failure> {
    let mut answer = server.open(path, &[]).await?;
    let mut waiting = Vec::new();
    let mut code = None;
    while let Some(piece) = answer.chunk().await.map_err(|error| server.lost(&error))? {
        waiting.extend_from_slice(&piece);
        while let Some(end) = waiting.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = waiting.drain(..=end).collect();
            // A later server may have events that are not known here.
            let Ok(event) = serde_json::from_slice::<Event>(&line) else {
                continue;
            };
            if let EventKind::RunFinished { exit_code, .. } = event.kind {
                code = Some(exit_code);
            }
            if report(&event).is_err() {
                return Ok(Followed::Unseen);
            }
        }
        if waiting.len() > LINE_BYTES {
            return Err(Failure::infrastructure(anyhow!(
                "the server sends no lines"
            )));
        }
    }
    Ok(Followed::ToItsEnd(code))
}
