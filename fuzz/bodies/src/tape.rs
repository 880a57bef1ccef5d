//! Decisions from bytes: one byte decides one thing, so that a small change of the input is a small change of
//! what it means. When the bytes run out every decision is the first of its kind, which is the harmless one.

use arbitrary::{Result, Unstructured};

pub(super) fn byte(u: &mut Unstructured<'_>) -> Result<u8> {
    u.arbitrary()
}

/// One of `from`.
pub(super) fn pick<'t, T>(u: &mut Unstructured<'_>, from: &'t [T]) -> Result<&'t T> {
    Ok(&from[below(u, from.len())?])
}

/// A number below `bound`, which is 256 at most.
pub(super) fn below(u: &mut Unstructured<'_>, bound: usize) -> Result<usize> {
    Ok(usize::from(byte(u)?) % bound)
}

/// Yes in `chance` of 256 cases; no at the end of the tape.
pub(super) fn seldom(u: &mut Unstructured<'_>, chance: u8) -> Result<bool> {
    Ok(byte(u)? > u8::MAX - chance)
}
