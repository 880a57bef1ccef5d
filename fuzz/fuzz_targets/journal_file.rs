#![no_main]
backfire_fuzz::target!(backfire::fuzz::journal_file::JournalFile, json);
