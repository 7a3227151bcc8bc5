use std::collections::BTreeSet;

use proptest::prelude::*;

use super::{DerivedPath, Outputs};
use crate::nix::StorePath;

const DRV: &str = "/nix/store/6gdvyj6j7fbm4bkvqy7rrp36n7m5b9ha-a.drv";

#[test]
fn a_derivation_without_outputs_stands_for_itself() {
    let path = StorePath::parse(DRV).unwrap();
    assert_eq!(
        DerivedPath::parse(DRV).unwrap(),
        DerivedPath::Opaque(path.clone())
    );
    assert_eq!(
        DerivedPath::parse(&format!("{DRV}!*")).unwrap(),
        DerivedPath::all_outputs(path)
    );
}

#[test]
fn what_names_no_outputs_is_refused() {
    for outputs in ["", ",", "a,", "a,,b", "out!x", "out!*", "*,a"] {
        let text = format!("{DRV}!{outputs}");
        let error = DerivedPath::parse(&text).unwrap_err();
        assert_eq!(error.to_string(), format!("`{text}` names no outputs"));
    }
    assert!(DerivedPath::parse("/nix/store!out").is_err());
}

proptest! {
    #[test]
    fn what_is_written_is_read(names in proptest::collection::btree_set("[a-zA-Z0-9+._?=-]{1,20}", 0..4)) {
        let drv_path = StorePath::parse(DRV).unwrap();
        let names: BTreeSet<String> = names;
        let outputs = if names.is_empty() { Outputs::All } else { Outputs::Names(names) };
        let target = DerivedPath::Built { drv_path, outputs };
        prop_assert_eq!(DerivedPath::parse(&target.to_string()).unwrap(), target);
    }

    #[test]
    fn any_text_is_a_target_or_an_error(text: String) {
        let _ = DerivedPath::parse(&text);
    }
}
