#![no_main]
backfire_fuzz::target!(backfire::fuzz::scenario_file::ScenarioFile, backfire::fuzz::json_mutator::mutate, a byte one time in 4);
