use std::{collections::BTreeMap, time::Duration};

use insta::assert_snapshot;
use proptest::prelude::*;
use quick_xml::events::Event as Xml;

use super::junit;
use crate::{
    event::{Event, EventKind, Outcome, RunOutcome},
    report::{
        ReportOptions,
        options::tests::options,
        record::Record,
        script::{Script, any_events},
        summary::{
            Ending, Summary,
            tests::{X86, disaster, lenient},
        },
    },
};

fn xml(events: &[Event]) -> String {
    xml_below("checks", events)
}

fn xml_below(attribute: &str, events: &[Event]) -> String {
    let options = ReportOptions {
        attribute: attribute.into(),
        ..options()
    };
    let (mut record, mut summary) = (Record::default(), Summary::new(5));
    for event in events {
        record.observe(event);
        summary.observe(event);
    }
    let error = match events.last().map(|event| &event.kind) {
        Some(EventKind::RunFinished { error, .. }) => error.as_deref(),
        Some(_) | None => None,
    };
    let counts = record.counts();
    let ending = Ending {
        outcome: error.map_or(RunOutcome::Failed, |_| RunOutcome::Errored),
        counts: &counts,
        duration: Duration::from_secs(123),
        error,
    };
    junit(&record, &summary, ending, &options).unwrap()
}

/// The elements that Jenkins' `junit-10.xsd` has, as far as they are used, with where they may stand, the attributes
/// that they must and those that they may have.
const ELEMENTS: &[(&str, &str, &[&str], &[&str])] = &[
    (
        "testsuites",
        "",
        &[],
        &["name", "time", "tests", "failures", "errors"],
    ),
    (
        "testsuite",
        "testsuites",
        &["name", "tests", "failures", "errors"],
        &["time", "skipped", "timestamp"],
    ),
    ("testcase", "testsuite", &["name"], &["time", "classname"]),
    ("failure", "testcase", &[], &["type", "message"]),
    ("error", "testcase", &[], &["type", "message"]),
    ("skipped", "testcase", &[], &["type", "message"]),
];

/// Holds a document against [`ELEMENTS`], its figures against what it has, and returns how many elements there are.
fn check(xml: &str) -> BTreeMap<String, usize> {
    let mut reader = quick_xml::Reader::from_str(xml);
    reader.config_mut().check_end_names = true;
    let (mut path, mut seen) = (Vec::<String>::new(), BTreeMap::new());
    let mut said: BTreeMap<String, usize> = BTreeMap::new();
    loop {
        let (tag, is_empty) = match reader.read_event().unwrap() {
            Xml::Start(tag) => (tag, false),
            Xml::Empty(tag) => (tag, true),
            Xml::End(_) => {
                path.pop();
                continue;
            }
            Xml::Text(text) => {
                let is_blank = text.iter().all(u8::is_ascii_whitespace);
                let may_have_text = ["failure", "error", "skipped"];
                assert!(
                    is_blank || may_have_text.contains(&path.last().unwrap().as_str()),
                    "{xml}"
                );
                continue;
            }
            Xml::Eof => break,
            Xml::CData(_)
            | Xml::Comment(_)
            | Xml::Decl(_)
            | Xml::PI(_)
            | Xml::DocType(_)
            | Xml::GeneralRef(_) => continue,
        };
        let name = String::from_utf8(tag.name().as_ref().to_vec()).unwrap();
        let parent = path.last().map_or("", String::as_str);
        let (_, _, required, optional) = ELEMENTS
            .iter()
            .find(|(known, within, ..)| *known == name && *within == parent)
            .unwrap_or_else(|| panic!("<{name}> in <{parent}>: {xml}"));
        let mut attributes = BTreeMap::new();
        for attribute in tag.attributes() {
            let attribute = attribute.unwrap();
            let key = String::from_utf8(attribute.key.as_ref().to_vec()).unwrap();
            assert!(
                required.contains(&key.as_str()) || optional.contains(&key.as_str()),
                "{key} of <{name}>: {xml}"
            );
            attributes.insert(key, String::from_utf8(attribute.value.to_vec()).unwrap());
        }
        for key in *required {
            assert!(attributes.contains_key(*key), "no {key} of <{name}>: {xml}");
        }
        if let Some(time) = attributes.get("time") {
            let (seconds, millis) = time.split_once('.').unwrap();
            assert!(
                millis.len() == 3
                    && seconds
                        .bytes()
                        .chain(millis.bytes())
                        .all(|b| b.is_ascii_digit()),
                "{time}"
            );
        }
        if name == "testsuites" {
            for (key, element) in [
                ("tests", "testcase"),
                ("failures", "failure"),
                ("errors", "error"),
            ] {
                said.insert(element.to_owned(), attributes[key].parse().unwrap());
            }
        }
        *seen.entry(name.clone()).or_default() += 1;
        if !is_empty {
            path.push(name);
        }
    }
    for (element, n) in said {
        assert_eq!(
            seen.get(&element).copied().unwrap_or(0),
            n,
            "{element}: {xml}"
        );
    }
    seen
}

