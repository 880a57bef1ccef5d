//! Answers that a script has a server give in place of its own.

use bytes::Bytes;
use http::StatusCode;
use serde_json::{Map, Value, json};

use super::ScriptedAnswer;
use crate::{
    matrix::{
        endpoint::{Endpoint, List},
        error::json_response,
    },
    scenario::Answer,
    simulation::{disturbances::Turns, player::Player},
};

impl Player<'_> {
    pub(in crate::simulation) fn tell_answer(&self, answer: &Answer) -> Result<(), String> {
        let response = if answer.hang { None } else { Some(self.scripted_body(answer)?) };
        let about =
            answer.about.as_ref().map(|reference| self.ids_of(&answer.server, reference)).transpose()?;
        self.scripts.answers.borrow_mut().push(ScriptedAnswer {
            server: answer.server.clone(),
            asker: answer.to.clone(),
            endpoint: answer.endpoint,
            about: about.and_then(|ids| ids.into_iter().next()),
            turns: Turns::new(answer.skip, answer.times),
            response,
        });
        Ok(())
    }

    fn scripted_body(&self, answer: &Answer) -> Result<(u16, Bytes), String> {
        let status = answer.status.unwrap_or(200);
        if let Some(body) = &answer.body {
            let bytes = match body {
                Value::String(text) => Bytes::from(text.clone()),
                other => Bytes::from(other.to_string()),
            };
            return Ok((status, bytes));
        }
        let Some(events) = &answer.events else {
            let error = json!({ "errcode": "M_UNKNOWN", "error": "told to answer so" });
            return Ok((status, Bytes::from(error.to_string())));
        };
        let ids = self.ids(&answer.server, events)?;
        let auth = self.ids(&answer.server, &answer.auth)?;
        let mut body = Map::new();
        if matches!(answer.endpoint, Endpoint::Backfill | Endpoint::Event) {
            body.insert("origin".to_owned(), self.scenario.matrix_name(&answer.server).into());
            body.insert("origin_server_ts".to_owned(), 0.into());
        }
        let lists = match (answer.endpoint.events(), answer.endpoint.auth_chain()) {
            (None, chain) => [(chain, ids), (None, auth)],
            (events, chain) => [(events, ids), (chain, auth)],
        };
        for (list, ids) in lists {
            match list {
                Some(List::Events(key)) => drop(body.insert(key.to_owned(), json!(self.jsons(&ids)?))),
                Some(List::Ids(key)) => drop(body.insert(key.to_owned(), json!(ids))),
                None => {}
            }
        }
        Ok((status, json_response(StatusCode::OK, &body).into_body()))
    }
}
