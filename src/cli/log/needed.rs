//! What a check whose own build has not begun waits for.
//!
//! Found in the `.drv` files of this machine's store, without Nix; where they are elsewhere, nothing is known.

use std::{collections::HashSet, fs::File, io::Read as _};

use crate::nix::{Derivation, StorePath};

/// How many derivations are looked at.
const DERIVATIONS_MAX: usize = 50_000;
/// The largest `.drv` file that is read, in bytes.
const DRV_BYTES_MAX: u64 = 16 << 20;

/// The derivation among those that run whose log tells how a check comes along: its own; else the one that is shown `now`,
/// if the check needs it; else the first one that it needs. `None` where none of them is needed. `needed` keeps what was
/// found out.
pub(super) fn being_built<'r>(
    own: &StorePath,
    running: &'r [StorePath],
    now: Option<&StorePath>,
    needed: &mut Option<HashSet<StorePath>>,
) -> Option<&'r StorePath> {
    if running.is_empty() || running.contains(own) {
        return None;
    }
    let needed = needed.get_or_insert_with(|| closure(own, read));
    let is_shown = |path: &&StorePath| Some(*path) == now;
    let mut candidates = running.iter().filter(|path| needed.contains(*path));
    candidates
        .clone()
        .find(is_shown)
        .or_else(|| candidates.next())
}

/// A derivation's inputs, theirs, and so on.
fn closure(own: &StorePath, read: impl Fn(&StorePath) -> Option<Derivation>) -> HashSet<StorePath> {
    let mut known = HashSet::new();
    let mut stack = vec![own.clone()];
    while let Some(path) = stack.pop() {
        if known.len() >= DERIVATIONS_MAX {
            break;
        }
        let inputs = read(&path).map(|derivation| derivation.input_drvs);
        for input in inputs.into_iter().flatten().map(|(input, _)| input) {
            if known.insert(input.clone()) {
                stack.push(input);
            }
        }
    }
    known
}

fn read(path: &StorePath) -> Option<Derivation> {
    let mut bytes = Vec::new();
    let file = File::open(path.as_str()).ok()?;
    file.take(DRV_BYTES_MAX).read_to_end(&mut bytes).ok()?;
    Derivation::parse(&bytes).ok()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{being_built, closure};
    use crate::nix::{Derivation, StorePath};

    fn drv(name: &str) -> StorePath {
        let hash = "0".repeat(32);
        StorePath::parse(&format!("/nix/store/{hash}-{name}.drv")).unwrap()
    }

    fn reads(inputs: &[(&str, &[&str])], path: &StorePath) -> Option<Derivation> {
        let (_, inputs) = inputs.iter().find(|(name, _)| drv(name) == *path)?;
        let input_drvs: BTreeMap<_, _> = inputs
            .iter()
            .map(|name| (drv(name), ["out".to_owned()].into()))
            .collect();
        Some(Derivation {
            input_drvs,
            ..Derivation::default()
        })
    }

    #[test]
    fn what_a_check_needs_is_followed_until_it_runs_itself() {
        let inputs: [(&str, &[&str]); 2] = [("own", &["lib", "gone"]), ("lib", &["base", "lib"])];
        let needed = closure(&drv("own"), |path| reads(&inputs, path));
        assert_eq!(needed, ["lib", "gone", "base"].map(drv).into());
        let mut needed = Some(needed);
        let mut shown = |running: &[&str], now: Option<&str>| {
            let running: Vec<_> = running.iter().map(|name| drv(name)).collect();
            let now = now.map(drv);
            let found = being_built(&drv("own"), &running, now.as_ref(), &mut needed);
            found.map(|path| path.step_name().to_owned())
        };
        assert_eq!(shown(&[], None), None);
        assert_eq!(shown(&["other"], None), None);
        assert_eq!(
            shown(&["other", "lib", "base"], None).as_deref(),
            Some("lib")
        );
        assert_eq!(
            shown(&["lib", "base"], Some("base")).as_deref(),
            Some("base")
        );
        assert_eq!(shown(&["lib"], Some("base")).as_deref(), Some("lib"));
        assert_eq!(shown(&["lib", "own"], Some("lib")), None);
    }
}
