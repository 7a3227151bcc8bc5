//! Which repositories are built, and what of them.

use crate::{
    config::{ForgeConfig, RefPattern},
    db::server::{DbError, Repository, SeenRepository},
    forge::{self, MERGE_QUEUES, TriggerSettings},
    server::{app::App, connection::as_row},
};

/// The repository of an event, if it is one of those that are built; else why not.
pub(super) async fn find(
    app: &App,
    forge: &str,
    seen: &forge::Repository,
) -> Result<Result<Repository, String>, DbError> {
    let known = app
        .db
        .repository_of(forge.to_owned(), seen.id.clone())
        .await?;
    let name = seen.full_name.as_str();
    let is_chosen = app
        .config()
        .forges
        .get(forge)
        .is_some_and(|forge| is_listed(forge, name));
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
        _ if is_chosen => {
            let named = app
                .db
                .repository_named(forge.to_owned(), name.to_owned())
                .await?;
            if named.is_some_and(|other| other.enabled && other.seen.forge_id != seen.id) {
                app.wake.sweep.notify_one();
                return Ok(Err(format!(
                    "{name} is another repository as far as it is known: the forge is asked"
                )));
            }
        }
        _ => {
            return Ok(Err(format!(
                "{name} is none of the repositories that are built"
            )));
        }
    }
    let id = app.db.see_repository(row).await?;
    let repository = app.db.repository(id).await?;
    Ok(repository.ok_or_else(|| "it is gone".to_owned()))
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

/// Whether the configuration names a repository.
fn is_listed(forge: &ForgeConfig, full_name: &str) -> bool {
    let owner = full_name.rsplit_once('/').map_or("", |(owner, _)| owner);
    forge.plain.contains_key(full_name)
        || forge
            .repositories
            .iter()
            .any(|listed| match listed.strip_suffix("/*") {
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
