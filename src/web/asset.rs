//! The files that go with pages, part of the program.
//!
//! Their names have a hash of their content, so that a browser may keep them for ever.

use std::{fmt::Write as _, sync::LazyLock};

use sha2::{Digest as _, Sha256};

/// A file that goes with pages.
#[derive(Debug)]
pub struct Asset {
    stem: &'static str,
    ending: &'static str,
    /// What it is, for browsers.
    pub media_type: &'static str,
    /// What is in it.
    pub content: &'static str,
    hash: LazyLock<String>,
}

/// How all pages look.
pub static STYLE: Asset = Asset {
    stem: "style",
    ending: "css",
    media_type: "text/css; charset=utf-8",
    content: include_str!("asset/style.css"),
    hash: LazyLock::new(|| hash(include_str!("asset/style.css"))),
};

/// Keeps pages up to date.
pub static SCRIPT: Asset = Asset {
    stem: "page",
    ending: "js",
    media_type: "text/javascript; charset=utf-8",
    content: include_str!("asset/page.js"),
    hash: LazyLock::new(|| hash(include_str!("asset/page.js"))),
};

/// The picture of all pages.
pub static ICON: Asset = Asset {
    stem: "icon",
    ending: "svg",
    media_type: "image/svg+xml",
    content: include_str!("asset/icon.svg"),
    hash: LazyLock::new(|| hash(include_str!("asset/icon.svg"))),
};

impl Asset {
    /// The file of this name, if it is one of this version's.
    pub fn named(name: &str) -> Option<&'static Self> {
        [&STYLE, &SCRIPT, &ICON]
            .into_iter()
            .find(|asset| asset.file_name() == name)
    }

    /// What it is called.
    pub fn file_name(&self) -> String {
        format!("{}-{}.{}", self.stem, *self.hash, self.ending)
    }
}

fn hash(content: &str) -> String {
    let digest = Sha256::digest(content.as_bytes());
    let mut text = String::new();
    for byte in digest.iter().take(8) {
        let _ = write!(text, "{byte:02x}");
    }
    text
}
