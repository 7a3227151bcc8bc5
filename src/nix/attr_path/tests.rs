use proptest::prelude::*;

use super::{AttrPath, AttrPathError};

#[test]
fn names_are_quoted_as_nix_does() {
    let shown = |names: &[&str]| AttrPath::new(names.iter().copied()).to_string();
    assert_eq!(shown(&["x86_64-linux", "fmt"]), "x86_64-linux.fmt");
    assert_eq!(shown(&["dotted.name"]), "\"dotted.name\"");
    assert_eq!(shown(&["quoted \"name\""]), "\"quoted \\\"name\\\"\"");
    assert_eq!(
        shown(&["", "or", "${x}", "1"]),
        "\"\".\"or\".\"\\${x}\".\"1\""
    );
    assert_eq!(shown(&["a'b"]), "a'b");
}

#[test]
fn quotes_keep_dots_together() {
    let names = |path: &str| AttrPath::parse(path).map(|p| p.names().to_vec());
    assert_eq!(
        names("checks.x86_64-linux").unwrap(),
        ["checks", "x86_64-linux"]
    );
    assert_eq!(names("checks.\"a.b\".c").unwrap(), ["checks", "a.b", "c"]);
    assert_eq!(names("a.\"\"").unwrap(), ["a", ""]);
    assert_eq!(names("").unwrap(), Vec::<String>::new());
    assert_eq!(names("a..b"), Err(AttrPathError::EmptyName("a..b".into())));
    assert_eq!(names("a."), Err(AttrPathError::EmptyName("a.".into())));
    assert_eq!(
        names("a.\"b"),
        Err(AttrPathError::UnclosedQuote("a.\"b".into()))
    );
}

#[test]
fn the_system_is_taken_out_wherever_it_stands() {
    let split = |names: &[&str]| {
        let path = AttrPath::new(names.iter().copied());
        let (rest, system) = path.split_system();
        (rest.to_string(), system.map(str::to_owned))
    };
    assert_eq!(
        split(&["x86_64-linux", "fmt"]),
        ("fmt".into(), Some("x86_64-linux".into()))
    );
    assert_eq!(
        split(&["hello", "aarch64-darwin"]),
        ("hello".into(), Some("aarch64-darwin".into()))
    );
    assert_eq!(split(&["fmt"]), ("fmt".into(), None));
}

proptest! {
    #[test]
    fn what_is_shown_parses_back(names in prop::collection::vec(any::<String>(), 1..5)) {
        let path = AttrPath::new(names);
        prop_assert_eq!(AttrPath::parse(&path.to_string()).unwrap(), path);
    }

    #[test]
    fn parsing_never_panics(text in any::<String>()) {
        let _ = AttrPath::parse(&text);
    }
}
