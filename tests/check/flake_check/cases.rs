//! Outputs of flakes, one for each message of `nix flake check`.

/// The outputs of a flake (`SYSTEM` and `FOREIGN` stand for systems), the attribute that the newest Nix names when it
/// refuses them, and what it says then; nothing where it is content.
pub(super) type Case = (&'static str, &'static str, &'static str);

/// One for each message of `nix flake check`, and what stands beside it without one.
pub(super) const CASES: &[Case] = &[
    // Derivations.
    ("checks.SYSTEM.a = make \"a\";", "", ""),
    (
        "checks.SYSTEM.a = throw \"broken on purpose\";",
        "checks.SYSTEM.a",
        "broken on purpose",
    ),
    (
        "checks.SYSTEM.a = null;",
        "checks.SYSTEM.a",
        "is not a derivation",
    ),
    (
        "checks.SYSTEM.a = { b = make \"b\"; };",
        "checks.SYSTEM.a",
        "is not a derivation",
    ),
    (
        "checks.SYSTEM.a = { type = \"derivation\"; };",
        "checks.SYSTEM.a",
        "derivation name missing",
    ),
    (
        "checks.SYSTEM.a = { type = \"derivation\"; name = 1; };",
        "checks.SYSTEM.a",
        "expected a string",
    ),
    ("checks = 3;", "checks", "expected a set"),
    ("checks.SYSTEM = 3;", "checks", "expected a set"),
    ("checks = throw \"none at all\";", "checks", "none at all"),
    ("packages.SYSTEM.a = make \"a\";", "", ""),
    (
        "packages.SYSTEM.a = derivation { name = \"a\"; };",
        "packages.SYSTEM.a",
        "builder",
    ),
    (
        "packages.SYSTEM.a = { type = \"derivation\"; name = \"a\"; };",
        "",
        "",
    ),
    (
        "packages.SYSTEM.a = { type = \"derivation\"; name = \"a\"; drvPath = \"/a\"; };",
        "packages.SYSTEM.a",
        "not in the Nix store",
    ),
    (
        "packages.SYSTEM.a = x: x;",
        "packages.SYSTEM.a",
        "is not a derivation",
    ),
    (
        "packages.SYSTEM = make \"a\";",
        "packages.SYSTEM",
        "is not a derivation",
    ),
    (
        "packages.nonsense.a = make \"a\";",
        "packages.nonsense",
        "is not a valid system type",
    ),
    (
        "devShells.SYSTEM.a = \"a\";",
        "devShells.SYSTEM.a",
        "is not a derivation",
    ),
    ("devShell.SYSTEM = make \"a\";", "", ""),
    (
        "devShell.SYSTEM = [ ];",
        "devShell.SYSTEM",
        "is not a derivation",
    ),
    (
        "defaultPackage.SYSTEM = 1;",
        "defaultPackage.SYSTEM",
        "is not a derivation",
    ),
    ("formatter.SYSTEM = make \"a\";", "", ""),
    (
        "formatter.SYSTEM = { };",
        "formatter.SYSTEM",
        "is not a derivation",
    ),
    // Other systems.
    ("checks.FOREIGN.a = throw \"elsewhere\";", "", ""),
    ("packages.FOREIGN = 3;", "", ""),
    ("formatter.FOREIGN = null;", "", ""),
    // Apps.
    (
        "apps.SYSTEM.a = { type = \"app\"; program = \"/a\"; meta.description = \"a\"; };",
        "",
        "",
    ),
    (
        "apps.SYSTEM.a = { type = \"app\"; program = \"${make \"a\"}\"; };",
        "",
        "",
    ),
    ("apps.SYSTEM.a = 3;", "apps.SYSTEM.a", "expected a set"),
    (
        "apps.SYSTEM.a = { program = \"/a\"; };",
        "apps.SYSTEM.a",
        "lacks attribute 'type'",
    ),
    (
        "apps.SYSTEM.a = { type = 1; program = \"/a\"; };",
        "apps.SYSTEM.a",
        "expected a string",
    ),
    (
        "apps.SYSTEM.a = { type = \"app\"; };",
        "apps.SYSTEM.a",
        "lacks attribute 'program'",
    ),
    (
        "apps.SYSTEM.a = { type = \"app\"; program = ./flake.nix; };",
        "apps.SYSTEM.a",
        "expected a string",
    ),
    (
        "apps.SYSTEM.a = { type = \"app\"; program = \"/a\"; meta = 1; };",
        "apps.SYSTEM.a",
        "expected a set",
    ),
    (
        "apps.SYSTEM.a = { type = \"app\"; program = \"/a\"; meta.description = \"${make \"a\"}\"; };",
        "apps.SYSTEM.a",
        "is not allowed to refer to a store path",
    ),
    (
        "apps.SYSTEM.a = { type = \"app\"; program = \"/a\"; more = 1; };",
        "apps.SYSTEM.a",
        "has unsupported attribute 'more'",
    ),
    (
        "defaultApp.SYSTEM = { };",
        "defaultApp.SYSTEM",
        "lacks attribute 'type'",
    ),
    // Overlays.
    ("overlays.a = final: prev: { };", "", ""),
    ("overlays.a = _: prev: { };", "", ""),
    ("overlays.a = _final: _prev: { };", "", ""),
    ("overlays.a = final: { };", "", ""),
    (
        "overlays.a = self: super: { };",
        "overlays.a",
        "does not take an argument named 'final'",
    ),
    (
        "overlays.a = { final }: prev: { };",
        "overlays.a",
        "does not take an argument named 'final'",
    ),
    ("overlays.a = final: super: { };", "", ""),
    (
        "overlays.a = { };",
        "overlays.a",
        "overlay is not a function",
    ),
    (
        "overlays.a = { __functor = self: final: prev: { }; };",
        "overlays.a",
        "overlay is not a function",
    ),
    (
        "overlays.a = builtins.map;",
        "overlays.a",
        "overlay is not a function",
    ),
    ("overlays = final: prev: { };", "overlays", "expected a set"),
    ("overlay = final: prev: { };", "", ""),
    ("overlay = 3;", "overlay", "overlay is not a function"),
    // Modules.
    ("nixosModules.a = { config, ... }: { };", "", ""),
    ("nixosModules.a = { config }: { };", "", ""),
    ("nixosModules.a = config: { };", "", ""),
    (
        "nixosModules.a = { option = throw \"an option\"; };",
        "",
        "",
    ),
    ("nixosModules.a = 3;", "", ""),
    (
        "nixosModules.a = throw \"no module\";",
        "nixosModules.a",
        "no module",
    ),
    (
        "nixosModule = throw \"no module\";",
        "nixosModule",
        "no module",
    ),
    // NixOS configurations.
    (
        "nixosConfigurations.a.config.system.build.toplevel = make \"a\";",
        "",
        "",
    ),
    (
        "nixosConfigurations.a.config = { pkgs ? 1 }: { system.build = { __functor = self: x: { toplevel = make \"a\"; }; }; };",
        "nixosConfigurations.a",
        "",
    ),
    (
        "nixosConfigurations.a.config = { pkgs ? 1 }: { system.build.toplevel = make \"a\"; };",
        "",
        "",
    ),
    (
        "nixosConfigurations.a.config.system.build.toplevel = 3;",
        "nixosConfigurations.a",
        "is not a derivation",
    ),
    (
        "nixosConfigurations.a.config.system.build = { };",
        "nixosConfigurations.a",
        "not found",
    ),
    (
        "nixosConfigurations.a.config = 3;",
        "nixosConfigurations.a",
        "should be a set",
    ),
    // Templates.
    (
        "templates.a = { path = ./.; description = \"a\"; welcomeText = \"a\"; };",
        "",
        "",
    ),
    (
        "templates.a = { path = self; description = \"a\"; };",
        "",
        "",
    ),
    (
        "templates.a = { path = \"${self}/flake.nix\"; description = \"a\"; };",
        "",
        "",
    ),
    ("templates.a = 3;", "templates.a", "expected a set"),
    (
        "templates.a = { description = \"a\"; };",
        "templates.a",
        "lacks attribute 'path'",
    ),
    (
        "templates.a = { path = ./missing; description = \"a\"; };",
        "templates.a",
        "non-existent path",
    ),
    (
        "templates.a = { path = \"missing\"; description = \"a\"; };",
        "templates.a",
        "absolute path",
    ),
    (
        "templates.a = { path = \"/missing\"; description = \"a\"; };",
        "templates.a",
        "non-existent path",
    ),
    (
        "templates.a = { path = 3; description = \"a\"; };",
        "templates.a",
        "cannot coerce",
    ),
    (
        "templates.a = { path = ./.; };",
        "templates.a",
        "lacks attribute 'description'",
    ),
    (
        "templates.a = { path = ./.; description = 3; };",
        "templates.a",
        "expected a string",
    ),
    (
        "templates.a = { path = ./.; description = \"a\"; more = 1; };",
        "templates.a",
        "has unsupported attribute 'more'",
    ),
    (
        "defaultTemplate = { path = ./.; description = \"a\"; };",
        "",
        "",
    ),
    (
        "defaultTemplate = { };",
        "defaultTemplate",
        "lacks attribute 'path'",
    ),
    // Bundlers.
    ("bundlers.SYSTEM.a = drv: drv;", "", ""),
    (
        "bundlers.SYSTEM.a = 3;",
        "bundlers.SYSTEM.a",
        "bundler must be a function",
    ),
    (
        "bundlers.SYSTEM.a = builtins.map;",
        "bundlers.SYSTEM.a",
        "bundler must be a function",
    ),
    (
        "defaultBundler.SYSTEM = { };",
        "defaultBundler.SYSTEM",
        "bundler must be a function",
    ),
    // Jobs of Hydra.
    ("hydraJobs.a.b = make \"b\";", "", ""),
    (
        "hydraJobs = make \"a\";",
        "hydraJobs",
        "jobset should not be a derivation at top-level",
    ),
    ("hydraJobs.a = 3;", "hydraJobs.a", "expected a set"),
    (
        "hydraJobs.a.b = throw \"no job\";",
        "hydraJobs.a.b",
        "no job",
    ),
    (
        "hydraJobs.a.b = { type = \"derivation\"; };",
        "hydraJobs.a.b",
        "derivation name missing",
    ),
    // What nobody looks at more closely.
    ("legacyPackages.SYSTEM.a = throw \"legacy\";", "", ""),
    ("legacyPackages = 3;", "legacyPackages", "expected a set"),
    (
        "legacyPackages.nonsense = { };",
        "legacyPackages.nonsense",
        "is not a valid system type",
    ),
    ("lib = { a = throw \"lib\"; };", "", ""),
    ("lib = throw \"no lib\";", "lib", "no lib"),
    ("whatever = 3;", "", ""),
    ("whatever = throw \"whatever\";", "whatever", "whatever"),
    ("", "", ""),
];
