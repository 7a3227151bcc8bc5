//! What the outputs of a flake hold, by their names.

use serde::{Deserialize, Serialize};

/// What something in a flake is, as the name of the output says in which it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutputKind {
    /// In `checks`.
    Check,
    /// In `packages`, or `defaultPackage`.
    Package,
    /// In `devShells`, or `devShell`.
    DevShell,
    /// In `formatter`.
    Formatter,
    /// In `apps`, or `defaultApp`.
    App,
    /// In `bundlers`, or `defaultBundler`.
    Bundler,
    /// In `nixosConfigurations`.
    NixosConfiguration,
    /// In `nixosModules`, or `nixosModule`.
    NixosModule,
    /// In `overlays`, or `overlay`.
    Overlay,
    /// In `templates`, or `defaultTemplate`.
    Template,
    /// In `hydraJobs`.
    HydraJob,
    /// In any other output.
    Other,
}

impl OutputKind {
    /// Returns what is in the output of this name.
    pub fn of(output: &str) -> Self {
        match output {
            "checks" => Self::Check,
            "packages" | "defaultPackage" => Self::Package,
            "devShells" | "devShell" => Self::DevShell,
            "formatter" => Self::Formatter,
            "apps" | "defaultApp" => Self::App,
            "bundlers" | "defaultBundler" => Self::Bundler,
            "nixosConfigurations" => Self::NixosConfiguration,
            "nixosModules" | "nixosModule" => Self::NixosModule,
            "overlays" | "overlay" => Self::Overlay,
            "templates" | "defaultTemplate" => Self::Template,
            "hydraJobs" => Self::HydraJob,
            _ => Self::Other,
        }
    }
}
