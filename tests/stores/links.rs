//! What a run leaves behind: links and a list of outputs, and nothing where nothing is asked for.

use std::fs;

use crate::{
    event,
    support::{Project, nix, project::SYSTEM},
};

#[test]
fn nothing_is_left_behind_by_default() {
    let store = nix::newest().store().with_daemon();
    let project = Project::new(&store).check("a", "echo > $out").committed();
    let entries = || fs::read_dir(project.dir()).unwrap().count();
    let before = entries();
    let run = project.nixci(&["check", "--format", "json"]);
    assert_eq!(run.code, Some(0), "{run}");
    assert_eq!(entries(), before);
}

#[test]
fn links_hold_what_passed_and_the_list_names_it() {
    for nix in nix::all() {
        let store = nix.store().with_daemon();
        let project = Project::new(&store)
            .check("a", "echo a > $out")
            .expression(
                "two",
                r#"build "two" "echo o > $out; echo d > $dev" { outputs = [ "out" "dev" ]; }"#,
            )
            .expression("../evil/\u{1b}x", r#"build "evil" "echo e > $out" { }"#)
            .failing("bad")
            .committed();
        let arguments = [
            "check",
            "--format",
            "json",
            "--out-link",
            "links/result",
            "--gc-root",
            "roots",
            "--out-paths",
            "lists/paths",
        ];
        let run = project.nixci(&arguments);
        assert_eq!(run.code, Some(1), "Nix {nix}: {run}");
        let folder = |name: &str| {
            let mut names: Vec<String> = fs::read_dir(project.dir().join(name))
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            names.sort();
            names
        };
        let expected = [
            format!("{SYSTEM}.%22..%2Fevil%2F%1Bx%22"),
            format!("{SYSTEM}.a"),
            format!("{SYSTEM}.two"),
            format!("{SYSTEM}.two^dev"),
        ];
        assert_eq!(folder("roots"), expected, "Nix {nix}: {run}");
        let prefixed: Vec<String> = expected
            .iter()
            .map(|name| format!("result-{name}"))
            .collect();
        assert_eq!(folder("links"), prefixed, "Nix {nix}: {run}");
        let list = fs::read_to_string(project.dir().join("lists/paths")).unwrap();
        assert_eq!(list.lines().count(), 4, "Nix {nix}: {list}");
        store.run_nix(&["store", "gc"], project.dir());
        for path in list.lines() {
            assert!(fs::exists(path).unwrap(), "{path} is held, Nix {nix}");
        }
        for name in ["roots", "links"] {
            fs::remove_dir_all(project.dir().join(name)).unwrap();
        }
        store.run_nix(&["store", "gc"], project.dir());
        for path in list.lines() {
            assert!(!fs::exists(path).unwrap(), "{path} is free, Nix {nix}");
        }
    }
}

#[test]
fn what_is_in_the_way_of_a_link_stays_and_ends_the_run_as_errored() {
    let store = nix::newest().store().with_daemon();
    let project = Project::new(&store)
        .check("a", "echo > $out")
        .check("b", "echo b > $out")
        .committed();
    let mine = project.dir().join(format!("result-{SYSTEM}.a"));
    fs::write(&mine, "mine").unwrap();
    let arguments = ["check", "--format", "json", "--out-link", "result"];
    let run = project.nixci(&arguments);
    assert_eq!(run.code, Some(4), "{run}");
    assert_eq!(fs::read_to_string(&mine).unwrap(), "mine");
    let end = event(&run, "run_finished");
    assert_eq!(
        (end["outcome"].as_str(), end["exit_code"].as_u64()),
        (Some("errored"), Some(4)),
        "{run}"
    );
    let error = end["error"].as_str().unwrap();
    assert!(error.contains("is in the way"), "{error}");
    assert!(fs::exists(project.dir().join(format!("result-{SYSTEM}.b"))).unwrap());

    let unwritable = ["check", "--out-paths", "/proc/nixci/paths"];
    let run = project.nixci(&unwritable);
    assert_eq!(run.code, Some(4), "{run}");
    assert!(
        run.stdout.contains("cannot write `/proc/nixci/paths`"),
        "{run}"
    );
}
