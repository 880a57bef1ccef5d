//! `GET /_matrix/federation/v1/version`

use serde_json::{Value, json};

pub(super) fn version() -> Value {
    json!({ "server": { "name": env!("CARGO_PKG_NAME"), "version": env!("CARGO_PKG_VERSION") } })
}
