use std::collections::{BTreeMap, BTreeSet};

use super::{NixSettings, last_line};

fn settings(all: &[(&str, &str)], max_jobs: Option<usize>) -> NixSettings {
    let mut text = BTreeMap::from([("system".to_owned(), "x86_64-linux".to_owned())]);
    text.extend(
        all.iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
    );
    NixSettings {
        all: text,
        max_jobs,
    }
}

fn can(settings: &NixSettings, system: &str, features: &[&str]) -> Option<bool> {
    let features: BTreeSet<String> = features.iter().map(ToString::to_string).collect();
    settings.builders().find(system, &features).ok()
}

#[test]
fn this_machine_offers_its_platforms_and_the_features_of_experiments() {
    let plain = settings(&[("system-features", "kvm")], None);
    assert_eq!(can(&plain, "x86_64-linux", &["kvm"]), Some(true));
    assert_eq!(can(&plain, "i686-linux", &[]), None);
    assert_eq!(can(&plain, "x86_64-linux", &["ca-derivations"]), None);
    let more = settings(
        &[
            ("extra-platforms", "i686-linux x86_64-v1-linux"),
            ("experimental-features", "flakes ca-derivations"),
        ],
        None,
    );
    assert_eq!(can(&more, "i686-linux", &["ca-derivations"]), Some(true));
    assert_eq!(can(&more, "x86_64-linux", &["recursive-nix"]), None);
}

#[test]
fn with_no_jobs_here_others_build_unless_there_are_none() {
    let machines = [("builders", "ssh-ng://b x86_64-linux - 3")];
    let elsewhere = settings(&machines, Some(0));
    assert_eq!(can(&elsewhere, "x86_64-linux", &[]), Some(false));
    assert!(!elsewhere.builders().builds_here());
    assert_eq!(elsewhere.builders().remote_slots(), 3);
    let both = settings(&machines, Some(1));
    assert_eq!(can(&both, "x86_64-linux", &[]), Some(true));
    let alone = settings(&[], Some(0));
    assert!(alone.builders().builds_here());
}

#[test]
fn settings_are_numbers_and_lists_where_they_can_be() {
    let settings = settings(&[("cores", "3"), ("bad", "x"), ("list", " a  b ")], None);
    assert_eq!(
        (
            settings.number("cores"),
            settings.number("bad"),
            settings.number("absent")
        ),
        (3, 0, 0)
    );
    assert_eq!(settings.list("list"), ["a", "b"]);
    assert_eq!(settings.value("absent"), "");
}

#[test]
fn the_point_of_an_error_is_its_last_line_without_colours() {
    assert_eq!(
        last_line(b"warning: x\n\x1b[31;1merror:\x1b[0m bad\n\n"),
        "error: bad"
    );
    assert_eq!(last_line(b" \n"), "it said nothing");
}
