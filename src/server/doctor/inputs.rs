//! What is right and wrong with the tokens that open private inputs.

use std::{fs, os::unix::fs::PermissionsExt as _};

use super::{Finding, Verdict, finding};
use crate::config::{ForgeConfig, ForgeSoftware, PrivateInputs, ServerConfig};

/// The right of others to read, and to write.
const OTHERS: u32 = 0o006;

/// Looks at what opens private inputs at a forge. That the tokens could be read is certain: without, there are no settings.
pub(super) fn of_forge(name: &str, forge: &ForgeConfig, config: &ServerConfig) -> Vec<Finding> {
    let about = format!("forge {name} inputs");
    let has_host = config.has_host_of_its_own(&forge.url);
    let each = forge.private_inputs.iter();
    each.map(|inputs| {
        let (verdict, text) = look(inputs, forge, has_host);
        finding(&about, verdict, text)
    })
    .collect()
}

fn look(inputs: &PrivateInputs, forge: &ForgeConfig, has_host: bool) -> (Verdict, String) {
    let file = inputs.token_file.display();
    match fs::metadata(&inputs.token_file) {
        Ok(found) if found.permissions().mode() & OTHERS != 0 => {
            let text = format!(
                "others on this machine can read or change {file}: `chmod 600` takes that from them"
            );
            return (Verdict::Bad, text);
        }
        Ok(_) => {}
        Err(error) => return (Verdict::Bad, format!("cannot read {file}: {error}")),
    }
    let patterns: Vec<_> = inputs
        .repositories
        .iter()
        .map(ToString::to_string)
        .collect();
    if patterns.is_empty() {
        let text = "`repositories` is empty: no evaluation gets this token".to_owned();
        return (Verdict::Doubtful, text);
    }
    let pulls = if inputs.pull_requests {
        ", pull requests of people who may write included"
    } else {
        ""
    };
    let mut text = format!(
        "evaluations of {} may read with the token in {file}{pulls}",
        patterns.join(", ")
    );
    if forge.url.scheme() != "https" {
        text.push_str(": without TLS whoever is on the way to the forge reads it, too");
        return (Verdict::Doubtful, text);
    }
    if !has_host && forge.kind != ForgeSoftware::Github {
        text.push_str("; not for tarballs, since other things are fetched from that host, too");
    }
    (Verdict::Good, text)
}
