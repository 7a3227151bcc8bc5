use std::{fs, os::unix::fs::symlink, path::Path};

use super::{BUILDBOT_FILE, CheckOptions, CheckRules, FILE, RepositoryConfig, Tree};
use crate::nix::AttrPath;

/// A tree in a folder of its own.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        for (name, text) in files {
            let file = folder.path().join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        }
        folder
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn read(&self) -> Result<RepositoryConfig, String> {
        let tree = Tree::new(self.path(), self.path()).unwrap();
        let place = self.path().canonicalize().unwrap().display().to_string();
        RepositoryConfig::read(&tree).map_err(|error| error.to_string().replace(&place, "TREE"))
    }
}

fn error(text: &str) -> String {
    Folder::new(&[(FILE, text)]).read().unwrap_err()
}

#[test]
fn everything_is_read_with_its_line() {
    let text = r#"
attributes = ["checks", "packages.\"a.b\""]
systems = [
  "x86_64-linux",
]
only = ["nixos-*"]
exclude = ["x86_64-linux.slow"]
timeout = "1h 30m"
flake_dir = "./nix/"
lock_file = "nix/other.lock"

[upload]
copy_to = ["s3://bucket"]
push_closure = true

[serve]
branches = ["release-*"]
tags = ["v*"]
required = ["checks.x86_64-linux.fmt"]
pull_requests = "trusted"

[[check]]
name = "flaky-*"
allow_failure = true
timeout = 60

[[check]]
name = "kvm"
local = true
"#;
    let config = Folder::new(&[(FILE, text), ("nix/other.lock", "")])
        .read()
        .unwrap();
    insta::assert_debug_snapshot!(config);
}

#[test]
fn nothing_said_is_nothing_configured() {
    assert_eq!(Folder::new(&[]).read(), Ok(RepositoryConfig::default()));
    assert_eq!(
        Folder::new(&[(FILE, "")]).read(),
        Ok(RepositoryConfig::default())
    );
}

#[test]
fn mistakes_are_shown_at_their_place() {
    let schedule = |n: u32| format!("[[serve.schedule]]\nname = \"{n}\"\ncron = \"0 {n} * * *\"\n");
    let too_many = (0..11).map(schedule).collect::<Vec<_>>().concat();
    let wrong = [
        "sytems = [\"x86_64-linux\"]",
        "attributes = \"checks\"",
        "attributes = [\"checks\", \"a..b\"]",
        "attributes = [\"\"]",
        "\n\nsystems = [\"x86_64-linux\",\n  \"amd64\"]",
        "only = [\"[a\"]",
        "exclude = [1]",
        "timeout = \"ten minutes\"",
        "timeout = -1",
        "timeout = 1.5",
        "timeout = 5",
        "[[check]]\nallow_failure = true",
        "[[check]]\nname = \"a\"\nallow_failures = true",
        "[[check]]\nname = \"a\"\ntimeout = true",
        "check = 3",
        "[upload]\ncopyto = []",
        "[serve]\nupload = []",
        "[serve]\nbranches = [\"a[\"]",
        "[serve]\nrequired = [\"\"]",
        "[serve]\npull_requests = \"none\"",
        "[[serve.schedule]]\nname = \"a\"\ncron = \"*/5 * * * *\"",
        "[[serve.schedule]]\nname = \"a\"\ncron = \"@daily\"\nrepositories = [\"*\"]",
        "[[serve.schedule]]\nname = \"a\"\ncron = \"@daily\"\n[[serve.schedule]]\nname = \"a\"\ncron = \"@daily\"",
        too_many.as_str(),
        "flake_dir = \"../elsewhere\"",
        "flake_dir = \"/etc\"",
        "flake_dir = \"x?dir=y\"",
        "flake_dir = \"missing\"",
        "lock_file = \"\"",
        "systems = [\"x86_64-linux\"",
        "a = = b",
        "x = \"\u{1b}[2J\" # \t",
        "systems = []\nsystems = []",
        "äöü = \"ß\"",
    ];
    let mut shown = String::new();
    for text in wrong {
        let result = Folder::new(&[(FILE, text)]).read();
        let said = result.map_or_else(|error| error, |_| "read".to_owned());
        shown.extend([said.as_str(), "\n\n"]);
    }
    insta::assert_snapshot!(shown);
}

