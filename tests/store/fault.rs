//! Daemons that do what no daemon should.

use std::{error::Error as _, time::Duration};

use nixci::{
    nix::StorePath,
    store::{
        Activity, ActivityKind, ActivityResult, BuildMode, ClientSettings, Connection, DerivedPath,
        KeyedBuildResult, LogMessage, ProtocolVersion, StoreAddress, StoreError, Trust,
    },
};

use crate::support::stand_in::{
    Act, Asked, StandIn,
    answer::{self, Value},
    built,
    wire::Wire,
};

pub(crate) const DRV: &str = "/nix/store/6gdvyj6j7fbm4bkvqy7rrp36n7m5b9ha-a.drv";

pub(crate) async fn open(stand_in: &StandIn) -> Result<Connection, StoreError> {
    Connection::open(
        &StoreAddress::Socket(stand_in.socket()),
        &ClientSettings::default(),
    )
    .await
}

/// Builds one derivation with a stand-in that does this for a build.
pub(crate) async fn build_with(
    acts: Vec<Act>,
) -> (
    Result<Vec<KeyedBuildResult>, StoreError>,
    Vec<LogMessage>,
    (Connection, StandIn),
) {
    let stand_in = StandIn::builder().building_with(acts).start();
    let mut connection = open(&stand_in).await.unwrap();
    let mut messages = Vec::new();
    let target = DerivedPath::all_outputs(StorePath::parse(DRV).unwrap());
    let results = connection
        .build_paths_with_results(&[target], BuildMode::Normal, &mut |message| {
            messages.push(message);
        })
        .await;
    (results, messages, (connection, stand_in))
}

/// The end of a build that went well.
pub(crate) fn good_end() -> Wire {
    let result = answer::keyed_build_result(&built(&format!("{DRV}!*")), ProtocolVersion::NEWEST);
    answer::last().u64(1).raw(result)
}

/// An error with its sources, as a user would see it; the folder of the socket is left out.
fn shown(error: &StoreError) -> String {
    let mut text = error.to_string();
    if let Some(source) = error.source() {
        text = format!("{text}: {source}");
    }
    let start = text.find("`/tmp/nixci-").map(|at| at + 1);
    if let Some(start) = start {
        let end = text[start..].find("/socket").unwrap() + start;
        text.replace_range(start..end, "DIR");
    }
    text
}

#[tokio::test]
async fn every_version_from_1_34_is_spoken() {
    for (announced, spoken) in [
        (34, 34),
        (35, 35),
        (36, 36),
        (37, 37),
        (38, 38),
        (39, 38),
        (200, 38),
    ] {
        let stand_in = StandIn::builder().speaking(announced).start();
        let mut connection = open(&stand_in).await.unwrap();
        assert_eq!(connection.protocol_version(), ProtocolVersion::new(spoken));
        assert_eq!(connection.nix_version(), "2.99-stand-in");
        assert_eq!(
            connection.trust(),
            if spoken < 35 {
                Trust::Unknown
            } else {
                Trust::Trusted
            }
        );
        let target = DerivedPath::all_outputs(StorePath::parse(DRV).unwrap());
        let results = connection
            .build_paths_with_results(std::slice::from_ref(&target), BuildMode::Check, &mut |_| ())
            .await;
        assert_eq!(results.unwrap()[0].target, target);
        let asked = stand_in.asked();
        assert!(matches!(asked[0], Asked::SetOptions { .. }), "{asked:?}");
        assert_eq!(
            asked[1],
            Asked::BuildPathsWithResults {
                targets: vec![format!("{DRV}!*")],
                mode: 2
            }
        );
    }
}

#[tokio::test]
async fn settings_are_sent_once_for_each_connection() {
    let stand_in = StandIn::builder().start();
    let settings = ClientSettings {
        max_build_jobs: 3,
        overrides: [("timeout".to_owned(), "60".to_owned())].into(),
        ..ClientSettings::default()
    };
    let mut connection = Connection::open(&StoreAddress::Socket(stand_in.socket()), &settings)
        .await
        .unwrap();
    connection.query_missing(&[]).await.unwrap();
    let asked = stand_in.asked();
    let words = vec![0, 1, 0, 0, 3, 0, 1, 0, 0, 0, 0, 1];
    let overrides = vec![("timeout".to_owned(), "60".to_owned())];
    assert_eq!(
        asked,
        [
            Asked::SetOptions { words, overrides },
            Asked::QueryMissing { targets: vec![] }
        ]
    );
}

