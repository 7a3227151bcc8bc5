//! Programs of others: what they sign is believed, and the forge of these tests takes them for an App as it takes nixci.

use std::{path::Path, process::Stdio, time::Duration};

use jiff::Timestamp;
use nixci::forge::{HookKind, verify};
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt as _, process::Command, time::timeout};

use crate::{
    fake::{FakeForge, openapi::installed},
    repositories,
};

/// Runs a module of JavaScript that has the programs at hand and the JSON `input`; returns what it prints.
async fn node(script: &str, input: &Value) -> Option<Value> {
    let peers = installed("peers")?;
    let script = format!("const input = {input};\n{script}");
    let mut node = Command::new("node")
        .args(["--input-type=module", "-"])
        .current_dir(peers)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("whoever has npm has node");
    let mut stdin = node.stdin.take().unwrap();
    stdin.write_all(script.as_bytes()).await.unwrap();
    drop(stdin);
    let ended = timeout(Duration::from_secs(300), node.wait_with_output()).await;
    let output = ended.expect("it ends").unwrap();
    assert!(output.status.success());
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

#[tokio::test]
async fn an_independent_signer_is_believed() {
    let bodies = ["", "{}", "{\"a\":\"é\\u0000 \u{1f600}\"}", "payload=%7B%7D"];
    let secrets = ["s", "It's a Secret to Everybody", "ü~ \" \\ $(x)"];
    let script = r#"
        import { sign } from "@octokit/webhooks-methods";
        const signed = [];
        for (const secret of input.secrets)
            for (const body of input.bodies)
                if (body) signed.push([secret, body, await sign(secret, body)]);
        console.log(JSON.stringify(signed));
    "#;
    let Some(signed) = node(script, &json!({ "bodies": bodies, "secrets": secrets })).await else {
        return;
    };
    let signed: Vec<(String, String, String)> = serde_json::from_value(signed).unwrap();
    assert_eq!(signed.len(), 9);
    for (secret, body, signature) in signed {
        let headers = |name: &str| match name {
            "x-hub-signature-256" => Some(signature.as_bytes()),
            "x-github-delivery" => Some(b"1".as_slice()),
            _ => None,
        };
        let check = |body: &str, secret: &str| {
            let secrets = [SecretString::from(secret)];
            verify(
                HookKind::Github,
                &headers,
                body.as_bytes(),
                &secrets,
                Timestamp::now(),
            )
        };
        assert!(check(&body, &secret).is_ok(), "{body}");
        assert!(check(&format!("{body} "), &secret).is_err(), "{body}");
        assert!(check(&body, &format!("{secret} ")).is_err(), "{body}");
    }
}

#[tokio::test]
async fn an_independent_app_is_taken_for_one() {
    let forge = FakeForge::start(repositories()).await;
    let key = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/github-app/key.pem");
    let script = r#"
        import { readFileSync } from "node:fs";
        import { createAppAuth } from "@octokit/auth-app";
        import { request } from "@octokit/request";
        const auth = createAppAuth({
            appId: 1,
            privateKey: readFileSync(input.key, "utf8"),
            request: request.defaults({ baseUrl: input.url }),
        });
        const made = await auth({ type: "installation", installationId: 100, repositoryIds: [1] });
        console.log(JSON.stringify({ token: made.token }));
    "#;
    let Some(made) = node(script, &json!({ "key": key, "url": forge.url })).await else {
        return;
    };
    let world = forge.world();
    let grant = &world.tokens[made["token"].as_str().unwrap()];
    assert_eq!(
        (grant.installation, &grant.repositories),
        (100, &Some(vec![1]))
    );
}
