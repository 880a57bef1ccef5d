#![no_main]
use backfire::fuzz::{Body, walk::Walk};
libfuzzer_sys::fuzz_target!(|input: Walk| input.check());