#[tokio::test]
async fn handshakes_that_go_wrong_are_explained() {
    let magic = || Wire::default().u64(0x6478_696f);
    let send = |wire: Wire| vec![Act::Send(wire), Act::Hang];
    let mut table = Vec::new();
    for (what, acts) in [
        ("1.33", send(magic().u64(0x121))),
        ("2.0", send(magic().u64(0x200))),
        (
            "a web server",
            send(Wire::default().raw("HTTP/1.1 400 Bad Request\r\n\r\n")),
        ),
        ("hangs up at once", vec![Act::Close]),
        (
            "refuses",
            send(
                magic()
                    .u64(0x123)
                    .string("2.18")
                    .u64(2)
                    .raw(answer::error("\x1b[31merror:\x1b[0m go away")),
            ),
        ),
        ("odd trust", send(magic().u64(0x123).string("2.18").u64(3))),
        ("endless features", send(magic().u64(0x126).u64(u64::MAX))),
    ] {
        let stand_in = StandIn::builder().greeting_with(acts).start();
        let error = open(&stand_in).await.unwrap_err();
        table.push(format!("{what}\n  {}", shown(&error)));
    }
    for address in [
        StoreAddress::Socket("/no/such/socket".into()),
        StoreAddress::Command {
            program: "/no/such/nix-daemon".into(),
            args: vec!["--stdio".into()],
            env: vec![],
        },
        StoreAddress::Command {
            program: "/bin/sh".into(),
            args: vec![
                "-c".into(),
                "echo 'cannot open the store' >&2; exit 1".into(),
            ],
            env: vec![],
        },
    ] {
        let error = Connection::open(&address, &ClientSettings::default())
            .await
            .unwrap_err();
        assert!(error.is_connection_lost());
        table.push(format!("{address}\n  {}", shown(&error)));
    }
    insta::assert_snapshot!(table.join("\n"));
}

#[tokio::test(start_paused = true)]
async fn a_daemon_that_never_answers_is_given_up_after_30_seconds() {
    let stand_in = StandIn::builder().greeting_with([Act::Hang]).start();
    let started = tokio::time::Instant::now();
    let error = open(&stand_in).await.unwrap_err();
    assert_eq!(started.elapsed().as_secs(), 30);
    assert_eq!(
        shown(&error),
        "cannot connect to the Nix daemon at `DIR/socket` (restart the daemon): no answer within 30 seconds"
    );
}

#[tokio::test]
async fn builds_that_go_wrong_are_explained() {
    let start = || answer::start_build(1, DRV);
    let result = |wire: Wire| {
        vec![Act::Send(
            start()
                .raw(answer::last())
                .u64(1)
                .string(format!("{DRV}!*"))
                .raw(wire),
        )]
    };
    let mut table = Vec::new();
    for (what, acts) in [
        ("hangs up", vec![Act::Send(start()), Act::Close]),
        (
            "hangs up within a message",
            vec![
                Act::Send(start()),
                Act::Send(answer::log_line_header(1, 100)),
                Act::Close,
            ],
        ),
        (
            "garbage",
            vec![Act::Send(start().raw([0xaa; 64])), Act::Hang],
        ),
        (
            "garbage in a message",
            vec![
                Act::Send(Wire::default().u64(0x5354_5254).raw([0xaa; 64])),
                Act::Hang,
            ],
        ),
        (
            "wants data",
            vec![
                Act::Send(Wire::default().u64(0x6461_7461).u64(8)),
                Act::Hang,
            ],
        ),
        (
            "endless results",
            vec![Act::Send(answer::last().u64(u64::MAX)), Act::Hang],
        ),
        (
            "a result for nothing",
            vec![
                Act::Send(answer::last().u64(1).string("nothing")),
                Act::Hang,
            ],
        ),
        (
            "a huge line",
            vec![Act::Send(answer::log_line_header(1, 1 << 40)), Act::Hang],
        ),
        (
            "an odd flag",
            result(Wire::default().u64(0).string("").u64(1).u64(2)),
        ),
        (
            "refuses",
            vec![
                Act::Send(start().raw(answer::error("\x1b[31;1merror:\x1b[0m no"))),
                Act::Hang,
            ],
        ),
    ] {
        let (results, _, (mut connection, _stand_in)) = build_with(acts).await;
        let error = results.unwrap_err();
        let refused = matches!(error, StoreError::Daemon { .. });
        assert_eq!(error.is_connection_lost(), !refused, "{what}");
        table.push(format!("{what}\n  {}", shown(&error)));
        if !refused {
            let after = connection.query_missing(&[]).await.unwrap_err();
            assert!(
                matches!(after, StoreError::Unusable { .. }),
                "{what}: {after:?}"
            );
        }
    }
    insta::assert_snapshot!(table.join("\n"));
}

