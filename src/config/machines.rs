//! The other machines that Nix's `builders` setting names.
//!
//! Format: the chapter "Remote Builds" of the Nix manual. One machine a line or between `;`, the fields separated by
//! blanks, `-` for a default: store, systems, ssh key, jobs, speed, features, mandatory features, host key.

use std::path::Path;

use crate::nix::Machine;

/// How deep `@FILE` may lead to further files.
const DEPTH_MAX: u32 = 8;

/// Parses the `builders` setting; `@FILE` stands for what is in a file. What cannot be read or has no system named is
/// left out, as Nix leaves it out. `current_system` is what `-` stands for.
pub fn parse_machines(builders: &str, current_system: &str) -> Vec<Machine> {
    let mut machines = Vec::new();
    add_machines(builders, current_system, 0, &mut machines);
    machines
}

fn add_machines(text: &str, current_system: &str, depth: u32, machines: &mut Vec<Machine>) {
    for line in text.split(['\n', ';']) {
        let line = line.split('#').next().unwrap_or_default().trim();
        if let Some(file) = line.strip_prefix('@') {
            if depth < DEPTH_MAX
                && let Ok(text) = std::fs::read_to_string(Path::new(file.trim()))
            {
                add_machines(&text, current_system, depth + 1, machines);
            }
        } else if !line.is_empty() {
            machines.extend(parse_machine(line, current_system));
        }
    }
}

fn parse_machine(line: &str, current_system: &str) -> Option<Machine> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let field = |i: usize| fields.get(i).copied().filter(|field| *field != "-");
    let list = |i: usize| -> Vec<String> {
        field(i)
            .unwrap_or_default()
            .split(',')
            .filter(|part| !part.is_empty())
            .map(str::to_owned)
            .collect()
    };
    let uri = field(0)?;
    let mut systems = list(1);
    if systems.is_empty() {
        systems.push(current_system.to_owned());
    }
    let mandatory_features = list(6);
    Some(Machine {
        uri: if uri.contains("://") {
            uri.to_owned()
        } else {
            format!("ssh://{uri}")
        },
        systems,
        features: list(5),
        mandatory_features,
        max_jobs: field(3).and_then(|jobs| jobs.parse().ok()).unwrap_or(1),
    })
}

#[cfg(test)]
mod tests {
    use super::parse_machines;

    #[test]
    fn fields_have_defaults_and_files_are_followed() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("machines");
        std::fs::write(
            &file,
            "# ours\nssh-ng://b aarch64-linux,armv7l-linux /key 8 2 big-parallel,kvm kvm\n\nmac x86_64-darwin # old\n",
        )
        .unwrap();
        let machines = parse_machines(&format!("@{}; c - - 3", file.display()), "x86_64-linux");
        assert_eq!(machines.len(), 3);
        assert_eq!(machines[0].uri, "ssh-ng://b");
        assert_eq!(machines[0].systems, ["aarch64-linux", "armv7l-linux"]);
        assert_eq!(machines[0].features, ["big-parallel", "kvm"]);
        assert_eq!(machines[0].mandatory_features, ["kvm"]);
        assert_eq!(machines[0].max_jobs, 8);
        assert_eq!(
            (machines[1].uri.as_str(), machines[1].max_jobs),
            ("ssh://mac", 1)
        );
        assert_eq!(
            (machines[2].uri.as_str(), machines[2].max_jobs),
            ("ssh://c", 3)
        );
        assert_eq!(machines[2].systems, ["x86_64-linux"]);
    }

    #[test]
    fn a_missing_file_means_no_machines() {
        assert_eq!(parse_machines("@/nonexistent/machines", "x86_64-linux"), []);
        assert_eq!(parse_machines("", "x86_64-linux"), []);
    }

    #[test]
    fn a_file_that_names_itself_ends() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("machines");
        std::fs::write(&file, format!("@{}\na\n", file.display())).unwrap();
        assert!(!parse_machines(&format!("@{}", file.display()), "x86_64-linux").is_empty());
    }
}
