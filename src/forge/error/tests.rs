use std::time::Duration;

use reqwest::{
    StatusCode,
    header::{HeaderMap, HeaderName, HeaderValue},
};

use super::{ForgeError, PATIENCE, judge};

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
