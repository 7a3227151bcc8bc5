//! What is found below an attribute: checks of all shapes, failures that say what they are, warnings, systems.

use nixci::{
    eval::{EvalError, EvalFailure},
    nix::{AttrPath, System},
};

use crate::{
    harness::{Evaluation, Found, each_nix, url},
    support::{
        Project,
        project::{FOREIGN_SYSTEM, SYSTEM, nix_string},
        store::TestStore,
    },
};

fn evaluate(store: &TestStore, project: &Project<'_>, attribute: &str) -> Found {
    Evaluation::new(store, &format!("{}#{attribute}", url(project.dir()))).run()
}

/// The failure of a check on this system.
fn failure<'f>(found: &'f Found, name: &str) -> &'f EvalFailure {
    let failure = found.failed.get(&format!("{SYSTEM}.{name}"));
    failure.unwrap_or_else(|| panic!("{name} did not fail: {found:#?}"))
}

#[test]
fn every_kind_of_failure_costs_one_attribute() {
    each_nix(|nix, store| {
        let project = Project::new(store)
            .check("good", "")
            .expression("throws", "throw \"this check\\ndoes not evaluate\"")
            .expression("aborts", "abort \"on purpose\"")
            .expression("missing", "{ }.nope")
            .expression("mistyped", "1 + \"a\"")
            .expression("recursion", "let f = x: f x + 1; in f 1")
            .expression("endless", "let x = x; in x")
            .expression("asserts", "assert 1 == 2; null")
            .expression("null", "null")
            .expression("string", "\"text\"")
            .expression("function", "x: x")
            .expression(
                "functor",
                "{ __functor = _: _: build \"never\" \"\" { }; type = \"app\"; }",
            )
            .expression(
                "forged",
                "{ type = \"derivation\"; drvPath = \"/etc/passwd\"; name = \"x\"; }",
            )
            .expression("cycle", "let x = { inherit x; }; in x")
            .check("last", "")
            .committed();
        let found = evaluate(store, &project, "checks");
        found.summary();
        let checks: Vec<_> = found.checks.keys().cloned().collect();
        assert_eq!(checks, [format!("{SYSTEM}.good"), format!("{SYSTEM}.last")]);
        let message = |name: &str| failure(&found, name).message.as_str();
        let first_line = |name: &str| message(name).lines().next().unwrap_or_default();
        assert!(
            message("throws").starts_with("this check\ndoes not evaluate\nat flake.nix:"),
            "{nix}: {found:#?}"
        );
        assert!(first_line("aborts").contains("'on purpose'"));
        assert_eq!(first_line("missing"), "attribute 'nope' missing");
        assert!(first_line("mistyped").starts_with("cannot add a string to an integer"));
        assert!(
            first_line("recursion").contains("stack overflow"),
            "{nix}: {}",
            message("recursion")
        );
        assert_eq!(first_line("endless"), "infinite recursion encountered");
        assert_eq!(
            first_line("null"),
            format!("`checks.{SYSTEM}.null` is null, not a derivation")
        );
        assert_eq!(
            first_line("string"),
            format!("`checks.{SYSTEM}.string` is a string, not a derivation")
        );
        assert_eq!(
            first_line("function"),
            format!("`checks.{SYSTEM}.function` is a function, not a derivation")
        );
        assert_eq!(
            first_line("functor"),
            format!("`checks.{SYSTEM}.functor` is a set of type `app`, not a derivation")
        );
        assert!(message("forged").ends_with("its `drvPath` is `/etc/passwd`"));
        let cycle = format!("cycle{}", ".x".repeat(30));
        assert!(message(&cycle).contains("nested too deeply"));
        assert_eq!(found.failed.len(), 13);
        // The place is that of the mistake, for every failure that has one.
        let flake = std::fs::read_to_string(project.dir().join("flake.nix")).unwrap();
        for name in [
            "throws", "missing", "mistyped", "endless", "asserts", "null", "string", "function",
        ] {
            let failure = failure(&found, name);
            assert_eq!(failure.file.as_deref(), Some("flake.nix"), "{name}");
            let line = flake
                .lines()
                .nth(failure.line.unwrap() as usize - 1)
                .unwrap();
            assert!(line.contains(&format!("\"{name}\" =")), "{name}: {line}");
            assert!(failure.column.is_some());
        }
    });
}

