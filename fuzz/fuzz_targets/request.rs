#![no_main]
backfire_fuzz::target!(backfire_fuzz_bodies::request::RawRequest, backfire_fuzz_bodies::request_mutator::mutate, a byte one time in 16);
