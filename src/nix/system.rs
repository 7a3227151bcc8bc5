//! Systems such as `x86_64-linux`.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

/// A system that derivations are built for; cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct System(Arc<str>);

/// Why a string is not a system.
#[derive(Debug, thiserror::Error)]
#[error("`{}` is not a system such as `x86_64-linux`", .0.escape_debug())]
pub struct SystemError(String);

impl System {
    /// Parses a system as a user writes it: `CPU-KERNEL` in lower case.
    pub fn parse(system: &str) -> Result<Self, SystemError> {
        if looks_like_system(system) {
            Ok(Self(system.into()))
        } else {
            Err(SystemError(system.chars().take(100).collect()))
        }
    }

    /// Takes the system of a derivation as it is: any string, `builtin` among them.
    pub fn of_derivation(system: &str) -> Self {
        Self(system.into())
    }

    /// The system as Nix writes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The CPUs that Nixpkgs knows: `cpuTypes` in its `lib/systems/parse.nix`.
const CPUS: &[&str] = &[
    "aarch64",
    "aarch64_be",
    "alpha",
    "arc",
    "arm",
    "armv5tel",
    "armv6l",
    "armv6m",
    "armv7a",
    "armv7l",
    "avr",
    "i386",
    "i486",
    "i586",
    "i686",
    "javascript",
    "loongarch64",
    "m68k",
    "microblaze",
    "microblazeel",
    "mips",
    "mips64",
    "mips64el",
    "mipsel",
    "mmix",
    "msp430",
    "or1k",
    "powerpc",
    "powerpc64",
    "powerpc64le",
    "powerpcle",
    "riscv32",
    "riscv64",
    "rx",
    "s390",
    "s390x",
    "sparc",
    "sparc64",
    "vc4",
    "wasm32",
    "wasm64",
    "x86_64",
];
/// The kernels that Nixpkgs knows: `kernels` in the same file.
const KERNELS: &[&str] = &[
    "cygwin", "darwin", "freebsd", "genode", "ghcjs", "ios", "linux", "mmixware", "netbsd", "none",
    "openbsd", "redox", "solaris", "uefi", "wasi", "windows",
];

/// Whether an attribute of this name stands for a system: a CPU and a kernel that Nixpkgs knows.
pub fn looks_like_system(name: &str) -> bool {
    name.split_once('-')
        .is_some_and(|(cpu, kernel)| CPUS.contains(&cpu) && KERNELS.contains(&kernel))
}

/// Returns a regular expression, as `builtins.match` takes it, for the names that [`looks_like_system`] knows.
pub fn system_pattern() -> String {
    format!("({})-({})", CPUS.join("|"), KERNELS.join("|"))
}

impl fmt::Display for System {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for System {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::System;

    #[test]
    fn systems_are_cpu_and_kernel() {
        for good in [
            "x86_64-linux",
            "aarch64-darwin",
            "riscv64-linux",
            "armv7l-linux",
        ] {
            assert_eq!(System::parse(good).unwrap().as_str(), good);
        }
        for bad in [
            "",
            "nonsense",
            "linux",
            "x86_64-",
            "x86_64-linux ",
            "X86_64-linux",
            "foo-bar",
            "a-b-c",
        ] {
            assert!(System::parse(bad).is_err(), "{bad:?}");
        }
    }
}
