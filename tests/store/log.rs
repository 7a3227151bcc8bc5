//! What builders write.

use nixci::store::{ActivityResult, LogMessage, Meaning, Success};

use crate::fixture::{all, build};

/// What the builds said, line by line.
pub(crate) fn log(messages: &[LogMessage]) -> Vec<&str> {
    messages
        .iter()
        .filter_map(|message| match message {
            LogMessage::Result {
                result: ActivityResult::LogLine(line),
                ..
            } => Some(line.as_str()),
            _ => None,
        })
        .collect()
}

#[tokio::test]
async fn phases_and_odd_lines_arrive() {
    for fixture in all() {
        let drv_path = fixture.instantiate_one(
            r#"drv "phases" ''
                 echo '@nix {"action":"setPhase","phase":"buildPhase"}' >&2
                 printf 'escape \033[31m tab \t bell \a\n'
                 printf 'not UTF-8 \377\n'
                 echo '@nix {"action":"setPhase","phase":"installPhase"}' >&2
                 printf 'no newline at the end'
                 echo > $out
               '' { }"#,
        );
        let mut connection = fixture.open().await;
        let (result, messages) = build(&mut connection, &drv_path).await;
        assert_eq!(
            result.unwrap().meaning(),
            Meaning::Success(Success::Built),
            "{fixture}"
        );
        let phases: Vec<&str> = messages
            .iter()
            .filter_map(|message| match message {
                LogMessage::Result {
                    result: ActivityResult::Phase(phase),
                    ..
                } => Some(phase.as_str()),
                _ => None,
            })
            .collect();
        assert_eq!(phases, ["buildPhase", "installPhase"], "{fixture}");
        let lines = log(&messages);
        assert_eq!(lines.len(), 3, "{fixture}: {lines:?}");
        assert!(lines[0].contains('\x1b'), "{fixture}: {lines:?}");
        assert!(lines[1].contains('\u{fffd}'), "{fixture}: {lines:?}");
        assert_eq!(lines[2], "no newline at the end", "{fixture}");
        connection.close().await;
    }
}
