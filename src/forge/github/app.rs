//! A GitHub App: who it is, and tokens for what it was let into.
//!
//! <https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app>. A token is asked for one
//! repository where there is one, kept until shortly before it ends, and of any length and form.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard},
};

use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::forge::{
    BoxFuture, ForgeError, Repository,
    github_shape::repository_path,
    hook::payload::Numbered,
    http::{Answer, Call, Credential, Http, Sender, read},
};

/// How far a clock may be behind GitHub's, in seconds.
const CLOCK_SECONDS: i64 = 60;
/// How long a proof of who the App is holds, in seconds; GitHub takes at most ten minutes.
const PROOF_SECONDS: i64 = 9 * 60;
/// How long before its end a token is not used any more.
const TOKEN_REST: SignedDuration = SignedDuration::from_mins(5);

/// An App's id and its private key.
#[derive(Clone)]
pub struct AppKey {
    id: String,
    key: EncodingKey,
}

impl std::fmt::Debug for AppKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("AppKey").field(&self.id).finish()
    }
}

impl AppKey {
    /// Takes an App's id, or its client id, and the private key that GitHub made for it, in PEM.
    pub fn new(id: &str, pem: &SecretString) -> Result<Self, ForgeError> {
        let key = EncodingKey::from_rsa_pem(pem.expose_secret().as_bytes()).map_err(|_| {
            ForgeError::Unauthorized(
                "the private key of the GitHub App is no RSA key in PEM".to_owned(),
            )
        })?;
        let id = id.to_owned();
        Ok(Self { id, key })
    }

    /// A proof of who the App is.
    fn proof(&self, now: Timestamp) -> Result<SecretString, ForgeError> {
        #[derive(Serialize)]
        struct Claims<'a> {
            iat: i64,
            exp: i64,
            iss: &'a str,
        }
        let claims = Claims {
            iat: now.as_second() - CLOCK_SECONDS,
            exp: now.as_second() + PROOF_SECONDS,
            iss: &self.id,
        };
        jsonwebtoken::encode(&Header::new(Algorithm::RS256), &claims, &self.key)
            .map(SecretString::from)
            .map_err(|error| {
                ForgeError::Unauthorized(format!("cannot sign with the App's private key: {error}"))
            })
    }
}

/// What a request is made for, which is all that its token opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Scope {
    /// The App itself.
    App,
    /// Every repository of an installation.
    Installation(u64),
    /// One repository of an installation.
    Repository { installation: u64, repository: u64 },
    /// Reading the files of one repository of an installation.
    Files { installation: u64, repository: u64 },
}

/// An App at work.
#[derive(Debug)]
pub(super) struct App {
    http: Http,
    key: AppKey,
    tokens: Mutex<HashMap<Scope, Token>>,
    /// The installation that a repository belongs to, by the repository's path.
    installations: Mutex<HashMap<String, u64>>,
}

#[derive(Clone, Debug)]
struct Token {
    token: SecretString,
    ends_at: Timestamp,
}

impl App {
    pub(super) fn new(base: &str, key: AppKey) -> Result<Self, ForgeError> {
        Ok(Self {
            http: Http::new(base)?,
            key,
            tokens: Mutex::default(),
            installations: Mutex::default(),
        })
    }

    /// What a request about a repository is made for.
    pub(super) async fn scope_of(&self, repository: &Repository) -> Result<Scope, ForgeError> {
        let installation = match repository.installation {
            Some(installation) => installation,
            None => {
                self.installation_of(&repository_path(&repository.full_name)?)
                    .await?
            }
        };
        Ok(match repository.id.parse() {
            Ok(repository) => Scope::Repository {
                installation,
                repository,
            },
            Err(_) => Scope::Installation(installation),
        })
    }

    /// The installation that the repository at a path belongs to.
    pub(super) async fn installation_of(&self, path: &str) -> Result<u64, ForgeError> {
        if let Some(id) = lock(&self.installations).get(path) {
            return Ok(*id);
        }
        let answer = self.own().get(&format!("{path}/installation")).await?;
        let installation: Numbered = read("an installation", answer)?;
        lock(&self.installations).insert(path.to_owned(), installation.id);
        Ok(installation.id)
    }

