//! A restricted room lets in who is in another room (room version 8, "Restricted rooms"). A scenario has one
//! room, so this is played by servers that call each other directly: all that a homeserver needs are its two
//! traits.

use std::{cell::RefCell, collections::BTreeMap, rc::Rc, time::Duration};

use backfire::{
    chance::Streams,
    homeserver::{
        Homeserver, Parts,
        habits::Habits,
        observation::{Observation, Observer},
        store::{Durable, Store},
        user::NewRoom,
    },
    matrix::{
        OwnedServerName, RoomId, ServerName, UserId,
        crypto::{Crypto, SigningKey},
        draft::Draft,
        version::RoomVersion,
    },
    ports::{Clock, Network, NetworkError},
};
use bytes::Bytes;
use futures_util::future::LocalBoxFuture;
use http::{Request, Response};
use serde_json::json;

/// Calls the other server at once.
#[derive(Default)]
struct Loopback(RefCell<BTreeMap<OwnedServerName, Rc<Homeserver>>>);

struct To(Rc<Loopback>);

impl Network for To {
    fn request(
        &self,
        to: &ServerName,
        request: Request<Bytes>,
    ) -> LocalBoxFuture<'static, Result<Response<Bytes>, NetworkError>> {
        let server = self.0.0.borrow().get(to).cloned();
        Box::pin(async move {
            match server {
                Some(server) => Ok(server.handle(request).await),
                None => Err(NetworkError::Refused),
            }
        })
    }
}

struct Still;

impl Clock for Still {
    fn now(&self) -> u64 {
        1_700_000_000_000
    }

    fn sleep(&self, duration: Duration) -> LocalBoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }
}

struct Blind;

impl Observer for Blind {
    fn see(&self, _: Observation) {}
}

fn start(name: &str, network: &Rc<Loopback>, crypto: &Rc<Crypto>) -> Rc<Homeserver> {
    let name = ServerName::parse(name).unwrap();
    let streams = Streams::new(0);
    let key = SigningKey::from_seed(streams.bytes(name.as_str()), "k");
    let (server, runner) = Homeserver::start(Parts {
        name: name.clone(),
        store: Rc::new(Store::new(Durable::new(&name, key))),
        crypto: crypto.clone(),
        reader: Rc::default(),
        network: Rc::new(To(network.clone())),
        clock: Rc::new(Still),
        observer: Rc::new(Blind),
        random: streams.stream(name.as_str()),
        habits: Habits::default(),
    });
    tokio::task::spawn_local(runner.run());
    network.0.borrow_mut().insert(name, server.clone());
    server
}

fn user(name: &str) -> backfire::matrix::OwnedUserId {
    UserId::parse(format!("@user:{name}")).unwrap()
}

fn new_room(join_rule: &str) -> NewRoom {
    NewRoom {
        version: RoomVersion::V11,
        join_rule: join_rule.to_owned(),
        history_visibility: "shared".to_owned(),
        power_levels: serde_json::Map::new(),
    }
}

/// Whether a server has its own user joined to a room, and in whose name the user was let in.
fn joined(server: &Homeserver, room: &RoomId) -> Option<Option<String>> {
    let durable = server.store().read();
    let room = durable.rooms.get(room)?;
    let user = user(server.name().as_str());
    let event = room.state_event(room.current_state(), &"m.room.member".into(), user.as_str())?;
    (event.membership() == Some("join")).then(|| event.content_str("join_authorised_via_users_server"))
}

async fn settle(servers: &[&Rc<Homeserver>]) {
    for _ in 0..100 {
        tokio::time::sleep(Duration::from_millis(10)).await;
        if servers.iter().all(|server| server.is_idle(|_| false)) {
            return;
        }
    }
    panic!("the servers have not come to rest");
}

async fn play() {
    let (network, crypto) = (Rc::new(Loopback::default()), Rc::new(Crypto::default()));
    let [a, b, c] = ["a", "b", "c"].map(|name| start(name, &network, &crypto));
    let lobby = a.create_room(&user("a"), &new_room("public")).unwrap();
    let room = a.create_room(&user("a"), &new_room("invite")).unwrap();
    let rule = json!({
        "join_rule": "restricted",
        "allow": [{ "type": "m.room_membership", "room_id": lobby }]
    });
    a.send(&room, Draft::state("m.room.join_rules", "@user:a", rule)).unwrap();

    b.join(&lobby, &user("b"), a.name());
    settle(&[&a, &b, &c]).await;
    assert_eq!(joined(&b, &lobby), Some(None), "the lobby is public");

    b.join(&room, &user("b"), a.name());
    c.join(&room, &user("c"), a.name());
    settle(&[&a, &b, &c]).await;
    assert_eq!(joined(&b, &room), Some(Some("@user:a".to_owned())), "b is in the lobby");
    assert_eq!(joined(&c, &room), None, "c is not in the lobby");

    let durable = a.store().read();
    let held = &durable.rooms[&room];
    assert_eq!(held.membership(held.current_state(), "@user:b"), Some("join"), "a has taken the join too");
    let join = held.state_event(held.current_state(), &"m.room.member".into(), "@user:b").unwrap();
    let signatures = join.object()["signatures"].as_object().unwrap().len();
    assert_eq!(signatures, 2, "the server that let the user in has signed as well");
}

#[test]
fn a_restricted_room_lets_in_who_is_in_the_other_room_and_nobody_else() {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, play());
}
