//! Whether a webhook comes from the forge: by the secret that both know, on the raw bytes, before anything is parsed.
//!
//! Pure, and apart from [`super::hook`], so that no parser sees a byte of a stranger. Which forge signed is decided by
//! where the delivery came in, never by which headers it has: Gitea sends GitHub's headers, too.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::nix::unhex;

/// How far the clocks may be apart where a signature has a time, in seconds; the figure is Standard Webhooks'.
const SKEW_SECONDS: u64 = 5 * 60;
/// What GitLab's signing tokens begin with; what follows is the key in base64.
pub(super) const SIGNING_TOKEN: &str = "whsec_";
/// How many signatures a delivery may have; Standard Webhooks has one for each key in use.
const SIGNATURES_MAX: usize = 8;
/// How long the id of a delivery may be, in bytes.
const DELIVERY_BYTES: usize = 128;

/// The headers of a request: the value of one, by its name in lower case.
pub type Headers<'a> = &'a dyn Fn(&str) -> Option<&'a [u8]>;

/// Whose form a webhook has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HookKind {
    /// GitHub, or GitHub Enterprise.
    Github,
    /// Gitea.
    Gitea,
    /// Forgejo.
    Forgejo,
    /// GitLab.
    Gitlab,
    /// Anything else: nixci's own form.
    Plain,
}

/// The name that a forge gave to a delivery: the same when it is delivered again, where the forge does that by itself.
///
/// Only GitLab's signing token covers it; elsewhere somebody who caught a delivery can repeat it under another name, so
/// what a delivery leads to must not depend on it alone.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DeliveryId(String);

impl DeliveryId {
    /// The id, in printable ASCII characters.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why a webhook is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum SignatureError {
    /// There is nothing to hold it against.
    #[error("no webhook secret is configured for this forge")]
    NoSecret,
    /// It is not signed.
    #[error(
        "the header {header} is missing or empty: has the webhook the secret that is configured here?"
    )]
    Unsigned {
        /// Where the signature should be.
        header: &'static str,
    },
    /// It is signed in a way that can be forged.
    #[error("it is signed with SHA-1 alone, which is not enough: X-Hub-Signature-256 is missing")]
    Sha1Only,
    /// What should be a signature is none.
    #[error("the header {header} is not in the form of a signature")]
    Malformed {
        /// Where it is.
        header: &'static str,
    },
    /// It is signed with another secret, or was changed on the way.
    #[error("the signature fits none of the configured secrets")]
    Wrong,
    /// It is old, or a clock is wrong.
    #[error("it was signed more than five minutes ago or ahead: is the clock right?")]
    Stale,
    /// It has no name.
    #[error("the header {header} is missing or no id")]
    NoDelivery {
        /// Where the id should be.
        header: &'static str,
    },
}

/// Believes a webhook, or not, and tells the id of the delivery.
///
/// `secrets` are all that are valid now, so that one can be replaced without a gap; empty ones never fit. Takes the same
/// time for every secret and every signature of the same form.
pub fn verify(
    kind: HookKind,
    headers: Headers<'_>,
    body: &[u8],
    secrets: &[SecretString],
    now: Timestamp,
) -> Result<DeliveryId, SignatureError> {
    let secrets: Vec<&str> = secrets
        .iter()
        .map(SecretString::expose_secret)
        .filter(|secret| !secret.is_empty())
        .collect();
    if secrets.is_empty() {
        return Err(SignatureError::NoSecret);
    }
    let (signature, prefix, id) = match kind {
        HookKind::Github => {
            if filled(headers, "X-Hub-Signature-256").is_none()
                && filled(headers, "X-Hub-Signature").is_some()
            {
                return Err(SignatureError::Sha1Only);
            }
            ("X-Hub-Signature-256", "sha256=", "X-GitHub-Delivery")
        }
        // The first versions of Forgejo had Gitea's headers only.
        HookKind::Forgejo if headers("x-forgejo-signature").is_some() => {
            ("X-Forgejo-Signature", "", "X-Forgejo-Delivery")
        }
        HookKind::Gitea | HookKind::Forgejo => ("X-Gitea-Signature", "", "X-Gitea-Delivery"),
        HookKind::Plain => ("X-Nixci-Signature-256", "sha256=", "X-Nixci-Delivery"),
        HookKind::Gitlab => return verify_gitlab(headers, body, &secrets, now),
    };
    let digits = wanted(headers, signature)?;
    let tag = digits.strip_prefix(prefix.as_bytes()).and_then(unhex);
    let tag = tag.ok_or(SignatureError::Malformed { header: signature })?;
    let keys = secrets.iter().map(|secret| secret.as_bytes());
    if !any_fits(keys, &[body], &tag) {
        return Err(SignatureError::Wrong);
    }
    delivery(headers, &[id])
}

