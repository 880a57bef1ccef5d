//! What speaks against an invariant, each of a kind.
//!
//! By its kind a failure is known: what is counted together and what a shrunk scenario must still show. The
//! message is for people, and its words decide nothing.

use std::fmt::Display;

use ruma_common::{EventId, OwnedEventId};

use crate::journal::Violation;

/// One of the ways in which an invariant may fail to hold.
pub(super) trait AnyKind {
    /// Small letters and `-`.
    fn name(self) -> &'static str;
}

/// Lists the ways in which the invariant of a file may fail to hold.
///
/// What another mistake in a server would bring about is another kind, or a shrunk scenario may show another
/// failure; what one mistake brings about in two runs is the same kind, or campaigns count it twice. Where
/// one of them is [narrowed](Finding::of), its comment says by what.
macro_rules! kinds {
    ($($(#[$why:meta])* $kind:ident $name:literal,)*) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(in crate::check) enum Kind { $($(#[$why])* $kind,)* }

        impl Kind {
            /// The names of all.
            pub(in crate::check) const NAMES: &'static [&'static str] = &[$($name,)*];
        }

        impl crate::check::finding::AnyKind for Kind {
            fn name(self) -> &'static str {
                match self { $(Self::$kind => $name,)* }
            }
        }
    };
}
pub(super) use kinds;

/// What speaks against an invariant, before it is given the invariant's name.
pub(super) struct Finding {
    kind: &'static str,
    of: Option<String>,
    server: Option<String>,
    event: Option<OwnedEventId>,
    message: String,
}

impl Finding {
    /// That something is wrong, on no server in particular.
    pub(super) fn new(kind: impl AnyKind, message: impl Into<String>) -> Self {
        Self { kind: kind.name(), of: None, server: None, event: None, message: message.into() }
    }

    /// That something is wrong on a server.
    pub(super) fn on(server: &str, kind: impl AnyKind, message: impl Into<String>) -> Self {
        Self::new(kind, message).by(Some(server))
    }

    pub(super) fn by(mut self, server: Option<&str>) -> Self {
        self.server = server.map(str::to_owned);
        self
    }

    pub(super) fn about(mut self, event: &EventId) -> Self {
        self.event = Some(event.to_owned());
        self
    }

    /// Narrows the kind by what makes this another failure: an endpoint, a place in the code. Never by what
    /// differs from run to run.
    pub(super) fn of(mut self, what: impl Display) -> Self {
        self.of = Some(what.to_string());
        self
    }

    pub(super) fn violates(self, invariant: &str) -> Violation {
        let kind = self.of.map_or_else(|| self.kind.to_owned(), |of| format!("{}:{of}", self.kind));
        Violation {
            invariant: invariant.to_owned(),
            kind,
            server: self.server,
            event_id: self.event,
            message: self.message,
        }
    }
}
