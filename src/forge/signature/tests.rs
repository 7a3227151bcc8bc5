use base64::{Engine as _, prelude::BASE64_STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use proptest::{collection::vec, prelude::*};
use secrecy::SecretString;
use sha2::Sha256;

use super::{HookKind, SignatureError, verify};
use crate::nix::hex;

const BODY: &[u8] = b"Hello, World!";
const SECRET: &str = "It's a Secret to Everybody";
/// From GitHub's documentation, for this secret and this body.
const TAG: &str = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
const NOW: i64 = 1_800_000_000;

fn mac(key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().to_vec()
}

fn check(
    kind: HookKind,
    headers: &[(&str, &str)],
    body: &[u8],
    secrets: &[&str],
) -> Result<String, SignatureError> {
    let secrets: Vec<SecretString> = secrets.iter().map(|s| SecretString::from(*s)).collect();
    let find = |name: &str| {
        assert_eq!(name, name.to_ascii_lowercase());
        let header = headers.iter().find(|(header, _)| *header == name);
        header.map(|(_, value)| value.as_bytes())
    };
    let now = Timestamp::from_second(NOW).unwrap();
    verify(kind, &find, body, &secrets, now).map(|id| id.as_str().to_owned())
}

/// A delivery of this kind as its forge makes it, with the digits of a signature.
fn headers(kind: HookKind, digits: &str) -> Vec<(&'static str, String)> {
    let (signature, prefix, id) = match kind {
        HookKind::Github => ("x-hub-signature-256", "sha256=", "x-github-delivery"),
        HookKind::Gitea => ("x-gitea-signature", "", "x-gitea-delivery"),
        HookKind::Forgejo => ("x-forgejo-signature", "", "x-forgejo-delivery"),
        HookKind::Plain => ("x-nixci-signature-256", "sha256=", "x-nixci-delivery"),
        HookKind::Gitlab => ("x-gitlab-token", "", "idempotency-key"),
    };
    vec![
        (signature, format!("{prefix}{digits}")),
        (id, "id-1".to_owned()),
    ]
}

fn check_digits(kind: HookKind, digits: &str, secrets: &[&str]) -> Result<String, SignatureError> {
    let headers = headers(kind, digits);
    let headers: Vec<(&str, &str)> = headers.iter().map(|(n, v)| (*n, v.as_str())).collect();
    check(kind, &headers, BODY, secrets)
}

const SIGNED: [HookKind; 4] = [
    HookKind::Github,
    HookKind::Gitea,
    HookKind::Forgejo,
    HookKind::Plain,
];

#[test]
fn the_known_answer_is_believed() {
    for kind in SIGNED {
        assert_eq!(
            check_digits(kind, TAG, &[SECRET]),
            Ok("id-1".to_owned()),
            "{kind:?}"
        );
        // An old secret is valid until it is taken out.
        assert!(
            check_digits(kind, TAG, &["", "new", SECRET]).is_ok(),
            "{kind:?}"
        );
    }
    assert!(check_digits(HookKind::Gitlab, SECRET, &["new", SECRET]).is_ok());
}

#[test]
fn webhook_forgery_is_refused() {
    for kind in SIGNED {
        for (digits, secrets, error) in [
            (TAG, &["another"][..], SignatureError::Wrong),
            (TAG, &[], SignatureError::NoSecret),
            (TAG, &[""], SignatureError::NoSecret),
            // What a forge sends that has no secret: signed with the empty one.
            (
                &hex(&mac(b"", &[BODY])),
                &["", SECRET],
                SignatureError::Wrong,
            ),
            (&TAG[2..], &[SECRET], SignatureError::Wrong),
            (&TAG.replace('7', "8"), &[SECRET], SignatureError::Wrong),
        ] {
            assert_eq!(
                check_digits(kind, digits, secrets),
                Err(error),
                "{kind:?} {digits}"
            );
        }
        for digits in ["", "x", "sha1=00", "757107e"] {
            let error = check_digits(kind, digits, &[SECRET]).unwrap_err();
            let is_refused = matches!(
                error,
                SignatureError::Malformed { .. }
                    | SignatureError::Unsigned { .. }
                    | SignatureError::Wrong
            );
            assert!(is_refused, "{kind:?} {digits}: {error}");
        }
    }
    let gitlab = |token, secrets: &[&str]| check_digits(HookKind::Gitlab, token, secrets);
    assert_eq!(gitlab("guess", &[SECRET]), Err(SignatureError::Wrong));
    assert_eq!(
        gitlab("", &["", SECRET]),
        Err(SignatureError::Unsigned {
            header: "X-Gitlab-Token"
        })
    );
    assert_eq!(gitlab("", &[""]), Err(SignatureError::NoSecret));
}

#[test]
fn an_empty_or_weak_signature_is_no_signature() {
    let id = ("x-github-delivery", "1");
    for (headers, error) in [
        (
            vec![id],
            SignatureError::Unsigned {
                header: "X-Hub-Signature-256",
            },
        ),
        (
            vec![id, ("x-hub-signature-256", " ")],
            SignatureError::Unsigned {
                header: "X-Hub-Signature-256",
            },
        ),
        (
            vec![id, ("x-hub-signature-256", "sha256=")],
            SignatureError::Wrong,
        ),
        (
            vec![id, ("x-hub-signature-256", TAG)],
            SignatureError::Malformed {
                header: "X-Hub-Signature-256",
            },
        ),
        (
            vec![
                id,
                ("x-hub-signature", "sha1=0b0fbf34bc28c4f0bcb1be3a5ea2fdf8"),
            ],
            SignatureError::Sha1Only,
        ),
        (
            vec![("x-hub-signature-256", &*format!("sha256={TAG}"))],
            SignatureError::NoDelivery {
                header: "X-GitHub-Delivery",
            },
        ),
    ] {
        assert_eq!(
            check(HookKind::Github, &headers, BODY, &[SECRET]),
            Err(error),
            "{headers:?}"
        );
    }
}

#[test]
fn the_forge_is_not_chosen_by_the_sender() {
    // Gitea sends GitHub's headers, too; they count nothing for a Gitea.
    let signature = format!("sha256={TAG}");
    let headers = [
        ("x-hub-signature-256", signature.as_str()),
        ("x-github-delivery", "1"),
    ];
    let error = check(HookKind::Gitea, &headers, BODY, &[SECRET]).unwrap_err();
    assert_eq!(
        error,
        SignatureError::Unsigned {
            header: "X-Gitea-Signature"
        }
    );
    // Old versions of Forgejo send Gitea's; an empty one of its own is not passed over.
    let gitea = [("x-gitea-signature", TAG), ("x-gitea-delivery", "1")];
    assert!(check(HookKind::Forgejo, &gitea, BODY, &[SECRET]).is_ok());
    let both = [("x-forgejo-signature", ""), gitea[0], gitea[1]];
    assert!(check(HookKind::Forgejo, &both, BODY, &[SECRET]).is_err());
}

#[test]
fn ids_of_deliveries_are_harmless() {
    for id in ["", "a b", "\u{1b}[31m", "é", &"x".repeat(129)] {
        let headers = [("x-gitea-signature", TAG), ("x-gitea-delivery", id)];
        let error = check(HookKind::Gitea, &headers, BODY, &[SECRET]).unwrap_err();
        assert_eq!(
            error,
            SignatureError::NoDelivery {
                header: "X-Gitea-Delivery"
            },
            "{id:?}"
        );
    }
}

/// The example of the specification of Standard Webhooks has another key; this one is 32 times the byte 7.
fn signing_token() -> String {
    format!("whsec_{}", BASE64_STANDARD.encode([7; 32]))
}

fn standard(
    time: i64,
    id: &str,
    body: &[u8],
    secrets: &[&str],
    more: &str,
) -> Result<String, SignatureError> {
    let seconds = time.to_string();
    let tag = mac(&[7; 32], &[b"msg-1.", seconds.as_bytes(), b".", BODY]);
    let signatures = format!("{more}v1,{}", BASE64_STANDARD.encode(tag));
    let headers = [
        ("webhook-id", id),
        ("webhook-timestamp", seconds.as_str()),
        ("webhook-signature", signatures.as_str()),
        ("x-gitlab-token", "bare"),
        ("idempotency-key", id),
    ];
    check(HookKind::Gitlab, &headers, body, secrets)
}

#[test]
fn gitlabs_signing_token_covers_id_time_and_body() {
    let token = signing_token();
    let secrets = [token.as_str()];
    assert_eq!(
        standard(NOW, "msg-1", BODY, &secrets, ""),
        Ok("msg-1".to_owned())
    );
    assert!(standard(NOW, "msg-1", BODY, &secrets, "v1,AAAA v1a,xyz ").is_ok());
    for skew in [-300, 300] {
        assert!(standard(NOW + skew, "msg-1", BODY, &secrets, "").is_ok());
    }
    for skew in [-301, 301] {
        let replayed = standard(NOW + skew, "msg-1", BODY, &secrets, "");
        assert_eq!(replayed, Err(SignatureError::Stale));
    }
    assert_eq!(
        standard(NOW, "msg-2", BODY, &secrets, ""),
        Err(SignatureError::Wrong)
    );
    assert_eq!(
        standard(NOW, "msg-1", b"other", &secrets, ""),
        Err(SignatureError::Wrong)
    );
    // While both are configured a signature that is there has to fit; the bare token does not make up for it.
    assert_eq!(
        standard(NOW, "msg-2", BODY, &["bare", &token], ""),
        Err(SignatureError::Wrong)
    );
    // A signing token is never compared with what is sent in clear.
    let bare = [("x-gitlab-token", token.as_str()), ("idempotency-key", "1")];
    let error = check(HookKind::Gitlab, &bare, BODY, &secrets).unwrap_err();
    assert_eq!(
        error,
        SignatureError::Unsigned {
            header: "webhook-id"
        }
    );
    for broken in ["whsec_", "whsec_!"] {
        let bare = [("x-gitlab-token", broken), ("idempotency-key", "1")];
        assert_eq!(
            check(HookKind::Gitlab, &bare, BODY, &[broken]),
            Err(SignatureError::NoSecret)
        );
    }
}

proptest! {
    #[test]
    fn what_is_signed_is_believed_and_nothing_else_is(
        body in vec(any::<u8>(), 0..200),
        secret in "[ -~]{1,80}",
        flipped in any::<prop::sample::Index>(),
    ) {
        let tag = mac(secret.as_bytes(), &[&body]);
        let mut other = tag.clone();
        let bit = flipped.index(tag.len() * 8);
        other[bit / 8] ^= 1 << (bit % 8);
        for kind in SIGNED {
            let sent = |tag: &[u8], body: &[u8]| {
                let headers = headers(kind, &hex(tag));
                let headers: Vec<(&str, &str)> = headers.iter().map(|(n, v)| (*n, v.as_str())).collect();
                check(kind, &headers, body, &["other", &secret])
            };
            prop_assert!(sent(&tag, &body).is_ok());
            prop_assert_eq!(sent(&other, &body), Err(SignatureError::Wrong));
            prop_assert_eq!(sent(&tag, &[&body[..], b" "].concat()), Err(SignatureError::Wrong));
        }
    }

    #[test]
    fn no_header_makes_it_panic(signature in "\\PC{0,90}", id in "\\PC{0,90}", time in "\\PC{0,20}") {
        for kind in [HookKind::Github, HookKind::Gitea, HookKind::Forgejo, HookKind::Gitlab, HookKind::Plain] {
            let all = |name: &str| match name {
                "webhook-timestamp" => Some(time.as_bytes()),
                name if name.contains("signature") || name.contains("token") => Some(signature.as_bytes()),
                _ => Some(id.as_bytes()),
            };
            let secrets = [SecretString::from(SECRET), SecretString::from(signing_token())];
            let now = Timestamp::from_second(NOW).unwrap();
            prop_assert!(verify(kind, &all, BODY, &secrets, now).is_err());
        }
    }
}
