//! `nixci config`: what `check` would work with, and where each part of it comes from.

use std::{
    fmt::{Display, Write as _},
    io::{self, Write as _},
    process::ExitCode,
    time::Duration,
};

use serde_json::{Map, Value, json};

use super::{
    Failure, args::CheckArgs, choices::FormatArg, configuration::SystemsWanted, setup::Setup,
    upload_args::UploadPlan,
};
use crate::{
    config::{CheckRule, Origin, Sourced},
    report::harmless,
    upload::Destination,
};

/// How wide the columns of names and of values are at most.
const COLUMNS_MAX: usize = 60;

/// One value with its name in nixci.toml or, where it cannot be said there, that of its option.
struct Entry {
    name: &'static str,
    value: Sourced<Value>,
}

/// Shows the configuration.
pub(super) fn config(args: &CheckArgs) -> Result<ExitCode, Failure> {
    let setup = Setup::of_run(args, None)?;
    let mut entries = selection(&setup);
    entries.extend(served(&setup));
    entries.extend(limits(args, &setup));
    entries.extend(rules(&setup));
    let uploads = args.uploads.plan(&setup.configuration.file.upload)?;
    entries.extend(sent(uploads));
    let text = if args.format == FormatArg::Json {
        format!("{:#}\n", object(&entries))
    } else {
        table(&entries)
    };
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::infrastructure(
            anyhow::anyhow!("cannot write the output: {error}"),
        )),
        Ok(()) | Err(_) => Ok(ExitCode::SUCCESS),
    }
}

impl Entry {
    fn new(name: &'static str, value: impl Into<Value>, origin: Origin) -> Self {
        Self {
            name,
            value: Sourced::new(value.into(), origin),
        }
    }

    /// A list, or an empty one that nobody asked for.
    fn list<T: Clone + Display>(name: &'static str, list: Option<&Sourced<Vec<T>>>) -> Self {
        let list = list.cloned();
        let list = list.unwrap_or_else(|| Sourced::new(Vec::new(), Origin::Default));
        let value = list.map(|list| strings(&list));
        Self { name, value }
    }
}

/// What is looked at.
fn selection(setup: &Setup) -> Vec<Entry> {
    let configuration = &setup.configuration;
    let systems = match configuration.systems.clone() {
        Some(systems) => systems.map(|wanted| match wanted {
            SystemsWanted::All => Value::from("all"),
            SystemsWanted::These(systems) => strings(&systems),
        }),
        // Those of this machine and of the builders that Nix is set up with.
        None => Sourced::new(
            strings(setup.systems.as_deref().unwrap_or_default()),
            Origin::NixConf,
        ),
    };
    let lock_file = configuration.lock_file.clone();
    let lock_file = lock_file.map(|file| file.map(|file| file.display().to_string().into()));
    vec![
        Entry {
            name: "flake",
            value: configuration.flake.clone().map(Value::from),
        },
        Entry {
            name: "lock_file",
            value: lock_file.unwrap_or_else(|| Sourced::new("flake.lock".into(), Origin::Default)),
        },
        Entry::list("attributes", Some(&configuration.attributes)),
        Entry {
            name: "systems",
            value: systems,
        },
        Entry::list("only", configuration.only.as_ref()),
        Entry::list("exclude", configuration.exclude.as_ref()),
    ]
}

/// What is for servers alone, as far as it is said.
fn served(setup: &Setup) -> Vec<Entry> {
    let serve = &setup.configuration.file.serve;
    let mut entries = Vec::new();
    for (name, globs) in [
        ("serve.branches", &serve.branches),
        ("serve.tags", &serve.tags),
    ] {
        entries.extend(globs.as_ref().map(|globs| Entry::list(name, Some(globs))));
    }
    let required = serve.required.as_ref();
    entries.extend(required.map(|paths| Entry::list("serve.required", Some(paths))));
    let build = serve.pull_requests.clone();
    entries.extend(build.map(|build| Entry {
        name: "serve.pull_requests",
        value: build.map(|build| build.as_str().into()),
    }));
    entries.extend(serve.schedules.iter().map(|schedule| Entry {
        name: "serve.schedule",
        value: schedule.clone().map(|schedule| {
            json!({ "name": schedule.name, "cron": schedule.cron.as_str(), "branch": schedule.branch })
        }),
    }));
    entries
}

