use super::{Answer, DerivationAnswer, not_a_derivation};
use crate::nix::AttrPath;

fn answer(json: &str) -> Answer {
    serde_json::from_str(json).unwrap()
}

fn derivation(json: &str) -> DerivationAnswer {
    let Answer::Derivation(derivation) = answer(json) else {
        panic!("no derivation: {json}")
    };
    derivation
}

const DRV: &str = "/nix/store/qyxcm6jl3gdw98f5s0hds14v2inqyqsm-ok.drv";

#[test]
fn a_derivation_becomes_a_check() {
    let path = AttrPath::new(["x86_64-linux", "ok"]);
    let json = format!(
        r#"{{"kind":"derivation","drvPath":"{DRV}","name":"ok-1","system":"x86_64-linux","outputs":
           {{"out":"/nix/store/09mkll5azbbjkjqmhchjakzmx032yrcy-ok","ca":"/1rz4g4znpzjwh1xymhjpm42vipw92pr73vdgl6xs1hycac8kf2n9",
           "none":null}}}}"#
    );
    let check = derivation(&json).into_check(path.clone(), &path).unwrap();
    assert_eq!(
        (check.name.as_str(), check.system.as_str()),
        ("ok-1", "x86_64-linux")
    );
    assert_eq!(check.drv_path.as_str(), DRV);
    let outputs: Vec<_> = check
        .outputs
        .iter()
        .map(|(name, path)| (name.as_str(), path.is_some()))
        .collect();
    assert_eq!(outputs, [("ca", false), ("none", false), ("out", true)]);
}

#[test]
fn what_a_derivation_leaves_out_is_filled_in() {
    let json = format!(
        r#"{{"kind":"derivation","drvPath":"{DRV}","name":null,"system":null,"outputs":{{}}}}"#
    );
    let path = AttrPath::default();
    let check = derivation(&json).into_check(path.clone(), &path).unwrap();
    assert_eq!(
        (check.name.as_str(), check.system.as_str()),
        ("ok", "unknown")
    );
}

#[test]
fn a_derivation_without_one_is_a_failure() {
    let path = AttrPath::new(["checks", "forged"]);
    for drv_path in [
        "",
        "/nix/store/x",
        "/etc/passwd.drv",
        "/nix/store/09mkll5azbbjkjqmhchjakzmx032yrcy-ok",
    ] {
        let json = format!(
            r#"{{"kind":"derivation","drvPath":"{drv_path}","name":null,"system":null,"outputs":{{}}}}"#
        );
        let failure = derivation(&json)
            .into_check(path.clone(), &path)
            .unwrap_err();
        assert_eq!(
            failure.message,
            format!("`checks.forged` says it is a derivation, but its `drvPath` is `{drv_path}`")
        );
    }
}

#[test]
fn other_kinds_are_read_and_named() {
    let Answer::Other {
        is,
        type_name,
        position,
    } = answer(r#"{"kind":"other","is":"null","position":{"file":"/f","line":1,"column":2}}"#)
    else {
        panic!("another kind")
    };
    let shown = AttrPath::new(["checks", "a b"]);
    assert_eq!(
        not_a_derivation(&shown, &is, type_name.as_deref()),
        "`checks.\"a b\"` is null, not a derivation"
    );
    assert_eq!(
        position.map(|at| (at.file, at.line, at.column)),
        Some(("/f".into(), 1, 2))
    );
    assert_eq!(
        not_a_derivation(&shown, "set", Some("a\tpp")),
        "`checks.\"a b\"` is a set of type `a\\tpp`, not a derivation"
    );
    assert!(matches!(
        answer(r#"{"kind":"other","is":"set","type":"app","position":null}"#),
        Answer::Other {
            type_name: Some(_),
            position: None,
            ..
        }
    ));
    assert_eq!(
        answer(r#"{"kind":"set","count":2,"names":["a","b"],"recurse":true}"#),
        Answer::Set {
            count: 2,
            names: vec!["a".into(), "b".into()],
            recurse: true
        }
    );
    assert_eq!(
        answer(r#"{"kind":"missing","names":[]}"#),
        Answer::Missing { names: Vec::new() }
    );
    assert_eq!(
        answer(r#"{"kind":"blocked","at":1,"is":"int"}"#),
        Answer::Blocked {
            at: 1,
            is: "int".into()
        }
    );
}
