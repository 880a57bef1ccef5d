//! The cost of the two walks and of insertion, on rooms of a thousand to a million events.
//!
//! A walk has to cost what its answer costs and not what the room costs: the ratios that are printed last compare
//! the largest room with the smallest, and are expected to stay below 1.5.

mod rooms;

use std::hint::black_box;
use std::time::Duration;

use backfire::room::graph::{EventGraph, EventIdx};
use backfire::room::walk::{BACKFILL_LIMIT_MAX, MISSING_EVENTS_LIMIT_MAX, backfill, missing_events};
use criterion::measurement::{Measurement, WallTime};
use criterion::{BenchmarkId, Criterion};
use rooms::{Shape, room, tips};

const SIZES: [usize; 4] = [1_000, 10_000, 100_000, 1_000_000];
const INSERTED: usize = 100_000;

/// One room with the request that is put to it.
struct Subject {
    graph: EventGraph,
    tips: Vec<EventIdx>,
}

type Walk = fn(&Subject) -> Vec<EventIdx>;

const WALKS: [(&str, Walk); 2] = [
    ("backfill", |room| backfill(&room.graph, &room.tips, BACKFILL_LIMIT_MAX)),
    ("missing_events", |room| missing_events(&room.graph, &room.tips, &[], MISSING_EVENTS_LIMIT_MAX, 0)),
];

fn main() {
    let mut criterion = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .configure_from_args();
    let mut ratios = Vec::new();
    for shape in Shape::ALL {
        bench_insertion(&mut criterion, shape);
        let subjects = SIZES.map(|events| subject(shape, events));
        for (walk_name, walk) in WALKS {
            let name = format!("{walk_name}/{}", shape.name());
            bench_walk(&mut criterion, &name, walk, &subjects);
            ratios.push((name, largest_to_smallest(walk, &subjects)));
        }
    }
    criterion.final_summary();
    for (name, ratio) in ratios {
        println!("{name}: {} events cost {ratio:.2} times what {} cost", SIZES[3], SIZES[0]);
    }
}

fn subject(shape: Shape, events: usize) -> Subject {
    let graph = room(shape, events);
    let tips = tips(&graph);
    Subject { graph, tips }
}

fn bench_insertion(criterion: &mut Criterion, shape: Shape) {
    let mut group = criterion.benchmark_group("insert");
    group.sample_size(10);
    group.bench_function(BenchmarkId::new(shape.name(), INSERTED), |bencher| {
        bencher.iter_with_large_drop(|| room(shape, INSERTED));
    });
    group.finish();
}

fn bench_walk(criterion: &mut Criterion, name: &str, walk: Walk, subjects: &[Subject]) {
    let mut group = criterion.benchmark_group(name);
    for (events, subject) in SIZES.iter().zip(subjects) {
        group.bench_function(BenchmarkId::from_parameter(events), |bencher| {
            bencher.iter(|| walk(black_box(subject)));
        });
    }
    group.finish();
}

/// Both rooms in turn, so that a busy machine slows both; of many rounds the least disturbed one counts.
fn largest_to_smallest(walk: Walk, subjects: &[Subject]) -> f64 {
    let (mut smallest, mut largest) = (Duration::MAX, Duration::MAX);
    for _ in 0..200 {
        smallest = smallest.min(time(walk, &subjects[0]));
        largest = largest.min(time(walk, &subjects[subjects.len() - 1]));
    }
    largest.as_secs_f64() / smallest.as_secs_f64()
}

fn time(walk: Walk, subject: &Subject) -> Duration {
    let start = WallTime.start();
    for _ in 0..20 {
        black_box(walk(black_box(subject)));
    }
    WallTime.end(start)
}
