#![no_main]
backfire_fuzz::target!(backfire::fuzz::request_sequence::Sequence);
