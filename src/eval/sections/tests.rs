use super::{ERROR_MAX, MESSAGE_MAX, Section, SectionKind, Sections};

fn sections(text: &str) -> Vec<Section> {
    let mut sections = Sections::default();
    let mut all: Vec<Section> = text
        .lines()
        .filter_map(|line| sections.push(line.as_bytes()))
        .collect();
    all.extend(sections.finish());
    all
}

fn shown(text: &str) -> Vec<(SectionKind, String)> {
    sections(text)
        .into_iter()
        .map(|section| (section.kind, section.text))
        .collect()
}

#[test]
fn lines_are_sorted_by_how_they_begin() {
    use SectionKind::{Error, Noise, Trace, Warning};
    let text = "\
Nix 2.34.8
Type :? for help.
trace: one
  goes on

evaluation warning: old
\x1b[35;1mwarning:\x1b[0m new
warning: unknown setting 'x'
building '/nix/store/x.drv'...
this derivation will be built:
  /nix/store/x.drv
error (ignored): SQLite database 'x' is busy
warning: Git tree '/x' is dirty
\x1b[31;1merror:\x1b[0m
       … while calling the '\x1b[35;1mthrow\x1b[0m' builtin

       error: no
trace: last";
    let expected = [
        (Trace, "one\n  goes on"),
        (Warning, "old"),
        (Warning, "new"),
        (Noise, "warning: unknown setting 'x'"),
        (Noise, "building '/nix/store/x.drv'..."),
        (Noise, "this derivation will be built:\n  /nix/store/x.drv"),
        (Noise, "error (ignored): SQLite database 'x' is busy"),
        (Noise, "warning: Git tree '/x' is dirty"),
        (
            Error,
            "error:\n       … while calling the 'throw' builtin\n\n       error: no",
        ),
        (Trace, "last"),
    ]
    .map(|(kind, text)| (kind, text.to_owned()));
    assert_eq!(shown(text), expected);
}

#[test]
fn a_recorded_stderr_has_its_warning_and_its_trace() {
    let text = include_str!("../../../tests/data/nix-eval-jobs-2.34/without-recursion.stderr");
    let sections = shown(text);
    let of = |kind| {
        let texts = sections.iter().filter(move |section| section.0 == kind);
        texts.map(|section| section.1.as_str()).collect::<Vec<_>>()
    };
    assert_eq!(of(SectionKind::Warning), ["a deprecated option is used"]);
    assert_eq!(of(SectionKind::Trace), ["a trace line"]);
    assert_eq!(of(SectionKind::Error).len(), 6);
    assert_eq!(of(SectionKind::Noise).len(), 1);
}

#[test]
fn long_texts_keep_their_beginning_and_their_end() {
    for (header, max) in [("trace: ", MESSAGE_MAX), ("error: ", ERROR_MAX)] {
        let mut text = format!("{header}first\n");
        for i in 0..max / 4 {
            text.extend(["line ", &i.to_string(), "\n"]);
        }
        text.push_str("last");
        let section = sections(&text).remove(0);
        assert!(section.text.len() <= max * 3 / 2 + 10, "{header}");
        assert!(section.text.contains("first\n"), "{header}");
        assert!(section.text.contains("\n[…]\n"), "{header}");
        assert!(section.text.ends_with("\nlast"), "{header}");
    }
}

#[test]
fn a_single_endless_line_is_cut() {
    let text = format!("trace: {}", "é".repeat(MESSAGE_MAX * 2));
    assert!(sections(&text)[0].text.len() <= MESSAGE_MAX);
}

#[test]
fn what_git_says_of_access_belongs_to_the_error_behind_it() {
    let text = "\
warning: old
fatal: could not read Username for 'https://git.example.org': terminal prompts disabled
error: program 'git' failed with exit code 128
error: another
fatal: unable to access 'https://example.org/x.git/': Could not resolve host: example.org
error: Failed to fetch git repository 'https://example.org/x.git'";
    let expected = [
        (SectionKind::Warning, "old"),
        (
            SectionKind::Error,
            "error: program 'git' failed with exit code 128\n\
             git: https://git.example.org asks for a user and a password, and this evaluation has none for it",
        ),
        (SectionKind::Error, "error: another"),
        (
            SectionKind::Error,
            "error: Failed to fetch git repository 'https://example.org/x.git'\n\
             git: https://example.org/x.git/ cannot be fetched from: Could not resolve host: example.org",
        ),
    ]
    .map(|(kind, text)| (kind, text.to_owned()));
    assert_eq!(shown(text), expected);
}
