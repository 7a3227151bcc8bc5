//! What is right and wrong with a forge: whether it answers, its clock, who the server is there and what it may do, and the
//! webhooks.

use jiff::Timestamp;

use super::{Finding, Verdict, finding};
use crate::{
    config::{Access, ForgeConfig, ServerConfig},
    forge::{
        ForgeApi, ForgeError, KnownRepository, Permission, RepositoryKey, SeenHook, Selection,
    },
    git::{FetchLimits, GitHttp, ls_remote},
    server::{
        chosen::{Uncounted, names, open_to_strangers, why_not},
        connection::Connections,
        source,
    },
};

/// How far the clocks may be apart, in seconds: what an App proves is so much older when it is made.
const SKEW_SECONDS: i64 = 60;
/// How many repositories are looked at.
const LOOKED_AT: usize = 10;

/// Looks at the repositories of a forge that has no interface: git shows them, or not.
async fn plain(about: &str, forge: &ForgeConfig) -> Vec<Finding> {
    let mut findings = Vec::new();
    let http = match GitHttp::new() {
        Ok(http) => http,
        Err(error) => return vec![finding(about, Verdict::Bad, error.to_string())],
    };
    let limits = FetchLimits::default();
    for (name, known) in forge.plain.iter().take(LOOKED_AT) {
        let found = match source::plain(forge, &known.url) {
            Ok(remote) => ls_remote(&http, &remote, &limits).await,
            Err(error) => Err(error),
        };
        findings.push(match found {
            Ok(refs) => {
                let branch = format!("refs/heads/{}", known.default_branch);
                if refs.find(&branch).is_some() {
                    finding(about, Verdict::Good, format!("git shows {name}"))
                } else {
                    let text = format!("{name} has no branch {}", known.default_branch);
                    finding(about, Verdict::Bad, text)
                }
            }
            Err(error) => finding(about, Verdict::Bad, format!("{name}: {error}")),
        });
    }
    if forge.plain.is_empty() {
        let text = format!(
            "it has no repositories: add [{}.repository.NAME]",
            about.replace(' ', ".")
        );
        findings.push(finding(about, Verdict::Doubtful, text));
    }
    findings
}

/// Looks at a forge. Nothing is changed there.
pub(super) async fn of_forge(
    name: &str,
    forge: &ForgeConfig,
    config: &ServerConfig,
    connections: &Connections,
) -> Vec<Finding> {
    let about = format!("forge {name}");
    let mut findings = Vec::new();
    if forge.webhook_secrets.is_empty() {
        let text = "no `webhook_secret_file`: no webhook is taken, pushes are found once an hour";
        findings.push(finding(&about, Verdict::Doubtful, text));
    }
    if let Some(error) = connections.broken(name) {
        findings.push(finding(&about, Verdict::Bad, error.to_string()));
        return findings;
    }
    let Some(api) = connections.get(name) else {
        findings.extend(plain(&about, forge).await);
        return findings;
    };
    let look = Look {
        about,
        forge,
        api: &*api,
        hook_url: format!("{}webhook/{name}", config.url),
    };
    match api.clock().await {
        Ok(time) => findings.extend(time.map(|time| look.clock(time, Timestamp::now()))),
        Err(error) => {
            findings.push(look.bad(
                "",
                format!(
                    "{error}: are `url` and `api_url` right, and may the server connect to them?"
                ),
            ));
            return findings;
        }
    }
    findings.push(look.rights().await);
    findings
        .extend(open_to_strangers(forge).map(|what| look.says("owners", Verdict::Doubtful, what)));
    let (repositories, without_right) = match look.repositories().await {
        Ok(found) => found,
        Err(error) => {
            findings.push(look.bad("", error.to_string()));
            return findings;
        }
    };
    findings.push(look.seen(&repositories));
    findings.extend(look.without_right(&without_right));
    findings.extend(look.statuses(&repositories).await);
    findings.extend(look.comments(&repositories).await);
    if !forge.webhook_secrets.is_empty() {
        findings.extend(look.hooks(&repositories).await);
    }
    findings
}

/// A look at a forge.
struct Look<'a> {
    about: String,
    forge: &'a ForgeConfig,
    api: &'a dyn ForgeApi,
    /// Where webhooks are to go.
    hook_url: String,
}

