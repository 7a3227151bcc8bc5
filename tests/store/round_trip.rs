//! What a daemon writes is what we read, for every type of the wire.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Debug,
    fs,
    future::Future,
    path::Path,
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use nixci::{
    nix::StorePath,
    store::{
        Activity, ActivityId, ActivityKind, ActivityResult, BuildResult, BuildStatus, DerivedPath,
        KeyedBuildResult, LogMessage, Outputs, PathInfo, ProtocolVersion, StoreError, Verbosity,
        frame::Frame, wire::WireReader,
    },
};
use proptest::{collection::btree_map, collection::btree_set, prelude::*};

use crate::support::stand_in::{
    answer::{self, Value},
    wire::Wire,
};

/// Runs a future that never waits.
fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("it waits"),
    }
}

fn reader(wire: &Wire) -> WireReader<&[u8]> {
    WireReader::new(&wire.0[..], "a test")
}

fn store_path() -> impl Strategy<Value = StorePath> {
    "[0-9abcdfghijklmnpqrsvwxyz]{32}-[a-zA-Z0-9+._?=-]{1,30}"
        .prop_map(|name| StorePath::parse(&format!("/nix/store/{name}")).unwrap())
}

fn target() -> impl Strategy<Value = DerivedPath> {
    let names = btree_set("[a-z]{1,8}", 1..4).prop_map(Outputs::Names);
    let built = (store_path(), prop_oneof![Just(Outputs::All), names])
        .prop_map(|(drv_path, outputs)| DerivedPath::Built { drv_path, outputs });
    prop_oneof![store_path().prop_map(DerivedPath::Opaque), built]
}

fn cpu_time() -> impl Strategy<Value = Option<Duration>> {
    proptest::option::of(any::<u64>().prop_map(Duration::from_micros))
}

prop_compose! {
    fn build_result()(
        status in 0..20_u64,
        // What surrounds a message and what is for a terminal is taken off; see the tests beside the code.
        error_message in "([a-zA-Z0-9'\n]+( [a-z:>.'\n]+)*[.])?",
        times_built: u64,
        is_non_deterministic: bool,
        started_at: u64,
        stopped_at: u64,
        cpu_user in cpu_time(),
        cpu_system in cpu_time(),
        built_outputs in btree_map("[a-z]{1,8}", store_path(), 0..4),
    ) -> BuildResult {
        let error_message = error_message.trim().to_owned();
        BuildResult {
            status: BuildStatus::from_wire(status), error_message, times_built, is_non_deterministic, started_at,
            stopped_at, cpu_user, cpu_system, built_outputs,
        }
    }
}

prop_compose! {
    fn path_info()(
        deriver in proptest::option::of(store_path()),
        nar_hash in "[0-9a-f]{64}",
        references in btree_set(store_path(), 0..4),
        registered_at: u64,
        nar_size_bytes: u64,
        is_ultimate: bool,
        signatures: BTreeSet<String>,
        content_address: String,
    ) -> PathInfo {
        PathInfo {
            deriver, nar_hash, references, registered_at, nar_size_bytes, is_ultimate, signatures, content_address,
        }
    }
}

/// A message with its bytes.
fn message() -> impl Strategy<Value = (Wire, LogMessage)> {
    let id = any::<u64>();
    let next = any::<String>().prop_map(|text| (answer::next(&text), LogMessage::Next(text)));
    let stop = id.prop_map(|id| {
        (
            answer::stop(id),
            LogMessage::ActivityStopped { id: ActivityId(id) },
        )
    });
    let line = (id, any::<String>()).prop_map(|(id, line)| {
        let wire = answer::result(id, answer::LOG_LINE, &[Value::Text(&line)]);
        (
            wire,
            LogMessage::Result {
                id: ActivityId(id),
                result: ActivityResult::LogLine(line),
            },
        )
    });
    let progress = (id, any::<[u64; 4]>()).prop_map(|(id, [done, expected, running, failed])| {
        let fields = [done, expected, running, failed].map(Value::Number);
        let result = ActivityResult::Progress {
            done,
            expected,
            running,
            failed,
        };
        (
            answer::result(id, 105, &fields),
            LogMessage::Result {
                id: ActivityId(id),
                result,
            },
        )
    });
    let start = (id, any::<String>(), store_path(), any::<String>()).prop_map(
        |(id, text, drv_path, machine)| {
            let fields = [
                Value::Text(drv_path.as_str()),
                Value::Text(&machine),
                Value::Number(1),
                Value::Number(1),
            ];
            let wire = answer::start(id, answer::BUILD, &text, &fields);
            let activity = Activity::Build {
                drv_path: drv_path.clone(),
                machine: machine.clone(),
            };
            let (id, level, parent) = (ActivityId(id), Verbosity::Info, ActivityId(0));
            (
                wire,
                LogMessage::ActivityStarted {
                    id,
                    level,
                    activity,
                    text,
                    parent,
                },
            )
        },
    );
    let unknown = (id, 1000..u64::MAX, any::<String>()).prop_map(|(id, kind, text)| {
        let activity = Activity::Unknown {
            kind: ActivityKind::Unknown(kind),
        };
        let wire = answer::start(id, kind, &text, &[Value::Text(&text), Value::Number(id)]);
        let (id, level, parent) = (ActivityId(id), Verbosity::Info, ActivityId(0));
        (
            wire,
            LogMessage::ActivityStarted {
                id,
                level,
                activity,
                text,
                parent,
            },
        )
    });
    prop_oneof![next, stop, line, progress, start, unknown]
}

