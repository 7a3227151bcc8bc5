//! How the daemon shall work for one connection: `SetOptions`.

use std::{collections::BTreeMap, time::Duration};

use super::{ProtocolVersion, Verbosity, operation::Operation, wire::Request};

/// The first version that only daemons have for which a build hook may be empty: Nix 2.24.
const EMPTY_HOOK_SINCE: ProtocolVersion = ProtocolVersion::new(38);

/// The settings a client sends right after the handshake; they live as long as the connection.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "they are independent settings of Nix"
)]
pub struct ClientSettings {
    /// `keep-failed`: keep the build folder of a failed build.
    pub keep_failed: bool,
    /// `keep-going`: build what is left when something failed.
    pub keep_going: bool,
    /// `fallback`: build what cannot be substituted.
    pub try_fallback: bool,
    /// Up to which level text messages come; activities come at any level.
    pub verbosity: Verbosity,
    /// `max-jobs`: how many local builds this connection runs at once; 0 means none.
    pub max_build_jobs: u64,
    /// `max-silent-time`, in whole seconds: kill a build that logs nothing for so long; zero means never.
    pub max_silent_time: Duration,
    /// `cores`: `NIX_BUILD_CORES` of a build; 0 means all.
    pub build_cores: u64,
    /// `substitute`: download what is offered.
    pub use_substitutes: bool,
    /// Whether to ask before each build whether another machine takes it. That starts a process of Nix for every
    /// request; where there are no other machines it is most of the time of a short build. Daemons before protocol 1.38
    /// ask in any case, and so does every one for an untrusted user.
    pub use_build_hook: bool,
    /// Any other setting by its name in `nix.conf`; the daemon ignores those that an untrusted user may not set.
    pub overrides: BTreeMap<String, String>,
}

/// How some builds differ from all others of a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BuildLimits {
    /// How long they may take, in whole seconds; [`Duration::MAX`]: for ever; `None`: as long as all others.
    pub timeout: Option<Duration>,
    /// Whether they are built on this machine only.
    pub is_local: bool,
}

impl Default for ClientSettings {
    /// One build at a time, going on after failures, substituting, errors only.
    fn default() -> Self {
        Self {
            keep_failed: false,
            keep_going: true,
            try_fallback: false,
            verbosity: Verbosity::Error,
            max_build_jobs: 1,
            max_silent_time: Duration::ZERO,
            build_cores: 0,
            use_substitutes: true,
            use_build_hook: true,
            overrides: BTreeMap::new(),
        }
    }
}

impl ClientSettings {
    /// These settings with other limits.
    pub(super) fn limited(&self, limits: BuildLimits) -> Self {
        let mut settings = self.clone();
        // What is left out stays as it was set before, so that this has to say it even where there is no limit.
        let timeout = settings.overrides.entry("timeout".into());
        let timeout = timeout.or_insert_with(|| "0".into());
        if let Some(limit) = limits.timeout {
            let seconds = if limit == Duration::MAX {
                0
            } else {
                limit.as_secs()
            };
            *timeout = seconds.to_string();
        }
        if limits.is_local {
            // Every client may say so, trusted or not.
            settings.overrides.insert("builders".into(), String::new());
            settings.use_build_hook = false;
        }
        settings
    }

    /// The request `SetOptions`, for a daemon that speaks this version.
    pub(super) fn request(&self, version: ProtocolVersion) -> Request {
        let mut overrides = self.overrides.clone();
        // An empty hook is an error for every build before Nix 2.22.
        if !self.use_build_hook && version >= EMPTY_HOOK_SINCE {
            overrides.insert("build-hook".into(), String::new());
        }
        Request::new(Operation::SetOptions)
            .bool(self.keep_failed)
            .bool(self.keep_going)
            .bool(self.try_fallback)
            .u64(self.verbosity.to_wire())
            .u64(self.max_build_jobs)
            .u64(self.max_silent_time.as_secs())
            .u64(1) // Obsolete.
            .u64(Verbosity::Error.to_wire()) // verbose-build, which changes nothing for a client.
            .u64(0) // Obsolete.
            .u64(0) // Obsolete.
            .u64(self.build_cores)
            .bool(self.use_substitutes)
            .list(&overrides, |request, (name, value)| {
                request.string(name).string(value)
            })
    }
}

#[cfg(test)]
mod tests;
