#![no_main]
backfire_fuzz::target!(backfire::fuzz::room_file::RoomFile, backfire::fuzz::json_mutator::mutate, a byte one time in 4);
