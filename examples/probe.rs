//! Throwaway.
use std::path::Path;
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let scenario = backfire::scenario::Scenario::read(Path::new(&args[1])).unwrap_or_else(|e| panic!("{e}"));
    let seed = args.get(2).map_or(0, |s| s.parse().unwrap());
    let options = backfire::simulation::Options { seed, ..Default::default() };
    let run = backfire::simulation::simulate(&scenario, &options).unwrap_or_else(|e| panic!("{e}"));
    run.journal.write(&mut std::io::stdout()).unwrap();
    eprintln!("{} ms, {}", run.simulated_ms, run.journal.sha256());
}
