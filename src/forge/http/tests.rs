use std::time::Duration;

use reqwest::{
    StatusCode,
    header::{HeaderMap, HeaderName, HeaderValue},
};

use super::{ForgeError, PATIENCE, entries, judge, next_page, next_query};

fn judged(status: u16, headers: &[(&'static str, &'static str)], answer: &str) -> ForgeError {
    let headers: HeaderMap = headers
        .iter()
        .map(|(name, value)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )
        })
        .collect();
    let now = jiff::Timestamp::from_second(1000).unwrap();
    judge(
        StatusCode::from_u16(status).unwrap(),
        &headers,
        answer.as_bytes(),
        now,
    )
}

fn wait(error: ForgeError) -> Option<Duration> {
    match error {
        ForgeError::Later { wait, .. } => wait,
        other @ (ForgeError::Refused(_)
        | ForgeError::Unauthorized(_)
        | ForgeError::Forbidden(_)
        | ForgeError::Missing(_)) => panic!("{other}"),
    }
}

#[test]
fn limits_say_when_to_come_back() {
    let limit = [
        ("x-ratelimit-remaining", "0"),
        ("x-ratelimit-reset", "1090"),
    ];
    assert_eq!(
        wait(judged(403, &limit, "{}")),
        Some(Duration::from_secs(90))
    );
    let past = [("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "10")];
    assert_eq!(wait(judged(429, &past, "")), Some(Duration::ZERO));
    assert_eq!(
        wait(judged(429, &[("retry-after", "7")], "")),
        Some(Duration::from_secs(7))
    );
    let text = r#"{"message": "You have exceeded a secondary rate limit."}"#;
    assert_eq!(wait(judged(403, &[], text)), Some(PATIENCE));
    assert_eq!(wait(judged(502, &[], "<html>")), None);
}

#[test]
fn refusals_say_why_in_one_harmless_line() {
    let text = r#"{"message": "Resource not accessible\nby \u001b[31mintegration"}"#;
    let ForgeError::Forbidden(what) = judged(403, &[("x-ratelimit-remaining", "12")], text) else {
        panic!("it has no rights");
    };
    assert_eq!(
        what,
        "HTTP 403 (Resource not accessible by [31mintegration)"
    );
    let ForgeError::Refused(what) = judged(422, &[], r#"{"error": {"state": ["is wrong"]}}"#)
    else {
        panic!("it is wrong");
    };
    assert_eq!(what, r#"HTTP 422 ({"state":["is wrong"]})"#);
    let long = format!(r#"{{"message": "{}"}}"#, "x".repeat(1000));
    assert!(judged(404, &[], &long).to_string().chars().count() < 220);
    assert_eq!(
        judged(401, &[], "\0\0"),
        ForgeError::Unauthorized("HTTP 401".to_owned())
    );
    assert_eq!(
        judged(404, &[], ""),
        ForgeError::Missing("HTTP 404".to_owned())
    );
}

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
