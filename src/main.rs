//! The `backfire` command.
fn main() {}
