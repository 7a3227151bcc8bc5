//! What a client asks, as a server reads it.

use std::io::{self, Read};

use super::wire::{read_string, read_strings, read_u64};

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// The twelve numbers, and the overrides.
    SetOptions {
        words: Vec<u64>,
        overrides: Vec<(String, String)>,
    },
    QueryValidPaths {
        paths: Vec<String>,
        substitute: bool,
    },
    QuerySubstitutablePaths {
        paths: Vec<String>,
    },
    QueryMissing {
        targets: Vec<String>,
    },
    QueryDerivationOutputMap {
        drv_path: String,
    },
    QueryPathInfo {
        path: String,
    },
    BuildPathsWithResults {
        targets: Vec<String>,
        mode: u64,
    },
    EnsurePath {
        path: String,
    },
    AddTempRoot {
        path: String,
    },
    AddIndirectRoot {
        link: String,
    },
    NarFromPath {
        path: String,
    },
}

impl Asked {
    /// Reads the next request. Panics if it is none that a client of ours sends.
    pub(super) fn read(from: &mut impl Read) -> io::Result<Self> {
        let operation = read_u64(from)?;
        Ok(match operation {
            10 => Self::EnsurePath {
                path: read_string(from)?,
            },
            11 => Self::AddTempRoot {
                path: read_string(from)?,
            },
            12 => Self::AddIndirectRoot {
                link: read_string(from)?,
            },
            19 => {
                let words = (0..12).map(|_| read_u64(from)).collect::<io::Result<_>>()?;
                let pairs = 0..read_u64(from)?;
                let overrides = pairs.map(|_| Ok((read_string(from)?, read_string(from)?)));
                Self::SetOptions {
                    words,
                    overrides: overrides.collect::<io::Result<_>>()?,
                }
            }
            26 => Self::QueryPathInfo {
                path: read_string(from)?,
            },
            31 => Self::QueryValidPaths {
                paths: read_strings(from)?,
                substitute: read_u64(from)? == 1,
            },
            32 => Self::QuerySubstitutablePaths {
                paths: read_strings(from)?,
            },
            38 => Self::NarFromPath {
                path: read_string(from)?,
            },
            40 => Self::QueryMissing {
                targets: read_strings(from)?,
            },
            41 => Self::QueryDerivationOutputMap {
                drv_path: read_string(from)?,
            },
            46 => Self::BuildPathsWithResults {
                targets: read_strings(from)?,
                mode: read_u64(from)?,
            },
            other => panic!("the client asks for operation {other}"),
        })
    }
}
