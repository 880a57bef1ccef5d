//! The cost of the two walks and of insertion, on rooms of a thousand to a million events.
//!
//! A walk has to cost what its answer costs and not what the room costs. The ratios that are printed last
//! compare the largest room with the smallest. From the tips, as a server is asked again and again, they are
//! expected to stay below 1.5. From starts all over the room they show the processor's cache as well, which
//! holds the small room and not the large one.

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
const SCATTERED_STARTS: usize = 4_000;

type Walk = fn(&EventGraph, &[EventIdx]) -> Vec<EventIdx>;

const WALKS: [(&str, Walk); 2] = [
    ("backfill", |graph, starts| backfill(graph, starts, BACKFILL_LIMIT_MAX)),
    ("missing_events", |graph, starts| missing_events(graph, starts, &[], MISSING_EVENTS_LIMIT_MAX, 0)),
];

fn main() {
    let mut criterion = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .configure_from_args();
    let mut costs = Vec::new();
    for shape in Shape::ALL {
        bench_insertion(&mut criterion, shape);
        let graphs = SIZES.map(|events| room(shape, events));
        for (walk_name, walk) in WALKS {
            let name = format!("{walk_name}/{}", shape.name());
            bench_walk(&mut criterion, &name, walk, &graphs);
            let [smallest, .., largest] = &graphs;
            costs.push((
                format!("{name}, from the tips"),
                compare(walk, [largest, smallest], |graph| vec![tips(graph)]),
            ));
            costs.push((format!("{name}, from anywhere"), compare(walk, [largest, smallest], scattered)));
        }
    }
    criterion.final_summary();
    for (name, [largest, smallest]) in costs {
        let ratio = largest / smallest;
        println!(
            "{name}: {largest:.2} us in the largest room, {smallest:.2} us in the smallest: {ratio:.2} times"
        );
    }
}

fn bench_insertion(criterion: &mut Criterion, shape: Shape) {
    let mut group = criterion.benchmark_group("insert");
    group.sample_size(10);
    group.bench_function(BenchmarkId::new(shape.name(), INSERTED), |bencher| {
        bencher.iter_with_large_drop(|| room(shape, INSERTED));
    });
    group.finish();
}

fn bench_walk(criterion: &mut Criterion, name: &str, walk: Walk, graphs: &[EventGraph]) {
    let mut group = criterion.benchmark_group(name);
    for (events, graph) in SIZES.iter().zip(graphs) {
        let tips = tips(graph);
        group.bench_function(BenchmarkId::from_parameter(events), |bencher| {
            bencher.iter(|| walk(black_box(graph), black_box(&tips)));
        });
    }
    group.finish();
}

/// Single starts all over the newer half of a room, which is deep enough below them for a full answer.
fn scattered(graph: &EventGraph) -> Vec<Vec<EventIdx>> {
    let newer: Vec<EventIdx> = graph.iter().skip(graph.len() / 2).collect();
    (0..SCATTERED_STARTS).map(|nth| vec![newer[nth * 7919 % newer.len()]]).collect()
}

/// Microseconds a walk on each of two graphs.
///
/// Both in turn, so that a busy machine slows both; of many rounds the least disturbed one counts.
fn compare(walk: Walk, graphs: [&EventGraph; 2], starts: fn(&EventGraph) -> Vec<Vec<EventIdx>>) -> [f64; 2] {
    let starts = graphs.map(starts);
    let mut best = [f64::MAX; 2];
    for _ in 0..50 {
        for side in 0..2 {
            best[side] = best[side].min(time(walk, graphs[side], &starts[side]));
        }
    }
    best
}

/// Microseconds a walk.
fn time(walk: Walk, graph: &EventGraph, starts: &[Vec<EventIdx>]) -> f64 {
    let walks = starts.len().max(20);
    let start = WallTime.start();
    for seeds in starts.iter().cycle().take(walks) {
        black_box(walk(black_box(graph), black_box(seeds)));
    }
    WallTime.end(start).as_secs_f64() * 1e6 / walks as f64
}
