//! Which repositories are built, and what of them.

use crate::{
    config::{ForgeConfig, RefPattern},
    db::server::{DbError, Repository, SeenRepository},
    forge::{self, MERGE_QUEUES, RepositoryKey, TriggerSettings},
    server::{
        app::App,
        commands::{Unheard, persist},
        connection::as_row,
    },
};

/// Why there is no repository to an event.
pub(super) enum Unfound {
    /// The settings name it, and its number is not known: the forge has to be asked.
    Yet(forge::Repository),
    /// It is not built, or is none.
    Never(String),
}

/// The repository of an event, if it is one of those that are built; else why not.
pub(super) async fn find(
    app: &App,
    forge: &str,
    seen: &forge::Repository,
) -> Result<Result<Repository, Unfound>, DbError> {
    let known = app
        .db
        .repository_of(forge.to_owned(), seen.id.clone())
        .await?;
    let name = seen.full_name.as_str();
    let mut row = as_row(forge, seen, default_branch(app, forge, seen));
    // Nobody but the server's settings knows that.
    let config = app.config();
    let plain = config
        .forges
        .get(forge)
        .and_then(|forge| forge.plain.get(name));
    row.private &= plain.is_none_or(|plain| !plain.public);
    match known {
        Some(repository) if repository.enabled => {
            let is_as_known = repository.seen.full_name == name
                && seen
                    .default_branch
                    .as_deref()
                    .is_none_or(|branch| branch == repository.seen.default_branch);
            if !is_as_known {
                // It may be old or made up, and rights go by the default branch: the forge is asked.
                app.wake.sweep.notify_one();
            }
            if repository.seen.private || !row.private {
                return Ok(Ok(repository));
            }
            // What is private from now on is hidden from now on.
            row = SeenRepository {
                private: true,
                ..repository.seen
            };
        }
        // There is no forge to ask, and its settings say all of it.
        _ if plain.is_some() => {}
        _ if config
            .forges
            .get(forge)
            .is_some_and(|forge| is_listed(forge, name)) =>
        {
            // Whose number that is, only the forge knows.
            return Ok(Err(Unfound::Yet(seen.clone())));
        }
        _ => {
            return Ok(Err(not_built(name)));
        }
    }
    let id = app.db.see_repository(row).await?;
    let repository = app.db.repository(id).await?;
    Ok(repository.ok_or_else(|| Unfound::Never("it is gone".to_owned())))
}

fn not_built(name: &str) -> Unfound {
    Unfound::Never(format!("{name} is none of the repositories that are built"))
}

/// Asks the forge for a repository that the settings name, under the number that it is said to have. An error says why it is
/// not built.
pub(super) async fn look_up(
    app: &App,
    forge: &str,
    seen: &forge::Repository,
) -> Result<(), String> {
    let name = seen.full_name.as_str();
    persist(name, || try_look_up(app, forge, seen)).await
}

async fn try_look_up(app: &App, forge: &str, seen: &forge::Repository) -> Result<(), Unheard> {
    let name = seen.full_name.as_str();
    let api = app.connections().get(forge);
    let (api, id) = api
        .zip(seen.id.parse().ok())
        .ok_or_else(|| format!("{name} cannot be asked for"))?;
    let known = api.repository(&RepositoryKey::Id(id)).await?;
    let now = &known.repository;
    let config = app.config();
    let forge_config = config.forges.get(forge);
    let is_listed = forge_config.is_some_and(|config| is_listed(config, now.full_name.as_str()));
    if now.id != seen.id || known.is_archived || !is_listed {
        return Err(format!(
            "the repository {id} is called {}, and is none of those that are built",
            now.full_name
        )
        .into());
    }
    let row = as_row(forge, now, default_branch(app, forge, now));
    app.db.see_repository(row).await?;
    // It gets a webhook, and whatever had that name before is not built any more.
    app.wake.sweep.notify_one();
    Ok(())
}

fn default_branch(app: &App, forge: &str, seen: &forge::Repository) -> String {
    let config = app.config();
    let plain = config.forges.get(forge);
    let plain = plain.and_then(|forge| forge.plain.get(seen.full_name.as_str()));
    let configured = plain.map(|plain| plain.default_branch.clone());
    configured
        .or_else(|| seen.default_branch.clone())
        .unwrap_or_else(|| "main".to_owned())
}

/// Whether the settings name a repository.
fn is_listed(forge: &ForgeConfig, full_name: &str) -> bool {
    let owner = full_name.rsplit_once('/').map_or("", |(owner, _)| owner);
    let mut listed = forge.repositories.iter();
    listed.any(|listed| match listed.strip_suffix("/*") {
        Some(all_of) => all_of.eq_ignore_ascii_case(owner),
        None => listed.eq_ignore_ascii_case(full_name),
    })
}

/// What of a repository is built.
pub(super) fn settings(app: &App, repository: &Repository) -> Result<TriggerSettings, String> {
    let own = &repository.rules;
    let globs = |patterns: &[RefPattern]| -> Vec<String> {
        patterns
            .iter()
            .map(|pattern| pattern.as_str().to_owned())
            .collect()
    };
    TriggerSettings::new(
        Some(&repository.seen.default_branch),
        &[globs(&app.config().branches), own.branches.clone()].concat(),
        &[globs(&app.config().tags), own.tags.clone()].concat(),
        &MERGE_QUEUES.map(str::to_owned),
    )
    .map_err(|error| error.to_string())
}
