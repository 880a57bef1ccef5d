//! The SQL in `docs/import.md` gives dumps that are judged, and keys that check: on SQLite, with the columns
//! of Synapse's tables. Where there is no Python with `sqlite3` this says so and tests nothing.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value;

fn in_repo(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The block of SQL with this name.
fn sql(name: &str, room: &str) -> String {
    let docs = fs::read_to_string(in_repo("docs/import.md")).unwrap();
    let start = format!("```sql {name}\n");
    let (_, rest) = docs.split_once(&start).unwrap_or_else(|| panic!("docs/import.md: no {start}"));
    rest.split_once("```").unwrap().0.replace("!room:example.org", room)
}

fn query(room: &str, name: &str) -> String {
    let dump = in_repo(&format!("tests/fixtures/rooms/{room}.ndjson"));
    let first: Value =
        serde_json::from_str(fs::read_to_string(&dump).unwrap().lines().next().unwrap()).unwrap();
    let database = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("synapse-{room}-{name}.db"));
    let _ = fs::remove_file(&database);
    let mut python = Command::new("python3")
        .arg(in_repo("tests/fixtures/sql/synapse.py"))
        .args([&database, &dump, &in_repo("tests/fixtures/rooms/keys.json")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let sql = sql(name, first["room_id"].as_str().unwrap());
    python.stdin.take().unwrap().write_all(sql.as_bytes()).unwrap();
    let output = python.wait_with_output().unwrap();
    assert!(output.status.success(), "{room}: {name}");
    String::from_utf8(output.stdout).unwrap()
}

fn check(dump: &Path, keys: &Path) -> Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_backfire"));
    let output =
        command.args(["room", "check", "--json"]).arg(dump).arg("--keys").arg(keys).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn the_queries_give_the_room_and_its_keys() {
    let python = Command::new("python3").args(["-c", "import sqlite3"]).output();
    if !python.is_ok_and(|output| output.status.success()) {
        eprintln!("no python3 with sqlite3: the queries were not run");
        return;
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    for room in ["members60.a", "faulty.a", "v2.a", "v10.a", "v11.a"] {
        let (dump, keys) =
            (folder.join(format!("{room}.sql.ndjson")), folder.join(format!("{room}.keys.json")));
        fs::write(&dump, query(room, "sqlite")).unwrap();
        fs::write(&keys, query(room, "sqlite-keys")).unwrap();
        let original = check(
            &in_repo(&format!("tests/fixtures/rooms/{room}.ndjson")),
            &in_repo("tests/fixtures/rooms/keys.json"),
        );
        let exported = check(&dump, &keys);
        for field in ["events", "invalid", "rejected", "missing", "state"] {
            assert_eq!(exported[field], original[field], "{room}: {field}");
        }
        let judged = |report: &Value| {
            report["accepted"].as_u64().unwrap() as usize + report["soft_failed"].as_array().unwrap().len()
        };
        assert_eq!(judged(&exported), judged(&original), "{room}");
    }
}
