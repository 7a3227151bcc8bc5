//! Holds the table of docs/security.md against the attacks that are known and the tests that there are.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// What is tried on servers for pull requests. A row may say more, but none may be missing.
const ATTACKS: &[&str] = &[
    "pwn request",
    "topic of a stranger's repository",
    "forged comment",
    "approval bypass by identity",
    "approval bypass by AGit",
    "approval TOCTOU",
    "benign actor, evil code",
    "webhook forgery",
    "webhook replay",
    "out-of-order",
    "confused deputy by payload",
    "SSRF",
    "token leak through fetchers",
    "local repo read",
    "impure eval",
    "`nixConfig` of the PR",
    "IFD",
    "eval resource exhaustion",
    "status flood",
    "build abuse",
    "sandbox escape",
    "cache poisoning",
    "git checkout attacks",
    "symlink config",
    "path traversal",
    "XSS / log injection",
    "markdown injection",
    "secrets in logs",
    "web session",
    "info leak",
    "spoofed green",
];

/// A row of the table: the attack, what is done, and the names of the tests.
struct Row {
    attack: String,
    answer: String,
    tests: Vec<String>,
}

fn rows(page: &str) -> Vec<Row> {
    let table = page.split_once("| attack | what nixci does | tests |\n|---|---|---|\n");
    let (_, table) = table.expect("the page has the table of attacks");
    table
        .lines()
        .take_while(|line| line.starts_with('|'))
        .map(|line| {
            let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
            let [attack, answer, tests] = cells[..] else {
                panic!("a row has three cells: {line}");
            };
            // What stands between two backticks.
            let tests = tests.split('`').skip(1).step_by(2).map(str::to_owned);
            Row {
                attack: attack.to_owned(),
                answer: answer.to_owned(),
                tests: tests.collect(),
            }
        })
        .collect()
}

fn rust_files(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).expect("the folder is there") {
        let path = entry.expect("it can be read").path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|kind| kind == "rs") {
            found.push(path);
        }
    }
}

/// Whether a function of this name is a test.
fn is_test(source: &str, name: &str) -> bool {
    let lines: Vec<&str> = source.lines().map(str::trim).collect();
    let head = format!("fn {name}(");
    lines.iter().enumerate().any(|(at, line)| {
        let is_head = line
            .strip_prefix("async ")
            .unwrap_or(line)
            .starts_with(&head);
        is_head
            && lines[..at]
                .iter()
                .rev()
                .take_while(|line| line.starts_with("#[") || line.starts_with("//"))
                .any(|line| *line == "#[test]" || line.starts_with("#[tokio::test"))
    })
}

#[test]
fn every_attack_is_answered_and_tried() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("docs/security.md")).unwrap();
    let rows = rows(&page);
    let mut files = Vec::new();
    for dir in ["src", "tests"] {
        rust_files(&root.join(dir), &mut files);
    }
    let sources: Vec<String> = files
        .iter()
        .map(|file| fs::read_to_string(file).unwrap())
        .collect();
    let mut wrong: Vec<String> = ATTACKS
        .iter()
        .filter(|attack| !rows.iter().any(|row| row.attack == **attack))
        .map(|attack| format!("{attack}: it has no row"))
        .collect();
    for Row {
        attack,
        answer,
        tests,
    } in &rows
    {
        if answer.len() < 20 {
            wrong.push(format!("{attack}: it has no answer"));
        }
        if tests.is_empty() && !answer.contains("cannot apply") {
            wrong.push(format!("{attack}: it has no test, and no reason for that"));
        }
        for test in tests {
            if !sources.iter().any(|source| is_test(source, test)) {
                wrong.push(format!("{attack}: there is no test `{test}`"));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn a_test_is_known_by_its_attribute() {
    let source = "#[test]\n/// Says what.\nfn one() {}\n\n#[tokio::test(flavor = \"x\")]\nasync fn two() {}\n\nfn three() {}\n";
    let found = ["one", "two", "three", "on"].map(|name| is_test(source, name));
    assert_eq!(found, [true, true, false, false]);
}
