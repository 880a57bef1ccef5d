//! `PUT /_matrix/federation/v1/send/{transaction}`: events are pushed.
//!
//! The answer says `{}` for each event that was stored, not that it was accepted; what a stored event lacks is
//! fetched afterwards. A bad event spoils neither the others nor the answer.

use std::rc::Rc;

use serde_json::{
    Map, Value, json,
    value::{RawValue, to_raw_value},
};

use super::{Answer, Asked};
use crate::{
    homeserver::{
        Homeserver,
        happening::{Happening, Source},
        outbound::TRANSACTION_PDUS_MAX,
    },
    matrix::{error::MatrixError, pdu::Road},
    room::Arrival,
};

impl Homeserver {
    pub(super) async fn answer_send(self: &Rc<Self>, asked: Asked, transaction: &str) -> Answer {
        let key = (asked.origin.clone(), transaction.to_owned());
        let taken = self.store.read().taken_transactions.get(&key).cloned();
        if let Some(answer) = taken {
            return Ok(answer);
        }
        let pdus: Vec<&RawValue> = asked.body.pdus()?;
        if pdus.len() > TRANSACTION_PDUS_MAX {
            return Err(MatrixError::bad_json(format!(
                "{} events, the limit is {TRANSACTION_PDUS_MAX}",
                pdus.len()
            )));
        }
        let source = Source::Peer { server: asked.origin.clone(), endpoint: "send" };
        let mut results = Map::new();
        for pdu in pdus {
            self.take_pushed(pdu, &source, &asked, &mut results).await;
        }
        let answer = to_raw_value(&json!({ "pdus": results })).expect("it is JSON");
        self.store.write(|durable| durable.taken_transactions.insert(key, answer.clone()));
        Ok(answer)
    }

    async fn take_pushed(
        self: &Rc<Self>,
        text: &RawValue,
        source: &Source,
        asked: &Asked,
        results: &mut Map<String, Value>,
    ) {
        let drop = |reason: &str| {
            self.see(Happening::Dropped { event_id: None, source: source.clone(), reason: reason.into() });
        };
        // Without a known room the version is unknown, and with it the id under which to answer.
        let room_id = self.reader.room_of(text.get());
        let version = room_id.as_ref().and_then(|id| Some(self.store.read().rooms.get(id)?.version()));
        let (Some(room_id), Some(version)) = (room_id, version) else { return drop("of no room known here") };
        let id = match (self.habits.reads)(&self.reader, text.get(), version, Road::Ordinary) {
            Ok(unverified) => unverified.event_id().to_owned(),
            Err(error) => return drop(&error.to_string()),
        };
        let shut_out =
            !self.store.read().rooms.get(&room_id).is_some_and(|room| room.acl_allows(&asked.origin));
        let result = if shut_out {
            drop("the sending server is shut out by the room's ACL");
            Err(format!("{} is shut out of the room by its ACL", asked.origin))
        } else {
            self.verify_one(&room_id, version, text, source).await.map_err(|error| error.to_string())
        };
        match result {
            Ok(pdu) => {
                self.take(&room_id, pdu, Arrival::Live, source);
                results.insert(id.to_string(), json!({}));
            }
            Err(reason) => {
                results.insert(id.to_string(), json!({ "error": reason }));
            }
        }
    }
}