/// GitLab sends the secret itself, or signs with a key made for it, or both.
///
/// <https://docs.gitlab.com/user/project/integrations/webhooks/>; the signed form is that of
/// <https://www.standardwebhooks.com>.
fn verify_gitlab(
    headers: Headers<'_>,
    body: &[u8],
    secrets: &[&str],
    now: Timestamp,
) -> Result<DeliveryId, SignatureError> {
    let (signing, plain): (Vec<&str>, Vec<&str>) = secrets
        .iter()
        .partition(|secret| secret.starts_with(SIGNING_TOKEN));
    let keys: Vec<Vec<u8>> = signing
        .iter()
        .filter_map(|token| BASE64_STANDARD.decode(&token[SIGNING_TOKEN.len()..]).ok())
        .filter(|key| !key.is_empty())
        .collect();
    // With a signing token alone there is nothing that a bare secret could be compared with.
    if !keys.is_empty() && (plain.is_empty() || filled(headers, "webhook-signature").is_some()) {
        return verify_standard(headers, body, &keys, now);
    }
    if plain.is_empty() {
        return Err(SignatureError::NoSecret);
    }
    let token = Sha256::digest(wanted(headers, "X-Gitlab-Token")?);
    // Of digests, so that the time says nothing of the length either.
    let fits = plain.iter().fold(subtle::Choice::from(0), |fits, secret| {
        fits | Sha256::digest(secret).ct_eq(&token)
    });
    if !bool::from(fits) {
        return Err(SignatureError::Wrong);
    }
    delivery(headers, &["Idempotency-Key", "X-Gitlab-Event-UUID"])
}

fn verify_standard(
    headers: Headers<'_>,
    body: &[u8],
    keys: &[Vec<u8>],
    now: Timestamp,
) -> Result<DeliveryId, SignatureError> {
    let id = wanted(headers, "webhook-id")?;
    let time = wanted(headers, "webhook-timestamp")?;
    let signatures = wanted(headers, "webhook-signature")?;
    let malformed = SignatureError::Malformed {
        header: "webhook-signature",
    };
    let tags: Vec<Vec<u8>> = signatures
        .split(|byte| *byte == b' ')
        .filter_map(|signature| signature.strip_prefix(b"v1,"))
        .filter_map(|tag| BASE64_STANDARD.decode(tag).ok())
        .take(SIGNATURES_MAX)
        .collect();
    if tags.is_empty() {
        return Err(malformed);
    }
    let signed = [id, b".", time, b".", body];
    let fits = tags.iter().fold(false, |fits, tag| {
        fits | any_fits(keys.iter().map(Vec::as_slice), &signed, tag)
    });
    if !fits {
        return Err(SignatureError::Wrong);
    }
    let seconds = std::str::from_utf8(time)
        .ok()
        .and_then(|time| time.parse::<i64>().ok());
    let seconds = seconds.ok_or(SignatureError::Malformed {
        header: "webhook-timestamp",
    })?;
    if now.as_second().abs_diff(seconds) > SKEW_SECONDS {
        return Err(SignatureError::Stale);
    }
    delivery(headers, &["webhook-id"])
}

/// Whether a tag is that of these parts under one of the keys; looks at all of them.
fn any_fits<'a>(keys: impl Iterator<Item = &'a [u8]>, parts: &[&[u8]], tag: &[u8]) -> bool {
    keys.fold(false, |fits, key| {
        let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key has any length");
        for part in parts {
            mac.update(part);
        }
        fits | mac.verify_slice(tag).is_ok()
    })
}

/// The value of a header, if there is one.
fn filled<'a>(headers: Headers<'a>, name: &str) -> Option<&'a [u8]> {
    headers(&name.to_ascii_lowercase())
        .map(<[u8]>::trim_ascii)
        .filter(|value| !value.is_empty())
}

fn wanted<'a>(headers: Headers<'a>, header: &'static str) -> Result<&'a [u8], SignatureError> {
    filled(headers, header).ok_or(SignatureError::Unsigned { header })
}

/// The id of the delivery, in the first of these headers that is there.
fn delivery(headers: Headers<'_>, names: &[&'static str]) -> Result<DeliveryId, SignatureError> {
    let id = names.iter().find_map(|name| filled(headers, name));
    id.filter(|id| id.len() <= DELIVERY_BYTES && id.iter().all(u8::is_ascii_graphic))
        .map(|id| DeliveryId(String::from_utf8_lossy(id).into_owned()))
        .ok_or(SignatureError::NoDelivery { header: names[0] })
}

#[cfg(test)]
mod tests;
