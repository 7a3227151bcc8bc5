//! `nixci serve --init`: a few questions, and from the answers the file of a server's settings, with its secrets.
//!
//! Nothing is written before all is answered, and nothing that is there is changed.

mod files;

use std::{
    path::{Path, PathBuf, absolute},
    process::ExitCode,
};

use anyhow::anyhow;
use secrecy::SecretString;
use url::Url;

use self::files::Files;
use super::Failure;
use crate::{
    cli::{
        prompt::{ask, ask_hidden, choose, is_there, say},
        setup::runtime,
    },
    config::{ForgeSoftware, Listen, ServerConfig, base_url, forge_name, forge_owner, make_secret},
    forge::MadeApp,
    server::AppSetup,
};

/// The forges to choose from, with what is said of each.
const FORGES: [(ForgeSoftware, &str, &str); 5] = [
    (
        ForgeSoftware::Github,
        "github",
        "GitHub, or GitHub Enterprise: as an App, made by one click, or with a token",
    ),
    (ForgeSoftware::Gitea, "gitea", "Gitea, with a token"),
    (ForgeSoftware::Forgejo, "forgejo", "Forgejo, with a token"),
    (ForgeSoftware::Gitlab, "gitlab", "GitLab, with a token"),
    (
        ForgeSoftware::Plain,
        "plain",
        "a repository that git reaches, of no forge",
    ),
];

/// What the server may be on GitHub.
const AS_ON_GITHUB: [(&str, &str); 2] = [
    (
        "app",
        "an App, made by one click: for all repositories that it is let into, and says most about what failed",
    ),
    (
        "token",
        "a person, with a fine-grained token for some repositories: commit statuses alone",
    ),
];

/// What was answered.
struct Answers {
    listen: String,
    url: Url,
    state_dir: PathBuf,
    kind: ForgeSoftware,
    /// The forge's name in the settings.
    name: String,
    /// Its address; of a plain one, that of the repository.
    forge_url: String,
    /// Whether the server is to be an App there.
    is_app: bool,
    /// Whose repositories count when they have the topic; none: all that the App is let into.
    owners: Vec<String>,
    repositories: Vec<String>,
}

/// How the server proves itself to the forge.
enum Proof {
    None,
    Token(SecretString),
    App(MadeApp),
}

/// Asks, and writes what comes of it.
pub(super) fn init(config: &Path) -> Result<ExitCode, Failure> {
    let config = absolute(config).map_err(Failure::usage)?;
    if config.exists() {
        return Err(Failure::usage(anyhow!(
            "{} is there already: change it, or name another file by `--config FILE`",
            config.display()
        )));
    }
    if !is_there() {
        return Err(Failure::usage(anyhow!(
            "`--init` asks questions, and there is no terminal to ask them at: run it in one, or begin with \
            examples/server/nixci-server.toml, which has every setting"
        )));
    }
    say(&format!(
        "This writes {}. Ctrl-C leaves all as it is.\n",
        config.display()
    ));
    let files = Files::new(&config);
    let answers = questions(&files)?;
    let (proof, secret) = match answers.kind {
        ForgeSoftware::Github if answers.is_app => {
            let app = make_app(&answers)?;
            let secret = app.webhook_secret.clone();
            (Proof::App(app), secret)
        }
        ForgeSoftware::Plain => (Proof::None, new_secret()?),
        ForgeSoftware::Github
        | ForgeSoftware::Gitea
        | ForgeSoftware::Forgejo
        | ForgeSoftware::Gitlab => {
            say(rights(answers.kind));
            (Proof::Token(ask_hidden("Its token")?), new_secret()?)
        }
    };
    files.write(&answers, &proof, &secret)?;
    // What was written is what a server reads.
    ServerConfig::read(&config).map_err(Failure::usage)?;
    say(&format!("\n{} is written. Next:", config.display()));
    let place = if config == Path::new("/etc/nixci/nixci-server.toml") {
        String::new()
    } else {
        format!(" --config {}", shell(&config))
    };
    say(&format!(
        "  nixci serve --check{place}    says what is right and what is not yet"
    ));
    say(&format!(
        "  nixci serve{place}            or, with the unit of docs/server.md, systemctl enable --now nixci"
    ));
    if answers.kind == ForgeSoftware::Plain {
        say(&format!(
            "Whoever sends webhooks to {}webhook/{} signs them with what is in {}.",
            answers.url,
            answers.name,
            files.webhook_secret(&answers.name).display()
        ));
    } else {
        let whose = match answers.owners.as_slice() {
            [] => String::new(),
            owners => format!(" of {}", owners.join(", ")),
        };
        say(&format!(
            "Repositories{whose} with the topic `nixci` are built from then on."
        ));
    }
    Ok(ExitCode::SUCCESS)
}

