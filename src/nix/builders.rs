//! Who can build what: this machine and those that Nix's `builders` setting names.

use std::collections::BTreeSet;

use super::System;

/// A machine that builds.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Machine {
    /// Its store, such as `ssh-ng://host`; empty: this machine.
    pub uri: String,
    /// The systems it builds for.
    pub systems: Vec<String>,
    /// The features it offers.
    pub features: Vec<String>,
    /// The features a derivation must ask for to be built there.
    pub mandatory_features: Vec<String>,
    /// How many builds it takes at once.
    pub max_jobs: usize,
}

impl Machine {
    fn accepts(&self, system: &str, features: &BTreeSet<String>) -> bool {
        let builtin_here = system == "builtin" && self.uri.is_empty();
        (builtin_here || self.systems.iter().any(|s| s == system))
            && features
                .iter()
                .all(|f| self.features.contains(f) || self.mandatory_features.contains(f))
            && self.mandatory_features.iter().all(|f| features.contains(f))
    }
}

/// All machines that can build for this one, this one first if it builds at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Builders(Vec<Machine>);

impl Builders {
    /// Makes the set of these machines.
    pub fn new(machines: Vec<Machine>) -> Self {
        Self(machines)
    }

    /// Whether this machine (`Ok(true)`) or another one (`Ok(false)`) can build for a system with these required
    /// features; if none can, says what is missing.
    pub fn find(&self, system: &str, features: &BTreeSet<String>) -> Result<bool, String> {
        if let Some(machine) = self.0.iter().find(|m| m.accepts(system, features)) {
            return Ok(machine.uri.is_empty());
        }
        let of_system: Vec<&Machine> = self
            .0
            .iter()
            .filter(|m| m.systems.iter().any(|s| s == system))
            .collect();
        if of_system.is_empty() {
            return Err(format!("no builder for {system}"));
        }
        let nobody_offers: Vec<&str> = features
            .iter()
            .filter(|f| {
                !of_system
                    .iter()
                    .any(|m| m.features.contains(f) || m.mandatory_features.contains(f))
            })
            .map(String::as_str)
            .collect();
        if nobody_offers.is_empty() {
            Err(format!(
                "no builder for {system} offers all of {}",
                features
                    .iter()
                    .map(String::as_str)
                    .collect::<Vec<_>>()
                    .join(", ")
            ))
        } else {
            Err(format!(
                "no builder for {system} has the feature {}",
                nobody_offers.join(", ")
            ))
        }
    }

    /// The systems that some machine builds for, this machine's first, without repetition.
    pub fn systems(&self) -> Vec<System> {
        let mut systems: Vec<System> = Vec::new();
        for name in self.0.iter().flat_map(|m| &m.systems) {
            if let Ok(system) = System::parse(name)
                && !systems.contains(&system)
            {
                systems.push(system);
            }
        }
        systems
    }

    /// Whether this machine builds at all.
    pub fn builds_here(&self) -> bool {
        self.0.iter().any(|machine| machine.uri.is_empty())
    }

    /// How many builds all other machines take at once.
    pub fn remote_slots(&self) -> usize {
        self.0
            .iter()
            .filter(|m| !m.uri.is_empty())
            .map(|m| m.max_jobs)
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use super::{Builders, Machine};

    fn machine(uri: &str, systems: &[&str], features: &[&str], mandatory: &[&str]) -> Machine {
        let owned = |names: &[&str]| names.iter().map(ToString::to_string).collect();
        Machine {
            uri: uri.into(),
            systems: owned(systems),
            features: owned(features),
            mandatory_features: owned(mandatory),
            max_jobs: 2,
        }
    }

    #[test]
    fn a_builder_needs_the_system_and_every_feature() {
        let builders = Builders::new(vec![
            machine("", &["x86_64-linux", "i686-linux"], &["kvm"], &[]),
            machine("ssh-ng://b", &["aarch64-linux"], &["big-parallel"], &[]),
            machine("ssh-ng://c", &["x86_64-linux"], &[], &["gpu"]),
        ]);
        let find = |system: &str, features: &[&str]| {
            let features = features.iter().map(ToString::to_string).collect();
            builders.find(system, &features)
        };
        assert_eq!(find("x86_64-linux", &[]), Ok(true));
        assert_eq!(find("i686-linux", &["kvm"]), Ok(true));
        assert_eq!(find("builtin", &[]), Ok(true));
        assert_eq!(find("aarch64-linux", &["big-parallel"]), Ok(false));
        assert_eq!(find("x86_64-linux", &["gpu"]), Ok(false));
        assert_eq!(
            find("aarch64-linux", &["kvm"]),
            Err("no builder for aarch64-linux has the feature kvm".into())
        );
        assert_eq!(
            find("x86_64-linux", &["gpu", "kvm"]),
            Err("no builder for x86_64-linux offers all of gpu, kvm".into())
        );
        assert_eq!(
            find("riscv64-linux", &[]),
            Err("no builder for riscv64-linux".into())
        );
        assert_eq!(builders.remote_slots(), 4);
        let systems: Vec<String> = builders.systems().iter().map(ToString::to_string).collect();
        assert_eq!(systems, ["x86_64-linux", "i686-linux", "aarch64-linux"]);
    }
}
