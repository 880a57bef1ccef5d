#![no_main]
backfire_fuzz::target!(backfire::fuzz::journal_file::JournalFile, backfire::fuzz::json_mutator::mutate, a byte one time in 4);
