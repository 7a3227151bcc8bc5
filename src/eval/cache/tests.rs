use std::{collections::BTreeMap, fs, path::PathBuf};

use super::{CacheKey, CachedEvaluation, EvalCache};
use crate::{
    eval::{
        EvalOptions, EvalRequest, EvalScope, EvaluatedCheck, EvaluatedOutput, Isolation, Walls,
    },
    nix::{AttrPath, CheckPattern, Installable, StorePath, System},
};

fn request() -> EvalRequest {
    EvalRequest {
        installable: Installable::parse(".").unwrap(),
        systems: Some(vec![System::parse("x86_64-linux").unwrap()]),
        current_system: System::parse("x86_64-linux").unwrap(),
        workers: 2,
        memory_budget_bytes: 1 << 30,
        scope: EvalScope::default(),
        options: EvalOptions::default(),
        nix: PathBuf::from("nix"),
        nix_version: (2, 34),
    }
}

fn key(request: &EvalRequest) -> Option<CacheKey> {
    CacheKey::new(request, "source", "", "nix")
}

#[test]
fn whatever_reaches_the_result_is_part_of_the_key() {
    let base = key(&request()).unwrap();
    let changed = |change: &dyn Fn(&mut EvalRequest)| {
        let mut request = request();
        change(&mut request);
        key(&request)
    };
    assert_eq!(
        changed(&|r| r.workers = 7),
        Some(base.clone()),
        "the number of workers changes nothing"
    );
    assert_eq!(
        changed(&|r| r.options.show_trace = true),
        Some(base.clone())
    );
    for other in [
        changed(&|r| r.systems = None),
        changed(&|r| r.scope.roots = vec![AttrPath::new(["a"])]),
        changed(&|r| r.scope.only = vec![CheckPattern::parse("a").unwrap()]),
        changed(&|r| r.scope.exclude = vec![CheckPattern::parse("a").unwrap()]),
        changed(&|r| r.scope.is_strict = true),
        changed(&|r| r.scope.select = Some("a".into())),
        changed(&|r| r.scope.apply = Some("a".into())),
        changed(&|r| r.installable.attribute = AttrPath::new(["packages"])),
        changed(&|r| r.options.nix_options = vec![("a".into(), "b".into())]),
        changed(&|r| r.options.accept_flake_config = true),
        CacheKey::new(&request(), "other", "", "nix"),
        CacheKey::new(&request(), "source", "dir", "nix"),
        CacheKey::new(&request(), "source", "", "other nix"),
    ] {
        assert!(other.is_some_and(|other| other != base));
    }
    assert_eq!(changed(&|r| r.options.impure = true), None);
    assert_eq!(
        changed(&|r| r.options.override_inputs = vec![("a".into(), "b".into())]),
        None
    );
    assert_eq!(
        changed(&|r| r.options.reference_lock_file = Some("x".into())),
        None
    );
}

/// Security: "token leak through fetchers".
#[test]
fn what_a_token_has_opened_is_not_kept() {
    let mut apart = request();
    let isolation = Isolation::new(Walls::None, "/mirror".as_ref(), "/home".into());
    apart.options.isolation = Some(isolation.clone());
    assert!(key(&apart).is_some());
    apart.options.isolation = Some(Isolation {
        credentials: Some("inputs-7".to_owned()),
        ..isolation
    });
    assert_eq!(key(&apart), None);
}

#[test]
fn what_is_kept_comes_back_and_a_broken_entry_does_not() {
    let dir = tempfile::tempdir().unwrap();
    let cache = EvalCache::new(dir.path().join("eval"));
    let key = key(&request()).unwrap();
    assert_eq!(cache.load(&key), None);
    let evaluation = CachedEvaluation {
        checks: vec![EvaluatedCheck {
            path: AttrPath::new(["x86_64-linux", "a.\u{1b}b"]),
            drv_path: StorePath::parse("/nix/store/sbmgrpkpqw7n9q6xg30k28gz54jbzxh6-ok.drv")
                .unwrap(),
            name: "ok".into(),
            system: System::parse("x86_64-linux").unwrap(),
            outputs: BTreeMap::from([("out".into(), None)]),
            extra: None,
        }],
        outputs: vec![EvaluatedOutput {
            path: AttrPath::new(["overlays", "default"]),
            drv_path: None,
        }],
        warnings: vec![(None, "old".into())],
        systems_available: Vec::new(),
    };
    cache.store(&key, &evaluation).unwrap();
    assert_eq!(cache.load(&key), Some(evaluation));
    let file = cache.file(&key);
    fs::write(&file, "{\"checks\":[").unwrap();
    assert_eq!(cache.load(&key), None);
    assert!(!file.exists());
}
