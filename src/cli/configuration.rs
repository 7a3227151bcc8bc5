//! The command line and the repository's files put together: what is to be done, and where each part of it comes from.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::anyhow;

use super::{
    Failure,
    args::SourceArgs,
    local_flake,
    targets::{Targets, named, outermost},
};
use crate::{
    config::{
        CheckRule, CheckRules, NixHost, Origin, RepositoryConfig, Sourced, Tree, fetched_tree,
    },
    eval::{EvalScope, FileSource},
    nix::{AttrPath, CheckPattern, Installable, System},
};

/// What the command line and the repository's files come to.
pub(super) struct Configuration {
    /// The flake as Nix takes it, or the file that is evaluated in its place.
    pub(super) flake: Sourced<String>,
    /// The attributes, none of them part of another.
    pub(super) attributes: Sourced<Vec<AttrPath>>,
    /// The systems; `None`: those with a builder.
    pub(super) systems: Option<Sourced<SystemsWanted>>,
    /// Only these checks.
    pub(super) only: Option<Sourced<Vec<CheckPattern>>>,
    /// Not these checks.
    pub(super) exclude: Option<Sourced<Vec<CheckPattern>>>,
    /// The file that stands for `flake.lock`.
    pub(super) lock_file: Option<Sourced<PathBuf>>,
    /// What else is evaluated how.
    pub(super) scope: EvalScope,
    /// What the files say.
    pub(super) file: RepositoryConfig,
}

/// Systems that someone wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum SystemsWanted {
    /// All there are.
    All,
    /// These.
    These(Vec<System>),
}

impl Configuration {
    /// Reads the repository's files and puts them together with the arguments. What these say wins; `host` fetches what
    /// is not in a folder of this machine.
    pub(super) fn new(args: &SourceArgs, host: &NixHost) -> Result<Self, Failure> {
        let targets = Targets::new(&args.scope).map_err(Failure::usage)?;
        let reference = targets.flake.clone().unwrap_or_else(|| ".".to_owned());
        let reference = local_flake::without_age(reference, host.version.numbers);
        let flake_origin = if targets.flake.is_some() || args.scope.file.is_some() {
            ARGUMENT
        } else {
            Origin::Default
        };
        let place = if args.scope.no_config || args.scope.file.is_some() {
            None
        } else {
            ConfigPlace::find(&reference, host, &args.nix_options())
        };
        let file = match &place {
            Some(place) => RepositoryConfig::read(&place.tree).map_err(Failure::usage)?,
            None => RepositoryConfig::default(),
        };
        let flake = match (&args.scope.file, &place, &file.flake_dir) {
            (Some(file), ..) => Sourced::new(file.display().to_string(), ARGUMENT),
            (None, Some(place), Some(dir)) => {
                Sourced::new(place.flake_in(&dir.value), dir.origin.clone())
            }
            (None, ..) => Sourced::new(reference, flake_origin),
        };
        let lock_file = match (&args.reference_lock_file, &place) {
            (Some(path), _) => Some(Sourced::new(
                path.clone(),
                Origin::Flag("--reference-lock-file"),
            )),
            // Which one is used by itself.
            (None, Some(place)) => file
                .lock_file
                .clone()
                .filter(|path| path.value != Path::new("flake.lock"))
                .map(|path| path.map(|path| place.tree.root().join(path))),
            (None, None) => None,
        };
        let (only, exclude) = patterns(args, &targets, &file);
        let attributes = attributes(args, &targets, &file);
        let scope = EvalScope {
            is_guess: targets.is_guess,
            ..scope(args, &attributes.value, only.as_ref(), exclude.as_ref())?
        };
        Ok(Self {
            flake,
            attributes,
            systems: systems(args, &file),
            only,
            exclude,
            lock_file,
            scope,
            file,
        })
    }

    /// Looks at all outputs of the flake, and builds what it would have built without.
    pub(super) fn look_at_all_outputs(&mut self) {
        self.scope.flake_check = true;
        self.scope.roots.clone_from(&self.attributes.value);
    }

