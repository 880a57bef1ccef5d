#![no_main]
backfire_fuzz::target!(backfire::fuzz::canary::Canary);
