//! `backfire study linearisation` on few seeds: every recovery becomes whole under every order, the same
//! figures come again, and table, CSV and page agree.

use std::{collections::BTreeSet, fs, path::Path, process::Command};

use serde_json::Value;

#[test]
fn the_study_recovers_everything_and_repeats_itself() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let study = |run: &str| {
        let (csv, page) = (folder.join(format!("study-{run}.csv")), folder.join(format!("study-{run}.html")));
        let mut command = Command::new(env!("CARGO_BIN_EXE_backfire"));
        command.args(["study", "linearisation", "--seeds", "2", "--events", "60", "--json", "--csv"]);
        let output = command.arg(&csv).arg("--report").arg(&page).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        let rows: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
        (rows, fs::read_to_string(csv).unwrap(), fs::read_to_string(page).unwrap())
    };
    let (rows, csv, page) = study("one");
    assert_eq!((rows.clone(), csv.clone(), page.clone()), study("other"));

    // Four shapes, two roads, five orders.
    assert_eq!(rows.len(), 40);
    assert_eq!(csv.lines().count(), 1 + 40 * 2);
    for row in &rows {
        assert_eq!(row["whole"], 2, "{row}");
        let key = ["shape", "road", "order"].map(|field| row[field].as_str().unwrap());
        let own = csv.lines().filter(|line| line.starts_with(&format!("{},{},{},", key[0], key[1], key[2])));
        let requests: Vec<f64> = own.map(|line| line.split(',').nth(5).unwrap().parse().unwrap()).collect();
        assert_eq!(row["requests"][0], requests.iter().sum::<f64>() / 2.0, "{row}");
        // No answer has more than 20 events.
        assert!(requests.iter().all(|count| *count >= 60.0 / 20.0), "{row}: too good to be true");
    }
    let distinct: BTreeSet<String> = rows.iter().map(|row| row["requests"].to_string()).collect();
    assert!(distinct.len() > 5, "the orders make no difference: {distinct:?}");
    assert!(!page.contains("<script") && !page.contains("http"), "the page stands by itself");
    assert_eq!(page.matches("<svg viewBox=\"0 0 420").count(), 8);
}
