//! Parses any bytes as a `.drv` file. What is parsed must mean the same when it is written and parsed again, and writing
//! it a second time must give the same bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nixci::nix::Derivation;

fuzz_target!(|bytes: &[u8]| {
    let Ok(drv) = Derivation::parse(bytes) else {
        return;
    };
    let written = drv.to_aterm();
    let again = Derivation::parse(&written).expect("what is written can be parsed");
    assert_eq!(again, drv);
    assert_eq!(again.to_aterm(), written);
    // These look into what the derivation's author wrote.
    drv.required_system_features();
    drv.prefers_local_build();
    drv.name();
});
