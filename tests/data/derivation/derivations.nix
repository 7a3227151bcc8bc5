let
  drv = name: attrs: derivation ({ inherit name; system = "x86_64-linux"; builder = "/bin/sh"; args = [ "-c" "echo > $out" ]; } // attrs);
  lib = drv "lib" { outputs = [ "out" "dev" "man" ]; };
  source = builtins.toFile "source.txt" "a source\n";
  fixed = drv "fixed" { outputHash = "sha256-AbpHGcgLb+kRsJGnwFEktk7uzpZOCcBY74+YBdrKVGs="; outputHashAlgo = "sha256"; outputHashMode = "flat"; };
  fixed-recursive = drv "fixed-recursive" { outputHash = "sha256-AbpHGcgLb+kRsJGnwFEktk7uzpZOCcBY74+YBdrKVGs="; outputHashMode = "recursive"; };
  floating = drv "floating" { __contentAddressed = true; outputHashAlgo = "sha256"; outputHashMode = "recursive"; requiredSystemFeatures = [ "kvm" ]; };
  impure = drv "impure" { __impure = true; outputHashAlgo = "sha256"; outputHashMode = "recursive"; };
  deferred = drv "deferred" { inherit floating; };
  producer = drv "producer.drv" { __contentAddressed = true; outputHashAlgo = "sha256"; outputHashMode = "text"; };
in {
  plain = drv "plain" {};
  inherit fixed fixed-recursive floating impure deferred lib;
  user = drv "user" { inherit source; lib = lib.dev; man = lib.man; requiredSystemFeatures = [ "big-parallel" "kvm" ]; preferLocalBuild = true; };
  structured = drv "structured" { __structuredAttrs = true; requiredSystemFeatures = [ "nixos-test" ]; preferLocalBuild = true; lists = [ 1 "two" { three = 3; } ]; };
  hostile = drv "hostile" { text = "quote \" backslash \\ newline \n return \r tab \t dollar \${x} escape ${builtins.fromJSON "\"\\u001b\""}[31m ümläut 🦀"; empty = ""; args = [ "" "\\n" "\"" ]; };
  dynamic = drv "dynamic" { a = builtins.outputOf producer.outPath "out"; b = builtins.outputOf (builtins.outputOf producer.outPath "out") "lib"; };
}