    /// The flake with the attribute below which all of `scope` lies.
    pub(super) fn installable(&self) -> Installable {
        Installable {
            flake: self.flake.value.clone(),
            attribute: match self.attributes.value.as_slice() {
                [one] if !self.scope.flake_check => one.clone(),
                _ => AttrPath::default(),
            },
        }
    }

    /// The arguments that look at the same again, where flake and attribute alone do not.
    pub(super) fn arguments(&self) -> Option<Vec<String>> {
        let mut arguments = Vec::new();
        if let Some(source) = &self.scope.file {
            arguments.extend(["--file".to_owned(), self.flake.value.clone()]);
            for path in self.attributes.value.iter().filter(|path| !path.is_empty()) {
                arguments.extend(["-A".to_owned(), path.to_string()]);
            }
            for (option, pairs) in [("--arg", &source.args), ("--argstr", &source.strings)] {
                for (name, value) in pairs {
                    arguments.extend([option, name, value].map(str::to_owned));
                }
            }
            for entry in &source.include {
                arguments.extend(["-I", entry].map(str::to_owned));
            }
            return Some(arguments);
        }
        let select = self.scope.select.as_ref()?;
        let flake = &self.flake.value;
        let paths = self.attributes.value.iter();
        arguments.extend(paths.map(|path| format!("{flake}#{path}")));
        arguments.extend(["--select".to_owned(), select.clone()]);
        Some(arguments)
    }

    /// How long a build may take: as an option says, or else the files or Nix.
    pub(super) fn timeout(&self, option: Option<Duration>, host: &NixHost) -> Sourced<Duration> {
        let by_nix = || {
            let seconds = host.settings.number("timeout");
            let origin = if seconds == 0 {
                Origin::Default
            } else {
                Origin::NixConf
            };
            Sourced::new(Duration::from_secs(seconds), origin)
        };
        match option {
            Some(limit) => Sourced::new(limit, Origin::Flag("--timeout")),
            None => self.file.timeout.clone().unwrap_or_else(by_nix),
        }
    }

    /// The options of single checks; an option for the time limit of all counts more than theirs.
    pub(super) fn rules(&self, timeout_option: Option<Duration>) -> CheckRules {
        let rules = self.file.checks.iter().map(|rule| CheckRule {
            timeout: rule.value.timeout.filter(|_| timeout_option.is_none()),
            ..rule.value.clone()
        });
        CheckRules::new(
            rules.collect(),
            self.installable().attribute,
            self.scope.roots(),
        )
    }
}

/// What is named without an option.
pub(super) const ARGUMENT: Origin = Origin::Flag("argument");

/// Where a flake's files are.
struct ConfigPlace {
    tree: Tree,
    /// The reference by which the folder can be named; it may be followed by a folder below it.
    base: Base,
}

enum Base {
    /// A folder of this machine.
    Folder(String),
    /// Anything else, and the folder in it.
    Fetched(String, String),
}

impl ConfigPlace {
    fn find(reference: &str, host: &NixHost, options: &[(String, String)]) -> Option<Self> {
        if let Some(start) = local_flake::folder(reference) {
            let root = local_flake::nearest(&start, local_flake::is_place_of_flake)?;
            let bounds = local_flake::nearest(&root, |dir| dir.join(".git").exists());
            let base = if root == start {
                reference.trim_end_matches('/').to_owned()
            } else {
                root.to_str()?.to_owned()
            };
            return Some(Self {
                tree: Tree::new(&root, bounds.as_ref().unwrap_or(&root))?,
                base: Base::Folder(base),
            });
        }
        // Of a flake elsewhere the files in its source count.
        let (path, dir) = local_flake::split_dir(reference);
        // A folder is not copied to the store before it has to be.
        let fetched = match path.strip_prefix("path:") {
            Some(folder) => PathBuf::from(folder.split('?').next()?),
            None => fetched_tree(host, &path, options)?,
        };
        Some(Self {
            tree: Tree::new(&fetched.join(&dir), &fetched)?,
            base: Base::Fetched(path, dir),
        })
    }

