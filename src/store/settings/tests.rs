use std::{collections::BTreeMap, time::Duration};

use super::ClientSettings;
use crate::store::{ProtocolVersion, Verbosity, wire::Request};

#[test]
fn settings_go_out_in_the_order_of_the_protocol() {
    let settings = ClientSettings {
        keep_failed: true,
        keep_going: false,
        try_fallback: true,
        verbosity: Verbosity::Info,
        max_build_jobs: 4,
        max_silent_time: Duration::from_millis(61_900),
        build_cores: 2,
        use_substitutes: true,
        use_build_hook: true,
        overrides: BTreeMap::from([("timeout".to_owned(), "60".to_owned())]),
    };
    let words = [19, 1, 0, 1, 3, 4, 61, 1, 0, 0, 0, 2, 1, 1];
    let expected = words
        .into_iter()
        .fold(Request::default(), Request::u64)
        .string("timeout")
        .string("60");
    assert_eq!(
        settings.request(ProtocolVersion::NEWEST).bytes(),
        expected.bytes()
    );
}

#[test]
fn the_build_hook_is_switched_off_only_where_that_is_no_error() {
    let settings = ClientSettings {
        use_build_hook: false,
        ..ClientSettings::default()
    };
    let with_hook = ClientSettings::default();
    let sent = |settings: &ClientSettings, minor| {
        let version = ProtocolVersion::new(minor);
        settings.request(version).bytes().to_vec()
    };
    assert_eq!(sent(&settings, 37), sent(&with_hook, 37));
    let request = sent(&settings, 38);
    assert!(request.windows(10).any(|bytes| bytes == b"build-hook"));
}
