#![no_main]
backfire_fuzz::target!(backfire::fuzz::request::RawRequest, json);