/// A path for a shell.
fn shell(path: &Path) -> String {
    let text = path.display().to_string();
    if text
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c))
    {
        text
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

fn new_secret() -> Result<SecretString, Failure> {
    make_secret().map_err(|error| Failure::infrastructure(anyhow!("cannot make a secret: {error}")))
}

/// What the token of a forge has to be good for.
fn rights(kind: ForgeSoftware) -> &'static str {
    match kind {
        ForgeSoftware::Gitlab => {
            "A token with the scope `api`, of a maintainer of the projects, makes the webhooks by itself."
        }
        ForgeSoftware::Github => {
            "A fine-grained token (Settings, Developer settings) of an administrator, for the repositories that are to be built, \
            with read access to Contents, Metadata and Pull requests, and read and write access to Commit statuses and \
            Webhooks. One of the older kind needs `repo`."
        }
        ForgeSoftware::Gitea | ForgeSoftware::Forgejo | ForgeSoftware::Plain => {
            "A token with write:repository, read:issue and read:user, of an administrator of the repositories, makes the webhooks \
            by itself."
        }
    }
}

fn questions(files: &Files) -> Result<Answers, Failure> {
    let url = ask(
        "Where people and forges reach the server, such as https://ci.example.org",
        None,
        base_url,
    )?;
    let listen = ask(
        "The address it listens at",
        Some("127.0.0.1:8080"),
        |text| Listen::parse(text).map(|_| text.to_owned()),
    )?;
    let state_dir = ask("The folder of its state", Some("/var/lib/nixci"), |text| {
        let path = PathBuf::from(text);
        if path.is_absolute() {
            Ok(path)
        } else {
            Err("write the whole path, from /".to_owned())
        }
    })?;
    let options = FORGES.map(|(_, name, what)| (name, what));
    let kind = FORGES[choose("The forge", &options)?].0;
    let name = ask(
        "Its name in the settings and in addresses",
        Some(kind.as_str()),
        |text| {
            forge_name(text)?;
            files.are_free(text).map(|()| text.to_owned())
        },
    )?;
    let (question, usual) = match kind {
        ForgeSoftware::Github => ("Its address", Some("https://github.com")),
        ForgeSoftware::Gitlab => ("Its address", Some("https://gitlab.com")),
        ForgeSoftware::Gitea | ForgeSoftware::Forgejo => ("Its address", None),
        ForgeSoftware::Plain => ("Where git finds the repository", None),
    };
    let forge_url = ask(question, usual, |text| match kind {
        ForgeSoftware::Plain => Url::parse(text)
            .map(|url| url.to_string())
            .map_err(|error| format!("`{text}` is no URL: {error}")),
        ForgeSoftware::Github
        | ForgeSoftware::Gitea
        | ForgeSoftware::Forgejo
        | ForgeSoftware::Gitlab => {
            base_url(text).map(|url| url.as_str().trim_end_matches('/').to_owned())
        }
    })?;
    let is_app =
        kind == ForgeSoftware::Github && choose("What the server is there", &AS_ON_GITHUB)? == 0;
    let owners = if kind == ForgeSoftware::Plain {
        Vec::new()
    } else {
        owners(kind, is_app)?
    };
    let repositories = if kind == ForgeSoftware::Plain {
        vec![ask("What it is called here", Some("main/demo"), one_name)?]
    } else {
        ask(
            "Repositories besides those with the topic nixci: OWNER/NAME or OWNER/*, none or several",
            Some(""),
            |text| {
                let words = text.split([' ', ',']).filter(|word| !word.is_empty());
                words.map(one_name).collect()
            },
        )?
    };
    Ok(Answers {
        listen,
        url,
        state_dir,
        kind,
        name,
        forge_url,
        is_app,
        owners,
        repositories,
    })
}

