//! A bug that is planted on purpose in the servers under test, to see which targets find it. It is a matter
//! of the whole process: a fuzzer is started with it, and no input can choose one.

use std::cell::Cell;

use backfire::homeserver::{habits::Habits, planted};

thread_local! {
    static BUG: Cell<Option<&'static str>> = const { Cell::new(None) };
}

/// Plants a bug from now on.
///
/// # Panics
///
/// If there is none of this id.
pub fn plant(id: &str) {
    let bug = planted::find(id).unwrap_or_else(|| panic!("no bug `{id}` can be planted"));
    BUG.set(Some(bug.id));
}

/// The bug's id.
pub(super) fn bug() -> Option<&'static str> {
    BUG.get()
}

/// The habits of a server under test.
pub(super) fn habits() -> Habits {
    let ids: Vec<String> = bug().map(str::to_owned).into_iter().collect();
    planted::habits(&ids)
}
