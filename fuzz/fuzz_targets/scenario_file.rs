#![no_main]
backfire_fuzz::target!(backfire::fuzz::scenario_file::ScenarioFile, json);
