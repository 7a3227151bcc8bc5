//! Reads any bytes as everything that a daemon sends. What is read must mean the same when the stand-in for a daemon
//! writes it and it is read again.
#![no_main]

use std::{
    fmt::Debug,
    future::Future,
    pin::pin,
    task::{Context, Poll, Waker},
};

use libfuzzer_sys::fuzz_target;
use nixci::store::{
    BuildResult, KeyedBuildResult, PathInfo, ProtocolVersion, StoreError, frame::Frame,
    wire::WireReader,
};

#[allow(dead_code, reason = "only what writes is needed of it")]
#[path = "../../tests/support/stand_in/answer.rs"]
mod answer;
#[allow(dead_code, reason = "only what writes is needed of it")]
#[path = "../../tests/support/stand_in/wire.rs"]
mod wire;

fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => unreachable!("bytes in memory are always ready"),
    }
}

/// Reads, and if that goes well, writes and reads again.
fn check<T: Debug + PartialEq>(
    bytes: &[u8],
    write: impl Fn(&T) -> wire::Wire,
    read: impl AsyncFn(&mut WireReader<&[u8]>) -> Result<T, StoreError>,
) {
    let reader = |bytes| WireReader::new(bytes, "a fuzz target");
    if let Ok(value) = now(read(&mut reader(bytes))) {
        let written = write(&value);
        assert_eq!(
            now(read(&mut reader(&written.0))).expect("what is written can be read"),
            value
        );
    }
}

/// A message loses what is for a terminal each time it is read.
fn without_message(mut result: BuildResult) -> BuildResult {
    result.error_message.clear();
    result
}

fuzz_target!(|bytes: &[u8]| {
    let Some((choice, bytes)) = bytes.split_first() else {
        return;
    };
    let version = ProtocolVersion::new(34 + choice / 4 % 5);
    match choice % 4 {
        0 => {
            // Every message up to the end of an operation.
            let mut reader = WireReader::new(bytes, "a fuzz target");
            while let Ok(Frame::Message(_)) = now(Frame::read(&mut reader)) {}
        }
        1 => check(bytes, answer::path_info, async |reader| {
            PathInfo::read(reader).await
        }),
        2 => check(
            bytes,
            |result| answer::build_result(result, version),
            async |reader| {
                BuildResult::read(reader, version, "/nix/store")
                    .await
                    .map(without_message)
            },
        ),
        _ => check(
            bytes,
            |keyed| answer::keyed_build_result(keyed, version),
            async |reader| {
                let KeyedBuildResult { target, result } =
                    KeyedBuildResult::read(reader, version).await?;
                Ok(KeyedBuildResult {
                    target,
                    result: without_message(result),
                })
            },
        ),
    }
});
