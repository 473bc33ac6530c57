//! State resolution on forks worked by hand.

use std::collections::HashSet;

use ruma_common::{OwnedRoomId, OwnedUserId};

use super::*;
use crate::{
    builder::EventBuilder,
    json::{Numbers, parse},
    signing::Ed25519Signer,
};

/// A room of one version: its events, by their ids.
struct Room {
    version: RoomVersion,
    events: HashMap<OwnedEventId, Arc<Pdu>>,
    /// What is before all forks.
    base: Vec<OwnedEventId>,
}

/// An event to be: sender, type, state key, content, depth, milliseconds.
type Said<'a> = (&'a str, &'a str, &'a str, &'a str, u64, u64);

impl Room {
    /// A room that @a made (100), with @b (50) and @c (0) joined.
    fn new(version: &str) -> Self {
        let version = RoomVersion::try_from(version).unwrap();
        let mut room = Self {
            version,
            events: HashMap::new(),
            base: Vec::new(),
        };
        let levels = r#"{"users":{"@a:x.org":100,"@b:x.org":50}}"#;
        let join = r#"{"membership":"join"}"#;
        for (nth, (sender, event_type, key, content)) in [
            ("@a:x.org", "m.room.create", "", r#"{"creator":"@a:x.org"}"#),
            ("@a:x.org", "m.room.member", "@a:x.org", join),
            ("@a:x.org", "m.room.power_levels", "", levels),
            (
                "@a:x.org",
                "m.room.join_rules",
                "",
                r#"{"join_rule":"public"}"#,
            ),
            ("@b:x.org", "m.room.member", "@b:x.org", join),
            ("@c:x.org", "m.room.member", "@c:x.org", join),
        ]
        .into_iter()
        .enumerate()
        {
            let nth = u64::try_from(nth).unwrap();
            let id = room.add(&(sender, event_type, key, content, nth, nth));
            room.base.push(id);
        }
        room
    }

    fn add(&mut self, (sender, event_type, key, content, depth, ts): &Said<'_>) -> OwnedEventId {
        let auth_events = if *event_type == "m.room.create" {
            vec![]
        } else {
            self.base.iter().take(3).cloned().collect()
        };
        let pdu = EventBuilder {
            room_id: Some(OwnedRoomId::try_from("!r:x.org").unwrap()),
            sender: OwnedUserId::try_from(*sender).unwrap(),
            event_type: (*event_type).to_owned(),
            state_key: Some((*key).to_owned()),
            content: parse(content.as_bytes(), Numbers::Strict).unwrap(),
            redacts: None,
            prev_events: vec![],
            auth_events,
            depth: *depth,
            origin_server_ts: *ts,
        };
        let pdu = pdu
            .build(
                self.version,
                &Ed25519Signer::from_seed("x.org", "1", &[7; 32]),
            )
            .unwrap();
        let id = pdu.event_id().to_owned();
        self.events.insert(id.clone(), Arc::new(pdu));
        id
    }

    /// The base with these events put over it.
    fn state(&self, over: &[&OwnedEventId]) -> StateMap {
        let all = self.base.iter().chain(over.iter().copied());
        all.map(|id| {
            let pdu = &self.events[id];
            let kind = StateEventType::from(pdu.type_str());
            ((kind, pdu.state_key().unwrap().to_owned()), id.clone())
        })
        .collect()
    }

    /// Resolves states, in both orders.
    fn resolve(&self, one: &StateMap, other: &StateMap) -> StateMap {
        let chain = || self.base.iter().cloned().collect::<EventIdSet<_>>();
        let resolve = |states: &[StateMap]| {
            let sources = Sources {
                fetch: |id: &EventId| self.events.get(id).cloned(),
                subgraph: |_: &HashMap<_, _>| Some(EventIdSet::default()),
            };
            resolve(self.version, states, vec![chain(), chain()], sources).unwrap()
        };
        let forwards = resolve(&[one.clone(), other.clone()]);
        let backwards = resolve(&[other.clone(), one.clone()]);
        assert_eq!(forwards, backwards);
        forwards
    }
}

fn at(event_type: &str, key: &str) -> (StateEventType, String) {
    (StateEventType::from(event_type), key.to_owned())
}

/// Topics of one power level: version 1 takes the deeper, version 2 the later, here not the same.
#[test]
fn of_two_topics_version_1_takes_the_deeper_and_version_2_the_later() {
    for (version, deeper_wins) in [("1", true), ("2", false), ("11", false)] {
        let mut room = Room::new(version);
        let deeper = room.add(&("@a:x.org", "m.room.topic", "", r#"{"topic":"d"}"#, 20, 100));
        let later = room.add(&("@a:x.org", "m.room.topic", "", r#"{"topic":"l"}"#, 10, 200));
        let resolved = room.resolve(&room.state(&[&deeper]), &room.state(&[&later]));
        let expected = if deeper_wins { &deeper } else { &later };
        assert_eq!(
            &resolved[&at("m.room.topic", "")],
            expected,
            "version {version}"
        );
    }
}

/// A topic that its sender may not set loses, however deep it is; where none may be set, the least
/// deep stays.
#[test]
fn version_1_takes_the_deepest_that_is_allowed() {
    let mut room = Room::new("1");
    let allowed = room.add(&("@a:x.org", "m.room.topic", "", r#"{"topic":"a"}"#, 10, 1));
    let not = room.add(&("@c:x.org", "m.room.topic", "", r#"{"topic":"c"}"#, 20, 1));
    let nor = room.add(&("@c:x.org", "m.room.topic", "", r#"{"topic":"d"}"#, 30, 1));
    let resolved = room.resolve(&room.state(&[&allowed]), &room.state(&[&not]));
    assert_eq!(resolved[&at("m.room.topic", "")], allowed);
    let resolved = room.resolve(&room.state(&[&nor]), &room.state(&[&not]));
    assert_eq!(resolved[&at("m.room.topic", "")], not);
}

/// Power levels are settled first, from the least deep on, until one is not allowed: @b, whom the
/// first takes down, may no longer set the second; nor then a topic.
#[test]
fn version_1_settles_power_before_the_rest() {
    let mut room = Room::new("1");
    let (kind, key) = ("m.room.power_levels", "");
    let down = r#"{"users":{"@a:x.org":100,"@b:x.org":0}}"#;
    let down = room.add(&("@a:x.org", kind, key, down, 10, 1));
    let up = r#"{"users":{"@a:x.org":100,"@b:x.org":50,"@c:x.org":50}}"#;
    let up = room.add(&("@b:x.org", kind, key, up, 20, 1));
    let topic = room.add(&("@b:x.org", "m.room.topic", "", r#"{"topic":"b"}"#, 30, 1));
    let other = room.add(&("@a:x.org", "m.room.topic", "", r#"{"topic":"a"}"#, 5, 1));
    let resolved = room.resolve(&room.state(&[&down, &other]), &room.state(&[&up, &topic]));
    assert_eq!(resolved[&at(kind, key)], down);
    assert_eq!(resolved[&at("m.room.topic", "")], other);
}

/// Of equal depth, the event with the smaller SHA-1 of its id counts as the deeper.
#[test]
fn version_1_breaks_ties_by_the_hash_of_the_id() {
    let mut room = Room::new("1");
    let topics = ["1", "2", "3", "4"].map(|text| {
        let content = format!(r#"{{"topic":"{text}"}}"#);
        room.add(&("@a:x.org", "m.room.topic", "", &content, 10, 1))
    });
    let least = topics
        .iter()
        .min_by_key(|id| sha1_hex(id.as_bytes()))
        .unwrap();
    for topic in &topics {
        if topic != least {
            let resolved = room.resolve(&room.state(&[topic]), &room.state(&[least]));
            assert_eq!(&resolved[&at("m.room.topic", "")], least);
        }
    }
}

/// The members in conflict do not decide about each other: as @b's own membership is not settled,
/// @b's kick of @c is not allowed, though every state that there is has @b joined.
#[test]
fn version_1_settles_all_members_against_what_was_settled_before_them() {
    let mut room = Room::new("1");
    let named = r#"{"displayname":"b","membership":"join"}"#;
    let named = room.add(&("@b:x.org", "m.room.member", "@b:x.org", named, 10, 1));
    let kick = r#"{"membership":"leave"}"#;
    let kick = room.add(&("@b:x.org", "m.room.member", "@c:x.org", kick, 20, 1));
    let resolved = room.resolve(&room.state(&[&named]), &room.state(&[&kick]));
    assert_eq!(resolved[&at("m.room.member", "@b:x.org")], named);
    let joined = &room.base[5];
    assert_eq!(&resolved[&at("m.room.member", "@c:x.org")], joined);
}

/// A key that only some states have is no conflict.
#[test]
fn version_1_takes_over_what_only_one_state_has() {
    let mut room = Room::new("1");
    let topic = room.add(&("@a:x.org", "m.room.topic", "", r#"{"topic":"a"}"#, 10, 1));
    let resolved = room.resolve(&room.state(&[&topic]), &room.state(&[]));
    assert_eq!(resolved, room.state(&[&topic]));
    let all: HashSet<_> = resolved.values().collect();
    assert_eq!(all.len(), 7);
}

#[test]
fn what_is_not_here_is_an_error() {
    let mut room = Room::new("1");
    let topics = ["1", "2"].map(|text| {
        let content = format!(r#"{{"topic":"{text}"}}"#);
        room.add(&("@a:x.org", "m.room.topic", "", &content, 10, 1))
    });
    let states = topics.each_ref().map(|topic| room.state(&[topic]));
    let sources = Sources {
        fetch: |_: &EventId| None,
        subgraph: |_: &HashMap<_, _>| None,
    };
    assert!(resolve(room.version, &states, vec![], sources).is_err());
}
