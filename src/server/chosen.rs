//! Which repositories of a forge are built: those that the settings name, and those that ask for it by a topic.
//!
//! Whoever has an account at a forge can give a repository of theirs a topic, and what is built of it is trusted. So a topic
//! counts only where the server is an administrator, which it has to be to make a webhook. That somebody can give it there,
//! too: `owners` says whose topics count at all.

use crate::{
    config::{Access, ForgeConfig, ForgeSoftware},
    forge::{ForgeApi, ForgeError, KnownRepository, Permission, RepositoryKey, Selection},
};
use tracing::{debug, warn};

/// How many of the repositories that do not count are named.
const NAMED: usize = 3;

/// Why the topic of a repository does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Uncounted {
    /// It belongs to none of `owners`.
    Owner,
    /// Whoever asks is no administrator there.
    Right,
}

/// Why the topic of a repository does not count; `None`: it does.
pub(super) fn why_not(forge: &ForgeConfig, known: &KnownRepository) -> Option<Uncounted> {
    let name = known.repository.full_name.as_str();
    if !forge.owners.is_empty() && !forge.owners.iter().any(|owner| is_below(owner, name)) {
        return Some(Uncounted::Owner);
    }
    match forge.access {
        // Whoever owns it has let the App in.
        Access::App { .. } => None,
        // All of these forges say what the token's user may do; one that does not is asked when the webhook is made.
        Access::Token(_) | Access::None => known
            .right
            .filter(|right| *right < Permission::Admin)
            .map(|_| Uncounted::Right),
    }
}

/// Whether a repository is an owner's, or in a group below.
fn is_below(owner: &str, name: &str) -> bool {
    name.split_at_checked(owner.len())
        .is_some_and(|(start, rest)| start.eq_ignore_ascii_case(owner) && rest.starts_with('/'))
}

/// What it means that a forge has topics and no `owners`, where strangers could make use of that.
pub(super) fn open_to_strangers(forge: &ForgeConfig) -> Option<String> {
    let is_invited = matches!(forge.access, Access::App { .. });
    if is_invited
        || forge.kind == ForgeSoftware::Plain
        || forge.topics.is_empty()
        || !forge.owners.is_empty()
    {
        return None;
    }
    Some(format!(
        "no `owners`: whoever has an account at {}, gives a repository the topic {} and makes the token's user its administrator, is \
        built like your own, with uploads, post-build steps and their secrets; write owners = [\"ORGANIZATION\", …]",
        forge.url,
        forge.topics.join(" or ")
    ))
}

/// The names of the first of some repositories, and how many more there are.
pub(super) fn names<'a>(repositories: impl Iterator<Item = &'a KnownRepository>) -> String {
    let names: Vec<&str> = repositories
        .map(|known| known.repository.full_name.as_str())
        .collect();
    let shown = names[..names.len().min(NAMED)].join(", ");
    match names.len().saturating_sub(NAMED) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// The repositories that the settings ask for, and whether these are all.
pub(super) async fn chosen(
    name: &str,
    forge: &ForgeConfig,
    api: &dyn ForgeApi,
) -> (Vec<KnownRepository>, bool) {
    let (owners, listed): (Vec<&String>, Vec<&String>) = forge
        .repositories
        .iter()
        .partition(|listed| listed.ends_with("/*"));
    let owners = owners.iter().filter_map(|all| all.strip_suffix("/*"));
    let selections = [
        Selection {
            topics: forge.topics.clone(),
            ..Selection::default()
        },
        Selection {
            owners: owners.map(str::to_owned).collect(),
            ..Selection::default()
        },
    ];
    let mut chosen = Vec::new();
    let mut is_all = true;
    for selection in selections {
        if selection == Selection::default() {
            continue;
        }
        match api.repositories(&selection).await {
            Ok(some) if selection.topics.is_empty() => {
                chosen.extend(some.repositories);
                is_all &= some.is_all;
            }
            Ok(some) => {
                chosen.extend(by_topic(name, forge, some.repositories));
                is_all &= some.is_all;
            }
            Err(error) => {
                warn!(forge = name, %error, "repositories are not looked for");
                is_all = false;
            }
        }
    }
    for listed in listed {
        let Ok(full_name) = listed.parse() else {
            warn!(
                forge = name,
                repository = listed,
                "no repository is called so"
            );
            continue;
        };
        match api.repository(&RepositoryKey::Name(full_name)).await {
            Ok(known) => chosen.push(known),
            Err(error) => {
                warn!(forge = name, repository = listed, %error, "a listed repository is not to be had");
                is_all &= matches!(error, ForgeError::Missing(_));
            }
        }
    }
    (chosen, is_all)
}

/// Of the repositories that have a topic those whose topic counts. Of the others there is a line each time, however many a
/// stranger makes.
fn by_topic(
    name: &str,
    forge: &ForgeConfig,
    all: Vec<KnownRepository>,
) -> impl Iterator<Item = KnownRepository> {
    let (counted, others): (Vec<_>, Vec<_>) = all
        .into_iter()
        .map(|known| (why_not(forge, &known), known))
        .partition(|(why, _)| why.is_none());
    let uncounted = |which| {
        let others = others.iter().filter(move |(why, _)| *why == Some(which));
        names(others.map(|(_, known)| known))
    };
    let repositories = uncounted(Uncounted::Right);
    if !repositories.is_empty() {
        warn!(
            forge = name,
            repositories,
            "not built in spite of their topic: the token's user is no administrator there"
        );
    }
    let repositories = uncounted(Uncounted::Owner);
    if !repositories.is_empty() {
        debug!(
            forge = name,
            repositories, "not built in spite of their topic: none of `owners` has them"
        );
    }
    counted.into_iter().map(|(_, known)| known)
}
