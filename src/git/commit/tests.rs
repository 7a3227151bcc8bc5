use git2::{Repository, Signature};

use super::Commit;

#[test]
fn revisions_are_found_and_become_flake_references() {
    let dir = tempfile::Builder::new().prefix("a b").tempdir().unwrap();
    let repository = Repository::init(dir.path()).unwrap();
    let tree = repository
        .find_tree(repository.treebuilder(None).unwrap().write().unwrap())
        .unwrap();
    let who = Signature::now("a", "a@example.org").unwrap();
    let id = repository
        .commit(Some("HEAD"), &who, &who, "x", &tree, &[])
        .unwrap()
        .to_string();
    for revision in ["HEAD", &id[..8], "HEAD^{tree}^{}"] {
        let found = Commit::find(dir.path(), revision);
        if revision.contains("tree") {
            let error = found.unwrap_err().to_string();
            assert!(
                error.starts_with("`HEAD^{tree}^{}` names no commit"),
                "{error}"
            );
            continue;
        }
        let commit = found.unwrap();
        assert_eq!(commit.id, id);
        let flake = commit.flake("sub/x y");
        assert!(flake.starts_with("git+file:///"), "{flake}");
        assert!(flake.contains("a%20b"), "{flake}");
        assert!(
            flake.ends_with(&format!("?rev={id}&dir=sub/x%20y")),
            "{flake}"
        );
    }
    let error = Commit::find(dir.path(), "nowhere").unwrap_err().to_string();
    assert!(error.contains("`nowhere` names no commit"), "{error}");
}
