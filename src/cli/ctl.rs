//! `nixci ctl`: looks at a server, and gives it orders.

mod connection;
mod show;
mod watch;

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use self::connection::Connection;
use super::{Failure, gather::print, setup::runtime};

/// Options of `ctl`.
#[derive(Debug, Args)]
pub(super) struct CtlArgs {
    /// The socket of the server on this machine [default: that of `NIXCI_SOCKET`, or /var/lib/nixci/nixci.sock]
    #[arg(long, value_name = "PATH", global = true, conflicts_with = "url")]
    socket: Option<PathBuf>,

    /// A server elsewhere, by its URL; needs --token-file [default: that of `NIXCI_URL`]
    #[arg(long, value_name = "URL", global = true)]
    url: Option<String>,

    /// The file with a token of the server's `ctl_token_file`
    #[arg(long, value_name = "FILE", env = "NIXCI_TOKEN_FILE", global = true)]
    token_file: Option<PathBuf>,

    /// Print what the server answers, as JSON
    #[arg(long, global = true)]
    json: bool,

    #[command(subcommand)]
    order: Order,
}

#[derive(Debug, Subcommand)]
enum Order {
    /// Build a branch, tag or commit of a repository
    Run {
        /// The repository: `OWNER/NAME`, or `FORGE/OWNER/NAME`
        repository: String,
        /// A branch, a tag, a full ref or a commit; without it the default branch
        #[arg(value_name = "REF")]
        git_ref: Option<String>,
        /// Why, for whoever looks at the run
        #[arg(long)]
        reason: Option<String>,
        /// Show the run until it is over
        #[arg(long)]
        watch: bool,
    },
    /// The newest runs
    List {
        /// Only those of this repository
        repository: Option<String>,
        /// How many
        #[arg(long, short = 'n', default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=1000))]
        limit: u16,
    },
    /// A run with its checks
    Show {
        /// The number of the run
        run: u64,
    },
    /// Show a run as `nixci check` does, until it is over; ends with its exit code
    Watch {
        /// The number of the run
        run: u64,
    },
    /// The log of a check of a run
    Log {
        /// The number of the run
        run: u64,
        /// The check, by its attribute path or the end of it
        check: String,
        /// Of this post-build step, and not of the build
        #[arg(long, value_name = "STEP")]
        post_build: Option<String>,
        /// Go on until the run is over
        #[arg(long, short)]
        follow: bool,
    },
    /// End a run
    Cancel {
        /// The number of the run
        run: u64,
    },
    /// Build the commit of a run once more, and what failed in it
    Rebuild {
        /// The number of the run
        run: u64,
        /// Of what failed only what this check failed by: its attribute path, or the end of it
        check: Option<String>,
    },
    /// Let a stranger's pull request be built: this very commit
    Approve {
        /// The number of the run that waits
        run: u64,
    },
    /// Let the runs of a repository wait
    Pause {
        /// The repository
        repository: String,
    },
    /// Let them go on
    Resume {
        /// The repository
        repository: String,
    },
    /// The repositories that are built, and what is wrong with them
    Repositories,
    /// What is built because it is time, and when next
    Schedules {
        /// Only those of this repository
        repository: Option<String>,
    },
    /// Forget that derivations failed, so that they are built again; all of them if none is named
    Forget {
        /// Derivations
        drv_paths: Vec<String>,
    },
    /// Look at the forges for repositories and commits that no webhook told of
    Sweep,
    /// Who gave which orders, the newest first
    Audit {
        /// How many
        #[arg(long, short = 'n', default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=1000))]
        limit: u16,
    },
    /// Read the server's settings anew, without a restart
    Reload,
    /// What is right and wrong with the server
    Doctor,
}

/// Where the server of this machine is, unless something else is said.
const SOCKET: &str = "/var/lib/nixci/nixci.sock";

/// What `nixci help ctl` says at its end.
pub(super) const AFTER_HELP: &str = "\
Exit codes:
  0  the order was carried out; with `watch` and `run --watch` every check passed
  1  `doctor` found something that does not work; a run that was watched did not pass
  2  wrong usage, the server refuses, or there is no such run or repository
  4  the server cannot be reached, or went away

Environment:
  NIXCI_SOCKET      the socket, where neither --socket nor a URL is given
  NIXCI_URL         the URL, where neither --url nor --socket is given
  NIXCI_TOKEN_FILE  the file with the token, where --token-file is not given";