#[test]
fn all_of_a_trace_is_shown_if_it_is_wanted() {
    each_nix(|nix, store| {
        let project = Project::new(store)
            .binding(
                "f",
                "x: builtins.addErrorContext \"some context\" (throw \"deep\")",
            )
            .expression("fails", "f 1")
            .committed();
        let mut evaluation = Evaluation::new(store, &format!("{}#checks", url(project.dir())));
        let short = evaluation.run();
        evaluation.request.options.show_trace = true;
        let whole = evaluation.run();
        let (short, whole) = (
            &failure(&short, "fails").message,
            &failure(&whole, "fails").message,
        );
        assert!(
            short.starts_with("deep\nat flake.nix:") && !short.contains("… some context"),
            "{nix}: {short}"
        );
        assert!(
            whole.starts_with("deep\n") && whole.contains("… some context"),
            "{nix}: {whole}"
        );
        assert!(!whole.contains("«string»"), "{nix}: {whole}");
    });
}

#[test]
fn names_may_be_anything() {
    each_nix(|nix, store| {
        let long = "x".repeat(10_000);
        let names = [
            "dotted.name",
            "quoted \"name\"",
            "",
            "a b",
            "${x}",
            "$",
            "back\\slash",
            "tab\there",
            "line\nbreak",
            "ünïcödé",
            "😀",
            "\u{7f}",
            "'",
            "if",
            ":q",
            "trace: x",
            long.as_str(),
        ];
        let mut project = Project::new(store);
        for name in names {
            project = project.check(name, "");
        }
        let project = project.committed();
        let found = evaluate(store, &project, "checks");
        found.summary();
        let mut paths: Vec<_> = found
            .checks
            .values()
            .map(|check| check.path.names()[1].as_str())
            .collect();
        let mut expected = names.to_vec();
        paths.sort_unstable();
        expected.sort_unstable();
        assert_eq!(paths, expected, "{nix}: {:?}", found.failed);
        // Each can be asked for; not all of them can in Nix's own way.
        for name in ["dotted.name", "quoted \"name\"", "ünïcödé"] {
            let asked = format!("checks.{SYSTEM}.{}", nix_string(name));
            let single = evaluate(store, &project, &asked);
            let whole = &found.checks[&format!("{SYSTEM}.{}", AttrPath::new([name]))];
            assert_eq!(single.checks[""].drv_path, whole.drv_path);
            if nix.version >= (2, 20, 0) && !name.contains('"') {
                assert_eq!(whole.drv_path.as_str(), project.drv_path(SYSTEM, name));
            }
        }
    });
}

