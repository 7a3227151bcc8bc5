use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use proptest::{
    collection::{btree_map, btree_set, vec},
    prelude::*,
};

use crate::nix::{AtermError, Derivation, DerivationOutput, NeededOutputs, StorePath, golden};

fn recorded() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/derivation");
    let files = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    files
        .filter(|path| path.extension().is_some_and(|extension| extension == "drv"))
        .map(|path| (path.display().to_string(), fs::read(path).unwrap()))
        .collect()
}

#[test]
fn what_nix_wrote_is_read_and_written_the_same() {
    let recorded = recorded();
    assert_eq!(recorded.len(), 11);
    for (name, bytes) in recorded {
        let drv = Derivation::parse(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(drv.to_aterm(), bytes, "{name}");
    }
}

#[test]
fn golden_derivations_are_read_and_written() {
    for name in ["simple-derivation", "dyn-dep-derivation"] {
        let Some(bytes) = golden::read(&format!("derivation/{name}.drv")) else {
            return;
        };
        assert_eq!(
            Derivation::parse(&bytes).unwrap().to_aterm(),
            bytes,
            "{name}"
        );
    }
    // Someone replaced the hashes in these, so their inputs are not in order any more.
    for (file, name) in [("firefox", "firefox-140.0.4"), ("hello", "hello-2.12.2")] {
        let bytes = golden::read(&format!("derivation/{file}.drv")).unwrap();
        let drv = Derivation::parse(&bytes).unwrap();
        assert_eq!(drv.name().as_deref(), Some(name));
        assert_eq!(drv.to_aterm().len(), bytes.len());
        assert!(Derivation::parse(&drv.to_aterm()).unwrap() == drv, "{file}");
    }
}

#[test]
fn golden_mistakes_are_refused() {
    for (name, expected) in [
        ("bad-version", "the version `xp-dyn-drv`"),
        ("bad-old-version-dyn-deps", "an end of the nesting"),
    ] {
        let Some(bytes) = golden::read(&format!("derivation/{name}.drv")) else {
            return;
        };
        assert_eq!(
            Derivation::parse(&bytes).unwrap_err().expected,
            expected,
            "{name}"
        );
    }
}

#[test]
fn strings_hold_any_bytes() {
    let (name, bytes) = recorded()
        .into_iter()
        .find(|(name, _)| name.ends_with("hostile.drv"))
        .unwrap();
    let drv = Derivation::parse(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
    let expected =
        "quote \" backslash \\ newline \n return \r tab \t dollar ${x} escape \x1b[31m ümläut 🦀";
    assert_eq!(drv.env[b"text".as_slice()], expected.as_bytes());
    assert_eq!(drv.args, [b"".as_slice(), b"\\n", b"\""]);
}

#[test]
fn what_is_needed_of_derivations_that_are_built_is_kept() {
    let (_, bytes) = recorded()
        .into_iter()
        .find(|(name, _)| name.ends_with("dynamic.drv"))
        .unwrap();
    let drv = Derivation::parse(&bytes).unwrap();
    let producer = drv.input_drvs.keys().next().unwrap();
    assert_eq!(
        drv.input_drvs[producer],
        BTreeSet::new(),
        "its own outputs are not needed"
    );
    let made = &drv.dynamic_inputs[producer]["out"];
    assert_eq!(made.outputs, BTreeSet::from(["out".to_owned()]));
    assert_eq!(
        made.dynamic["out"].outputs,
        BTreeSet::from(["lib".to_owned()])
    );
}

#[test]
fn mistakes_are_named_with_their_place() {
    let error = |text: &str| Derivation::parse(text.as_bytes()).unwrap_err();
    for (text, offset, expected) in [
        ("", 0, "`Derive(` or `DrvWithVersion(`"),
        ("derive(", 0, "`Derive(` or `DrvWithVersion(`"),
        ("Derive([", 8, "`(`"),
        ("Derive([],[]", 12, "`,`"),
        ("Derive([],[(\"/etc/passwd\",[])],[]", 12, "a store path"),
        ("Derive([],[],[],\"a", 18, "the end of a string"),
        ("Derive([],[],[],\"a\\", 19, "an escaped character"),
        ("Derive([],[],[],\"a\",\"b\",[\"c\"\"d\"]", 28, "`,` or `]`"),
        ("Derive([],[],[],\"a\",\"b\",[],[]) ", 30, "the end"),
    ] {
        assert_eq!(error(text), AtermError { offset, expected }, "{text}");
    }
    assert_eq!(
        error("").to_string(),
        "not a derivation: `Derive(` or `DrvWithVersion(` expected at byte 0"
    );
    let no_text = b"Derive([],[],[],\"\xff\",\"b\",[],[])";
    assert_eq!(
        Derivation::parse(no_text).unwrap_err(),
        AtermError {
            offset: 16,
            expected: "UTF-8"
        }
    );
}

#[test]
fn deep_nesting_is_refused_and_not_followed() {
    let start =
        "DrvWithVersion(\"xp-dyn-drv\",[],[(\"/nix/store/7h1hwjvqzq2dxlnwm5vz8idbr108q6id-a.drv\",";
    let text = start.to_owned() + &"([],[(\"out\",".repeat(1_000_000);
    assert_eq!(
        Derivation::parse(text.as_bytes()).unwrap_err().expected,
        "an end of the nesting"
    );
}

fn store_path() -> impl Strategy<Value = StorePath> {
    "/nix/store/[0-9abcdfghijklmnpqrsvwxyz]{32}-[a-zA-Z0-9+._?=-]{1,20}"
        .prop_map(|path| StorePath::parse(&path).unwrap())
}

fn outputs() -> impl Strategy<Value = BTreeSet<String>> {
    btree_set(any::<String>(), 0..3)
}

fn needed() -> impl Strategy<Value = NeededOutputs> {
    let leaf = outputs().prop_map(|outputs| NeededOutputs {
        outputs,
        dynamic: BTreeMap::new(),
    });
    leaf.prop_recursive(4, 16, 3, |inner| {
        let dynamic = btree_map(any::<String>(), inner, 0..3);
        (outputs(), dynamic).prop_map(|(outputs, dynamic)| NeededOutputs { outputs, dynamic })
    })
}

prop_compose! {
    fn derivation()(
        outputs in btree_map(any::<String>(), any::<[String; 3]>(), 0..3),
        inputs in btree_map(store_path(), needed(), 0..3),
        input_srcs in btree_set(store_path(), 0..3),
        system: String,
        builder: Vec<u8>,
        args in vec(any::<Vec<u8>>(), 0..3),
        env: BTreeMap<Vec<u8>, Vec<u8>>,
    ) -> Derivation {
        let outputs = outputs.into_iter().map(|(name, [path, hash_algo, hash])| {
            (name, DerivationOutput { path, hash_algo, hash })
        });
        let dynamic = inputs.iter().filter(|(_, needed)| !needed.dynamic.is_empty());
        Derivation {
            outputs: outputs.collect(),
            dynamic_inputs: dynamic.map(|(path, needed)| (path.clone(), needed.dynamic.clone())).collect(),
            input_drvs: inputs.into_iter().map(|(path, needed)| (path, needed.outputs)).collect(),
            input_srcs, system, builder, args, env,
        }
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read(drv in derivation()) {
        let bytes = drv.to_aterm();
        prop_assert_eq!(Derivation::parse(&bytes).unwrap(), drv);
        prop_assert!(Derivation::parse(&bytes[..bytes.len() - 1]).is_err());
    }

    #[test]
    fn a_file_with_one_byte_changed_is_read_or_refused(file in 0..11_usize, at: proptest::sample::Index, byte: u8) {
        let (_, mut bytes) = recorded().swap_remove(file);
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(drv) = Derivation::parse(&bytes) {
            prop_assert_eq!(Derivation::parse(&drv.to_aterm()).unwrap(), drv);
        }
    }
}
