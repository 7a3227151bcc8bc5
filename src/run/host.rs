//! How a run reaches the store of this machine, by how Nix is set up here.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    config::{NixHost, NixSettings},
    nix::Builders,
    store::{ClientSettings, StoreAddress},
};

/// How to reach the store that Nix uses by itself.
pub async fn store_address(host: &NixHost) -> StoreAddress {
    // Nix's setting `store` is what `NIX_REMOTE` says, or else its configuration files.
    let env = |name: &str| match (name, host.settings.value("store")) {
        ("NIX_REMOTE", store) if !store.is_empty() => Some(store.into()),
        _ => std::env::var_os(name),
    };
    StoreAddress::detect(&host.daemon_program(), &env).await
}

/// The limits of every build; `None` or zero: as Nix is set.
#[derive(Clone, Copy, Debug, Default)]
pub struct BuildTimes {
    /// How long a build may take.
    pub timeout: Option<Duration>,
    /// How long it may be silent.
    pub max_silent_time: Option<Duration>,
}

/// The settings of every connection. `building` is how the Nix that builds is set up, `builders` what builds for it, and
/// `options` are settings of Nix that were asked for, in order.
pub fn client_settings(
    host: &NixHost,
    building: &NixSettings,
    builders: &Builders,
    options: &[(String, String)],
    times: BuildTimes,
) -> ClientSettings {
    let seconds = |limit: Option<Duration>, name| {
        limit.map_or_else(|| building.number(name), |limit| limit.as_secs())
    };
    let timeout = seconds(times.timeout, "timeout");
    let max_silent_time = seconds(times.max_silent_time, "max-silent-time");
    // A step that somebody else builds is looked at every second, not every five.
    let mut overrides = BTreeMap::from([("build-poll-interval".to_owned(), "1".to_owned())]);
    if timeout > 0 {
        overrides.insert("timeout".into(), timeout.to_string());
    }
    if max_silent_time > 0 {
        overrides.insert("max-silent-time".into(), max_silent_time.to_string());
    }
    // As Nix's own programs do: the whole value, with what `extra-NAME` added to it.
    overrides.extend(options.iter().map(|(name, value)| {
        let name = name.strip_prefix("extra-").unwrap_or(name);
        let value = host.settings.all.get(name).unwrap_or(value);
        (name.to_owned(), value.clone())
    }));
    ClientSettings {
        keep_failed: building.value("keep-failed") == "true",
        try_fallback: building.value("fallback") == "true",
        max_silent_time: Duration::from_secs(max_silent_time),
        build_cores: building.number("cores"),
        // With 0 the daemon builds on other machines alone.
        max_build_jobs: builders.builds_here().into(),
        use_substitutes: building.value("substitute") != "false",
        use_build_hook: builders.remote_slots() > 0,
        overrides,
        ..ClientSettings::default()
    }
}