impl Look<'_> {
    fn says(&self, what: &str, verdict: Verdict, text: impl Into<String>) -> Finding {
        let about = [self.about.as_str(), what].join(" ");
        finding(about.trim_end(), verdict, text)
    }

    fn bad(&self, what: &str, text: impl Into<String>) -> Finding {
        self.says(what, Verdict::Bad, text)
    }

    fn good(&self, what: &str, text: impl Into<String>) -> Finding {
        self.says(what, Verdict::Good, text)
    }

    /// Tokens of apps and signatures have times in them.
    fn clock(&self, theirs: Timestamp, ours: Timestamp) -> Finding {
        let ahead = ours.as_second() - theirs.as_second();
        if ahead.abs() <= SKEW_SECONDS {
            return self.good("clock", "as here");
        }
        let how = if ahead > 0 { "ahead of" } else { "behind" };
        let seconds = ahead.abs();
        self.bad(
            "clock",
            format!(
                "the clock here is {seconds} seconds {how} the forge's: set it (timedatectl set-ntp true), or signed webhooks and \
                an App's tokens are refused"
            ),
        )
    }

    /// Who the server is there, and what it may do.
    async fn rights(&self) -> Finding {
        let standing = match self.api.standing().await {
            Ok(standing) => standing,
            Err(error @ ForgeError::Unauthorized(_)) => {
                let text = match self.forge.access {
                    Access::App { .. } => {
                        "the App's key is not taken: do `app_id` and `app_key_file` belong together, and is the clock right?"
                    }
                    Access::Token(_) | Access::None => {
                        "the token is not taken: it has expired, or is another forge's; put a new one into `token_file`"
                    }
                };
                return self.bad("rights", format!("{error}: {text}"));
            }
            Err(error @ ForgeError::Forbidden(_)) => {
                let text =
                    format!("{error}: give the token the right to read its user (read:user)");
                return self.bad("rights", text);
            }
            Err(error) => return self.bad("rights", error.to_string()),
        };
        let who = &standing.who;
        if !standing.missing.is_empty() {
            let missing = standing.missing.join(", ");
            let text = match self.forge.access {
                Access::App { .. } => format!(
                    "the App {who} lacks {missing}: add it in the App's settings, and accept that in each installation"
                ),
                Access::Token(_) | Access::None => {
                    format!("the token of {who} lacks {missing}: make one that has it")
                }
            };
            return self.bad("rights", text);
        }
        let text = match (&self.forge.access, standing.is_told) {
            (Access::App { .. }, _) => format!("the App {who} has all it needs"),
            (_, true) => format!("the token of {who} has the scopes it needs"),
            (_, false) => format!("the token is {who}'s; the forge does not tell its scopes"),
        };
        self.good("rights", text)
    }

    /// Repositories that are to be built: the first that is named, or those with a topic; and those whose topic does not
    /// count, as the server has no right there.
    async fn repositories(
        &self,
    ) -> Result<(Vec<KnownRepository>, Vec<KnownRepository>), ForgeError> {
        let mut listed = self.forge.repositories.iter();
        let listed = listed.find(|listed| !listed.ends_with("/*"));
        if let Some(name) = listed.and_then(|listed| listed.parse().ok()) {
            let found = self.api.repository(&RepositoryKey::Name(name)).await?;
            return Ok((vec![found], Vec::new()));
        }
        let owners = self.forge.repositories.iter();
        let by_owner = Selection {
            owners: owners
                .filter_map(|all| all.strip_suffix("/*").map(str::to_owned))
                .collect(),
            ..Selection::default()
        };
        let mut all;
        let mut without_right = Vec::new();
        if self.forge.topics.is_empty() {
            all = self.api.repositories(&by_owner).await?.repositories;
        } else {
            let by_topic = Selection {
                topics: self.forge.topics.clone(),
                ..Selection::default()
            };
            all = Vec::new();
            for known in self.api.repositories(&by_topic).await?.repositories {
                match why_not(self.forge, &known) {
                    None => all.push(known),
                    Some(Uncounted::Right) => without_right.push(known),
                    Some(Uncounted::Owner) => {}
                }
            }
        }
        all.truncate(LOOKED_AT);
        Ok((all, without_right))
    }

    fn seen(&self, repositories: &[KnownRepository]) -> Finding {
        if repositories.is_empty() {
            let text = if self.forge.topics.is_empty() {
                let owners = self.forge.repositories.join(", ");
                format!("reached, but sees no repository of {owners}")
            } else {
                let topics = self.forge.topics.join(" or ");
                format!("reached, but no repository that counts has the topic {topics}")
            };
            return self.says("", Verdict::Doubtful, text);
        }
        let names = names(repositories.iter());
        self.good("", format!("reached with its token; sees {names}"))
    }

    /// Repositories that ask to be built, and are not.
    fn without_right(&self, repositories: &[KnownRepository]) -> Option<Finding> {
        let text = format!(
            "not built in spite of the topic: the token's user is no administrator (on GitLab, a maintainer) of {}: make it one, \
            or name them in `repositories`",
            names(repositories.iter())
        );
        (!repositories.is_empty()).then(|| self.says("", Verdict::Doubtful, text))
    }

    /// Whether what becomes of commits may be told. An App's rights say that already.
    async fn statuses(&self, repositories: &[KnownRepository]) -> Option<Finding> {
        let told = repositories
            .iter()
            .filter_map(|known| Some((name_of(known), known.right?)));
        let told: Vec<(&str, Permission)> = told.collect();
        if told.is_empty() {
            return None;
        }
        let below = |right| told.iter().find(|(_, has)| *has < right);
        Some(if let Some((name, _)) = below(Permission::Write) {
            let text = format!(
                "the token's user may not write to {name}: no status can be told there; make it a member who may"
            );
            self.bad("statuses", text)
        } else if let Some(name) = self.silenced(repositories).await {
            // The user may, and the token has less than its user.
            let text = format!(
                "the token may tell none in {name}: give it write access to Commit statuses, of that repository, too"
            );
            self.bad("statuses", text)
        } else if let Some((name, _)) = below(Permission::Admin) {
            let text = format!(
                "allowed, but the token's user is no administrator of {name} (on GitLab, a maintainer): no webhook can be made \
                there"
            );
            self.says("statuses", Verdict::Doubtful, text)
        } else {
            self.good("statuses", "allowed")
        })
    }

    /// Whether comments can be read, which commands stand in; Gitea and Forgejo have a scope for that, and do not tell it.
    async fn comments(&self, repositories: &[KnownRepository]) -> Option<Finding> {
        let repository = &repositories.first()?.repository;
        // Whether there is one of this number or not.
        match self.api.comment(repository, 1, 1).await {
            Err(error @ (ForgeError::Forbidden(_) | ForgeError::Unauthorized(_))) => {
                let text = format!(
                    "they cannot be read ({error}), so no command below a pull request is carried out: give the token read:issue \
                    (on GitHub read access to pull requests, or of an App to issues, too)"
                );
                Some(self.says("comments", Verdict::Doubtful, text))
            }
            Ok(_) | Err(_) => None,
        }
    }

    /// The first of some repositories in which the token may tell no state, if there is one.
    async fn silenced<'a>(&self, repositories: &'a [KnownRepository]) -> Option<&'a str> {
        for known in repositories {
            if let Ok(Some(false)) = self.api.may_set_status(&known.repository).await {
                return Some(name_of(known));
            }
        }
        None
    }

    /// Whether the forge tells, and whether what it told last arrived.
    async fn hooks(&self, repositories: &[KnownRepository]) -> Vec<Finding> {
        if let Access::App { .. } = self.forge.access {
            let hook = self.api.hook(None, &self.hook_url).await;
            return vec![self.of_hook("the App", hook)];
        }
        let mut good = 0;
        let mut findings = Vec::new();
        for known in repositories {
            let hook = self.api.hook(Some(&known.repository), &self.hook_url);
            let found = self.of_hook(name_of(known), hook.await);
            if found.verdict == Verdict::Good {
                good += 1;
            } else {
                findings.push(found);
            }
        }
        if good > 0 {
            let text = format!("there, and right: {good} of {}", repositories.len());
            findings.insert(0, self.good("webhooks", text));
        }
        findings
    }

    fn of_hook(&self, whose: &str, hook: Result<Option<SeenHook>, ForgeError>) -> Finding {
        let url = &self.hook_url;
        let repair = "the server repairs it at its start and every hour";
        let doubt = |text| self.says("webhooks", Verdict::Doubtful, text);
        match hook {
            Err(error) => self.bad(
                "webhooks",
                format!("the webhooks of {whose} cannot be listed: {error}; is the token an administrator's, with the right to them?"),
            ),
            Ok(None) => doubt(format!(
                "none of {whose} goes to {url}: the server makes it when it runs"
            )),
            Ok(Some(hook)) if hook.url != *url => self.bad(
                "webhooks",
                format!("that of {whose} goes to {}, and has to go to {url}: {repair}", hook.url),
            ),
            Ok(Some(hook)) => match (hook.wrong, hook.last) {
                (Some(wrong), _) => doubt(format!("that of {whose}: {wrong}; {repair}")),
                (None, Some((false, answer))) => self.bad(
                    "webhooks",
                    format!(
                        "the last one of {whose} did not arrive ({answer}): does {url} lead to this server, and has the webhook \
                        the secret that is configured?"
                    ),
                ),
                (None, Some((true, answer))) => self.good(
                    "webhooks",
                    format!("that of {whose} is right, and the last one arrived ({answer})"),
                ),
                (None, None) => self.good("webhooks", format!("that of {whose} is right")),
            },
        }
    }
}

fn name_of(known: &KnownRepository) -> &str {
    known.repository.full_name.as_str()
}