#[test]
fn derivations_of_all_kinds_have_their_outputs() {
    each_nix(|nix, store| {
        let fixed =
            "outputHash = \"\"; outputHashAlgo = \"sha256\"; outputHashMode = \"recursive\";";
        let project = Project::new(store)
            .check("plain", "")
            .expression("outputs", "build \"two\" \"\" { outputs = [ \"bin\" \"dev\" ]; }")
            .expression("fixed", &format!("build \"fixed\" \"\" {{ {fixed} }}"))
            .expression(
                "floating",
                "build \"floating\" \"\" { __contentAddressed = true; outputHashMode = \"recursive\"; outputHashAlgo = \"sha256\"; }",
            )
            .expression("other-system", "build \"other\" \"\" { system = \"riscv64-linux\"; }")
            .expression("bare", "{ type = \"derivation\"; inherit (build \"bare\" \"\" { }) drvPath; }")
            .committed();
        let feature = ("extra-experimental-features", "ca-derivations");
        // A store that has to make room for this feature is as new.
        store.run_nix(
            &["path-info", "--all", "--option", feature.0, feature.1],
            store.folder(),
        );
        let mut evaluation = Evaluation::new(store, &format!("{}#checks", url(project.dir())));
        evaluation.request.options.nix_options = vec![(feature.0.into(), feature.1.into())];
        let found = evaluation.run();
        found.summary();
        assert!(found.failed.is_empty(), "{nix}: {:#?}", found.failed);
        let check = |name: &str| &found.checks[&format!("{SYSTEM}.{name}")];
        let outputs = |name: &str| {
            let outputs = &check(name).outputs;
            let known = outputs
                .iter()
                .map(|(name, path)| format!("{name}={}", path.is_some()));
            known.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(outputs("plain"), "out=true");
        assert_eq!(outputs("outputs"), "bin=true dev=true");
        assert_eq!(outputs("fixed"), "out=true");
        assert_eq!(outputs("floating"), "out=false");
        assert_eq!(outputs("bare"), "out=false");
        assert_eq!(
            (check("bare").name.as_str(), check("bare").system.as_str()),
            ("bare", "unknown")
        );
        assert_eq!(check("other-system").system.as_str(), "riscv64-linux");
        let out = check("plain").outputs["out"].as_ref().unwrap();
        let attribute = format!("{}#checks.{SYSTEM}.plain.outPath", url(project.dir()));
        assert_eq!(
            store.run_nix(&["eval", "--raw", &attribute], store.folder()),
            out.as_str()
        );
    });
}

#[test]
fn nested_sets_and_single_derivations_are_found() {
    each_nix(|_, store| {
        let project = Project::new(store)
            .expression(
                "group",
                "{ inner = build \"inner\" \"\" { }; deeper.leaf = build \"leaf\" \"\" { }; }",
            )
            .expression(
                "marked",
                "{ recurseForDerivations = true; x = build \"x\" \"\" { }; }",
            )
            .expression(
                "refuses",
                "{ recurseForDerivations = false; x = throw \"never looked at\"; }",
            )
            .expression("empty", "{ }")
            .check("type", "")
            .committed();
        let found = evaluate(store, &project, "checks");
        let expected = ["group.deeper.leaf", "group.inner", "marked.x", "type"];
        let expected: Vec<_> = expected
            .iter()
            .map(|name| format!("{SYSTEM}.{name}"))
            .collect();
        assert_eq!(found.drv_paths().into_keys().collect::<Vec<_>>(), expected);
        let group = evaluate(store, &project, &format!("checks.{SYSTEM}.group"));
        assert_eq!(
            group.drv_paths().into_keys().collect::<Vec<_>>(),
            ["deeper.leaf", "inner"]
        );
        let single = evaluate(
            store,
            &project,
            &format!("checks.{SYSTEM}.group.deeper.leaf"),
        );
        assert_eq!(single.drv_paths().into_keys().collect::<Vec<_>>(), [""]);
    });
}

#[test]
fn only_wanted_systems_are_evaluated() {
    each_nix(|_, store| {
        let project = Project::new(store)
            .check("a", "")
            .check_on(FOREIGN_SYSTEM, "a", "")
            .expression_on("riscv64-linux", "broken", "throw \"nobody wants this\"")
            .committed();
        let system = |name: &str| System::parse(name).unwrap();
        let own = evaluate(store, &project, "checks");
        assert_eq!(
            own.drv_paths().into_keys().collect::<Vec<_>>(),
            [format!("{SYSTEM}.a")]
        );
        let mut all = vec![
            system(SYSTEM),
            system(FOREIGN_SYSTEM),
            system("riscv64-linux"),
        ];
        all.sort();
        assert_eq!(own.summary().systems_available, all);

        let every = Evaluation::new(store, &format!("{}#checks", url(project.dir())))
            .all_systems()
            .run();
        assert_eq!((every.checks.len(), every.failed.len()), (2, 1));
        let asked = evaluate(store, &project, &format!("checks.{FOREIGN_SYSTEM}"));
        assert_eq!(asked.drv_paths().into_keys().collect::<Vec<_>>(), ["a"]);

        // Nothing for this one: then it is worth an evaluation to know which have something.
        let mut evaluation = Evaluation::new(store, &format!("{}#checks", url(project.dir())));
        evaluation.request.systems = Some(vec![system("armv7l-linux")]);
        let none = evaluation.run();
        assert!(none.checks.is_empty() && none.failed.is_empty());
        assert_eq!(none.summary().systems_available, all);
        let text = format!(
            "{{ outputs = _: {{ checks = {{ {FOREIGN_SYSTEM} = {{ }}; riscv64-linux = throw \"x\"; armv6l-linux.a = 1; }}; }}; }}"
        );
        let project = project.flake(&text).committed();
        let empty = evaluate(store, &project, "checks");
        assert_eq!(empty.summary().systems_available, [system("armv6l-linux")]);
        assert!(empty.warnings.is_empty());
    });
}

#[test]
fn warnings_and_traces_have_their_attribute() {
    each_nix(|nix, store| {
        let warn = "(builtins.warn or (text: value: builtins.trace \"evaluation warning: ${text}\" value))";
        let project = Project::new(store)
            .binding("shared", "builtins.trace \"shared\" 1")
            .expression(
                "traces",
                "builtins.trace \"one\\n  two\" (build \"traces\" \"\" { })",
            )
            .expression(
                "warns",
                &format!("{warn} \"old\" (build \"warns\" \"\" {{ }})"),
            )
            .expression("fails", "builtins.trace \"before\" (throw \"no\")")
            .expression("shares", "builtins.seq shared (build \"a\" \"\" { })")
            .expression("shares-too", "builtins.seq shared (build \"b\" \"\" { })")
            .expression(
                "forges",
                "builtins.trace \"done\\ntrace: done\" (throw \"forged\")",
            )
            .dirty();
        let found = evaluate(store, &project, "checks");
        assert_eq!(failure(&found, "fails").message.lines().next(), Some("no"));
        assert_eq!(
            failure(&found, "forges").message.lines().next(),
            Some("forged")
        );
        let mut warnings = found.warnings.clone();
        warnings.retain(|(_, text)| text != "shared");
        warnings.sort();
        let of = |name: &str, text: &str| (Some(format!("{SYSTEM}.{name}")), text.to_owned());
        let old = if nix.version < (2, 23, 0) {
            "evaluation warning: old"
        } else {
            "old"
        };
        let expected = [
            of("fails", "before"),
            of("forges", "done"),
            of("traces", "one\n  two"),
            of("warns", old),
        ];
        assert_eq!(warnings, expected, "{nix}");
        assert_eq!(
            found.warnings.len(),
            warnings.len() + 1,
            "what is shared is said once: {:?}",
            found.warnings
        );
    });
}

#[test]
fn what_makes_the_whole_evaluation_fail_is_said() {
    each_nix(|nix, store| {
        let project = Project::new(store).check("a", "").committed();
        let error = |attribute: &str| match evaluate(store, &project, attribute).result {
            Err(error) => error,
            Ok(summary) => panic!("{attribute}: {summary:?}"),
        };
        assert_eq!(
            error("packages").to_string(),
            "the flake has no attribute `packages`; it has checks"
        );
        let missing = error(&format!("checks.{SYSTEM}.b"));
        assert!(
            matches!(&missing, EvalError::AttributeMissing { available, .. } if available == &["a"]),
            "{missing:?}"
        );
        let below = error(&format!("checks.{SYSTEM}.a.name.x")).to_string();
        assert!(
            below.ends_with(&format!(
                "is a string, so there is no `checks.{SYSTEM}.a.name.x`"
            )),
            "{below}"
        );

        let flake_error = |text: &str| {
            let project = Project::named(store, &format!("p{}", text.len())).flake(text);
            match evaluate(store, &project, "checks").result {
                Err(EvalError::Flake(failure)) => failure,
                other => panic!("{nix}: {other:?}"),
            }
        };
        let syntax = flake_error("{ outputs = _: { checks = ; }; }");
        assert_eq!(
            syntax.message.lines().next(),
            Some("syntax error, unexpected ';'")
        );
        assert_eq!(
            (syntax.file.as_deref(), syntax.line, syntax.column),
            (Some("flake.nix"), Some(1), Some(27))
        );
        let throws = flake_error("{ outputs = _: { checks = throw \"no checks today\"; }; }");
        assert_eq!(throws.message.lines().next(), Some("no checks today"));
        assert_eq!(
            (throws.file.as_deref(), throws.line),
            (Some("flake.nix"), Some(1))
        );
        let input = flake_error(
            "{ inputs.a.url = \"path:/nowhere/at/all\"; outputs = _: { checks = { }; }; }",
        );
        assert!(input.message.contains("/nowhere/at/all"), "{input:?}");
        assert!(
            input
                .message
                .ends_with("… while fetching the input 'path:/nowhere/at/all'"),
            "{input:?}"
        );
        let string = flake_error("{ outputs = _: { checks = \"x\"; }; }");
        assert_eq!(string.message, "`checks` is a string, not a derivation");

        let whole = |flake: &str| match Evaluation::new(store, flake).run().result {
            Err(error) => error.to_string(),
            Ok(summary) => panic!("{flake}: {summary:?}"),
        };
        let empty = store.folder().join("empty");
        std::fs::create_dir(&empty).unwrap();
        let said = whole(empty.to_str().unwrap());
        assert!(
            said.contains(empty.to_str().unwrap())
                && said.contains("does not contain a 'flake.nix'"),
            "{said}"
        );
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(whole("/nowhere").contains("No such file or directory"));
        assert!(whole("--help").starts_with("`--help` begins like an option"));
        let broken = Project::named(store, "lock")
            .check("a", "")
            .file("flake.lock", "{ \"nodes\": 12");
        assert!(
            whole(&url(broken.dir())).contains("parse error"),
            "{}",
            whole(&url(broken.dir()))
        );
    });
}
