//! Lists of repositories, asked for again and again: a page that did not change is not sent once more.
//!
//! A forge answers 304 to the `ETag` of before, which costs nothing of its limits.

use std::{collections::HashMap, sync::Mutex};

use reqwest::Method;
use serde_json::Value;

use super::{
    ForgeError, KnownRepository,
    http::{Call, PAGES_MAX, Sender, entries, next_page},
};

/// The pages that were read.
#[derive(Debug, Default)]
pub(super) struct Listing {
    pages: Mutex<HashMap<PageKey, Page>>,
}

/// The installation that a list belongs to, and the path of a page.
type PageKey = (Option<u64>, String);

#[derive(Clone, Debug)]
struct Page {
    etag: Option<String>,
    next: Option<String>,
    repositories: Vec<KnownRepository>,
}

impl Listing {
    /// Reads all pages of a list. What cannot be read of it is left out, with a word in the log.
    pub(super) async fn collect(
        &self,
        session: &dyn Sender,
        path: &str,
        installation: Option<u64>,
        read: fn(Value, Option<u64>) -> Result<KnownRepository, ForgeError>,
    ) -> Result<Vec<KnownRepository>, ForgeError> {
        let mut all = Vec::new();
        let mut key = (installation, path.to_owned());
        for _ in 0..PAGES_MAX {
            let before = self.lock().remove(&key);
            let answer = session
                .send(Call {
                    method: Method::GET,
                    path: &key.1,
                    body: None,
                    etag: before.as_ref().and_then(|page| page.etag.as_deref()),
                })
                .await?;
            let page = match before.filter(|_| answer.is_unchanged) {
                Some(page) => page,
                None => Page {
                    etag: answer.etag,
                    next: answer.next,
                    repositories: repositories(answer.body, installation, read)?,
                },
            };
            all.extend_from_slice(&page.repositories);
            let next = page.next.as_deref().map(|next| next_page(path, next));
            self.lock().insert(key, page);
            let Some(next) = next else {
                break;
            };
            key = (installation, next);
        }
        Ok(all)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<PageKey, Page>> {
        self.pages.lock().expect("nothing panics while it is held")
    }
}

/// The repositories of a page.
fn repositories(
    answer: Value,
    installation: Option<u64>,
    read: fn(Value, Option<u64>) -> Result<KnownRepository, ForgeError>,
) -> Result<Vec<KnownRepository>, ForgeError> {
    let known = entries("repositories", answer)?
        .into_iter()
        .filter_map(|entry| {
            let name = entry.get("full_name").cloned();
            read(entry, installation)
                .inspect_err(|error| tracing::warn!(?name, %error, "a repository is left out"))
                .ok()
        });
    Ok(known.collect())
}
