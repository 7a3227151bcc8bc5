//! `[[forge.NAME.private_inputs]]` as it is written.

use std::path::PathBuf;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use secrecy::ExposeSecret as _;
use serde::Deserialize;
use toml::Spanned;

use super::Reader;
use crate::config::{
    ConfigError,
    server::{
        Access, ForgeSoftware, PrivateInputs, RefPattern,
        private_inputs::{usual_user, word},
    },
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Keys {
    token_file: Spanned<PathBuf>,
    user: Option<Spanned<String>>,
    repositories: Vec<Spanned<String>>,
    #[serde(default)]
    pull_requests: bool,
}

impl Reader<'_> {
    /// Reads what opens private inputs at a forge, which the server itself has this access to.
    pub(super) fn private_inputs(
        &self,
        all: Vec<Keys>,
        kind: ForgeSoftware,
        access: &Access,
    ) -> Result<Vec<PrivateInputs>, ConfigError> {
        let inputs = all.into_iter().map(|keys| {
            let (span, token_file) = (keys.token_file.span(), keys.token_file.into_inner());
            let token = self.secret(&token_file, span.clone())?;
            let text = token.expose_secret();
            let wrong = |why: &str| self.wrong(span.clone(), why);
            word(text).map_err(|why| wrong(&format!("a token {why}")))?;
            if matches!(access, Access::Token(own) if own.expose_secret() == text) {
                let why = "this is the server's own token, which may write: make one that only reads what is to be an input";
                return Err(wrong(why));
            }
            let user = match &keys.user {
                Some(user) => self.meaning(user, |user| {
                    word(user)
                        .map(|()| user.to_owned())
                        .map_err(|why| format!("a user {why}"))
                })?,
                None => usual_user(kind).to_owned(),
            };
            // As it goes over the wire.
            let encoded = BASE64_STANDARD.encode(format!("{user}:{text}"));
            self.secrets.borrow_mut().push(encoded.into());
            Ok(PrivateInputs {
                token_file,
                user,
                repositories: self.list(&keys.repositories, RefPattern::parse)?,
                pull_requests: keys.pull_requests,
                token,
            })
        });
        inputs.collect()
    }
}
