//! Holds the imports of `src/` against the layers: a module knows only modules of lower layers.
//!
//! Reads the tokens of every file, so a path counts wherever it stands: in a `use` with braces, in a signature, in a
//! macro. Comments and links in documentation do not count. What it cannot see is a path behind a re-export.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// The modules of the crate's root by layer, lowest first.
const LAYERS: &[&[&str]] = &[
    &["nix", "redact"],
    &["event", "git"],
    &["eval", "store", "graph", "forge", "config"],
    &["run", "report", "db", "upload", "effects"],
    &["web"],
    &["server"],
    &["cli"],
];

/// Who may know whom within a layer: `graph` reads the data types of `store`, and `upload` does what `run` asks for.
const ALLOWED: &[(&str, &str)] = &[("graph", "store"), ("upload", "run")];

/// Who may not know whom although the layers would allow it.
const FORBIDDEN: &[(&str, &str)] = &[
    // A run has no idea of where it is shown or kept.
    ("run", "forge"),
    // Events only: a reporter works the same on a recorded run.
    ("report", "git"),
    ("report", "eval"),
    ("report", "store"),
    ("report", "graph"),
    ("report", "forge"),
    ("report", "config"),
    // These report to the run, which alone writes events.
    ("eval", "event"),
    ("store", "event"),
    ("graph", "event"),
];

/// Crates that one place alone may name: a file, or every file of a folder.
const CONFINED: &[(&str, &str)] = &[
    ("indicatif", "report/matrix/screen.rs"),
    ("git2", "git/"),
    ("rusqlite", "db/"),
];

#[test]
fn modules_know_only_lower_layers() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut violations = Vec::new();
    let files = rust_files(&src);
    assert!(
        files.len() > 20,
        "the sources are not where they were: {files:?}"
    );
    for path in files {
        let source = fs::read_to_string(&path).unwrap();
        let file = path.strip_prefix(&src).unwrap().to_str().unwrap();
        violations.extend(violations_of(file, &source));
    }
    assert!(violations.is_empty(), "\n{}\n", violations.join("\n"));
}

/// Says what a file, named below `src/`, imports that it may not.
fn violations_of(file: &str, source: &str) -> Vec<String> {
    let tokens: TokenStream = source
        .parse()
        .unwrap_or_else(|error| panic!("src/{file}: {error}"));
    let mut names = Names::default();
    names.collect(tokens, &module_of(file));
    let confined = CONFINED
        .iter()
        .filter(|(_, place)| !is_in(file, place))
        .filter(|(name, _)| names.identifiers.contains(*name))
        .map(|(name, place)| format!("src/{file} names `{name}`, which only src/{place} may"));
    let importer = module_of(file).into_iter().next();
    let imports = names
        .modules
        .iter()
        .filter_map(|imported| Some((importer.as_deref()?, imported)))
        .filter_map(|(importer, imported)| {
            refusal(importer, imported).map(|why| format!("src/{file} imports `{imported}`: {why}"))
        });
    confined.chain(imports).collect()
}

/// Whether a file is this place: the file itself, with its tests, or a folder's file.
fn is_in(file: &str, place: &str) -> bool {
    match place.strip_suffix(".rs") {
        Some(stem) => {
            file == place
                || file
                    .strip_prefix(stem)
                    .is_some_and(|rest| rest.starts_with('/'))
        }
        None => file.starts_with(place),
    }
}

/// Why one module of the root may not import another.
fn refusal(above: &str, below: &str) -> Option<&'static str> {
    let layer = |name| LAYERS.iter().position(|layer| layer.contains(&name));
    if above == below || ALLOWED.contains(&(above, below)) {
        return None;
    }
    if FORBIDDEN.contains(&(above, below)) {
        return Some("it must do without");
    }
    match (layer(above), layer(below)) {
        (Some(a), Some(b)) if b < a => None,
        (Some(a), Some(b)) if b == a => Some("they are in the same layer"),
        (Some(_), Some(_)) => Some("it is in a higher layer"),
        // An item of the root itself, or a module that nobody gave a layer.
        (None, _) | (_, None) => Some("no layer is known for one of them"),
    }
}

/// The path of a file's module: `store/wire.rs` is `store::wire`, and the files of the root are the root.
fn module_of(file: &str) -> Vec<String> {
    let stem = file.trim_end_matches(".rs");
    let path = stem.strip_suffix("/mod").unwrap_or(stem);
    if ["lib", "main"].contains(&path) {
        return Vec::new();
    }
    path.split('/').map(str::to_owned).collect()
}

