//! Which room of the house uses which: the table in `ARCHITECTURE.md` is what `src` really does.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// The rooms by their names, each with those that it uses.
type Uses = BTreeMap<String, BTreeSet<String>>;

fn in_repo(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The rows of the table, from the lowest room to the highest: the room, and those that it uses.
fn table() -> Vec<(String, BTreeSet<String>)> {
    let text = fs::read_to_string(in_repo("ARCHITECTURE.md")).unwrap();
    let rows = text.lines().skip_while(|line| !line.starts_with("| room |")).skip(2);
    let rows = rows.take_while(|line| line.starts_with('|'));
    let words = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<BTreeSet<_>>();
    let row = |line: &str| {
        let cells: Vec<&str> = line.split('|').collect();
        (words(cells[1]).pop_first().expect("a row is of a room"), words(cells[3]))
    };
    rows.map(row).collect()
}

/// What the code of each room uses of others.
fn used() -> Uses {
    let mut uses = Uses::new();
    for entry in fs::read_dir(in_repo("src")).unwrap() {
        let path = entry.unwrap().path();
        let room = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() || !["lib", "main"].contains(&&*room) {
            let mut used: BTreeSet<String> = code(&path).iter().flat_map(|code| roots(code)).collect();
            used.remove(&room);
            uses.insert(room, used);
        }
    }
    uses
}

/// The code of a file or of all files of a folder, without comments.
fn code(path: &Path) -> Vec<String> {
    if path.is_dir() {
        return fs::read_dir(path).unwrap().flat_map(|entry| code(&entry.unwrap().path())).collect();
    }
    if path.extension().is_none_or(|extension| extension != "rs") {
        return Vec::new();
    }
    let text = fs::read_to_string(path).unwrap();
    let lines = text.lines().map(|line| line.split("//").next().unwrap_or_default());
    vec![lines.collect::<Vec<_>>().join("\n")]
}

/// The first words of all paths from the crate's root, those of `crate::{ ... }` among them.
fn roots(code: &str) -> Vec<String> {
    code.match_indices("crate::").flat_map(|(at, root)| firsts(&code[at + root.len()..])).collect()
}

fn firsts(path: &str) -> Vec<String> {
    let Some(list) = path.strip_prefix('{') else { return vec![first(path)] };
    let (mut depth, mut start, mut found) = (1, 0, Vec::new());
    for (at, letter) in list.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 || depth == 1 && letter == ',' {
            found.push(first(list[start..at].trim_start()));
            start = at + 1;
        }
        if depth == 0 {
            break;
        }
    }
    found.retain(|word| !word.is_empty());
    found
}

fn first(path: &str) -> String {
    path.chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect()
}

#[test]
fn rooms_use_what_the_table_says() {
    let table: Uses = table().into_iter().collect();
    let used = used();
    assert!(used.keys().eq(table.keys()), "{:?} are in src", used.keys());
    for (room, uses) in &used {
        assert_eq!(uses, &table[room], "left: what {room} uses; right: what ARCHITECTURE.md says");
    }
}

#[test]
fn lower_rooms_never_know_upper_ones() {
    let mut lower = BTreeSet::new();
    for (room, uses) in table() {
        assert!(uses.is_subset(&lower), "{room} stands above {uses:?}");
        lower.insert(room);
    }
}

#[test]
fn paths_are_read_in_every_shape() {
    let code = "use crate::{\n    a::{self, b::c},\n    d,\n};\nuse crate::e::f; fn g() { crate::h(); }\nuse crate::{i, j::{k}};";
    assert_eq!(roots(code), ["a", "d", "e", "h", "i", "j"]);
}
