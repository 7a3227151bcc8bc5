use std::io;

use super::StoreError;
use crate::{nix::StorePath, store::ProtocolVersion};

#[test]
fn errors_say_what_happened_and_whether_to_try_again() {
    let during = "BuildPathsWithResults";
    let daemon = |message: &str| StoreError::Daemon {
        during,
        message: message.to_owned(),
    };
    let table: Vec<_> = [
        StoreError::Connect {
            address: "`/run/socket`".to_owned(),
            source: io::ErrorKind::NotFound.into(),
            hint: "start it",
        },
        StoreError::TooOld {
            address: "`/run/socket`".to_owned(),
            found: ProtocolVersion::new(32),
        },
        StoreError::Protocol {
            during,
            field: "status",
            detail: "7 is none".to_owned(),
        },
        daemon("path '/nix/store/a' is not valid"),
        daemon("interrupted by the user"),
        StoreError::Lost {
            during,
            source: io::ErrorKind::BrokenPipe.into(),
        },
        StoreError::Unusable { during },
        StoreError::TooLarge {
            path: StorePath::parse("/nix/store/6gdvyj6j7fbm4bkvqy7rrp36n7m5b9ha-a.drv").unwrap(),
            size_bytes: 2000,
            size_max_bytes: 1000,
        },
    ]
    .iter()
    .map(|error| {
        let (lost, transient) = (error.is_connection_lost(), error.is_transient());
        format!("lost: {lost:5} transient: {transient:5} {error}")
    })
    .collect();
    insta::assert_snapshot!(table.join("\n"), @r"
    lost: true  transient: true  cannot connect to the Nix daemon at `/run/socket` (start it)
    lost: false transient: false the Nix daemon at `/run/socket` is too old: it speaks worker protocol 1.32, 1.34 is needed (Nix 2.8 or newer)
    lost: true  transient: true  the Nix daemon's answer to BuildPathsWithResults makes no sense: status: 7 is none
    lost: false transient: false path '/nix/store/a' is not valid
    lost: false transient: true  interrupted by the user
    lost: true  transient: true  lost the connection to the Nix daemon during BuildPathsWithResults
    lost: true  transient: true  the connection to the Nix daemon cannot be used for BuildPathsWithResults: an earlier request on it was not finished
    lost: false transient: false `/nix/store/6gdvyj6j7fbm4bkvqy7rrp36n7m5b9ha-a.drv` has 2000 bytes, and at most 1000 are read
    ");
}
