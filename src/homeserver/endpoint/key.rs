//! `GET /_matrix/key/v2/server`, and `GET /_matrix/key/v2/query/{server}` for those who can't reach that
//! server.

use ruma_common::ServerName;
use serde_json::{Value, json};

use super::{Answer, answer};
use crate::{
    homeserver::Homeserver,
    matrix::{error::MatrixError, keys::key_document},
};

impl Homeserver {
    pub(super) fn key_document(&self) -> Value {
        let durable = self.store.read();
        let valid_until = self.now() + self.habits.key_validity_ms;
        key_document(&self.name, &durable.signing_key, &durable.retired_keys, valid_until, &self.crypto)
    }

    pub(super) fn answer_key_query(&self, server: &str) -> Answer {
        let server = <&ServerName>::try_from(server).map_err(|error| {
            MatrixError::invalid_param(format!("`{server}` is not a server name: {error}"))
        })?;
        if *server == self.name {
            return answer(&json!({ "server_keys": [self.key_document()] }));
        }
        let durable = self.store.read();
        let known: Vec<_> = durable.key_documents.get(server).into_iter().collect();
        answer(&json!({ "server_keys": known }))
    }
}
