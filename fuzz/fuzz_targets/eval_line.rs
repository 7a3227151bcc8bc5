//! Takes any bytes as what evaluators write: lines of nix-eval-jobs, warnings and traces, error texts of Nix.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nixci::eval::fuzz_evaluation;

fuzz_target!(|bytes: &[u8]| fuzz_evaluation(bytes));
