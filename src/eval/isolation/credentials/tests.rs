use std::os::unix::fs::PermissionsExt as _;

use super::*;

fn host(url: &str, access_token: Option<&'static str>, in_netrc: bool) -> HostToken {
    HostToken {
        url: Url::parse(url).unwrap(),
        user: "reader".to_owned(),
        token: "t0ken".into(),
        access_token,
        in_netrc,
    }
}

/// What git says for an address, by the settings that were written.
fn git_says(home: &Path, files: &CredentialFiles, url: &str) -> String {
    let mut git = std::process::Command::new("git")
        .args(["credential", "fill"])
        .env("HOME", home)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", files.folder.join(GIT_CONFIG))
        .env("GIT_TERMINAL_PROMPT", "0")
        .current_dir(home)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let asked = format!("url={url}\n\n");
    git.stdin
        .take()
        .unwrap()
        .write_all(asked.as_bytes())
        .unwrap();
    String::from_utf8(git.wait_with_output().unwrap().stdout).unwrap()
}

/// Security: "token leak through fetchers": a token is shown to its host, at its port, and nowhere else.
#[test]
fn a_token_is_for_one_scheme_host_and_port() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("it's a home");
    let hosts = [
        host("https://git.example.org/sub/", None, true),
        host("http://[::1]:8080/", Some(""), false),
        host("https://lab.example.org:8443/", Some("OAuth2:"), true),
    ];
    let files = CredentialFiles::write(&home, "7-0", &hosts).unwrap();
    for url in [
        "https://git.example.org/a/b.git",
        "http://[::1]:8080/a",
        "https://lab.example.org:8443/a",
    ] {
        let said = git_says(&home, &files, url);
        assert!(
            said.contains("username=reader\npassword=t0ken\n"),
            "{url}: {said}"
        );
    }
    for url in [
        "http://git.example.org/a/b.git",
        "https://git.example.org:8443/a",
        "https://git.example.org.evil.example/a",
        "https://sub.git.example.org/a",
        "https://evil.example/git.example.org",
        "https://[::1]:8080/a",
        "http://[::1]/a",
        "https://lab.example.org/a",
    ] {
        let said = git_says(&home, &files, url);
        assert!(!said.contains("t0ken"), "{url}: {said}");
    }
    let read = |name: &str| fs::read_to_string(files.folder.join(name)).unwrap();
    // Nix asks by TLS alone.
    assert_eq!(
        read(NIX_CONF),
        "access-tokens = lab.example.org:8443=OAuth2:t0ken\n"
    );
    assert_eq!(
        read(NETRC),
        "machine git.example.org login reader password t0ken\nmachine lab.example.org login reader password t0ken\n"
    );
}

#[test]
fn the_files_are_for_their_owner_and_go_with_what_holds_them() {
    let folder = tempfile::tempdir().unwrap();
    let (homes, home) = (folder.path(), folder.path().join("1-private"));
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    let files = CredentialFiles::write(&home, "7-0", &[host("https://a/", None, true)]).unwrap();
    assert_eq!(mode(&files.folder), 0o700);
    let inside: Vec<_> = fs::read_dir(&files.folder).unwrap().flatten().collect();
    assert_eq!(inside.len(), 4);
    for file in inside {
        assert_eq!(mode(&file.path()), 0o600, "{file:?}");
    }
    let left = |home: &Path| fs::read_dir(home).unwrap().count();
    drop(files);
    assert_eq!(left(&home), 0);
    // A server that is killed drops nothing; what stands in the way of the next one goes, too.
    std::mem::forget(CredentialFiles::write(&home, "8-0", &[]).unwrap());
    drop(CredentialFiles::write(&home, "8-0", &[]).unwrap());
    assert_eq!(left(&home), 0);
    std::mem::forget(CredentialFiles::write(&home, "9-0", &[]).unwrap());
    fs::create_dir(home.join("cache")).unwrap();
    CredentialFiles::clean_up(homes);
    assert_eq!(left(&home), 1);
}
