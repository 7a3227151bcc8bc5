//! Takes any bytes as a webhook of any forge, as one whose signature was right.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nixci::forge::fuzz_hook;

fuzz_target!(|bytes: &[u8]| fuzz_hook(bytes));