    /// The reference of the flake in a folder below.
    fn flake_in(&self, below: &Path) -> String {
        let below = below.display();
        match &self.base {
            Base::Folder(folder) => format!("{folder}/{below}"),
            Base::Fetched(reference, dir) => {
                let separator = if reference.contains('?') { '&' } else { '?' };
                let dir = if dir.is_empty() {
                    below.to_string()
                } else {
                    format!("{dir}/{below}")
                };
                let scheme = if reference.contains(':') {
                    ""
                } else {
                    "flake:"
                };
                format!(
                    "{scheme}{reference}{separator}dir={}",
                    local_flake::percent_encode(&dir)
                )
            }
        }
    }
}

fn attributes(
    args: &SourceArgs,
    targets: &Targets,
    file: &RepositoryConfig,
) -> Sourced<Vec<AttrPath>> {
    let attributes = if !targets.attributes.is_empty() {
        let origin = if args.scope.attribute.is_empty() {
            ARGUMENT
        } else {
            Origin::Flag("--attribute")
        };
        Sourced::new(targets.attributes.clone(), origin)
    } else if args.scope.file.is_some() {
        Sourced::new(vec![AttrPath::default()], Origin::Default)
    } else {
        let default = || Sourced::new(vec![AttrPath::new(["checks"])], Origin::Default);
        let named = file.attributes.clone();
        named
            .filter(|attributes| !attributes.value.is_empty())
            .unwrap_or_else(default)
    };
    attributes.map(|attributes| outermost(&attributes))
}

fn systems(args: &SourceArgs, file: &RepositoryConfig) -> Option<Sourced<SystemsWanted>> {
    if args.all_systems {
        Some(Sourced::new(
            SystemsWanted::All,
            Origin::Flag("--all-systems"),
        ))
    } else if !args.systems.is_empty() {
        let systems = SystemsWanted::These(args.systems.clone());
        Some(Sourced::new(systems, Origin::Flag("--systems")))
    } else {
        let systems = file.systems.clone();
        systems.map(|systems| systems.map(SystemsWanted::These))
    }
}

type Patterns = Option<Sourced<Vec<CheckPattern>>>;

/// Which checks are chosen and left out. Whoever names checks means them, whatever the files leave out.
fn patterns(args: &SourceArgs, targets: &Targets, file: &RepositoryConfig) -> (Patterns, Patterns) {
    let left_out = || Sourced::new(args.scope.exclude.clone(), Origin::Flag("--exclude"));
    let exclude = (!args.scope.exclude.is_empty()).then(left_out);
    if targets.patterns.is_empty() {
        (file.only.clone(), exclude.or_else(|| file.exclude.clone()))
    } else {
        (
            Some(Sourced::new(targets.patterns.clone(), ARGUMENT)),
            exclude,
        )
    }
}

fn scope(
    args: &SourceArgs,
    attributes: &[AttrPath],
    only: Option<&Sourced<Vec<CheckPattern>>>,
    exclude: Option<&Sourced<Vec<CheckPattern>>>,
) -> Result<EvalScope, Failure> {
    let values = |patterns: Option<&Sourced<Vec<CheckPattern>>>| {
        patterns.map_or(Vec::new(), |patterns| patterns.value.clone())
    };
    let file = args.scope.file.as_ref().map(|file| {
        let absolute = std::path::absolute(file)
            .ok()
            .filter(|path| path.exists() && path.to_str().is_some());
        let file = absolute
            .ok_or_else(|| Failure::usage(anyhow!("cannot find the file `{}`", file.display())))?;
        Ok(FileSource {
            file,
            args: named(&args.scope.arg).map_err(Failure::usage)?,
            strings: named(&args.scope.argstr).map_err(Failure::usage)?,
            include: args.scope.include.clone(),
        })
    });
    Ok(EvalScope {
        roots: match attributes {
            [_] => Vec::new(),
            several => several.to_vec(),
        },
        only: values(only),
        is_strict: only.is_some_and(|only| only.origin == ARGUMENT),
        is_guess: false,
        exclude: values(exclude),
        select: args.scope.select.clone(),
        apply: args.scope.apply.clone(),
        flake_check: false,
        file: file.transpose()?,
    })
}
