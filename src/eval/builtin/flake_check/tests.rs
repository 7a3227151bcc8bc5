use super::{Rule, old, remark};
use crate::nix::AttrPath;

fn rule(path: &str, minor: u32) -> Option<Rule> {
    Rule::of(&AttrPath::parse(path).unwrap(), (2, minor))
}

#[test]
fn every_output_has_its_rules() {
    let names = |path: &str| {
        let path = AttrPath::parse(path).unwrap();
        let depths = 0..=path.names().len();
        let rules = depths.map(|depth| {
            let path = AttrPath::new(&path.names()[..depth]);
            Rule::of(&path, (2, 34)).map_or("-", Rule::as_str)
        });
        rules.collect::<Vec<_>>().join(" ")
    };
    for (path, rules) in [
        ("checks.s.a.b", "set set derivations derivation -"),
        ("packages.s.a", "set set derivations derivation"),
        ("devShells.s.a", "set set derivations derivation"),
        ("defaultPackage.s.a", "set set derivation -"),
        ("devShell.s", "set set derivation"),
        ("formatter.s.a", "set set derivation -"),
        ("apps.s.a.b", "set set set app -"),
        ("defaultApp.s.a", "set set app -"),
        ("bundlers.s.a.b", "set set set bundler -"),
        ("defaultBundler.s.a", "set set bundler -"),
        ("legacyPackages.s", "set set -"),
        ("overlays.a.b", "set set overlay -"),
        ("overlay.a", "set overlay -"),
        ("nixosModules.a.b", "set set module -"),
        ("nixosModule.a", "set module -"),
        ("nixosConfigurations.a.b", "set set configuration -"),
        ("templates.a.b", "set set template -"),
        ("defaultTemplate.a", "set template -"),
        ("hydraJobs.a.b", "set jobs job job"),
        ("lib.a", "set any -"),
        ("whatever.a", "set any -"),
    ] {
        assert_eq!(names(path), rules, "{path}");
    }
}

#[test]
fn old_versions_look_at_less() {
    for (path, since) in [("apps.s.a", 25), ("defaultApp.s", 25), ("formatter.s", 25)] {
        assert_eq!(rule(path, since - 1), None, "{path}");
        assert!(rule(path, since).is_some(), "{path}");
    }
    // Lix went its own way from 2.18 on.
    assert_eq!(rule("apps.s.a", 93), None);
    let wanted = |minor| old((2, minor));
    assert_eq!(
        wanted(8),
        "{ modules = true; prev = true; templates = true; }"
    );
    assert_eq!(
        wanted(15),
        "{ modules = false; prev = true; templates = true; }"
    );
    assert_eq!(
        wanted(21),
        "{ modules = false; prev = true; templates = false; }"
    );
    assert_eq!(
        wanted(34),
        "{ modules = false; prev = false; templates = false; }"
    );
    assert_eq!(wanted(93), wanted(18));
}

#[test]
fn names_that_are_unknown_or_out_of_date_are_remarked_on() {
    for known in [
        "checks",
        "lib",
        "homeModules",
        "legacyPackages",
        "hydraJobs",
    ] {
        assert_eq!(remark(known), None);
    }
    assert!(remark("devShell").is_some_and(|text| text.contains("`devShells.SYSTEM.default`")));
    assert!(remark("chekcs").is_some_and(|text| text.contains("unknown flake output `chekcs`")));
}
