//! A user scrolls back past what the server has: older history by `/backfill` (CS-API /messages).

use std::{rc::Rc, time::Duration};

use ruma_common::{OwnedEventId, OwnedRoomId, RoomId};
use ruma_events::StateEventType;

use super::{
    Homeserver,
    observation::{Observation, Source},
};
use crate::{
    matrix::endpoint::Endpoint,
    ports::Cause,
    room::{
        Arrival, Room,
        graph::{EventIdx, Standing},
    },
};

/// How often a page that brings nothing is tried again before the user gives up.
const ATTEMPTS: usize = 5;
/// How long the user waits between attempts, in milliseconds.
const ATTEMPT_PAUSE_MS: u64 = 2_000;

impl Homeserver {
    /// Pages back by `pages` pages of `limit` events, or to the creation of the room.
    pub fn page_back(self: &Rc<Self>, room: OwnedRoomId, limit: usize, pages: Option<u32>) {
        let server = self.clone();
        self.spawn_busy(async move { server.page_back_now(&room, limit, pages).await });
    }

    async fn page_back_now(&self, room: &RoomId, limit: usize, pages: Option<u32>) {
        let mut events = 0;
        let mut failures = 0;
        let mut left = pages.unwrap_or(u32::MAX);
        while left > 0 && failures < ATTEMPTS && self.is_in(room) {
            let turn = if self.habits.tries_other_points { failures } else { 0 };
            let mut points = self.points(room, turn);
            if points.is_empty() && self.habits.stops_at_creation {
                break;
            }
            points.extend(self.creation(room).filter(|_| points.is_empty()));
            match self.fetch_page(room, &points, limit).await {
                0 => {
                    failures += 1;
                    self.clock.sleep(Duration::from_millis(ATTEMPT_PAUSE_MS)).await;
                }
                new => {
                    failures = 0;
                    left -= 1;
                    events += new;
                }
            }
        }
        self.recovery_wanted.notify_one();
        self.see(Observation::PagedBack { events, complete: self.points(room, 0).is_empty() });
    }

    /// Whether anybody would answer: to who has left, nobody does.
    fn is_in(&self, room: &RoomId) -> bool {
        self.store.read().rooms.get(room).is_some_and(|room| room.is_joined(&self.name))
    }

    /// Where history breaks off, the newest breaks first: below what earlier pages brought, or else below
    /// all. After failures the others have their turn: those that nobody can help with must not stand before
    /// them for ever.
    fn points(&self, room: &RoomId, failures: usize) -> Vec<OwnedEventId> {
        let durable = self.store.read();
        let Some(room) = durable.rooms.get(room) else { return Vec::new() };
        let newest_first = |mut points: Vec<(u64, OwnedEventId)>| {
            points.sort_by(|a, b| b.cmp(a));
            points.into_iter().map(|(_, id)| id)
        };
        let backfilled = |id: &OwnedEventId| room.arrival_of_waiting(id) == Some(Arrival::Backfilled);
        let depth = |id: &OwnedEventId| room.event(id).map_or(0, |pdu| pdu.depth());
        let below_pages = room
            .missing_events()
            .filter(|(_, waiters)| waiters.iter().any(backfilled))
            .map(|(id, waiters)| (waiters.iter().map(depth).max().unwrap_or(0), id.clone()));
        let mut points: Vec<OwnedEventId> = newest_first(below_pages.collect()).collect();
        if points.is_empty() || failures > 0 {
            let others = newest_first(break_points(room)).filter(|id| !points.contains(id));
            points.extend(others.collect::<Vec<_>>());
        }
        let per_page = self.habits.points_per_page;
        if points.len() > per_page {
            let turn = failures * per_page % points.len();
            points.rotate_left(turn);
        }
        points.into_iter().take(per_page).collect()
    }

    fn creation(&self, room: &RoomId) -> Option<OwnedEventId> {
        let durable = self.store.read();
        let room = durable.rooms.get(room)?;
        let create = room.state_event(room.current_state(), &StateEventType::RoomCreate, "")?;
        Some(create.event_id().clone())
    }

    fn lacks_any(&self, room: &RoomId, ids: &[OwnedEventId]) -> bool {
        let durable = self.store.read();
        let lacks = |room: &Room, id: &OwnedEventId| !room.standing(id).is_some_and(Standing::is_judged);
        durable.rooms.get(room).is_some_and(|room| ids.iter().any(|id| lacks(room, id)))
    }

    /// One page from the first server that gives anything new.
    async fn fetch_page(&self, room: &RoomId, points: &[OwnedEventId], limit: usize) -> usize {
        let (servers, version) = {
            let durable = self.store.read();
            let Some(room) = durable.rooms.get(room) else { return 0 };
            let in_room = room.joined_servers(room.current_state());
            (self.candidates(&Default::default(), &in_room), room.version())
        };
        for server in servers {
            // Another user's page may have brought it meanwhile.
            if self.habits.stops_at_creation && !self.lacks_any(room, points) {
                break;
            }
            let Ok(answer) = self.ask_backfill(&server, room, points, limit, &Cause::PageBack).await else {
                continue;
            };
            let source = Source::Peer { server: server.clone(), endpoint: Endpoint::Backfill };
            let pdus = (self.habits.page)(&answer.pdus, limit);
            let verified = self.verify_all(room, version, pdus, &source).await;
            let new = verified
                .into_iter()
                .filter(|pdu| self.take(room, pdu.clone(), Arrival::Backfilled, &source))
                .count();
            if new > 0 {
                return new;
            }
        }
        0
    }
}

fn break_points(room: &Room) -> Vec<(u64, OwnedEventId)> {
    let graph = room.graph();
    let above = |idx: EventIdx| {
        let children = graph.children(idx).iter().filter(|child| graph.standing(**child).is_history());
        children.map(|child| graph.depth(*child)).max().unwrap_or(0)
    };
    graph.backward_extremities().map(|idx| (above(idx), graph.id(idx).to_owned())).collect()
}
