{
  description = "Evaluates and builds the checks of a Nix flake in parallel, with a live matrix";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixpkgs-unstable";

  outputs =
    { self, nixpkgs }:
    let
      inherit (nixpkgs) lib;
      systems = [
        "x86_64-linux"
        "aarch64-linux"
        "x86_64-darwin"
        "aarch64-darwin"
      ];
      forSystems = make: lib.genAttrs systems (system: make nixpkgs.legacyPackages.${system} system);
      manifest = (builtins.fromTOML (builtins.readFile ./Cargo.toml)).package;

      # A change of the documents or of a script is no reason to build the program again.
      src = lib.fileset.toSource {
        root = ./.;
        fileset = lib.fileset.unions [
          ./.clippy.toml
          ./.rustfmt.toml
          ./Cargo.lock
          ./Cargo.toml
          ./completions
          ./man
          ./src
          ./tests
        ];
      };

      package =
        pkgs:
        pkgs.rustPlatform.buildRustPackage {
          pname = manifest.name;
          inherit (manifest) version;
          inherit src;
          cargoLock.lockFile = ./Cargo.lock;
          nativeBuildInputs = [ pkgs.installShellFiles ];
          buildInputs = lib.optionals pkgs.stdenv.hostPlatform.isDarwin [ pkgs.libiconv ];
          # The other tests run Nix, which they cannot within a build of Nix.
          cargoTestFlags = [
            "--lib"
            "--test=layering"
            "--test=generated"
          ];
          nativeCheckInputs = [ pkgs.git ];
          postInstall = ''
            installManPage man/*.1
            installShellCompletion completions/nixci.{bash,fish} completions/_nixci
          '';
          meta = {
            inherit (manifest) description;
            license = lib.licenses.mit;
            mainProgram = "nixci";
            platforms = systems;
          };
        };

      # The package's sources and dependencies with another command than the build.
      withCommand =
        pkgs: name: tools: command:
        (package pkgs).overrideAttrs (old: {
          pname = "nixci-${name}";
          nativeBuildInputs = old.nativeBuildInputs ++ tools;
          buildPhase = command;
          doCheck = false;
          installPhase = "touch $out";
          postInstall = "";
        });
    in
    {
      packages = forSystems (
        pkgs: system: {
          default = package pkgs;
        }
      );

      apps = forSystems (
        pkgs: system: {
          default = {
            type = "app";
            program = lib.getExe self.packages.${system}.default;
            meta.description = manifest.description;
          };
        }
      );

      nixosModules = rec {
        default = nixci;
        nixci =
          { pkgs, ... }:
          {
            imports = [ ./nixos/module.nix ];
            services.nixci.package = lib.mkDefault self.packages.${pkgs.stdenv.hostPlatform.system}.default;
          };
      };

      devShells = forSystems (
        pkgs: system: {
          default = pkgs.mkShell {
            inputsFrom = [ self.packages.${system}.default ];
            packages = [
              pkgs.cargo-deny
              pkgs.cargo-insta
              pkgs.clippy
              pkgs.rust-analyzer
              pkgs.rustfmt
              pkgs.shellcheck
            ];
          };
        }
      );

      checks = forSystems (
        pkgs: system: {
          package = self.packages.${system}.default;
          clippy = withCommand pkgs "clippy" [ pkgs.clippy ] ''
            cargo clippy --offline --all-targets -- -D warnings
          '';
          doc = withCommand pkgs "doc" [ ] ''
            RUSTDOCFLAGS='-D warnings' cargo doc --offline --no-deps --document-private-items
          '';
          fmt = withCommand pkgs "fmt" [ pkgs.rustfmt ] ''
            cargo fmt --check
          '';
          scripts = pkgs.runCommand "nixci-scripts" { nativeBuildInputs = [ pkgs.shellcheck ]; } ''
            shellcheck ${./dev}/{install-nix,demo,fuzz,cargo-tool} ${./.ci}/run
            touch $out
          '';
        }
      );
    };
}