fn rust_files(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).expect("the sources are readable");
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.expect("the sources are readable").path();
        if path.is_dir() {
            files.append(&mut rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// What the tokens of a file name.
#[derive(Default)]
struct Names {
    /// Modules of the crate's root, from paths that begin with `crate` or climb there with `super`.
    modules: BTreeSet<String>,
    /// Every identifier.
    identifiers: BTreeSet<String>,
}

impl Names {
    /// Walks through the tokens of a module and of the modules in it.
    fn collect(&mut self, tokens: TokenStream, module: &[String]) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        for (index, token) in tokens.iter().enumerate() {
            match token {
                TokenTree::Ident(name) => {
                    let name = name.to_string();
                    let goes_on = index >= 2
                        && tokens[index - 2..index]
                            .iter()
                            .all(|token| is_punct(token, ':'));
                    if !goes_on && ["crate", "super", "self"].contains(&name.as_str()) {
                        self.resolve(&tokens[index..], module);
                    }
                    self.identifiers.insert(name);
                }
                TokenTree::Group(group) => {
                    let inline = index
                        .checked_sub(2)
                        .filter(|_| group.delimiter() == Delimiter::Brace);
                    let inline = inline.filter(|&at| is_ident(&tokens[at], "mod"));
                    let name = inline.map(|at| tokens[at + 1].to_string());
                    self.collect(group.stream(), &[module, name.as_slice()].concat());
                }
                TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            }
        }
    }

    /// Follows a path from its first word. If it arrives at the root, what stands there is a module of the root.
    fn resolve(&mut self, path: &[TokenTree], from: &[String]) {
        let mut at = from;
        let mut rest = path;
        loop {
            match rest {
                [TokenTree::Ident(word), colon, colon_2, ..]
                    if is_punct(colon, ':') && is_punct(colon_2, ':') =>
                {
                    match word.to_string().as_str() {
                        "crate" => at = &[],
                        "self" => {}
                        "super" => at = at.split_last().map_or(&[], |(_, above)| above),
                        _ => break,
                    }
                    rest = &rest[3..];
                }
                _ => break,
            }
        }
        match rest {
            [TokenTree::Group(group), ..] => {
                let tokens: Vec<TokenTree> = group.stream().into_iter().collect();
                for path in tokens.split(|token| is_punct(token, ',')) {
                    self.resolve(path, at);
                }
            }
            [TokenTree::Ident(word), ..] if at.is_empty() => {
                let word = word.to_string();
                // `use super::*` and `pub(crate)` lead nowhere; a name in capitals is an item that the root defines.
                if !["crate", "super", "self"].contains(&word.as_str()) {
                    self.modules.insert(word);
                }
            }
            _ => {}
        }
    }
}

fn is_punct(token: &TokenTree, character: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == character)
}

fn is_ident(token: &TokenTree, name: &str) -> bool {
    matches!(token, TokenTree::Ident(ident) if ident == name)
}

#[test]
fn every_way_to_import_is_seen() {
    for (file, source) in [
        ("store/pool.rs", "use crate::run::State;"),
        ("store/pool.rs", "use crate::{nix::StorePath, run::State};"),
        ("store/pool.rs", "use crate::{nix::{A, B}, run};"),
        ("store/pool.rs", "use super::super::run::State;"),
        ("store/mod.rs", "use super::run::State;"),
        (
            "store/pool.rs",
            "mod tests { use super::super::super::run::State; }",
        ),
        ("store/pool.rs", "fn f(state: &crate::run::State) {}"),
        (
            "store/pool.rs",
            "fn f() { format!(\"{}\", vec![crate::run::NAME]); }",
        ),
        (
            "store/pool.rs",
            "#[derive(Debug)] struct S<T: crate::run::T>(T);",
        ),
        (
            "store/pool.rs",
            "macro_rules! m { () => { $crate::run::f() } }",
        ),
    ] {
        let violations = violations_of(file, source);
        let expected = format!("src/{file} imports `run`: it is in a higher layer");
        assert_eq!(violations, [expected], "{source}");
    }
}

#[test]
fn what_is_no_import_is_not_taken_for_one() {
    for (file, source) in [
        (
            "run/state.rs",
            "use crate::{event::Event, graph::Plan, nix::StorePath, store::Pool};",
        ),
        (
            "run/state/tests.rs",
            "use super::super::input::Input; use super::*; use crate::run::slots::Slots;",
        ),
        ("graph/planner.rs", "use crate::store::DerivedPath;"),
        (
            "store/pool.rs",
            "//! See [`crate::run`].\n/// And [`crate::cli`].\npub(crate) fn run() { self::run() }",
        ),
        (
            "store/pool.rs",
            "mod run {} mod tests { use super::super::connection::C; } use super::wire::run;",
        ),
        (
            "store/pool.rs",
            "const TEXT: &str = \"crate::run::State\"; // crate::run",
        ),
        (
            "cli/check.rs",
            "use crate::{report::Matrix, run::Run, web::pages};",
        ),
        ("lib.rs", "pub mod run; pub use crate::run::Run;"),
        ("report/matrix/screen.rs", "use indicatif::ProgressBar;"),
        (
            "report/matrix/screen/tests.rs",
            "use indicatif::InMemoryTerm;",
        ),
    ] {
        assert_eq!(
            violations_of(file, source),
            Vec::<String>::new(),
            "{source}"
        );
    }
}

#[test]
fn each_rule_has_its_text() {
    for (file, source, expected) in [
        (
            "store/mod.rs",
            "use crate::graph::Plan;",
            "imports `graph`: they are in the same layer",
        ),
        (
            "report/mod.rs",
            "use crate::store::Pool;",
            "imports `store`: it must do without",
        ),
        (
            "eval/mod.rs",
            "use crate::event::Event;",
            "imports `event`: it must do without",
        ),
        (
            "run/mod.rs",
            "use crate::unheard::Of;",
            "imports `unheard`: no layer is known for one of them",
        ),
        (
            "unheard.rs",
            "use crate::nix::System;",
            "imports `nix`: no layer is known for one of them",
        ),
        (
            "cli/mod.rs",
            "fn f() -> git2::Repository",
            "names `git2`, which only src/git/ may",
        ),
        (
            "report/matrix/layout.rs",
            "use indicatif::ProgressBar;",
            "names `indicatif`, which only src/report/matrix/screen.rs may",
        ),
    ] {
        assert_eq!(
            violations_of(file, source),
            [format!("src/{file} {expected}")],
            "{source}"
        );
    }
}
