# A flake to see nixci's matrix on: `nixci check --all-systems ./examples/matrix`.
#
# Its checks exist for two systems. Some pass, `lint` fails, `login` and `upload` break because the `fixtures` that they
# share do, and five of them wait for one `library`. They only pretend to work, so nothing but Nix is needed: no
# Nixpkgs, no network, and of the sandbox no more than its shell.
{
  description = "Checks that pass, fail and share dependencies, for two systems";

  outputs =
    { self }:
    let
      systems = [
        "x86_64-linux"
        "aarch64-linux"
      ];

      # Builds something in named phases. A phase has a duration in seconds and the lines it logs, one every second.
      pretend =
        system: name:
        {
          needs ? [ ],
          phases,
          fails ? false,
        }:
        derivation {
          inherit name system needs;
          builder = "/bin/sh";
          args = [
            "-euc"
            ''
              # The sandbox has no `sleep`: wait for a terminal on which nobody writes.
              nap() {
                if [ -x /bin/sleep ]; then /bin/sleep "$1"; else read -r -t "$1" _ <>/dev/ptmx || :; fi
              }
              ${builtins.concatStringsSep "\n" (map phase phases)}
              ${if fails then "exit 1" else "echo done > $out"}
            ''
          ];
        };

      phase =
        { name, log }:
        ''
          echo '@nix {"action":"setPhase","phase":"${name}"}' >&2
        ''
        + builtins.concatStringsSep "\n" (map (line: "echo '${line}'; nap 1") log);

      unpack = {
        name = "unpackPhase";
        log = [ "unpacking sources" ];
      };
      build = lines: {
        name = "buildPhase";
        log = lines;
      };
      test = lines: {
        name = "checkPhase";
        log = lines;
      };

      checksFor =
        system:
        let
          make = pretend system;
          library = make "library" {
            phases = [
              unpack
              (build [
                "[1/3] compiling parser"
                "[2/3] compiling solver"
                "[3/3] linking library"
              ])
            ];
          };
          server = make "server" {
            needs = [ library ];
            phases = [
              (build [
                "compiling routes"
                "linking server"
              ])
            ];
          };
          fixtures = make "fixtures" {
            needs = [ library ];
            phases = [
              unpack
              (build [
                "generating 200 users"
                "error: fixture 117 has no e-mail address"
              ])
            ];
            fails = true;
          };
          testOf =
            name: needs: lines:
            make name {
              inherit needs;
              phases = [ (test lines) ];
            };
        in
        {
          inherit library;
          docs = make "docs" {
            needs = [ library ];
            phases = [
              (build [
                "rendering 12 pages"
                "checking 148 links"
              ])
            ];
          };
          format = testOf "format" [ ] [ "61 files are formatted" ];
          licences = testOf "licences" [ ] [ "214 dependencies, 6 licences" ];
          lint = make "lint" {
            phases = [
              (test [
                "linting 61 files"
                "src/solver.c:88: warning: unused variable: depth"
                "src/solver.c:131: error: comparison is always true"
              ])
            ];
            fails = true;
          };
          login = testOf "login" [
            server
            fixtures
          ] [ "12 tests passed" ];
          unit = testOf "unit" [ library ] [
            "running 340 tests"
            "340 tests passed"
          ];
          upgrade = testOf "upgrade" [ server ] [
            "starting version 1"
            "upgrading to version 2"
            "upgraded in 1 s"
          ];
          upload = testOf "upload" [
            server
            fixtures
          ] [ "8 tests passed" ];
        };
    in
    {
      checks = builtins.listToAttrs (
        map (system: {
          name = system;
          value = checksFor system;
        }) systems
      );
    };
}