/// Carries out an order.
pub(super) fn ctl(args: &CtlArgs) -> Result<ExitCode, Failure> {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    let socket = args.socket.clone();
    // What was said goes before what the environment says.
    let url = args.url.clone().or_else(|| {
        let url = variable("NIXCI_URL").filter(|_| socket.is_none())?;
        Some(url.to_string_lossy().into_owned())
    });
    let socket = socket.or_else(|| variable("NIXCI_SOCKET").map(PathBuf::from));
    let connection = Connection::new(
        &socket.unwrap_or_else(|| SOCKET.into()),
        url.as_deref(),
        args.token_file.as_deref(),
    )?;
    runtime()?.block_on(carry_out(args, &connection))
}

async fn carry_out(args: &CtlArgs, server: &Connection) -> Result<ExitCode, Failure> {
    let run_path = |run: u64, what: &str| format!("/api/v1/runs/{run}{what}");
    let empty = json!({});
    let answer = match &args.order {
        Order::Watch { run } => return watch::watch(server, *run, args.json).await,
        Order::Log {
            run,
            check,
            post_build,
            follow,
        } => {
            return server
                .copy_log(*run, check, post_build.as_deref(), *follow, args.json)
                .await;
        }
        Order::Run {
            repository,
            git_ref,
            reason,
            watch: is_watched,
        } => {
            let order = json!({ "repository": repository, "ref": git_ref, "reason": reason });
            let answer = server.post("/api/v1/runs", &order).await?;
            if *is_watched && let Some(run) = answer["run"].as_u64() {
                return watch::watch(server, run, args.json).await;
            }
            answer
        }
        Order::List { repository, limit } => {
            let mut query = vec![("limit", limit.to_string())];
            query.extend(repository.clone().map(|name| ("repository", name)));
            server.get("/api/v1/runs", &query).await?
        }
        Order::Show { run } => server.get(&run_path(*run, ""), &[]).await?,
        Order::Cancel { run } => server.post(&run_path(*run, "/cancel"), &empty).await?,
        Order::Rebuild { run, check } => {
            let order = json!({ "check": check });
            server.post(&run_path(*run, "/rebuild"), &order).await?
        }
        Order::Approve { run } => server.post(&run_path(*run, "/approve"), &empty).await?,
        Order::Pause { repository } => pause(server, repository, true).await?,
        Order::Resume { repository } => pause(server, repository, false).await?,
        Order::Repositories => server.get("/api/v1/repositories", &[]).await?,
        Order::Schedules { repository } => {
            let query: Vec<_> = repository
                .iter()
                .map(|name| ("repository", name.clone()))
                .collect();
            server.get("/api/v1/schedules", &query).await?
        }
        Order::Forget { drv_paths } => {
            let order = json!({ "drv_paths": drv_paths });
            server.post("/api/v1/forget", &order).await?
        }
        Order::Sweep => server.post("/api/v1/sweep", &empty).await?,
        Order::Audit { limit } => {
            server
                .get("/api/v1/audit", &[("limit", limit.to_string())])
                .await?
        }
        Order::Reload => server.post("/api/v1/reload", &empty).await?,
        Order::Doctor => server.get("/api/v1/doctor", &[]).await?,
    };
    let lines = if args.json {
        vec![answer.to_string()]
    } else {
        lines_of(&args.order, &answer)
    };
    print(|out| {
        for line in &lines {
            writeln!(out, "{line}")?;
        }
        Ok(())
    })?;
    let is_bad = matches!(args.order, Order::Doctor) && show::is_bad(&answer);
    Ok(ExitCode::from(u8::from(is_bad)))
}

async fn pause(server: &Connection, repository: &str, paused: bool) -> Result<Value, Failure> {
    let order = json!({ "repository": repository, "paused": paused });
    server.post("/api/v1/pause", &order).await
}

fn lines_of(order: &Order, answer: &Value) -> Vec<String> {
    match order {
        Order::List { .. } => show::runs(answer),
        Order::Show { .. } => show::run(answer),
        Order::Repositories => show::repositories(answer),
        Order::Schedules { .. } => show::schedules(answer),
        Order::Audit { .. } => show::deeds(answer),
        Order::Doctor => show::findings(answer),
        Order::Forget { .. } => vec![format!("forgotten: {}", answer["forgotten"])],
        Order::Run { .. } | Order::Rebuild { .. } => vec![format!(
            "run {}: {}",
            answer["run"],
            show::text(&answer["url"])
        )],
        Order::Cancel { run } => vec![format!("run {run} is ended")],
        Order::Approve { run } => vec![format!("run {run} is approved")],
        Order::Pause { repository } => vec![format!("{repository} is paused")],
        Order::Resume { repository } => vec![format!("{repository} goes on")],
        Order::Sweep => vec!["the server looks".to_owned()],
        Order::Reload => show::reloaded(answer),
        Order::Watch { .. } | Order::Log { .. } => Vec::new(),
    }
}
