use std::{collections::BTreeMap, fs, path::Path};

use super::Derivation;

/// A derivation that Nix wrote.
fn recorded(name: &str) -> Derivation {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/derivation");
    Derivation::parse(&fs::read(folder.join(name).with_extension("drv")).unwrap()).unwrap()
}

fn features(drv: &Derivation) -> Vec<String> {
    drv.required_system_features().into_iter().collect()
}

#[test]
fn features_are_words_or_a_list_or_taken_for_granted() {
    for (name, expected) in [
        ("plain", vec![]),
        ("user", vec!["big-parallel", "kvm"]),
        ("structured", vec!["nixos-test"]),
        ("floating", vec!["ca-derivations", "kvm"]),
        ("impure", vec!["ca-derivations"]),
        ("fixed", vec![]),
        ("fixed-recursive", vec![]),
        ("deferred", vec![]),
    ] {
        assert_eq!(features(&recorded(name)), expected, "{name}");
    }
}

#[test]
fn outputs_tell_how_they_are_named() {
    for (name, is_fixed, is_content_addressed) in [
        ("plain", false, false),
        ("lib", false, false),
        ("deferred", false, false),
        ("fixed", true, true),
        ("fixed-recursive", true, true),
        ("floating", false, true),
        ("impure", false, true),
    ] {
        let drv = recorded(name);
        assert_eq!(drv.is_fixed_output(), is_fixed, "{name}");
        assert_eq!(drv.is_content_addressed(), is_content_addressed, "{name}");
    }
}

#[test]
fn some_want_to_be_built_here() {
    assert!(recorded("user").prefers_local_build());
    assert!(recorded("structured").prefers_local_build());
    assert!(!recorded("plain").prefers_local_build());
}

#[test]
fn a_name_is_where_the_attributes_are() {
    for name in ["plain", "lib", "structured", "dynamic"] {
        assert_eq!(recorded(name).name().as_deref(), Some(name));
    }
    assert_eq!(Derivation::default().name(), None);
}

#[test]
fn attributes_of_a_wrong_shape_are_none() {
    for json in [
        "",
        "[]",
        "null",
        "{",
        r#"{"requiredSystemFeatures":{"kvm":true},"preferLocalBuild":"1","name":7}"#,
        r#"{"requiredSystemFeatures":[1,null,["kvm"]]}"#,
    ] {
        let env = BTreeMap::from([
            (b"__json".to_vec(), json.into()),
            (b"name".to_vec(), b"a".to_vec()),
        ]);
        let drv = Derivation {
            env,
            ..Derivation::default()
        };
        assert_eq!(features(&drv), Vec::<String>::new(), "{json}");
        assert!(!drv.prefers_local_build(), "{json}");
        assert_eq!(
            drv.name(),
            None,
            "{json}: with structured attributes the environment says nothing"
        );
    }
    let env = BTreeMap::from([(
        b"requiredSystemFeatures".to_vec(),
        b" kvm\n\tbig-parallel \xff".to_vec(),
    )]);
    let drv = Derivation {
        env,
        ..Derivation::default()
    };
    assert_eq!(features(&drv), ["big-parallel", "kvm", "\u{fffd}"]);
}
