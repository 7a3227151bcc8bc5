//! What `nix flake check` wants of a flake's outputs, and which version of Nix wants it.
//!
//! Says by which rule of `flake_check.nix` something is looked at; what the rules are is written there. Pure.
//!
//! Source: the history of `CmdFlakeCheck` in Nix.

use super::root::is_since;
use crate::nix::AttrPath;

/// The outputs that many flakes have and nobody looks at.
const UNCHECKED: &[&str] = &[
    "darwinConfigurations",
    "darwinModules",
    "flakeModule",
    "flakeModules",
    "herculesCI",
    "homeConfigurations",
    "homeModule",
    "homeModules",
    "lib",
    "nixopsConfigurations",
];

/// A rule by which something is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    /// It may be anything that can be evaluated.
    Any,
    App,
    /// A derivation that is to be built.
    Build,
    Bundler,
    Configuration,
    /// A derivation that is not to be built.
    Derivation,
    /// A set of derivations.
    Derivations,
    /// A job of Hydra, or a set of them.
    Job,
    /// The same, and jobs are to be built.
    JobBuild,
    /// The outermost set of jobs.
    Jobs,
    Module,
    Overlay,
    Set,
    /// It is where a system should be and has another name.
    System,
    Template,
}

impl Rule {
    /// Returns the rule for what is at a path below the outputs; `None` if it is not looked at.
    pub(super) fn of(path: &AttrPath, nix_version: (u32, u32)) -> Option<Self> {
        let has_apps = is_since(nix_version, 25);
        let [output, below @ ..] = path.names() else {
            return Some(Self::Set);
        };
        match (output.as_str(), below.len()) {
            ("hydraJobs", 0) => Some(Self::Jobs),
            ("hydraJobs", _) => Some(Self::Job),
            ("overlay", 0) | ("overlays", 1) => Some(Self::Overlay),
            ("nixosModule", 0) | ("nixosModules", 1) => Some(Self::Module),
            ("defaultTemplate", 0) | ("templates", 1) => Some(Self::Template),
            ("nixosConfigurations", 1) => Some(Self::Configuration),
            ("defaultPackage" | "devShell", 1) | ("checks" | "devShells" | "packages", 2) => {
                Some(Self::Derivation)
            }
            ("formatter", 1) => has_apps.then_some(Self::Derivation),
            ("defaultApp", 1) | ("apps", 2) => has_apps.then_some(Self::App),
            ("defaultBundler", 1) | ("bundlers", 2) => Some(Self::Bundler),
            ("checks" | "devShells" | "packages", 1) => Some(Self::Derivations),
            ("apps" | "bundlers", 1)
            | ("nixosConfigurations" | "nixosModules" | "overlays" | "templates", 0) => {
                Some(Self::Set)
            }
            (output, 0) if is_by_system(output) => Some(Self::Set),
            (_, 0) => Some(Self::Any),
            _ => None,
        }
    }

    /// The rule under which the same is built, too.
    pub(super) fn to_build(self) -> Self {
        match self {
            Self::Derivation => Self::Build,
            Self::Job => Self::JobBuild,
            Self::Any
            | Self::App
            | Self::Build
            | Self::Bundler
            | Self::Configuration
            | Self::Derivations
            | Self::JobBuild
            | Self::Jobs
            | Self::Module
            | Self::Overlay
            | Self::Set
            | Self::System
            | Self::Template => self,
        }
    }

    /// The name of the rule in `flake_check.nix`.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::App => "app",
            Self::Build => "build",
            Self::Bundler => "bundler",
            Self::Configuration => "configuration",
            Self::Derivation => "derivation",
            Self::Derivations => "derivations",
            Self::Job => "job",
            Self::JobBuild => "job-build",
            Self::Jobs => "jobs",
            Self::Module => "module",
            Self::Overlay => "overlay",
            Self::Set => "set",
            Self::System => "system",
            Self::Template => "template",
        }
    }
}

/// Whether an output has a set for each system.
pub(super) fn is_by_system(output: &str) -> bool {
    matches!(
        output,
        "apps"
            | "bundlers"
            | "checks"
            | "defaultApp"
            | "defaultBundler"
            | "defaultPackage"
            | "devShell"
            | "devShells"
            | "formatter"
            | "legacyPackages"
            | "packages"
    )
}

/// Whether no rule finds what is in an output, so that whoever wants it built has to look at it without.
pub(super) fn is_opaque(output: &str) -> bool {
    let path = AttrPath::new([output]);
    Rule::of(&path, (2, 0)) == Some(Rule::Any) || output == "legacyPackages"
}

/// What is to be said of an output because of its name.
pub(super) fn remark(output: &str) -> Option<String> {
    let newer = match output {
        "defaultApp" => "apps.SYSTEM.default",
        "defaultBundler" => "bundlers.SYSTEM.default",
        "defaultPackage" => "packages.SYSTEM.default",
        "defaultTemplate" => "templates.default",
        "devShell" => "devShells.SYSTEM.default",
        "nixosModule" => "nixosModules.default",
        "overlay" => "overlays.default",
        _ if is_opaque(output) && output != "legacyPackages" && !UNCHECKED.contains(&output) => {
            return Some(format!(
                "unknown flake output `{output}`: nobody knows what should be in it"
            ));
        }
        _ => return None,
    };
    Some(format!(
        "the flake output `{output}` is deprecated: `{newer}` takes its place"
    ))
}

/// Writes what only old versions want, for `flake_check.nix`.
pub(super) fn old(nix_version: (u32, u32)) -> String {
    let until = |minor| !is_since(nix_version, minor);
    format!(
        // Modules take any arguments; an overlay's second argument is called `prev`; templates are in the store.
        "{{ modules = {}; prev = {}; templates = {}; }}",
        until(13),
        until(22),
        until(16)
    )
}

#[cfg(test)]
mod tests;
