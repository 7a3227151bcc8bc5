use super::relevant;

fn lines(log: &str) -> Vec<String> {
    log.lines().map(ToOwned::to_owned).collect()
}

#[test]
fn what_explains_a_failure_stays() {
    // As GNU hello's build looks with stdenv of Nixpkgs 25.11 when a test fails.
    let log = lines(
        "\
Running phase: unpackPhase
unpacking source archive /nix/store/h-hello-2.12.2.tar.gz
source root is hello-2.12.2
setting SOURCE_DATE_EPOCH to timestamp 1747666357 of file \"hello-2.12.2/ChangeLog\"
Running phase: patchPhase
Running phase: updateAutotoolsGnuConfigScriptsPhase
Running phase: configurePhase
configure flags: --disable-dependency-tracking --prefix=/nix/store/h-hello-2.12.2
checking for a BSD-compatible install... /nix/store/h-coreutils-9.8/bin/install -c
Running phase: buildPhase
build flags: SHELL=/nix/store/h-bash-5.3/bin/bash
make  all-recursive
make[1]: Entering directory '/build/hello-2.12.2'
Making all in po
make[2]: Entering directory '/build/hello-2.12.2/po'
make[2]: Nothing to be done for 'all'.
make[2]: Leaving directory '/build/hello-2.12.2/po'
make[1]: Leaving directory '/build/hello-2.12.2'
buildPhase completed in 1 minutes 12 seconds
Running phase: checkPhase
check flags: SHELL=/nix/store/h-bash-5.3/bin/bash VERBOSE=y check
FAIL: tests/hello-1
hello: unknown option -- x
building the world is not stdenv's
make[3]: *** [Makefile:2038: test-suite.log] Error 1
make[3]: Leaving directory '/build/hello-2.12.2'
make: *** [Makefile:2143: check] Error 2",
    );
    let (kept, left_out) = relevant(&log);
    insta::assert_snapshot!(kept.join("\n"), @r"
    checking for a BSD-compatible install... /nix/store/h-coreutils-9.8/bin/install -c
    make  all-recursive
    Making all in po
    make[2]: Nothing to be done for 'all'.
    FAIL: tests/hello-1
    hello: unknown option -- x
    building the world is not stdenv's
    make[3]: *** [Makefile:2038: test-suite.log] Error 1
    make: *** [Makefile:2143: check] Error 2
    ");
    assert_eq!(left_out, log.len() - kept.len());
}

#[test]
fn older_headings_are_noise_too() {
    let log = lines(
        "unpacking sources\npatching sources\nconfiguring\nbuilding\n\u{1b}[1mrunning tests\u{1b}[0m\nit broke\nmake: Leaving directory '/build'",
    );
    assert_eq!(
        relevant(&log),
        (vec!["it broke", "make: Leaving directory '/build'"], 5)
    );
}

#[test]
fn the_last_line_says_what_went_on() {
    let log = lines("unpacking sources\nunpacking source archive /nix/store/h-x.zip");
    assert_eq!(
        relevant(&log),
        (vec!["unpacking source archive /nix/store/h-x.zip"], 1)
    );
    assert_eq!(relevant(&[]), (vec![], 0));
}