/// How much at once, and for how long.
fn limits(args: &CheckArgs, setup: &Setup) -> Vec<Entry> {
    let by_nix = |name: &str| match setup.host.settings.number(name) {
        0 => Origin::Default,
        _ => Origin::NixConf,
    };
    let option = |is_given: bool, name, otherwise| {
        if is_given {
            Origin::Flag(name)
        } else {
            otherwise
        }
    };
    let timeout = setup.configuration.timeout(args.timeout, &setup.host);
    let silence = args
        .max_silent_time
        .unwrap_or_else(|| Duration::from_secs(setup.host.settings.number("max-silent-time")));
    let jobs = match setup.host.settings.max_jobs {
        Some(1..) => Origin::NixConf,
        Some(0) | None => Origin::Default,
    };
    let source = &args.source;
    vec![
        Entry {
            name: "timeout",
            value: timeout.map(seconds),
        },
        Entry::new(
            "max_silent_time",
            seconds(silence),
            option(
                args.max_silent_time.is_some(),
                "--max-silent-time",
                by_nix("max-silent-time"),
            ),
        ),
        Entry::new(
            "jobs",
            setup.slots(),
            option(args.jobs.is_some(), "--jobs", jobs),
        ),
        Entry::new(
            "eval_workers",
            setup.request.workers,
            option(
                source.eval_workers.is_some(),
                "--eval-workers",
                Origin::Default,
            ),
        ),
        Entry::new(
            "eval_memory",
            format!("{}M", setup.request.memory_budget_bytes >> 20),
            option(
                source.eval_memory.is_some(),
                "--eval-memory",
                Origin::Default,
            ),
        ),
    ]
}

/// The options of single checks.
fn rules(setup: &Setup) -> impl Iterator<Item = Entry> {
    let rules = setup.configuration.file.checks.iter();
    rules.map(|rule| Entry {
        name: "check",
        value: rule.clone().map(|rule| options(&rule)),
    })
}

/// Where outputs go, and where they would with `--upload`.
fn sent(uploads: UploadPlan) -> Vec<Entry> {
    let entry = |destination: Sourced<Destination>, with: Option<&str>| Entry {
        name: "upload",
        value: destination.map(|to| json!({ "to": to.to_string(), "with": with })),
    };
    let used = uploads.destinations.into_iter().map(|to| entry(to, None));
    let unused = uploads.unused.into_iter();
    let mut entries: Vec<Entry> = used
        .chain(unused.map(|to| entry(to, Some("--upload"))))
        .collect();
    if !entries.is_empty() {
        entries.push(Entry {
            name: "push_closure",
            value: uploads.push_closure.map(Value::from),
        });
    }
    entries
}

fn options(rule: &CheckRule) -> Value {
    let mut options = Map::from_iter([("name".to_owned(), rule.name.to_string().into())]);
    let mut add = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            options.insert(name.to_owned(), value);
        }
    };
    add("allow_failure", rule.allow_failure.map(Value::from));
    add("timeout", rule.timeout.map(seconds));
    add("local", rule.local.map(Value::from));
    options.into()
}

fn strings<T: Display>(list: &[T]) -> Value {
    list.iter().map(ToString::to_string).collect()
}

/// A duration in seconds; none at all is no limit.
fn seconds(duration: Duration) -> Value {
    if duration.is_zero() {
        Value::Null
    } else {
        duration.as_secs().into()
    }
}

fn object(entries: &[Entry]) -> Value {
    let mut object = Map::new();
    // Of these there may be any number.
    let mut lists = ["serve.schedule", "check", "upload"].map(|name| (name, Vec::new()));
    for Entry { name, value } in entries {
        let shown = json!({ "value": value.value, "origin": value.origin.to_string() });
        match lists.iter_mut().find(|(list, _)| list == name) {
            Some((_, list)) => list.push(shown),
            None => {
                object.insert((*name).to_owned(), shown);
            }
        }
    }
    object.extend(lists.map(|(name, list)| (name.to_owned(), list.into())));
    object.into()
}

fn table(entries: &[Entry]) -> String {
    let rows: Vec<_> = entries
        .iter()
        .map(|Entry { name, value }| (name, words(&value.value), value.origin.to_string()))
        .collect();
    let width = |text: &str| console::measure_text_width(text);
    let names = rows.iter().map(|row| width(row.0)).max().unwrap_or(0);
    let values = rows.iter().map(|row| width(&row.1)).max().unwrap_or(0);
    let values = values.min(COLUMNS_MAX);
    let mut text = String::new();
    for (name, value, origin) in rows {
        let pad = values.saturating_sub(width(&value));
        let _ = writeln!(text, "{name:names$}  {value}{:pad$}  {origin}", "");
    }
    text
}

/// A value for people.
fn words(value: &Value) -> String {
    match value {
        Value::Null => "–".to_owned(),
        Value::String(text) => harmless(text),
        Value::Array(list) if list.is_empty() => "–".to_owned(),
        Value::Array(list) => list.iter().map(words).collect::<Vec<_>>().join(" "),
        Value::Object(object) => {
            let parts = object
                .iter()
                .filter(|(_, value)| !words(value).eq("–") && **value != Value::Bool(false));
            let parts = parts.map(|(name, value)| {
                if *value == Value::Bool(true) {
                    name.clone()
                } else {
                    format!("{name}={}", words(value))
                }
            });
            parts.collect::<Vec<_>>().join(" ")
        }
        Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}
