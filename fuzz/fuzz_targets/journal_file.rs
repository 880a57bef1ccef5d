#![no_main]
backfire_fuzz::target!(backfire_fuzz_bodies::journal_file::JournalFile, backfire_fuzz_bodies::json_mutator::mutate, a byte one time in 4);
