use clap::ValueEnum;
use saphyr::{LoadableYamlNode, Yaml};

use super::{CiArg, UNKNOWN_FLAKE, files, flake_reference};
use crate::config::{FILE, RepositoryConfig, Tree};

#[test]
fn the_examples_of_the_file_are_valid() {
    let (name, text) = files(None, UNKNOWN_FLAKE).remove(0);
    assert_eq!(name, FILE);
    let folder = tempfile::tempdir().unwrap();
    let read = |text: &str| {
        std::fs::write(folder.path().join(FILE), text).unwrap();
        let tree = Tree::new(folder.path(), folder.path()).unwrap();
        RepositoryConfig::read(&tree).unwrap_or_else(|error| panic!("{error}"))
    };
    assert_eq!(read(&text), RepositoryConfig::default());
    let examples: Vec<&str> = text
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(example) if !example.starts_with(' ') => example,
            Some(_) | None => line,
        })
        .collect();
    let config = read(&examples.join("\n"));
    assert!(config.attributes.is_some() && config.systems.is_some() && config.only.is_some());
    assert!(
        config.exclude.is_some() && config.timeout.is_some() && !config.upload.copy_to.is_empty()
    );
    assert_eq!(config.checks.len(), 1);
}

#[test]
fn every_workflow_is_yaml_that_runs_nixci() {
    for ci in CiArg::value_variants() {
        let (name, text) = files(Some(*ci), "github:me/nixci/v1").remove(1);
        let documents =
            Yaml::load_from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        let [document] = documents.as_slice() else {
            panic!("{name} has {} documents", documents.len());
        };
        let (variables, steps) = if *ci == CiArg::Gitlab {
            let job = &document["nixci"];
            (&job["variables"], &job["script"])
        } else {
            assert_eq!(document["permissions"]["contents"].as_str(), Some("read"));
            assert_eq!(
                document["permissions"].as_mapping().unwrap().len(),
                1,
                "{name} may do more than it has to"
            );
            let job = &document["jobs"]["check"];
            (&job["env"], &job["steps"])
        };
        assert_eq!(
            variables["NIXCI_FLAKE"].as_str(),
            Some("github:me/nixci/v1"),
            "{name}"
        );
        let last = steps.as_vec().unwrap().last().unwrap();
        let command = last.as_str().or_else(|| last["run"].as_str());
        assert_eq!(command, Some("nix run \"$NIXCI_FLAKE\" -- check"), "{name}");
        assert!(!text.contains("secrets."), "{name}");
    }
}

#[test]
fn what_would_have_to_be_quoted_is_no_flake_reference() {
    assert!(flake_reference("github:a/b?ref=x").is_ok());
    for bad in ["", "-x", "a b", "a\"", "a$b", "a\nb", "a`b"] {
        assert!(flake_reference(bad).is_err(), "{bad:?}");
    }
}
