//! Why a request is made: travels with it as an extension, so that whoever watches the network can tell.

/// Why a request is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause(pub String);
