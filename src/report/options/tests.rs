use std::time::Duration;

use super::{Again, Detail, Format, Look, ReportOptions, resolve};

/// Options as most tests want them.
pub(in crate::report) fn options() -> ReportOptions {
    ReportOptions {
        look: Look {
            format: Format::Plain,
            color: false,
            unicode: true,
        },
        log_lines: 25,
        verbosity: 0,
        detail: Detail::Events,
        keys: false,
        fold: true,
        stall_timeout: Some(Duration::from_secs(300)),
        flake: ".".into(),
        attribute: "checks".into(),
        scope: None,
        again: Again::default(),
        logs: None,
        flake_check: false,
        nix_version: (2, 34),
    }
}

/// What is decided with these variables; the two flags tell whether stdout and stderr are terminals.
fn resolved(
    format: Option<Format>,
    color: Option<bool>,
    terminals: [bool; 2],
    env: &[(&str, &str)],
) -> Look {
    resolve(format, color, 0, terminals[0], terminals[1], |name| {
        env.iter()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| (*value).to_owned())
    })
}

const XTERM: (&str, &str) = ("TERM", "xterm-256color");

#[test]
fn the_matrix_needs_a_terminal_that_moves_the_cursor() {
    use Format::{Json, Matrix, Plain};
    for (asked, terminals, term, format) in [
        (None, [true, true], "xterm", Matrix),
        (None, [false, true], "xterm", Plain),
        (None, [true, false], "xterm", Plain),
        (None, [false, false], "xterm", Plain),
        (None, [true, true], "dumb", Plain),
        (None, [true, true], "", Plain),
        (Some(Matrix), [false, true], "xterm", Matrix),
        (Some(Matrix), [true, false], "xterm", Plain),
        (Some(Matrix), [true, true], "dumb", Plain),
        (Some(Plain), [true, true], "xterm", Plain),
        (Some(Json), [true, true], "xterm", Json),
        (Some(Json), [false, false], "dumb", Json),
    ] {
        let look = resolved(asked, None, terminals, &[("TERM", term)]);
        assert_eq!(look.format, format, "{asked:?} {terminals:?} TERM={term}");
    }
    assert_eq!(resolved(None, None, [true, true], &[]).format, Plain);
    let quiet = |format| resolve(format, None, -1, true, true, |_| Some("xterm".into())).format;
    assert_eq!(quiet(None), Plain);
    assert_eq!(quiet(Some(Matrix)), Matrix);
}

#[test]
fn colours_follow_the_user_then_the_variables_then_the_terminal() {
    const BOTH: [bool; 2] = [true, true];
    const NONE: [bool; 2] = [false, false];
    let dumb = ("TERM", "dumb");
    for (asked, terminals, env, color) in [
        (None, BOTH, &[XTERM][..], true),
        (None, NONE, &[XTERM], false),
        (None, BOTH, &[dumb], false),
        (None, BOTH, &[], false),
        (None, BOTH, &[XTERM, ("NO_COLOR", "1")], false),
        (None, BOTH, &[XTERM, ("NO_COLOR", "")], true),
        (None, NONE, &[XTERM, ("CLICOLOR_FORCE", "1")], true),
        (None, NONE, &[dumb, ("CLICOLOR_FORCE", "1")], true),
        (None, NONE, &[XTERM, ("CLICOLOR_FORCE", "0")], false),
        (None, NONE, &[XTERM, ("CLICOLOR_FORCE", "")], false),
        (None, NONE, &[("FORCE_COLOR", "1")], true),
        (None, NONE, &[("FORCE_COLOR", "0")], false),
        (None, NONE, &[("GITLAB_CI", "true")], true),
        (
            None,
            NONE,
            &[("GITHUB_ACTIONS", "true"), ("NO_COLOR", "1")],
            false,
        ),
        (
            None,
            NONE,
            &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")],
            false,
        ),
        (Some(true), NONE, &[dumb, ("NO_COLOR", "1")], true),
        (Some(false), BOTH, &[XTERM, ("CLICOLOR_FORCE", "1")], false),
    ] {
        let look = resolved(None, asked, terminals, env);
        assert_eq!(look.color, color, "{asked:?} {terminals:?} {env:?}");
    }
}

#[test]
fn colours_go_by_the_stream_for_people() {
    let color = |format, terminals| resolved(Some(format), None, terminals, &[XTERM]).color;
    assert!(color(Format::Plain, [true, false]));
    assert!(!color(Format::Plain, [false, true]));
    assert!(color(Format::Json, [false, true]));
    assert!(!color(Format::Json, [true, false]));
    assert!(color(Format::Matrix, [false, true]));
}

#[test]
fn the_first_locale_that_is_set_decides_the_glyphs() {
    for (env, unicode) in [
        (&[][..], false),
        (&[("LANG", "C")], false),
        (&[("LANG", "de_DE.UTF-8")], true),
        (&[("LANG", "en_US.utf8")], true),
        (&[("LANG", "en_US.UTF-8"), ("LC_ALL", "C")], false),
        (
            &[("LANG", "C"), ("LC_CTYPE", "C.UTF-8"), ("LC_ALL", "")],
            true,
        ),
    ] {
        assert_eq!(
            resolved(None, None, [true, true], env).unicode,
            unicode,
            "{env:?}"
        );
    }
}

#[test]
fn a_ci_gets_its_own_format_unless_another_is_asked_for() {
    use Format::{Github, Gitlab, Json, Matrix, Plain};
    let github = ("GITHUB_ACTIONS", "true");
    let gitea = ("GITEA_ACTIONS", "true");
    let gitlab = ("GITLAB_CI", "true");
    for (asked, terminals, env, format) in [
        (None, [false, false], &[github][..], Github),
        (None, [false, false], &[github, gitea], Github),
        (None, [false, false], &[gitlab], Gitlab),
        (None, [true, true], &[gitlab, XTERM], Matrix),
        (None, [false, false], &[("CI", "true")], Plain),
        (Some(Plain), [false, false], &[github], Plain),
        (Some(Json), [false, false], &[github], Json),
        (Some(Gitlab), [true, true], &[XTERM], Gitlab),
        (Some(Matrix), [false, false], &[github], Plain),
    ] {
        let look = resolved(asked, None, terminals, env);
        assert_eq!(look.format, format, "{asked:?} {env:?}");
        let is_ci = matches!(format, Github | Gitlab);
        assert_eq!(look.unicode, is_ci, "{asked:?} {env:?}");
    }
}
