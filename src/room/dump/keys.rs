//! The keys file that goes with a dump: per server its name, its public keys and until when they hold.

use std::collections::BTreeMap;

use ruma_common::OwnedServerName;
use serde::{Deserialize, Serialize};

use super::DumpError;
use crate::matrix::keys::{KeyRing, PublicKey, decode};

/// One server of a keys file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ServerKeys {
    pub(super) server_name: OwnedServerName,
    pub(super) verify_keys: BTreeMap<String, String>,
    pub(super) valid_until_ts: u64,
}

/// Reads a keys file.
///
/// # Errors
///
/// When it has another shape, or a key is not 32 bytes of unpadded base64.
pub fn read_keys(file: &str, text: &str) -> Result<KeyRing, DumpError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text).trim_end();
    let servers: Vec<ServerKeys> = serde_json::from_str(text).map_err(|error| DumpError::Keys {
        file: file.to_owned(),
        line: error.line(),
        column: error.column(),
        problem: error.to_string(),
    })?;
    let mut keys = KeyRing::default();
    for server in servers {
        for (key_id, value) in server.verify_keys {
            let Some(bytes) = decode(&value).filter(|bytes| bytes.len() == 32) else {
                return Err(DumpError::Key {
                    file: file.to_owned(),
                    server: server.server_name,
                    key_id,
                    value,
                });
            };
            let key = PublicKey { bytes, valid_until: server.valid_until_ts, expired: false };
            keys.insert(&server.server_name, &key_id, key);
        }
    }
    Ok(keys)
}
