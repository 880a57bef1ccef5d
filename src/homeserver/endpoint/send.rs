//! `PUT /_matrix/federation/v1/send/{transaction}`: events are pushed.
//!
//! The answer says `{}` for each event that was stored, not that it was accepted; what a stored event lacks
//! is fetched afterwards. One that lacks a key is not said to be taken, and set aside all the same: the
//! sender won't repeat it. A bad event spoils neither the others nor the answer.

use std::rc::Rc;

use ruma_common::{OwnedEventId, ServerName};
use serde_json::{
    Map, Value, json,
    value::{RawValue, to_raw_value},
};

use super::{Answer, Asked};
use crate::{
    homeserver::{
        Homeserver,
        intake::Failed,
        observation::{DropReason, Observation, Source},
        outbound::TRANSACTION_PDUS_MAX,
        store::{Unverified, Wanted},
    },
    matrix::{
        endpoint::Endpoint,
        error::MatrixError,
        pdu::{Limits, PduError},
        unfit::id_of_unfit,
    },
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
        let source = Source::Peer { server: asked.origin.clone(), endpoint: Endpoint::Send };
        let mut results = Map::new();
        for pdu in pdus {
            if let Some((id, result)) = self.take_pushed(pdu, &source, &asked.origin).await {
                results.insert(id.to_string(), result);
            }
        }
        let answer = to_raw_value(&json!({ "pdus": results })).expect("it is JSON");
        self.store.write(|durable| durable.taken_transactions.insert(key, answer.clone()));
        Ok(answer)
    }

    /// Takes one event that was pushed. Gives what to say of it under its id, if that can be known.
    pub(in crate::homeserver) async fn take_pushed(
        self: &Rc<Self>,
        text: &RawValue,
        source: &Source,
        origin: &ServerName,
    ) -> Option<(OwnedEventId, Value)> {
        let drop = |reason: DropReason| {
            self.see(Observation::Dropped { event_id: None, source: source.clone(), reason });
        };
        let Some(room_id) = self.reader.room_of(text.get()) else {
            drop(DropReason::NoRoom);
            return None;
        };
        let room =
            self.store.read().rooms.get(&room_id).map(|room| (room.version(), room.acl_allows(origin)));
        // Without a known room the version is unknown, and with it the id under which to answer.
        let Some((version, is_let_in)) = room else {
            if !self.keep_for_join(&room_id, text, source) {
                drop(DropReason::UnknownRoom);
            }
            return None;
        };
        let id = match (self.habits.reads)(&self.reader, text.get(), version, Limits::Hold) {
            Ok(unverified) => unverified.event_id().to_owned(),
            Err(error) => {
                let said = json!({ "error": error.to_string() });
                drop(error.into());
                return id_of_unfit(text.get(), version).map(|id| (id, said));
            }
        };
        if !is_let_in {
            drop(DropReason::ShutOut);
            return Some((id, json!({ "error": format!("{origin} is shut out of the room by its ACL") })));
        }
        match self.verify_or_tell(&room_id, version, text, source).await {
            Ok(pdu) => {
                self.take(&room_id, pdu, Arrival::Live, source);
                Some((id, json!({})))
            }
            Err(failed) => {
                if let Failed::LacksKeys(lacks) = &failed {
                    self.set_aside([Unverified {
                        room: room_id,
                        text: text.to_owned(),
                        source: source.clone(),
                        lacks: lacks.clone(),
                        wanted: Wanted::AsNews,
                    }]);
                }
                Some((id, json!({ "error": PduError::from(failed).to_string() })))
            }
        }
    }
}