#[test]
fn a_run_with_everything_in_it() {
    let text = xml(&disaster().events);
    let seen = check(&text);
    assert_eq!(seen["testcase"], 28);
    assert_snapshot!("disaster", text);
}

/// Several attributes in one run have no common one.
#[test]
fn what_may_fail_fails_no_test_and_no_class_is_without_a_name() {
    let text = xml_below("", &lenient().events);
    let seen = check(&text);
    assert_eq!((seen["failure"], seen["skipped"]), (1, 3), "{text}");
    assert!(text.contains("classname=\"x86_64-linux\""), "{text}");
    assert!(text.contains("message=\"failed, as it may\""), "{text}");
    let whole = Script::start(&[X86]).end_with(RunOutcome::Errored, Some("the daemon is lost"));
    let text = xml_below("", &whole.events);
    assert!(text.contains("classname=\"nixci\""), "{text}");
}

#[test]
fn what_belongs_to_no_check_is_a_test_of_its_own() {
    let script = Script::start(&[X86]).then(EventKind::EvaluationFailed {
        check: None,
        error: "cannot find flake 'flake:nope'".into(),
        file: None,
        line: None,
        column: None,
        allowed: false,
    });
    let text = xml(&script
        .end_with(RunOutcome::Errored, Some("cannot find it"))
        .events);
    assert_eq!(check(&text)["error"], 1);
    assert!(
        text.contains("message=\"the flake failed to evaluate\""),
        "{text}"
    );
    let lost = Script::start(&[X86]).end_with(RunOutcome::Errored, Some("the daemon was lost"));
    let text = xml(&lost.events);
    assert_eq!(check(&text)["error"], 1);
    assert!(
        text.contains("message=\"error: the daemon was lost\""),
        "{text}"
    );
    assert_eq!(
        check(&xml(&[])),
        BTreeMap::from([("testsuites".to_owned(), 1)])
    );
}

#[test]
fn a_log_that_breaks_much_stands_there_once() {
    let names: Vec<_> = (0..500).map(|i| format!("{X86}.n{i}")).collect();
    let checks: Vec<_> = names.iter().map(String::as_str).collect();
    let mut script = Script::start(&[X86]).step_ends("lib", Outcome::Failed, 1, &checks);
    for name in &names {
        script = script.check_ends_by(name, Outcome::DependencyFailed, Some("lib"), None);
    }
    let text = xml(&script.events);
    assert_eq!(text.matches("line 3 of lib").count(), 1);
    assert_eq!(check(&text)["failure"], 500);
}

#[test]
fn what_may_fail_fails_no_report() {
    let mut script = Script::start(&[X86]).check_ends("x86_64-linux.a", Outcome::TimedOut, 1);
    if let Some(EventKind::CheckFinished { allowed, .. }) =
        script.events.last_mut().map(|event| &mut event.kind)
    {
        *allowed = true;
    }
    let text = xml(&script.events);
    assert_eq!(check(&text).get("failure"), None);
    assert!(
        text.contains("<skipped message=\"timed out, as it may\"/>"),
        "{text}"
    );
}

#[test]
fn texts_have_a_bound_together() {
    let mut script = Script::start(&[X86]);
    for i in 0..60 {
        let check = format!("{X86}.n{i}");
        script = script
            .then(EventKind::EvaluationFailed {
                check: Some(check.clone()),
                error: format!("{i}{}", "<&>x\n".repeat(100_000)),
                file: None,
                line: None,
                column: None,
                allowed: false,
            })
            .check_ends(&check, Outcome::EvaluationFailed, 0);
    }
    let text = xml(&script.events);
    // Escaped, a text is longer; GitLab takes no file of 30 MB.
    assert!(text.len() < 30_000_000, "{}", text.len());
    check(&text);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_run_is_a_document(events in any_events()) {
        check(&xml(&events));
    }
}
