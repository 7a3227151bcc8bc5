//! Parses any bytes as a line of nix-eval-jobs. The attribute of what is parsed must survive being written again.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| nixci::eval::fuzz_line(bytes));
