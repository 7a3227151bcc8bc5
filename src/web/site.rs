//! Where pages are, and what every page has.

use url::Url;

use super::{asset, escape::path_part};
use crate::report::harmless;

/// Where all pages are: below the path of the server's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// Begins and ends with `/`.
    base: String,
}

impl Site {
    /// The site at an address that ends with `/`.
    pub fn at(url: &Url) -> Self {
        Self {
            base: url.path().to_owned(),
        }
    }

    /// The page of a path below the site, which is an address already.
    pub fn page(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// The page of a run.
    pub fn run(&self, run: i64) -> String {
        self.page(&format!("runs/{run}"))
    }

    /// The page of a check.
    pub fn check(&self, run: i64, path: &str) -> String {
        self.page(&format!("runs/{run}/checks/{}", path_part(path)))
    }

    /// The page of a step with its log.
    pub fn step(&self, run: i64, step: i64) -> String {
        self.page(&format!("runs/{run}/steps/{step}"))
    }

    /// The page of what is run after a check, with its log.
    pub fn post_build(&self, run: i64, id: i64) -> String {
        self.page(&format!("runs/{run}/post-builds/{id}"))
    }

    /// The page of a repository.
    pub fn repository(&self, forge: &str, full_name: &str) -> String {
        let name: Vec<String> = full_name.split('/').map(path_part).collect();
        self.page(&format!(
            "repositories/{}/{}",
            path_part(forge),
            name.join("/")
        ))
    }

    /// The file that goes with pages.
    pub fn asset(&self, asset: &asset::Asset) -> String {
        self.page(&format!("assets/{}", asset.file_name()))
    }
}

/// What every page has.
#[derive(Clone, Debug)]
pub struct Page {
    /// Where it is.
    pub site: Site,
    /// What it is called.
    pub title: String,
    /// Where changes of it are told, as long as it may change.
    pub live: Option<String>,
}

impl Page {
    /// A page of this title that does not change.
    pub fn new(site: &Site, title: &str) -> Self {
        Self {
            site: site.clone(),
            title: harmless(title),
            live: None,
        }
    }

    /// Changes are told at this path below the site, but for those that this mark has in it.
    #[must_use]
    pub fn live(mut self, path: &str, mark: &str) -> Self {
        self.live = Some(self.site.page(&format!("{path}?mark={}", path_part(mark))));
        self
    }

    pub(super) fn style(&self) -> String {
        self.site.asset(&asset::STYLE)
    }

    pub(super) fn script(&self) -> String {
        self.site.asset(&asset::SCRIPT)
    }

    pub(super) fn icon(&self) -> String {
        self.site.asset(&asset::ICON)
    }
}