#[test]
fn a_long_line_is_cut_around_the_mistake() {
    let text = format!("only = [{} 7]", "\"a\",".repeat(5000));
    let error = error(&text);
    assert!(error.lines().all(|line| line.len() < 160), "{error}");
    assert!(error.lines().last().unwrap().contains('^'), "{error}");
}

#[test]
fn a_file_of_buildbot_nix_is_understood_and_comes_second() {
    let buildbot = "attribute = \"ci.buildbot\"\nlock_file = \"flake.lock\"\nflake_dir = \"dev\"\n\
                    effects_on_pull_requests = true\nanything = 1";
    let files = [
        (BUILDBOT_FILE, buildbot),
        ("flake.lock", ""),
        ("dev/flake.nix", ""),
        ("nix/flake.nix", ""),
    ];
    let config = Folder::new(&files).read().unwrap();
    let attributes = config.attributes.unwrap();
    assert_eq!(attributes.value, [AttrPath::new(["ci", "buildbot"])]);
    assert_eq!(attributes.origin.to_string(), "buildbot-nix.toml:1");
    assert_eq!(config.flake_dir.unwrap().value, Path::new("dev"));

    let both = [files.as_slice(), &[(FILE, "flake_dir = \"nix\"")]].concat();
    let config = Folder::new(&both).read().unwrap();
    assert_eq!(config.flake_dir.unwrap().origin.to_string(), "nixci.toml:1");
    assert_eq!(
        config.lock_file.unwrap().origin.to_string(),
        "buildbot-nix.toml:2"
    );
    let wrong = Folder::new(&[(BUILDBOT_FILE, "attribute = 3")]);
    insta::assert_snapshot!(wrong.read().unwrap_err(), @r"
    buildbot-nix.toml:1:13: invalid type: integer `3`, expected a string
    1 | attribute = 3
      |             ^
    ");
}

#[test]
fn what_is_no_file_of_the_tree_is_not_read() {
    let outside = Folder::new(&[("secret", "password = \"hunter2\"")]);
    let folder = Folder::new(&[]);
    let file = folder.path().join(FILE);
    symlink(outside.path().join("secret"), &file).unwrap();
    let said = folder.read().unwrap_err();
    assert_eq!(
        said,
        "cannot read TREE/nixci.toml: it is a symbolic link that leads out of the tree"
    );
    fs::remove_file(&file).unwrap();
    symlink("nowhere", &file).unwrap();
    assert!(folder.read().unwrap_err().contains("No such file"));
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    assert!(folder.read().unwrap_err().contains("not a regular file"));
    fs::remove_dir(&file).unwrap();
    fs::write(&file, b"a\n\xff").unwrap();
    assert!(folder.read().unwrap_err().ends_with("line 2 is not UTF-8"));
    fs::write(&file, "#".repeat(2 << 20)).unwrap();
    assert!(folder.read().unwrap_err().contains("larger than 1 MiB"));

    fs::write(&file, "flake_dir = \"link\"").unwrap();
    symlink(outside.path(), folder.path().join("link")).unwrap();
    assert!(
        folder
            .read()
            .unwrap_err()
            .contains("`link` leads out of the tree")
    );
}

#[test]
fn of_several_rules_the_last_that_says_something_counts() {
    let text = "[[check]]\nname = \"*\"\ntimeout = 60\nallow_failure = true\n\
                [[check]]\nname = \"slow-*\"\ntimeout = \"10m\"\n\
                [[check]]\nname = \"x86_64-linux.slow-b\"\nallow_failure = false\nlocal = true";
    let config = Folder::new(&[(FILE, text)]).read().unwrap();
    let rules = config.checks.into_iter().map(|rule| rule.value).collect();
    let rules = CheckRules::new(rules, AttrPath::new(["checks"]), Vec::new());
    let shown = ["fast", "slow-a", "slow-b"].map(|name| {
        let CheckOptions {
            may_fail,
            timeout,
            is_local,
        } = rules.options(&AttrPath::new(["x86_64-linux", name]));
        format!("{name} {may_fail} {:?} {is_local}", timeout.unwrap())
    });
    assert_eq!(
        shown,
        [
            "fast true 60s false",
            "slow-a true 600s false",
            "slow-b false 600s true"
        ]
    );
}
