//! Secrets in whatever leaves the server.

use std::{fs, path::Path};

use crate::{
    pages::{ask, page, text::links},
    world::{World, flake},
};

/// What is written with a seam in it, so that the source has none of it.
const WEBHOOK: (&str, &str) = ("a webhook", " secret");
const TOKEN: (&str, &str) = ("ghp_abcdefghijklmnop", "qrstuvwxyz0123456789");
const NEW: (&str, &str) = ("another one", " of the hooks");

fn whole((start, end): (&str, &str)) -> String {
    format!("{start}{end}")
}

/// All that is kept below a folder: names of files and what they have.
pub(crate) fn everything(dir: &Path, found: &mut Vec<(String, Vec<u8>)>) {
    for entry in fs::read_dir(dir).unwrap().flatten() {
        let path = entry.path();
        if entry.file_type().unwrap().is_dir() {
            everything(&path, found);
        } else if entry.file_type().unwrap().is_file() {
            let text = fs::read(&path).unwrap_or_default();
            found.push((path.display().to_string(), text));
        }
    }
}

/// Scripts and expressions that say secrets.
fn leaks() -> String {
    let say = |(start, end): (&str, &str)| format!("printf '%s%s\\n' '{start}' '{end}'");
    let key = "echo -----BEGIN RSA 'PRIVATE KEY-----'; echo MIIEpAIBAAKCAQEAsecretkey; echo -----END RSA 'PRIVATE KEY-----'";
    let url = "printf 'https://x-access-token:%s@github.com/a/b\\n' v1.0123";
    let all = format!("echo here; {}; {}; {key}; {url}", say(WEBHOOK), say(TOKEN));
    // So many that it gets a file, and the beginning of the key is long gone from the last lines.
    let long = format!(
        "n=0; while [ $n -lt 400 ]; do {}; n=$((n+1)); done",
        say(WEBHOOK)
    );
    let many = "echo -----BEGIN RSA 'PRIVATE KEY-----'; n=0; while [ $n -lt 60 ]; do echo MIIEpAIBAAKCAQEAsecretkey; n=$((n+1)); done; exit 1";
    flake(&[
        ("says", &format!("{all}; echo ok > $out")),
        ("fails", &format!("{all}; exit 1")),
        ("long", &format!("{long}; {all}; echo ok > $out")),
        ("tail", many),
    ])
    .replace(
        "  }; }; }",
        &format!(
            "throws = throw (\"no \" + \"{}\" + \"{}\"); warns = builtins.trace (\"{}\" + \"{}\") (derivation {{ name = \"w\"; \
             system = \"x86_64-linux\"; builder = \"/bin/sh\"; args = [ \"-c\" \"echo > $out\" ]; }});\n  }}; }}; }}",
            TOKEN.0, TOKEN.1, WEBHOOK.0, WEBHOOK.1
        ),
    )
}

/// Security: "secrets in logs".
#[tokio::test(flavor = "multi_thread")]
async fn no_secret_leaves_the_server_or_lies_in_its_files() {
    let mut world = World::new(&leaks(), "").await;
    let title = format!("a title with {}", whole(TOKEN));
    let commit = world.commit(&title, &[]);
    world.start().await;
    let verdict = world.verdict(&commit).await;
    assert_eq!(verdict["nixci/build"].0, "failure", "{verdict:#?}");
    let mut said = vec![("statuses".to_owned(), format!("{verdict:?}").into_bytes())];
    let mut steps = Vec::new();
    let run = page(&world, "/runs/1").await;
    for link in links(&run) {
        if link.starts_with("/runs/1") {
            said.push((link.clone(), page(&world, &link).await.into()));
            steps.extend(link.contains("/steps/").then_some(link));
        }
    }
    let mut shown = String::new();
    for step in &steps {
        let raw = ask(&world, &format!("{step}/raw"), None).await;
        let raw = raw.text().await.unwrap();
        shown.push_str(&raw);
        said.push((format!("{step}/raw"), raw.into()));
    }
    // What is no secret is there, and in the place of each secret what says so.
    assert!(
        shown.contains("here\n***\n***\n***\n***\n***\nhttps://***@github.com/a/b\n"),
        "{steps:?} {shown}"
    );
    assert_eq!(
        page(&world, "/runs/1").await.matches("no ***").count(),
        1,
        "{run}"
    );
    for arguments in [
        &["list"][..],
        &["show", "1"],
        &["show", "1", "--json"],
        &["watch", "1"],
        &["log", "1", "says"],
        &["log", "1", "fails"],
        &["log", "1", "tail"],
        &["log", "1", "long"],
    ] {
        let (_, out, error) = world.ctl(arguments).await;
        said.push((format!("ctl {arguments:?}"), format!("{out}{error}").into()));
    }
    // An answer that says what is wrong, with what was asked for in it.
    let unknown = format!("https://me:{}@host/x", WEBHOOK.0.replace(' ', ""));
    let (code, _, error) = world.ctl(&["run", "acme/demo", &unknown]).await;
    assert_eq!(code, Some(2));
    assert!(error.contains("https://***@host/x"), "{error}");

    // From now on there is another one.
    let hook = world.store.folder().join("hook");
    fs::write(&hook, whole(NEW)).unwrap();
    world.reload("the settings are read anew").await;
    let script = format!(
        "printf '%s%s, %s%s.\\n' '{}' '{}' '{}' '{}'; exit 1",
        NEW.0, NEW.1, WEBHOOK.0, WEBHOOK.1
    );
    let next = world.commit("next", &[("flake.nix", &flake(&[("anew", &script)]))]);
    let (_, _, _) = world.ctl(&["run", "acme/demo", "--watch"]).await;
    world.verdict(&next).await;
    let (_, log, _) = world.ctl(&["log", "2", "anew"]).await;
    assert_eq!(log, "***, ***.\n");

    said.push(("journal".to_owned(), world.log().into()));
    world.kill().await;
    everything(&world.store.folder().join("state"), &mut said);
    let secrets = [
        whole(WEBHOOK),
        whole(TOKEN),
        whole(NEW),
        "secretkey".to_owned(),
        "v1.0123".to_owned(),
    ];
    for (place, text) in &said {
        let text = String::from_utf8_lossy(text);
        for secret in &secrets {
            assert!(
                !text.contains(secret.as_str()),
                "{secret} in {place}: {text}"
            );
        }
    }
    assert!(said.len() > 30, "{}", said.len());
}
