//! Why a build failed, in few words and the same ones for every version of Nix.
//!
//! The daemon's texts name the derivation, its outputs and the end of its log again; an event has these in fields of their
//! own. What is not recognised stays as it is.

/// Shortens the daemon's text about a failed build to the reason.
pub(super) fn concise(text: &str) -> String {
    let own: Vec<&str> = text.lines().take_while(|line| !begins_log(line)).collect();
    // Nix 2.32 and later: "Cannot build …", "Reason: …", "Output paths: …".
    if let Some(reason) = own.iter().find_map(|line| line.strip_prefix("Reason: ")) {
        return reason.trim_end_matches('.').to_owned();
    }
    let text = own.join("\n");
    let text = text.trim_end_matches([';', '.', '\n']);
    // "building of '…' from .drv file timed out after 2 seconds"
    if let Some(at) = text.find("timed out after ") {
        return text[at..].to_owned();
    }
    // "builder for '…' failed with exit code 3"
    let text = match text
        .strip_prefix("builder for '")
        .and_then(|rest| rest.split_once("' "))
    {
        Some((_, rest)) => format!("builder {rest}"),
        None => text.to_owned(),
    };
    // "… for output 'out' at '/…'": where that is in the sandbox helps nobody.
    match text.split_once(" at ") {
        Some((what, _)) if what.contains("failed to produce output path") => what.to_owned(),
        _ => text,
    }
}

fn begins_log(line: &str) -> bool {
    let line = line.to_ascii_lowercase();
    line.starts_with("for full logs, run")
        || (line.starts_with("last ") && line.ends_with("log lines:"))
}

#[cfg(test)]
mod tests {
    use super::concise;

    // Recorded from Nix 2.8.0, 2.26.3 and 2.34.8; store paths shortened.
    #[test]
    fn every_version_says_the_same() {
        for text in [
            "builder for '/s/h-exit.drv' failed with exit code 3;\nlast 2 log lines:\n> l1\n> l2\nFor full logs, run 'nix log /s/h-exit.drv'.",
            "builder for '/s/h-exit.drv' failed with exit code 3;\nlast 2 log lines:\n> l1\n> l2\nFor full logs, run:\n  nix log /s/h-exit.drv",
            "Cannot build '/s/h-exit.drv'.\nReason: builder failed with exit code 3.\nOutput paths:\n  /s/h-exit\nLast 2 log lines:\n> l1\n> l2\nFor full logs, run:\n  nix log /s/h-exit.drv",
        ] {
            assert_eq!(concise(text), "builder failed with exit code 3");
        }
        for text in [
            "building of '/s/h-slow.drv!*' from .drv file timed out after 2 seconds",
            "building of '/s/h-slow.drv^*' from .drv file timed out after 2 seconds",
            "timed out after 2 seconds",
        ] {
            assert_eq!(concise(text), "timed out after 2 seconds");
        }
        for text in [
            "builder for '/s/h-sig.drv' failed to produce output path for output 'out' at '/s/h-sig.drv.chroot/s/h-sig'",
            "builder for '/s/h-sig.drv' failed to produce output path for output 'out' at \"/s/h-sig.drv.chroot/root/s/h-sig\"",
        ] {
            assert_eq!(
                concise(text),
                "builder failed to produce output path for output 'out'"
            );
        }
    }

    #[test]
    fn what_says_something_more_stays() {
        for text in [
            "hash mismatch in fixed-output derivation '/s/h-fod.drv':\n  specified: sha256-A\n     got:    sha256-B",
            "output '/s/h-a' is not allowed to refer to the following paths:\n  /s/h-dep",
            "",
        ] {
            assert_eq!(concise(text), text);
        }
    }
}