    /// All installations that are not suspended.
    pub(super) async fn installations(&self) -> Result<Vec<u64>, ForgeError> {
        #[derive(Deserialize)]
        struct Listed {
            id: u64,
            suspended_at: Option<String>,
        }
        let path = "/app/installations?per_page=100";
        let all: Vec<Listed> = self.own().list("installations", path).await?;
        let active = all
            .into_iter()
            .filter(|listed| listed.suspended_at.is_none());
        Ok(active.map(|listed| listed.id).collect())
    }

    /// A token that reads the files of a repository.
    pub(super) async fn clone_token(
        &self,
        repository: &Repository,
    ) -> Result<SecretString, ForgeError> {
        let scope = match self.scope_of(repository).await? {
            Scope::Repository {
                installation,
                repository,
            } => Scope::Files {
                installation,
                repository,
            },
            other @ (Scope::App | Scope::Installation(_) | Scope::Files { .. }) => other,
        };
        self.token(scope).await
    }

    /// What time it is by GitHub's clock.
    pub(super) async fn clock(&self) -> Result<Option<Timestamp>, ForgeError> {
        self.http.clock("/").await
    }

    /// Sends as the App itself.
    pub(super) fn own(&self) -> Box<dyn Sender + '_> {
        Box::new(AppSession {
            app: self,
            scope: Scope::App,
        })
    }

    /// A token, from before or new.
    async fn token(&self, scope: Scope) -> Result<SecretString, ForgeError> {
        let now = Timestamp::now();
        let (installation, body) = match scope {
            Scope::App => return self.key.proof(now),
            Scope::Installation(installation) => (installation, json!({})),
            Scope::Repository {
                installation,
                repository,
            } => (installation, json!({ "repository_ids": [repository] })),
            Scope::Files {
                installation,
                repository,
            } => (
                installation,
                json!({ "repository_ids": [repository], "permissions": { "contents": "read" } }),
            ),
        };
        if let Some(token) = lock(&self.tokens).get(&scope)
            && token.ends_at > now
        {
            return Ok(token.token.clone());
        }
        let path = format!("/app/installations/{installation}/access_tokens");
        let answer: Value = self.own().post(&path, &body).await?;
        let (token, ends_at) = token_of(answer)?;
        let mut tokens = lock(&self.tokens);
        tokens.retain(|_, token| token.ends_at > now);
        let kept = Token {
            token: token.clone(),
            ends_at: ends_at - TOKEN_REST,
        };
        tokens.insert(scope, kept);
        Ok(token)
    }

    async fn credential(&self, scope: Scope) -> Result<Credential, ForgeError> {
        // Minting a token sends a request of its own, as the App.
        let token: BoxFuture<'_, SecretString> = Box::pin(self.token(scope));
        Credential::new("authorization", "Bearer ", &token.await?)
    }
}

fn token_of(answer: Value) -> Result<(SecretString, Timestamp), ForgeError> {
    #[derive(Deserialize)]
    struct Minted {
        token: String,
        expires_at: Timestamp,
    }
    let minted: Minted = read("a token", answer)?;
    Ok((SecretString::from(minted.token), minted.expires_at))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("nothing panics while it is held")
}

/// An App that sends requests of one scope.
#[derive(Debug)]
pub(super) struct AppSession<'a> {
    pub(super) app: &'a App,
    pub(super) scope: Scope,
}

impl Sender for AppSession<'_> {
    fn send<'a>(&'a self, call: Call<'a>) -> BoxFuture<'a, Answer> {
        Box::pin(async move {
            let credential = self.app.credential(self.scope).await?;
            let answer = self.app.http.send(call.clone(), Some(&credential)).await;
            // A token can end early: when rights change, or a clock is wrong.
            let is_old = lock(&self.app.tokens).contains_key(&self.scope);
            match answer {
                Err(ForgeError::Unauthorized(_)) if is_old => {
                    lock(&self.app.tokens).remove(&self.scope);
                    let credential = self.app.credential(self.scope).await?;
                    self.app.http.send(call, Some(&credential)).await
                }
                answer => answer,
            }
        })
    }
}
