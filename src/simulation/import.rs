//! A room of real servers as the starting point: every server gets the part that the scenario says it holds.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use ruma_common::{OwnedEventId, OwnedRoomId};

use super::{player::Node, recorder::Recorder};
use crate::{
    journal::{Source, What},
    matrix::{keys::KeyRing, pdu::Pdu, version::RoomVersion},
    room::{
        Arrival, Room,
        dump::{self, Dump, Verified},
        state::StateMap,
    },
    scenario::{Holdings, ImportedRoom, Scenario},
};

/// A room that was read and not handed out yet.
pub(super) struct Import<'a> {
    imported: &'a ImportedRoom,
    verified: Verified,
    /// The keys that its events are signed with.
    pub(super) keys: KeyRing,
}

/// Reads the dump and its keys.
pub(super) fn read_import<'a>(scenario: &Scenario, imported: &'a ImportedRoom) -> Result<Import<'a>, String> {
    let read = |path: &str| {
        let path = scenario.resolve(path);
        let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok::<_, String>((path.display().to_string(), text))
    };
    let (keys_file, keys) = read(&imported.keys)?;
    let keys = dump::read_keys(&keys_file, &keys).map_err(|error| error.to_string())?;
    let (file, text) = read(&imported.import)?;
    let verified = Dump::parse(&file, &text).map_err(|error| error.to_string())?.verify(Some(&keys));
    if let Some(invalid) = verified.invalid.first() {
        return Err(format!("{}: {}", invalid.place, invalid.reason));
    }
    Ok(Import { imported, verified, keys })
}

impl Import<'_> {
    /// The room's version.
    pub(super) fn version(&self) -> RoomVersion {
        self.verified.version
    }

    /// Fills the stores of all servers.
    pub(super) fn hand_out(&self, nodes: &BTreeMap<String, Node>, recorder: &Recorder) -> OwnedRoomId {
        let whole = self.verified.judge();
        for (host, node) in nodes {
            let room = match self.imported.holdings.get(host).copied().unwrap_or(Holdings::All) {
                Holdings::All => whole.clone(),
                Holdings::Last(count) => last_part(&whole, &self.verified, count as usize),
            };
            for pdu in room.graph().iter().filter_map(|idx| room.event_at(idx)) {
                let (event, first) = (pdu.event_id().clone(), recorder.first_sight(pdu));
                recorder.record(Some(host), What::Received { event, from: Source::Import, pdu: first });
            }
            recorder.state_changed(host, room.state_changes_since(&StateMap::new()));
            node.store.write(|durable| durable.keys.extend(&self.keys));
            node.running.borrow().as_ref().expect("all servers run at the start").adopt(room);
        }
        self.verified.room_id.clone()
    }
}

/// The last events of the dump's order with the state before the oldest of them, as a server has it that
/// joined there.
fn last_part(whole: &Room, verified: &Verified, count: usize) -> Room {
    let kept = &verified.pdus[verified.pdus.len().saturating_sub(count)..];
    let ids: BTreeSet<&OwnedEventId> = kept.iter().map(|pdu| pdu.event_id()).collect();
    let edge: BTreeSet<&OwnedEventId> =
        kept.iter().flat_map(|pdu| pdu.prev_events()).filter(|id| !ids.contains(id)).collect();

    let mut needed = BTreeSet::new();
    let mut claims: Vec<(&OwnedEventId, Vec<OwnedEventId>)> = Vec::new();
    for id in edge {
        let Some(state) = whole.state_before(id) else { continue };
        needed.extend(whole.auth_chain(state.values().copied()));
        needed.extend(state.values().copied());
        needed.extend(whole.graph().get(id));
        needed.extend(whole.auth_chain(whole.graph().get(id).into_iter()));
        claims.push((id, state.values().map(|idx| whole.graph().id(*idx).to_owned()).collect()));
    }
    for pdu in kept {
        needed.extend(whole.auth_chain(whole.graph().get(pdu.event_id()).into_iter()));
    }
    let outliers: Vec<Arc<Pdu>> = needed
        .into_iter()
        .filter(|idx| !ids.contains(&whole.graph().id(*idx).to_owned()))
        .filter_map(|idx| whole.event_at(idx).cloned())
        .collect();
    let mut part = Room::new(whole.room_id(), whole.version());
    part.add_outliers(outliers);
    for (id, state) in claims {
        part.claim_state(id, &state);
    }
    for pdu in kept {
        part.receive(pdu.clone(), Arrival::Backfilled);
    }
    part
}
