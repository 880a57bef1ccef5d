//! What becomes of a panic in a server's software: it is the end of this server, not of the world that it
//! runs in.
//!
//! Only the panic hook learns where a panic happened. So the hook keeps that for whoever catches it, and
//! prints nothing of a panic that is caught.

use std::{
    any::Any,
    cell::{Cell, RefCell},
    future::{Future, pending, poll_fn},
    panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind, set_hook, take_hook},
    pin::pin,
    sync::Once,
    task::Poll,
};

/// A panic that was caught.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Panic {
    /// What it says.
    pub message: String,
    /// File, line and column.
    pub place: String,
}

thread_local! {
    static CATCHING: Cell<bool> = const { Cell::new(false) };
    static LAST: RefCell<Option<Panic>> = const { RefCell::new(None) };
}

/// Runs a part of a server's software that does not wait.
///
/// # Errors
///
/// When it panics.
pub fn catch<T>(part: impl FnOnce() -> T) -> Result<T, Panic> {
    keep_instead_of_printing();
    let outer = CATCHING.replace(true);
    // What a panic left half-done is the server's, and the server is not used any more.
    let result = catch_unwind(AssertUnwindSafe(part));
    CATCHING.set(outer);
    result.map_err(|_| LAST.take().unwrap_or_default())
}

/// Runs a part of a server's software that waits. If it panics, that is told, and the part never ends.
pub async fn guard<T>(part: impl Future<Output = T>, on_panic: impl FnOnce(Panic)) -> T {
    let mut part = pin!(part);
    let poll = poll_fn(|context| match catch(|| part.as_mut().poll(context)) {
        Ok(poll) => poll.map(Ok),
        Err(panic) => Poll::Ready(Err(panic)),
    });
    match poll.await {
        Ok(value) => value,
        Err(panic) => {
            on_panic(panic);
            pending().await
        }
    }
}

fn keep_instead_of_printing() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let print = take_hook();
        set_hook(Box::new(move |info| {
            if CATCHING.get() {
                LAST.set(Some(Panic::read(info)));
            } else {
                print(info);
            }
        }));
    });
}

impl Panic {
    fn read(info: &PanicHookInfo<'_>) -> Self {
        let place = info.location().map(|location| {
            format!("{}:{}:{}", in_its_package(location.file()), location.line(), location.column())
        });
        Self { message: words(info.payload()).to_owned(), place: place.unwrap_or_default() }
    }
}

/// What a panic says.
pub fn words(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("a panic without words")
}

/// Where a registry's packages lie differs between machines; what is in them does not.
fn in_its_package(file: &str) -> &str {
    const PACKAGES: &str = "/registry/src/";
    let in_registry = file.split_once(PACKAGES).and_then(|(_, rest)| rest.split_once('/'));
    in_registry.map_or(file, |(_, rest)| rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_caught_with_its_words_and_its_place() {
        let empty: Vec<u8> = Vec::new();
        let panic = catch(|| *empty.first().expect("a byte")).unwrap_err();
        assert_eq!(panic.message, "a byte");
        assert!(panic.place.starts_with("src/ports/panic.rs:"), "{panic:?}");
        assert_eq!(catch(|| 7), Ok(7));
    }

    #[test]
    fn places_in_packages_do_not_name_the_machine() {
        let file = "/home/somebody/.cargo/registry/src/index-1a2b/ruma-common-0.20.2/src/lib.rs";
        assert_eq!(in_its_package(file), "ruma-common-0.20.2/src/lib.rs");
        assert_eq!(in_its_package("src/room/mod.rs"), "src/room/mod.rs");
    }
}
