//! Every planted bug is caught by the invariant that it is filed under, and its scenario holds without it.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use backfire::{
    campaign::zoo::visit,
    check,
    homeserver::planted::{ALL, Planted, find, habits},
    matrix::endpoint::Endpoint,
    scenario::{PLANTED, Scenario},
    simulation::Fabric,
};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/zoo")
}

fn scenario(planted: &Planted) -> Scenario {
    let path = folder().join(planted.id).with_extension("json");
    Scenario::read(&path).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn every_bug_is_caught_and_only_where_it_is_planted() {
    let mut problems = Vec::new();
    for (planted, fabric) in
        ALL.iter().flat_map(|planted| [Fabric::Turmoil, Fabric::Direct].map(|fabric| (planted, fabric)))
    {
        let result = visit(planted, &scenario(planted), 0, fabric).unwrap();
        let id = planted.id;
        let also: Vec<&str> =
            result.violated().into_iter().filter(|name| *name != planted.caught_by).collect();
        let stale = (also != planted.follows).then(|| format!("{also:?} follow, not {:?}", planted.follows));
        let problem = result.problem().or(stale);
        problems.extend(problem.map(|problem| format!("{id} on {}: {problem}", fabric.name())));
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn every_bug_has_its_scenario_and_every_scenario_its_bug() {
    let names = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let scenarios = names.filter(|path| path.extension().is_some_and(|kind| kind == "json"));
    let scenarios: BTreeSet<String> =
        scenarios.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    let bugs: BTreeSet<String> = ALL.iter().map(|planted| planted.id.to_owned()).collect();
    assert_eq!(scenarios, bugs);
}

#[test]
fn every_bug_is_planted_in_its_scenario_alone() {
    for planted in ALL {
        let scenario = scenario(planted);
        let ids: Vec<&String> = scenario.servers.values().flat_map(|server| &server.planted).collect();
        assert_eq!(ids, [planted.id]);
    }
}

#[test]
fn the_register_is_in_order_and_speaks_of_invariants_that_there_are() {
    assert!(ALL.is_sorted_by_key(|planted| planted.id));
    let ids: Vec<&str> = ALL.iter().map(|planted| planted.id).collect();
    assert_eq!(ids, PLANTED, "the ids that scenarios know");
    for planted in ALL {
        assert_eq!(find(planted.id).unwrap().id, planted.id);
        for name in planted.follows.iter().chain([&planted.caught_by]) {
            let known = check::ALL.iter().any(|invariant| invariant.name == *name);
            assert!(known, "{}: there is no invariant {name}", planted.id);
        }
    }
}

#[test]
fn bugs_of_one_server_add_up() {
    let ids: Vec<String> = ALL.iter().map(|planted| planted.id.to_owned()).collect();
    let all = habits(&ids);
    assert_eq!(all.trusted_endpoints, [Endpoint::GetMissingEvents, Endpoint::SendJoin]);
    assert!(!all.stops_at_earliest && !all.room.revives_outliers && !all.checks_who_joins);
    assert_eq!(habits(&[]).trusted_endpoints, []);
}

#[test]
fn the_readme_has_every_bug() {
    let readme = fs::read_to_string(folder().join("README.md")).unwrap();
    for planted in ALL {
        let row = format!("| {} | {}, {} | {} |", planted.id, planted.source, planted.year, planted.does);
        let row_is_there = readme.lines().any(|line| line.starts_with(&row));
        assert!(row_is_there, "scenarios/zoo/README.md lacks a row that begins with\n{row}");
        let caught_by = format!("| {} |", planted.caught_by);
        let caught = readme.lines().any(|line| line.starts_with(&row) && line.ends_with(&caught_by));
        assert!(caught, "{}: its row does not end with `{caught_by}`", planted.id);
    }
}
