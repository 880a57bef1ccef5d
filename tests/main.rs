//! The tests of the library and of the command in one binary, since each binary links all of Backfire once
//! more. `cargo test checks::` runs those of one file.

mod answer_orders;
mod checks;
mod cli_room;
mod crash_points;
mod determinism;
mod evidence;
mod explore;
mod fabrics;
mod faults;
mod guest;
mod import_sql;
mod journal_format;
mod lies;
mod marks;
mod own_homeserver;
mod pdu_vectors;
mod real_events;
mod real_exchanges;
mod real_rooms;
mod report;
mod resolution;
mod restricted_join;
mod rooms;
mod run;
mod scenario_errors;
mod study;
mod support;
mod tutorial;
mod zoo;
