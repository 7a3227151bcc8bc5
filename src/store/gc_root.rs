//! Symlinks that hold store paths against garbage collection, as `nix build --out-link` makes them.
//!
//! Apart from the connection's operations because a root is a file here and a registration there, in this order.

use std::{
    collections::BTreeSet,
    fs, io,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use super::{Connection, StoreError};
use crate::nix::StorePath;

/// Why there is no root.
#[derive(Debug, thiserror::Error)]
pub enum GcRootError {
    /// Something else is where the link has to be.
    #[error("`{}` is in the way: it is no link into the store", link.display())]
    InTheWay {
        /// The link.
        link: PathBuf,
    },
    /// The link cannot be made.
    #[error("cannot make the link `{}`", link.display())]
    Link {
        /// The link.
        link: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The daemon does not take it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Connection {
    /// Makes symlinks to paths, in place of ones that lead into the store, and registers them. Makes their folders. The links
    /// must be absolute paths. Returns the paths that are not valid any more: they get no links. Where some links cannot be made,
    /// the first error is returned, and the others are there; any other error may leave links that are no roots.
    pub async fn add_gc_roots(
        &mut self,
        roots: &[(PathBuf, StorePath)],
    ) -> Result<BTreeSet<StorePath>, GcRootError> {
        if roots.is_empty() {
            return Ok(BTreeSet::new());
        }
        // Held by this connection until the links do it. What is valid then stays so.
        let mut gone: BTreeSet<StorePath> = roots.iter().map(|(_, path)| path.clone()).collect();
        let paths: Vec<StorePath> = gone.iter().cloned().collect();
        self.add_temp_roots(&paths).await?;
        for valid in self.query_valid_paths(&gone, false).await? {
            gone.remove(&valid);
        }
        let mut made = Ok(());
        let mut links: Vec<&Path> = Vec::new();
        for (link, path) in roots.iter().filter(|(_, path)| !gone.contains(path)) {
            match replace_link(link, path) {
                Ok(()) => links.push(link),
                Err(error) => made = made.and(Err(error)),
            }
        }
        self.add_indirect_roots(&links).await?;
        made.map(|()| gone)
    }
}

/// Makes the symlink in one step: whoever looks sees the old one or the new one.
fn replace_link(link: &Path, path: &StorePath) -> Result<(), GcRootError> {
    let failed = |source| GcRootError::Link {
        link: link.to_owned(),
        source,
    };
    let store_dir = Path::new(path.as_str()).parent();
    match fs::read_link(link) {
        Ok(target) if target == Path::new(path.as_str()) => return Ok(()),
        Ok(target) if target.parent() == store_dir => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Ok(_) | Err(_) => {
            return Err(GcRootError::InTheWay {
                link: link.to_owned(),
            });
        }
    }
    let dir = link.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(dir).map_err(failed)?;
    let new = tempfile::Builder::new()
        .prefix(".nixci-")
        .make_in(dir, |new| symlink(path.as_str(), new))
        .map_err(failed)?;
    new.into_temp_path()
        .persist(link)
        .map_err(|error| failed(error.error))
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::{GcRootError, replace_link};
    use crate::nix::StorePath;

    #[test]
    fn only_links_into_the_store_are_replaced() {
        let path = |name: &str| {
            StorePath::parse(&format!(
                "/nix/store/sbmgrpkpqw7n9q6xg30k28gz54jbzxh6-{name}"
            ))
            .unwrap()
        };
        let dir = tempfile::tempdir().unwrap();
        let link = dir.path().join("new/result");
        for name in ["a", "a", "b"] {
            replace_link(&link, &path(name)).unwrap();
            assert_eq!(
                fs::read_link(&link).unwrap().to_str().unwrap(),
                path(name).as_str()
            );
        }
        let left = fs::read_dir(link.parent().unwrap()).unwrap().count();
        assert_eq!(left, 1, "nothing else is left behind");
        let (file, elsewhere) = (dir.path().join("file"), dir.path().join("elsewhere"));
        fs::write(&file, "mine").unwrap();
        symlink("/etc/passwd", &elsewhere).unwrap();
        for link in [&file, &elsewhere] {
            let refused = replace_link(link, &path("a"));
            assert!(matches!(refused, Err(GcRootError::InTheWay { .. })));
        }
        assert_eq!(fs::read(&file).unwrap(), b"mine");
        let below_a_file = replace_link(&file.join("x"), &path("a"));
        assert!(below_a_file.is_err());
    }
}
