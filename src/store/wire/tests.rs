use std::collections::BTreeSet;

use proptest::prelude::*;
use tokio::io::{AsyncReadExt as _, repeat};

use super::{LIST_MAX, Request, STRING_MAX_BYTES, TEXT_KEPT_BYTES, TEXT_MAX_BYTES, WireReader};
use crate::{
    nix::{StorePath, golden},
    store::{DerivedPath, Outputs, StoreError},
};

fn reader(bytes: &[u8]) -> WireReader<&[u8]> {
    WireReader::new(bytes, "a test")
}

/// What is wrong with these bytes, as a user would see it; `read` has to fail.
fn complaint<T: std::fmt::Debug>(read: Result<T, StoreError>) -> String {
    let error = read.unwrap_err();
    match std::error::Error::source(&error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

/// Runs a future that never waits.
fn now<T>(future: impl Future<Output = T>) -> T {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match std::pin::pin!(future).poll(&mut context) {
        std::task::Poll::Ready(value) => value,
        std::task::Poll::Pending => panic!("it waits"),
    }
}

#[test]
fn numbers_are_little_endian_and_strings_are_padded_to_eight_bytes() {
    let request = Request::default()
        .u64(0x0102)
        .string("abc")
        .string("")
        .string("12345678");
    assert_eq!(
        request.bytes(),
        b"\x02\x01\0\0\0\0\0\0\
          \x03\0\0\0\0\0\0\0abc\0\0\0\0\0\
          \0\0\0\0\0\0\0\0\
          \x08\0\0\0\0\0\0\x0012345678"
    );
}

#[test]
fn golden_strings_are_read_and_written() {
    let Some((bytes, meaning)) = golden::read_wire("common-protocol/string") else {
        return;
    };
    let texts: Vec<String> = serde_json::from_value(meaning).unwrap();
    let mut reader = reader(&bytes);
    for text in &texts {
        assert_eq!(&now(reader.string("text")).unwrap(), text);
    }
    assert!(now(reader.u64("more")).is_err());
    assert_eq!(
        texts
            .iter()
            .fold(Request::default(), Request::string)
            .bytes(),
        bytes
    );
}

#[test]
fn golden_paths_are_read_and_written() {
    let Some((bytes, meaning)) = golden::read_wire("worker-protocol/store-path") else {
        return;
    };
    let paths: Vec<StorePath> = meaning
        .as_array()
        .unwrap()
        .iter()
        .map(golden::store_path)
        .collect();
    let mut reader_of_paths = reader(&bytes);
    for path in &paths {
        assert_eq!(&now(reader_of_paths.path("path")).unwrap(), path);
    }
    assert_eq!(
        paths.iter().fold(Request::default(), Request::path).bytes(),
        bytes
    );

    let (bytes, meaning) = golden::read_wire("worker-protocol/optional-store-path").unwrap();
    let mut reader = reader(&bytes);
    for path in meaning.as_array().unwrap() {
        let path = (!path.is_null()).then(|| golden::store_path(path));
        assert_eq!(now(reader.optional_path("path")).unwrap(), path);
    }
}

#[test]
fn golden_targets_are_read_and_written() {
    let Some((bytes, meaning)) = golden::read_wire("worker-protocol/derived-path-1.30") else {
        return;
    };
    let mut reader = reader(&bytes);
    let mut written = Request::default();
    for meaning in meaning.as_array().unwrap() {
        let expected = match (meaning.get("drvPath"), meaning.get("outputs")) {
            (Some(drv_path), Some(outputs)) if outputs[0] == "*" => {
                DerivedPath::all_outputs(golden::store_path(drv_path))
            }
            (Some(drv_path), Some(outputs)) => DerivedPath::Built {
                drv_path: golden::store_path(drv_path),
                outputs: Outputs::Names(serde_json::from_value(outputs.clone()).unwrap()),
            },
            _ => DerivedPath::Opaque(golden::store_path(meaning)),
        };
        assert_eq!(
            DerivedPath::parse(&now(reader.string("target")).unwrap()).unwrap(),
            expected
        );
        written = written.string(expected.to_string());
    }
    assert_eq!(written.bytes(), bytes);
}

#[test]
fn errors_name_the_operation_and_the_field() {
    let huge = Request::default().u64(u64::MAX);
    let padded = [&3_u64.to_le_bytes()[..], b"abc\0\0\0\0\x01"].concat();
    let cut = [&3_u64.to_le_bytes()[..], b"ab"].concat();
    for (complaint, expected) in [
        (
            complaint(now(reader(huge.bytes()).string("path"))),
            format!(
                "path: 18446744073709551615 bytes are too many, at most {STRING_MAX_BYTES} are read"
            ),
        ),
        (
            complaint(now(reader(huge.bytes()).text("line"))),
            format!(
                "line: 18446744073709551615 bytes are too many, at most {TEXT_MAX_BYTES} are read"
            ),
        ),
        (
            complaint(now(reader(huge.bytes()).paths("willBuild"))),
            format!(
                "willBuild: 18446744073709551615 items are too many, at most {LIST_MAX} are read"
            ),
        ),
        (
            complaint(now(reader(huge.bytes()).bool("valid"))),
            "valid: 18446744073709551615 is no truth value".to_owned(),
        ),
        (
            complaint(now(reader(&padded).string("name"))),
            "name: the padding behind it is not zero".to_owned(),
        ),
        (
            complaint(now(
                reader(Request::default().string(b"\xff").bytes()).string("name")
            )),
            "name: not UTF-8".to_owned(),
        ),
        (
            complaint(now(
                reader(Request::default().string("/etc\x1b").bytes()).path("deriver")
            )),
            "deriver: `/etc\\u{1b}` is not a store path".to_owned(),
        ),
    ] {
        assert_eq!(
            complaint,
            format!("the Nix daemon's answer to a test makes no sense: {expected}")
        );
    }
    let lost = "lost the connection to the Nix daemon during a test: closed by the daemon before";
    assert_eq!(
        complaint(now(reader(&cut).string("name"))),
        format!("{lost} `name`")
    );
    assert_eq!(
        complaint(now(reader(&cut).text("line"))),
        format!("{lost} `line`")
    );
    assert_eq!(
        complaint(now(reader(b"1234567").u64("status"))),
        format!("{lost} `status`")
    );
}

#[test]
fn a_list_that_is_announced_and_does_not_come_costs_nothing() {
    let announced = Request::default().u64(LIST_MAX);
    assert!(now(reader(announced.bytes()).paths("valid")).is_err());
    let announced = Request::default().u64(STRING_MAX_BYTES).u64(0);
    assert!(now(reader(announced.bytes()).bytes("contents", STRING_MAX_BYTES)).is_err());
}

#[test]
fn texts_take_any_bytes() {
    let request = Request::default().string(b"a\xffb\0\x1b[31m\xe2\x82");
    assert_eq!(
        now(reader(request.bytes()).text("line")).unwrap(),
        "a\u{fffd}b\0\x1b[31m\u{fffd}"
    );
}

#[test]
fn a_text_of_100_mb_is_cut_and_what_follows_is_read() {
    const LENGTH: u64 = 100_000_001;
    let before = Request::default().u64(LENGTH);
    let bytes = before
        .bytes()
        .chain(repeat(b'x').take(LENGTH))
        .chain(&[0; 7][..])
        .chain(&[7, 0, 0, 0, 0, 0, 0, 0][..]);
    let mut reader = WireReader::new(bytes, "a test");
    let text = now(reader.text("line")).unwrap();
    let (kept, mark) = text.split_once('…').unwrap();
    assert!(kept.bytes().all(|byte| byte == b'x'));
    assert_eq!(kept.len() as u64, TEXT_KEPT_BYTES);
    assert_eq!(mark, format!(" [{} more bytes]", LENGTH - TEXT_KEPT_BYTES));
    assert_eq!(now(reader.u64("next")).unwrap(), 7);
}

#[test]
fn a_character_at_the_cut_is_left_out_whole() {
    let text = "x".repeat(usize::try_from(TEXT_KEPT_BYTES).unwrap() - 2) + "€€";
    let request = Request::default().string(&text);
    let read = now(reader(request.bytes()).text("line")).unwrap();
    assert!(
        read.ends_with("xx… [4 more bytes]"),
        "{:?}",
        &read[read.len() - 30..]
    );
    let whole = Request::default().string(&text[..text.len() - 6]);
    assert!(
        now(reader(whole.bytes()).text("line"))
            .unwrap()
            .ends_with("xx")
    );
}

fn store_path() -> impl Strategy<Value = StorePath> {
    "/[a-z]{1,5}(/[a-z]{1,5})?/[0-9abcdfghijklmnpqrsvwxyz]{32}-[a-zA-Z0-9+._?=-]{1,40}"
        .prop_map(|path| StorePath::parse(&path).unwrap())
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        number: u64,
        flag: bool,
        bytes: Vec<u8>,
        text: String,
        path in store_path(),
        paths in proptest::collection::btree_set(store_path(), 0..5),
        strings: BTreeSet<String>,
        optional in proptest::collection::btree_map(".*", proptest::option::of(store_path()), 0..5),
    ) {
        let request = Request::default()
            .u64(number)
            .bool(flag)
            .string(&bytes)
            .string(&text)
            .string(&text)
            .path(&path)
            .list(&paths, Request::path)
            .list(&strings, Request::string)
            .list(&optional, |request, (name, path)| {
                request.string(name).string(path.as_ref().map_or("", StorePath::as_str))
            });
        prop_assert_eq!(request.bytes().len() % 8, 0);
        let mut reader = reader(request.bytes());
        prop_assert_eq!(now(reader.u64("number")).unwrap(), number);
        prop_assert_eq!(now(reader.bool("flag")).unwrap(), flag);
        prop_assert_eq!(now(reader.bytes("bytes", 1 << 20)).unwrap(), bytes);
        prop_assert_eq!(&now(reader.string("string")).unwrap(), &text);
        prop_assert_eq!(&now(reader.text("text")).unwrap(), &text);
        prop_assert_eq!(now(reader.path("path")).unwrap(), path);
        prop_assert_eq!(now(reader.paths("paths")).unwrap(), paths);
        prop_assert_eq!(now(reader.strings("strings")).unwrap(), strings);
        prop_assert_eq!(now(reader.optional_paths_by_name("map")).unwrap(), optional);
        prop_assert!(!reader.has_buffered());
    }

    #[test]
    fn garbage_is_an_error_or_a_value_and_never_a_panic(bytes: Vec<u8>) {
        let _ = now(reader(&bytes).text("text"));
        let _ = now(reader(&bytes).paths("paths"));
        let _ = now(reader(&bytes).optional_paths_by_name("map"));
    }
}
