//! The evaluation cache: used when nothing changed, never otherwise.

use std::fs;

use crate::{
    Events,
    support::{
        Project, nix,
        program::write_program,
        running::{Finished, Running},
    },
};

fn is_cached(run: &Finished) -> bool {
    assert_eq!(run.code, Some(0), "{run}");
    Events::of(run).one("evaluation_finished")["cached"] == true
}

const CHECK: [&str; 3] = ["check", "--format", "json"];

#[test]
fn an_unchanged_tree_is_not_evaluated_again() {
    for nix in nix::all() {
        let store = nix.store().with_daemon();
        let project = Project::new(&store).check("a", "echo > $out").committed();
        assert!(!is_cached(&project.nixci(&CHECK)), "Nix {nix}");
        assert!(is_cached(&project.nixci(&CHECK)), "Nix {nix}");
        assert!(!is_cached(
            &project.nixci(&[&CHECK[..], &["--no-eval-cache"]].concat())
        ));
        assert!(!is_cached(
            &project.nixci(&[&CHECK[..], &["--impure"]].concat())
        ));
        assert!(!is_cached(
            &project.nixci(&[&CHECK[..], &["--option", "cores", "3"]].concat())
        ));

        project.write("untracked", "not seen by a flake");
        assert!(is_cached(&project.nixci(&CHECK)), "Nix {nix}");
        let project = project.check("b", "echo b > $out");
        let run = project.nixci(&CHECK);
        assert!(!is_cached(&run), "the tree is dirty now");
        assert_eq!(Events::of(&run).outcomes().len(), 2);
        assert!(
            is_cached(&project.nixci(&CHECK)),
            "a dirty tree that did not change, Nix {nix}"
        );
        let project = project.check("c", "echo c > $out");
        assert!(!is_cached(&project.nixci(&CHECK)), "it changed");
    }
}

#[test]
fn nothing_to_do_starts_no_nix() {
    let store = nix::newest().store().with_daemon();
    let project = Project::new(&store).check("a", "echo > $out").committed();
    assert!(!is_cached(&project.nixci(&CHECK)));
    // The same `nix`, but every start of it is written down.
    let bin = store.folder().join("bin");
    let log = store.folder().join("started");
    fs::create_dir(&bin).unwrap();
    let real = store.nix().prefix.join("bin/nix");
    for name in ["nix", "nix-daemon"] {
        let real = real.with_file_name(name);
        let script = format!(
            "#!/bin/sh\necho {name} >> {}\nexec {} \"$@\"\n",
            log.display(),
            real.display()
        );
        write_program(&bin.join(name), &script);
    }
    let run = || {
        let mut command = project.nixci_command(&CHECK);
        command.env("PATH", &bin);
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        fs::read_to_string(&log).unwrap_or_default()
    };
    // Another program: it is asked for its settings, once.
    assert_ne!(run(), "");
    fs::remove_file(&log).unwrap();
    assert_eq!(run(), "");
}

#[test]
fn a_tree_that_changes_while_it_is_evaluated_is_not_kept() {
    let store = nix::newest().store().with_daemon();
    let project = Project::new(&store).check("a", "echo > $out").committed();
    let before = fs::read_to_string(project.dir().join("flake.nix")).unwrap();
    // A `nix` that finds another tree than nixci did: somebody saves a file at the wrong moment.
    let bin = store.folder().join("bin");
    fs::create_dir(&bin).unwrap();
    let real = store.nix().prefix.join("bin");
    let flake = project.dir().join("flake.nix");
    let script = format!(
        "#!/bin/sh\ncase \"$*\" in *config*|*--version*) ;; *) sed -i 's/ a\\b/ z/; s/\"a\"/\"z\"/' {} ;; esac\nexec {}/nix \"$@\"\n",
        flake.display(),
        real.display()
    );
    write_program(&bin.join("nix"), &script);
    let run = || {
        let mut command = project.nixci_command(&CHECK);
        let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
        Running::start(command.env("PATH", path)).finish()
    };
    let first = run();
    assert!(!is_cached(&first));
    assert!(Events::of(&first).outcomes().contains_key("z"), "{first}");
    project.write("flake.nix", &before);
    assert!(!is_cached(&run()), "that was another tree");
}

#[test]
fn what_was_collected_as_garbage_is_evaluated_again() {
    let store = nix::newest().store().with_daemon();
    let project = Project::new(&store).check("a", "echo > $out").committed();
    assert!(!is_cached(&project.nixci(&CHECK)));
    store.run_nix(&["store", "gc"], project.dir());
    let run = project.nixci(&CHECK);
    assert!(!is_cached(&run));
    assert_eq!(Events::of(&run).check("a")["outcome"], "built");
}

#[test]
fn a_failed_evaluation_and_a_broken_entry_are_not_believed() {
    let store = nix::newest().store().with_daemon();
    let project = Project::new(&store)
        .expression("bad", "throw \"x\"")
        .committed();
    for _ in 0..2 {
        let run = project.nixci(&CHECK);
        assert_eq!(Events::of(&run).one("evaluation_finished")["cached"], false);
    }
    let project = Project::named(&store, "other")
        .check("a", "echo > $out")
        .committed();
    assert!(!is_cached(&project.nixci(&CHECK)));
    let mut broken = 0;
    for entry in fs::read_dir(store.folder().join("cache/nixci/eval")).unwrap() {
        fs::write(entry.unwrap().path(), "{\"checks\":[{").unwrap();
        broken += 1;
    }
    assert_eq!(broken, 1);
    assert!(!is_cached(&project.nixci(&CHECK)));
    assert!(is_cached(&project.nixci(&CHECK)));
}

#[test]
fn two_clones_of_one_commit_share_their_evaluation() {
    let store = nix::newest().store().with_daemon();
    let project = Project::new(&store).check("a", "echo > $out").committed();
    assert!(!is_cached(&project.nixci(&CHECK)));
    let clone = store.folder().join("clone");
    project.git(&["clone", "-q", ".", &clone.display().to_string()]);
    let run = project.nixci(&[&CHECK[..], &[&clone.display().to_string()]].concat());
    assert!(is_cached(&run), "{run}");
}
