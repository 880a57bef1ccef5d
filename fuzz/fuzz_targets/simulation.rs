#![no_main]
backfire_fuzz::target!(backfire_fuzz_bodies::simulation::Tape);
