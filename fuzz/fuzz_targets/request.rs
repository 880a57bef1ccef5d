#![no_main]
backfire_fuzz::target!(backfire::fuzz::request::RawRequest, backfire::fuzz::request_mutator::mutate, a byte one time in 16);
