#![no_main]
backfire_fuzz::target!(backfire_fuzz_bodies::scenario_file::ScenarioFile, backfire_fuzz_bodies::json_mutator::mutate, a byte one time in 4);