#[tokio::test]
async fn what_newer_daemons_say_is_handed_on_as_unknown() {
    let strange = Wire::default()
        .raw(answer::start(
            1,
            4711,
            "something new",
            &[Value::Text("a"), Value::Number(1)],
        ))
        .raw(answer::start(
            2,
            answer::BUILD,
            "a build without a derivation",
            &[],
        ))
        .raw(answer::result(1, 4712, &[Value::Number(1)]))
        .raw(answer::result(1, answer::LOG_LINE, &[Value::Number(1)]))
        .raw(answer::next("words"))
        .raw(answer::stop(99))
        .raw(good_end());
    let (results, messages, _) = build_with(vec![Act::Send(strange)]).await;
    assert_eq!(results.unwrap().len(), 1);
    let activities: Vec<_> = messages
        .iter()
        .filter_map(|message| match message {
            LogMessage::ActivityStarted { activity, .. } => Some(activity.clone()),
            _ => None,
        })
        .collect();
    let unknown = |kind| Activity::Unknown { kind };
    assert_eq!(
        activities,
        [
            unknown(ActivityKind::Unknown(4711)),
            unknown(ActivityKind::Build)
        ]
    );
    let results: Vec<_> = messages
        .iter()
        .filter_map(|message| match message {
            LogMessage::Result { result, .. } => Some(result.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(
        results,
        [
            ActivityResult::Unknown { kind: 4712 },
            ActivityResult::Unknown { kind: 101 }
        ]
    );
    assert_eq!(messages.len(), 6);
}

#[tokio::test]
async fn a_daemon_that_dribbles_is_understood() {
    let said = answer::start_build(1, DRV).raw(answer::result(
        1,
        answer::LOG_LINE,
        &[Value::Text("slow")],
    ));
    let act = Act::Dribble(said.raw(good_end()), Duration::from_micros(50));
    let (results, messages, (mut connection, _stand_in)) = build_with(vec![act]).await;
    assert_eq!(results.unwrap().len(), 1);
    assert_eq!(messages.len(), 2);
    connection.query_missing(&[]).await.unwrap();
}

#[tokio::test]
async fn a_target_without_a_result_is_no_error() {
    let (results, ..) = build_with(vec![Act::Send(answer::last().u64(0))]).await;
    assert_eq!(results.unwrap(), []);
}

#[tokio::test]
async fn temporary_roots_are_sent_in_batches_and_refusals_are_collected() {
    let refuse = |asked: &Asked| match asked {
        Asked::AddTempRoot { path } if path.ends_with("-7") => {
            Some(vec![Act::Send(answer::error("not number seven"))])
        }
        _ => None,
    };
    let stand_in = StandIn::builder().answering(refuse).start();
    let mut connection = open(&stand_in).await.unwrap();
    let paths: Vec<StorePath> = (0..1000)
        .map(|n| StorePath::parse(&format!("/nix/store/{}-{n}", "0".repeat(32))).unwrap())
        .collect();
    let error = connection.add_temp_roots(&paths).await.unwrap_err();
    assert_eq!(error.to_string(), "not number seven");
    assert_eq!(stand_in.asked().len(), 1001, "all the others were sent");
    connection.query_missing(&[]).await.unwrap();
}
