use std::{collections::BTreeMap, time::Duration};

use super::ClientSettings;
use crate::store::{Verbosity, wire::Request};

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
        overrides: BTreeMap::from([("timeout".to_owned(), "60".to_owned())]),
    };
    let words = [19, 1, 0, 1, 3, 4, 61, 1, 0, 0, 0, 2, 1, 1];
    let expected = words
        .into_iter()
        .fold(Request::default(), Request::u64)
        .string("timeout")
        .string("60");
    assert_eq!(settings.request().bytes(), expected.bytes());
}