/// Reads what was written, to its last byte; and everything that is shorter is an error.
fn check<T: Debug + PartialEq>(
    wire: &Wire,
    expected: &T,
    read: &impl AsyncFn(&mut WireReader<&[u8]>) -> Result<T, StoreError>,
) {
    let mut whole = reader(wire);
    assert_eq!(&now(read(&mut whole)).unwrap(), expected);
    assert!(!whole.has_buffered());
    for cut in (0..wire.0.len()).step_by(wire.0.len().div_ceil(160) * 8) {
        assert!(now(read(&mut WireReader::new(&wire.0[..cut], "a test"))).is_err());
    }
}

proptest! {
    #[test]
    fn results_of_builds(target in target(), result in build_result(), minor in 34..=38_u8) {
        let version = ProtocolVersion::new(minor);
        let mut keyed = KeyedBuildResult { target, result };
        if minor < 37 {
            (keyed.result.cpu_user, keyed.result.cpu_system) = (None, None);
        }
        let wire = answer::keyed_build_result(&keyed, version);
        check(&wire, &keyed, &async |reader| KeyedBuildResult::read(reader, version).await);
        let wire = answer::build_result(&keyed.result, version);
        check(&wire, &keyed.result, &async |reader| BuildResult::read(reader, version, "/nix/store").await);
    }

    #[test]
    fn what_is_known_of_paths(info in path_info()) {
        check(&answer::path_info(&info), &info, &async |reader| PathInfo::read(reader).await);
    }

    #[test]
    fn messages((wire, message) in message()) {
        check(&wire, &Frame::Message(message), &async |reader| Frame::read(reader).await);
    }

    #[test]
    fn ends_of_operations(message in "[a-z]([a-z ']{0,20}[a-z])?") {
        check(&answer::error(&message), &Frame::Failed { message: message.clone() }, &async |reader| Frame::read(reader).await);
        check(&answer::last(), &Frame::Finished, &async |reader| Frame::read(reader).await);
    }

    #[test]
    fn garbage_is_an_error_or_a_value_and_never_a_panic(bytes: Vec<u8>, words in proptest::collection::vec(0..200_u64, 0..40)) {
        let words = words.into_iter().fold(Wire::default(), Wire::u64);
        for wire in [Wire(bytes), words] {
            let _ = now(Frame::read(&mut reader(&wire)));
            let _ = now(PathInfo::read(&mut reader(&wire)));
            let _ = now(BuildResult::read(&mut reader(&wire), ProtocolVersion::NEWEST, "/nix/store"));
            let _ = now(KeyedBuildResult::read(&mut reader(&wire), ProtocolVersion::OLDEST));
        }
    }
}

#[test]
fn maps_of_names_to_paths() {
    let path = StorePath::parse("/nix/store/6gdvyj6j7fbm4bkvqy7rrp36n7m5b9ha-a").unwrap();
    let wire = Wire::default()
        .u64(2)
        .string("dev")
        .string("")
        .string("out")
        .string(path.as_str());
    let expected = BTreeMap::from([("dev".to_owned(), None), ("out".to_owned(), Some(path))]);
    check(&wire, &expected, &async |reader| {
        reader.optional_paths_by_name("outputs").await
    });
}

/// Reads what real daemons sent: recorded bytes, behind one that says what they are and in which version.
#[test]
fn recorded_bytes_are_read_to_the_last() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds/wire");
    let mut files = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let bytes = fs::read(&path).unwrap();
        let version = ProtocolVersion::new(34 + bytes[0] / 4);
        let mut reader = WireReader::new(&bytes[1..], "a test");
        let read = now(async {
            match bytes[0] % 4 {
                0 => while let Frame::Message(_) = Frame::read(&mut reader).await? {},
                1 => drop(PathInfo::read(&mut reader).await?),
                2 => drop(BuildResult::read(&mut reader, version, "/nix/store").await?),
                _ => drop(KeyedBuildResult::read(&mut reader, version).await?),
            }
            Ok::<(), StoreError>(())
        });
        read.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert!(!reader.has_buffered(), "{}", path.display());
        files += 1;
    }
    assert_eq!(files, 24);
}
