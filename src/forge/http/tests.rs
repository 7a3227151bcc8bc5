use super::{entries, next_page, next_query};
use crate::forge::ForgeError;

#[test]
fn of_a_link_to_the_next_page_only_the_query_counts() {
    let links = "<https://elsewhere.example/x?page=1>; rel=\"prev\", <https://elsewhere.example/x?page=3&a=b>; rel=\"next\"";
    let next = next_query(links).unwrap();
    assert_eq!(
        next_page("/user/repos?per_page=100", &next),
        "/user/repos?page=3&a=b"
    );
    for links in [
        "",
        "<x>",
        "<https://e.example/>; rel=\"next\"",
        "<https://e.example/?page=1>; rel=\"last\"",
        ">?<",
    ] {
        assert_eq!(next_query(links), None, "{links}");
    }
}

#[test]
fn a_page_is_a_list_or_has_one() {
    let entries = |json: &str| {
        let entries = entries("a list", serde_json::from_str(json).unwrap());
        entries.map(|entries| entries.len())
    };
    assert_eq!(entries("[1, 2]"), Ok(2));
    assert_eq!(entries(r#"{"ok": true, "data": [1]}"#), Ok(1));
    let page = r#"{"repositories": [1, 2, 3], "total_count": 3}"#;
    assert_eq!(entries(page), Ok(3));
    // What is no list is never an empty one: that would make everything in it vanish.
    for wrong in ["null", "{}", "7", r#"{"data": 7}"#] {
        assert!(
            matches!(entries(wrong), Err(ForgeError::Refused(_))),
            "{wrong}"
        );
    }
}
