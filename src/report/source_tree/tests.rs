use std::collections::HashMap;

use super::{NoSource, Place, SourceTree, excerpt, find};

/// Files that are written down in a test.
pub(in crate::report) struct Files(pub Vec<(&'static str, String)>);

impl SourceTree for Files {
    fn files(&self) -> Vec<String> {
        self.0.iter().map(|(name, _)| (*name).to_owned()).collect()
    }

    fn read(&self, file: &str) -> Option<String> {
        let found = self.0.iter().find(|(name, _)| *name == file);
        found.map(|(_, text)| text.clone())
    }
}

fn files(files: &[(&'static str, &str)]) -> Files {
    Files(
        files
            .iter()
            .map(|(name, text)| (*name, (*text).to_owned()))
            .collect(),
    )
}

#[test]
fn whole_words_are_found_with_their_places() {
    let tree = files(&[
        (
            "a.nix",
            "x = \"é\"; hash = \"sha256-AB+/=\";\n\nsha256-AB+/=x AB+/=",
        ),
        ("b.nix", "nothing"),
        ("c.nix", "fakeHash"),
    ]);
    let words = HashMap::from([
        ("sha256-AB+/=".to_owned(), 0),
        ("AB+/=".to_owned(), 1),
        ("fakeHash".to_owned(), 2),
    ]);
    let place = |file: &str, line, column| Place {
        file: file.into(),
        line,
        column,
    };
    assert_eq!(
        find(&tree, &words),
        [
            (0, place("a.nix", 1, 18)),
            (1, place("a.nix", 3, 15)),
            (2, place("c.nix", 1, 1))
        ]
    );
    assert!(find(&tree, &HashMap::new()).is_empty());
    assert!(find(&NoSource, &words).is_empty());
}

#[test]
fn an_excerpt_has_a_caret() {
    let text: Vec<_> = (1..=12).map(|i| format!("line {i}")).collect();
    let text = text.join("\n");
    let tree = Files(vec![("flake.nix", text), ("short.nix", "\tonly".into())]);
    let shown =
        |file, line, column| excerpt(&tree, file, line, column).map(|lines| lines.join("\n"));
    insta::assert_snapshot!(shown("flake.nix", 10, Some(6)).unwrap(), @r"
     9| line 9
    10| line 10
      |      ^
    11| line 11
    ");
    insta::assert_snapshot!(shown("short.nix", 1, Some(2)).unwrap(), @r"
    1|  only
     |  ^
    ");
    insta::assert_snapshot!(shown("short.nix", 1, Some(90)).unwrap(), @"1|  only");
    assert_eq!(shown("flake.nix", 13, None), None);
    assert_eq!(shown("flake.nix", 0, None), None);
    assert_eq!(shown("flake.nix", u32::MAX, None), None);
    assert_eq!(shown("gone.nix", 1, None), None);
}
