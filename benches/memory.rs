//! How many bytes an event costs in the graph, by the resident memory of this process (Linux only).
//!
//! Counting allocations would need unsafe code. What the system says includes the allocator's slack and the
//! room that growing tables keep, so it is what a user of a large room pays.

mod rooms;

use std::hint::black_box;

use rooms::{Shape, room, tips};

const EVENTS: usize = 1_000_000;

fn main() {
    // Rooms stay alive, or the next one would grow into memory that the system already counts.
    let mut kept = Vec::new();
    for shape in Shape::ALL {
        let before = resident_bytes();
        let graph = room(shape, EVENTS);
        let used = resident_bytes().saturating_sub(before);
        let tips = tips(&graph).len();
        println!("{:<8}{EVENTS} events, {tips} tips: {} bytes an event", shape.name(), used / EVENTS);
        kept.push(graph);
    }
    black_box(kept);
}

fn resident_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux tells a process its memory");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS is always there");
    let kib = line.trim().trim_end_matches("kB").trim();
    kib.parse::<usize>().expect("VmRSS is a number") * 1024
}
