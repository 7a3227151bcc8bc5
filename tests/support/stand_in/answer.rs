//! What a daemon sends: messages while it works, and replies.

use nixci::{
    nix::StorePath,
    store::{BuildResult, BuildStatus, KeyedBuildResult, Missing, PathInfo, ProtocolVersion},
};

use super::wire::Wire;

const NEXT: u64 = 0x6f6c_6d67;
const START_ACTIVITY: u64 = 0x5354_5254;
const STOP_ACTIVITY: u64 = 0x5354_4f50;
const RESULT: u64 = 0x5253_4c54;
const ERROR: u64 = 0x6378_7470;
const LAST: u64 = 0x616c_7473;

/// The type of the activity that builds one derivation.
pub(crate) const BUILD: u64 = 105;
/// The type of the result that is a line of a build's log.
pub(crate) const LOG_LINE: u64 = 101;

/// A value that comes with an activity or a result.
#[derive(Clone, Debug)]
pub(crate) enum Value<'a> {
    Number(u64),
    Text(&'a str),
}

fn values(wire: Wire, values: &[Value<'_>]) -> Wire {
    values
        .iter()
        .fold(wire.u64(values.len() as u64), |wire, value| match value {
            Value::Number(number) => wire.u64(0).u64(*number),
            Value::Text(text) => wire.u64(1).string(text),
        })
}

/// Text for people.
pub(crate) fn next(text: &str) -> Wire {
    Wire::default().u64(NEXT).string(text)
}

/// An activity began.
pub(crate) fn start(id: u64, kind: u64, text: &str, fields: &[Value<'_>]) -> Wire {
    let wire = Wire::default()
        .u64(START_ACTIVITY)
        .u64(id)
        .u64(3)
        .u64(kind)
        .string(text);
    values(wire, fields).u64(0)
}

/// A derivation's build began.
pub(crate) fn start_build(id: u64, drv_path: &str) -> Wire {
    let fields = [
        Value::Text(drv_path),
        Value::Text(""),
        Value::Number(1),
        Value::Number(1),
    ];
    start(id, BUILD, &format!("building '{drv_path}'"), &fields)
}

/// An activity ended.
pub(crate) fn stop(id: u64) -> Wire {
    Wire::default().u64(STOP_ACTIVITY).u64(id)
}

/// An activity yielded something.
pub(crate) fn result(id: u64, kind: u64, fields: &[Value<'_>]) -> Wire {
    values(Wire::default().u64(RESULT).u64(id).u64(kind), fields)
}

/// What comes before a line of a build's log with so many bytes; the bytes and their padding are to follow.
pub(crate) fn log_line_header(id: u64, length: u64) -> Wire {
    Wire::default()
        .u64(RESULT)
        .u64(id)
        .u64(LOG_LINE)
        .u64(1)
        .u64(1)
        .u64(length)
}

/// The operation failed.
pub(crate) fn error(message: &str) -> Wire {
    let wire = Wire::default()
        .u64(ERROR)
        .string("Error")
        .u64(0)
        .string("Error");
    wire.string(message).u64(0).u64(0)
}

/// The operation is done; its reply follows.
pub(crate) fn last() -> Wire {
    Wire::default().u64(LAST)
}

/// A set of store paths.
pub(crate) fn paths<'a>(wire: Wire, paths: impl IntoIterator<Item = &'a StorePath>) -> Wire {
    wire.strings(paths.into_iter().map(StorePath::as_str))
}

/// The reply of `QueryMissing`.
pub(crate) fn missing(missing: &Missing) -> Wire {
    let wire = paths(Wire::default(), &missing.will_build);
    let wire = paths(paths(wire, &missing.will_substitute), &missing.unknown);
    wire.u64(missing.download_bytes).u64(missing.nar_bytes)
}

/// What the store knows about a path.
pub(crate) fn path_info(info: &PathInfo) -> Wire {
    let deriver = info.deriver.as_ref().map_or("", StorePath::as_str);
    let wire = paths(
        Wire::default().string(deriver).string(&info.nar_hash),
        &info.references,
    );
    let wire = wire
        .u64(info.registered_at)
        .u64(info.nar_size_bytes)
        .u64(u64::from(info.is_ultimate));
    wire.strings(&info.signatures).string(&info.content_address)
}

/// How a build ended.
pub(crate) fn build_result(result: &BuildResult, version: ProtocolVersion) -> Wire {
    let wire = Wire::default()
        .u64(status_code(result.status))
        .string(&result.error_message);
    let mut wire = wire
        .u64(result.times_built)
        .u64(u64::from(result.is_non_deterministic));
    wire = wire.u64(result.started_at).u64(result.stopped_at);
    if version.minor() >= 37 {
        for time in [result.cpu_user, result.cpu_system] {
            wire = match time {
                Some(time) => wire.u64(1).u64(u64::try_from(time.as_micros()).unwrap()),
                None => wire.u64(0),
            };
        }
    }
    wire = wire.u64(result.built_outputs.len() as u64);
    for (name, path) in &result.built_outputs {
        let id = format!("sha256:{}!{name}", "0".repeat(64));
        let json = serde_json::json!({
            "dependentRealisations": {}, "id": &id, "outPath": path.base_name(), "signatures": [],
        });
        wire = wire.string(&id).string(json.to_string());
    }
    wire
}

/// How the build of a target ended.
pub(crate) fn keyed_build_result(keyed: &KeyedBuildResult, version: ProtocolVersion) -> Wire {
    Wire::default()
        .string(keyed.target.to_string())
        .raw(build_result(&keyed.result, version))
}

fn status_code(status: BuildStatus) -> u64 {
    match status {
        BuildStatus::Built => 0,
        BuildStatus::Substituted => 1,
        BuildStatus::AlreadyValid => 2,
        BuildStatus::PermanentFailure => 3,
        BuildStatus::InputRejected => 4,
        BuildStatus::OutputRejected => 5,
        BuildStatus::TransientFailure => 6,
        BuildStatus::CachedFailure => 7,
        BuildStatus::TimedOut => 8,
        BuildStatus::MiscFailure => 9,
        BuildStatus::DependencyFailed => 10,
        BuildStatus::LogLimitExceeded => 11,
        BuildStatus::NotDeterministic => 12,
        BuildStatus::ResolvesToAlreadyValid => 13,
        BuildStatus::NoSubstituters => 14,
        BuildStatus::Unknown(code) => code,
    }
}
