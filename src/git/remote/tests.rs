use secrecy::SecretString;
use url::Url;

use super::{Credentials, Place, Remote};

fn home() -> Url {
    Url::parse("https://git.example.org/").unwrap()
}

fn credentials() -> Credentials {
    Credentials {
        user: "oauth2".to_owned(),
        token: SecretString::from("t0ken"),
    }
}

#[test]
fn only_the_forge_is_shown_the_token() {
    for (url, is_shown) in [
        ("https://git.example.org/a/b.git", true),
        ("https://GIT.example.org:443/a/b.git", true),
        ("http://git.example.org/a/b.git", false),
        ("https://git.example.org:8443/a/b.git", false),
        ("https://git.example.org.evil.test/a/b.git", false),
        ("https://evil.test/git.example.org", false),
    ] {
        let remote = Remote::of_forge(&home(), url, Some(&credentials())).unwrap();
        let Place::Web {
            credentials,
            is_home,
            ..
        } = &remote.0
        else {
            panic!("{remote:?}")
        };
        assert_eq!(
            (credentials.is_some(), *is_home),
            (is_shown, is_shown),
            "{url}"
        );
        assert!(!format!("{remote:?}").contains("t0ken"));
    }
}

/// Row "SSRF" and row "git checkout attacks" of the list of attacks.
#[test]
fn what_is_no_public_web_address_is_refused() {
    for url in [
        "file:///etc",
        "/etc",
        "ext::sh -c id",
        "ssh://git@git.example.org/a",
        "git://git.example.org/a",
        "git@x:y",
        "https://user@git.example.org/a",
        "https://a:b@git.example.org/a",
        "https://git.example.org/a?x",
        "https://x/#y",
        "http://127.0.0.1/a",
        "http://[::1]/a",
        "http://2130706433/a",
        "http://0x7f.1/a",
        "http://169.254.169.254/latest",
        "http://[::ffff:10.0.0.1]/a",
        "--upload-pack=id",
        "",
    ] {
        let refused = Remote::of_forge(&home(), url, None);
        assert!(refused.is_err(), "{url}: {refused:?}");
    }
}

#[test]
fn the_forge_itself_may_be_in_a_private_network() {
    let home = Url::parse("http://10.0.0.2:3000/git/").unwrap();
    assert!(Remote::of_forge(&home, "http://10.0.0.2:3000/git/a/b.git", None).is_ok());
    assert!(Remote::of_forge(&home, "http://10.0.0.2:22/a", None).is_err());
    assert!(Remote::of_forge(&home, "http://10.0.0.3:3000/a", None).is_err());
}
