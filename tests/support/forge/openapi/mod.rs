//! What forges themselves say of their interfaces, and whether requests and answers fit it.
//!
//! `dev/install-forge-descriptions` gets the descriptions of GitHub (`OpenAPI` 3.0), Gitea and Forgejo (Swagger 2.0). That
//! of GitLab is written by hand from its documents, for what nixci asks: `tests/data/gitlab-openapi.json`. Where one is
//! missing and this is no CI, nothing is held against it.

mod description;
mod schema;

use std::{collections::BTreeMap, env, fs, path::PathBuf, sync::OnceLock};

use serde_json::{Value, json};

pub(crate) use self::description::Description;
#[allow(unused_imports, reason = "not every test looks at a schema by itself")]
pub(crate) use self::schema::{Side, fits};

/// A request, as far as a description says what it has to be.
#[derive(Clone, Copy)]
pub(crate) struct Call<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) query: &'a BTreeMap<String, String>,
    /// `Null`: it has none.
    pub(crate) body: &'a Value,
}

/// Whose interface is at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Github,
    /// Gitea's or Forgejo's.
    Gitea,
    Gitlab,
}

impl Kind {
    /// Whose interface a path belongs to, and the path below it. A forge may be below a path of a server.
    pub(crate) fn of(path: &str) -> (Self, &str) {
        let below = |base: &str| {
            let (_, rest) = path.split_once(base)?;
            (rest.is_empty() || rest.starts_with('/')).then_some(rest)
        };
        if let Some(rest) = below("/api/v1") {
            return (Self::Gitea, rest);
        }
        if let Some(rest) = below("/api/v4") {
            return (Self::Gitlab, rest);
        }
        // Where GitHub Enterprise has it.
        (Self::Github, below("/api/v3").unwrap_or(path))
    }
}

/// Holds a request against all descriptions that it has to fit.
pub(crate) fn check(call: &Call<'_>) -> Result<(), String> {
    each(call, Description::request)
}

/// Holds an answer against them.
pub(crate) fn check_answer(call: &Call<'_>, status: u16, body: &Value) -> Result<(), String> {
    each(call, |description, call| {
        description.answer(call, status, body)
    })
}

fn each(
    call: &Call<'_>,
    check: impl Fn(&Description, &Call<'_>) -> Result<(), String>,
) -> Result<(), String> {
    let (kind, path) = Kind::of(call.path);
    let renamed = match kind {
        Kind::Github => by_name(path),
        Kind::Gitea | Kind::Gitlab => None,
    };
    let call = Call {
        path: renamed.as_deref().unwrap_or(path),
        ..*call
    };
    let descriptions = match kind {
        Kind::Github => vec![github()],
        // The one thing that is asked of one of them only.
        Kind::Gitea if call.body["type"] == "forgejo" => vec![forgejo()],
        Kind::Gitea => vec![gitea(), forgejo()],
        Kind::Gitlab => vec![Some(gitlab())],
    };
    descriptions
        .into_iter()
        .flatten()
        .try_for_each(|description| check(description, &call))
}

/// The path by name: GitHub sends requests about repositories that were renamed on to paths that are not described.
fn by_name(path: &str) -> Option<String> {
    let rest = path.trim_end_matches('/').strip_prefix("/repositories/")?;
    Some(match rest.split_once('/') {
        Some((_, rest)) => format!("/repos/owner/name/{rest}"),
        None => "/repos/owner/name".to_owned(),
    })
}

fn github() -> Option<&'static Description> {
    static GITHUB: OnceLock<Option<Description>> = OnceLock::new();
    let read = || {
        let mut root = description("api.github.com.json")?;
        // Where the fork is gone there is none, which the description does not know.
        for pull in ["pull-request", "pull-request-simple"] {
            let place = format!("/components/schemas/{pull}/properties/head/properties/repo");
            let fork = root
                .pointer_mut(&place)
                .expect("pull requests come from somewhere");
            *fork = json!({ "nullable": true, "allOf": [fork.take()] });
        }
        Some(Description::new("GitHub", root))
    };
    GITHUB.get_or_init(read).as_ref()
}

fn gitea() -> Option<&'static Description> {
    static GITEA: OnceLock<Option<Description>> = OnceLock::new();
    let read = || Some(Description::new("Gitea", description("gitea.json")?));
    GITEA.get_or_init(read).as_ref()
}

fn forgejo() -> Option<&'static Description> {
    static FORGEJO: OnceLock<Option<Description>> = OnceLock::new();
    let read = || Some(Description::new("Forgejo", description("forgejo.json")?));
    FORGEJO.get_or_init(read).as_ref()
}

fn gitlab() -> &'static Description {
    static GITLAB: OnceLock<Description> = OnceLock::new();
    GITLAB.get_or_init(|| {
        let text = include_str!("../../../data/gitlab-openapi.json");
        Description::new("GitLab", serde_json::from_str(text).expect("it is JSON"))
    })
}

/// A file that `dev/install-forge-descriptions` gets. `None`, with a word on stderr, where it cannot be had and this is no CI.
pub(crate) fn description(name: &str) -> Option<Value> {
    let content = fs::read(installed(name)?).expect("it can be read");
    Some(serde_json::from_slice(&content).expect("it is JSON"))
}

/// Where something is that `dev/install-forge-descriptions` gets; `None` as above.
#[allow(clippy::print_stderr, reason = "a test that is left out says so")]
pub(crate) fn installed(name: &str) -> Option<PathBuf> {
    let cache = env::var_os("XDG_CACHE_HOME")
        .filter(|dir| !dir.is_empty())
        .map(PathBuf::from)
        .or_else(|| env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")))
        .expect("there is a home");
    let file = cache.join("nixci/forges").join(name);
    if file.exists() {
        return Some(file);
    }
    let hint = format!(
        "{} is missing; run dev/install-forge-descriptions",
        file.display()
    );
    assert!(env::var_os("NIXCI_CI").is_none(), "{hint}");
    eprintln!("SKIPPED: {hint}");
    None
}
