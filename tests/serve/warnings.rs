//! What evaluations warn of, whatever they make of it.

use serde_json::Value;

use crate::{pages::page, world::World};

/// One that wants to be more than text, one again and again, a long one, and far too many.
const FLAKE: &str = r#"{ outputs = _: { checks.x86_64-linux.good =
  let
    many = count: text: value: builtins.foldl' (value: n: builtins.trace (text n) value) value (builtins.genList (n: n) count);
    long = builtins.concatStringsSep "" (builtins.genList (_: "long") 1500);
  in
  builtins.trace "<img src=x onerror=alert(1)> \u{1b}[31mred \u{202e}turned" (
  many 40 (_: "the same") (builtins.trace long (many 150 (n: "number ${toString n}") (
  derivation { name = "good"; system = "x86_64-linux"; builder = "/bin/sh"; args = [ "-c" "echo > $out" ]; })))); }; }
"#;

#[tokio::test(flavor = "multi_thread")]
async fn warnings_are_kept_shown_as_text_and_bounded() {
    let flake = FLAKE
        .replace("\\u{1b}", "\u{1b}")
        .replace("\\u{202e}", "\u{202e}");
    let mut world = World::new(&flake, "").await;
    let commit = world.git(&["rev-parse", "HEAD"]);
    world.start().await;
    assert_eq!(
        world.verdict(&commit).await["nixci/build"].0,
        "success",
        "{}",
        world.log()
    );
    let (_, shown, _) = world.ctl(&["show", "1", "--json"]).await;
    let shown: Value = serde_json::from_str(&shown).unwrap();
    let warnings = shown["warnings"].as_array().unwrap();
    assert_eq!(warnings.len(), 100, "{shown}");
    // The evaluation itself says a thing once.
    assert_eq!(shown["warnings_total"], 153, "{shown}");
    let messages: Vec<&str> = warnings
        .iter()
        .map(|warning| warning["message"].as_str().unwrap())
        .collect();
    let same = messages.iter().filter(|message| **message == "the same");
    assert_eq!(same.count(), 1, "{messages:?}");
    assert!(
        messages
            .iter()
            .all(|message| message.chars().count() <= 2000)
    );
    assert!(messages[0].contains("<img"), "{messages:?}");
    assert!(messages[2].starts_with("longlong"), "{messages:?}");
    let (_, shown, _) = world.ctl(&["show", "1"]).await;
    assert!(
        shown.contains("warning of checks.x86_64-linux.good: number 1\n"),
        "{shown}"
    );
    assert!(!shown.contains('\u{1b}'), "{shown}");
    // Harmless: `page` looks.
    let html = page(&world, "/runs/1").await;
    assert!(
        html.contains("&#60;img") || html.contains("&lt;img"),
        "{html}"
    );
    assert!(html.contains("the same"), "{html}");
    assert_eq!(world.stop().await, Some(0));
}
