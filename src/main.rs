//! The `backfire` command.

use std::path::Path;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [run, file, seed_flag, seed, journal_flag, journal] = &args[..] else {
        panic!("usage: backfire run FILE --seed N --journal OUT");
    };
    assert_eq!([run, seed_flag, journal_flag], ["run", "--seed", "--journal"]);
    let scenario = backfire::scenario::Scenario::read(Path::new(file)).unwrap_or_else(|e| panic!("{e}"));
    let options = backfire::simulation::Options { seed: seed.parse().unwrap(), ..Default::default() };
    let run = backfire::simulation::simulate(&scenario, &options).unwrap_or_else(|e| panic!("{e}"));
    run.journal.write(&mut std::fs::File::create(journal).unwrap()).unwrap();
    eprintln!("{} ms, {}", run.simulated_ms, run.journal.sha256());
}