/// Asks whose repositories count when they have the topic. Anybody can give theirs one, so somebody has to be named, but
/// where only an owner lets an App in.
fn owners(kind: ForgeSoftware, is_app: bool) -> Result<Vec<String>, Failure> {
    let (question, usual) = if is_app {
        (
            "Whose repositories with the topic nixci are built; none: all that the App is let into",
            Some(""),
        )
    } else {
        (
            "Whose repositories with the topic nixci are built: users and organizations",
            None,
        )
    };
    ask(question, usual, |text| {
        let words = text.split([' ', ',']).filter(|word| !word.is_empty());
        let owners: Vec<String> = words
            .map(|word| forge_owner(word, kind))
            .collect::<Result<_, _>>()?;
        if owners.is_empty() && !is_app {
            return Err("name somebody: without, anybody there could have theirs built".to_owned());
        }
        Ok(owners)
    })
}

fn one_name(text: &str) -> Result<String, String> {
    let is_plain = |part: &str| {
        !part.is_empty()
            && part
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "._-~+/*".contains(c))
    };
    match text.split_once('/') {
        Some((owner, name)) if is_plain(owner) && is_plain(name) => Ok(text.to_owned()),
        _ => Err(format!("`{text}`: write OWNER/NAME")),
    }
}

/// Has an App made at GitHub.
fn make_app(answers: &Answers) -> Result<MadeApp, Failure> {
    let organization = ask(
        "The organization that the App is to belong to; none: your own account",
        Some(""),
        |text| {
            if text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
                Ok(Some(text.to_owned()).filter(|text| !text.is_empty()))
            } else {
                Err("write its name, as it is in addresses".to_owned())
            }
        },
    )?;
    let forge_url = base_url(&answers.forge_url).map_err(|why| Failure::usage(anyhow!(why)))?;
    let wish = AppSetup {
        listen: Listen::parse(&answers.listen).map_err(|why| Failure::usage(anyhow!(why)))?,
        url: answers.url.clone(),
        name: answers.name.clone(),
        api_url: ForgeSoftware::Github.api_url(&forge_url),
        forge_url,
        organization,
    };
    let app = runtime()?.block_on(async {
        let open = wish.clone().open().await.map_err(|error| {
            let at = &answers.listen;
            Failure::infrastructure(anyhow!("cannot listen at {at} for the App's keys: {error}"))
        })?;
        let mut links = open.links().into_iter();
        say("\nOpen this link, and click:");
        say(&format!("  {}", links.next().map(String::from).unwrap_or_default()));
        if let Some(local) = links.next() {
            let port = local.port().unwrap_or(80);
            say(&format!(
                "or, if no proxy leads there yet, this one, in a browser on this machine or behind `ssh -L \
                {port}:127.0.0.1:{port}`:\n  {local}"
            ));
        }
        open.wait()
            .await
            .ok_or_else(|| Failure::usage(anyhow!("nobody made the App within an hour: nothing is written")))
    })?;
    say(&format!(
        "\nThe App is made. Let it into repositories: {}",
        wish.installation(&app)
    ));
    Ok(app)
}
