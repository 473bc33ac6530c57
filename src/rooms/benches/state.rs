//! State trees and resolution: look-up, difference and change in rooms of 100 to 100,000 members,
//! and resolution with up to 10,000 keys in conflict.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a benchmark may stop"
)]

use std::{collections::HashMap, sync::Arc};

use divan::{Bencher, black_box};
use heliograph_core::{
    builder::EventBuilder,
    ids::{EventIdx, NodeNum, RoomNum, StateKeyNum, TypeNum, UserNum},
    json::{Numbers, parse},
    pdu::Pdu,
    room_version::RoomVersion,
    signing::Ed25519Signer,
};
use heliograph_rooms::state::{
    EventSource, MemberEntry, NodeWriter, StateChange, StateError, StateKey, States,
};
use heliograph_tables::{
    Batch, Op, Store,
    mem::MemStore,
    schema::{EventStatus, Membership, Standing, StateRoot},
};
use ruma_common::{EventId, OwnedEventId, OwnedRoomId, OwnedUserId};

const ROOM: RoomNum = RoomNum(1);
const SIZES: [u32; 3] = [100, 10_000, 100_000];

fn main() {
    divan::main();
}

fn joined(user: u32, event: u32) -> StateChange {
    let membership = Membership::Join;
    let event = EventIdx(event);
    StateChange::Member(UserNum(user), Some(MemberEntry { event, membership }))
}

/// A room's trees in a store in memory.
struct Trees {
    store: MemStore,
    states: States,
    next: NodeNum,
}

impl Trees {
    fn new() -> Self {
        Self {
            store: MemStore::new(),
            states: States::new(1 << 16),
            next: NodeNum(0),
        }
    }

    fn apply(&mut self, from: StateRoot, changes: &[StateChange]) -> StateRoot {
        let view = self.store.view(Op::Other);
        let mut nodes = NodeWriter::new(ROOM, self.next);
        let to = self.states.apply(&view, &mut nodes, from, changes).unwrap();
        let mut batch = Batch::new(Op::Other);
        nodes.write(&mut batch);
        self.next = nodes.next_node();
        let permit = self.store.try_reserve().unwrap();
        self.store.submit(permit, batch).unwrap();
        to
    }

    fn of_size(size: u32) -> (Self, StateRoot) {
        let mut trees = Self::new();
        let all: Vec<_> = (0..size).map(|user| joined(user, user)).collect();
        let root = trees.apply(StateRoot::EMPTY, &all);
        (trees, root)
    }
}

/// Finding one member, nodes cached.
#[divan::bench(args = SIZES, sample_size = 100)]
fn look_up(bencher: Bencher<'_, '_>, size: u32) {
    let (trees, root) = Trees::of_size(size);
    let view = trees.store.view(Op::Other);
    let user = UserNum(size / 2);
    bencher.bench(|| {
        trees
            .states
            .member(&view, ROOM, root, black_box(user))
            .unwrap()
    });
}

/// One member changes: the new nodes, made and encoded.
#[divan::bench(args = SIZES, sample_size = 100)]
fn change(bencher: Bencher<'_, '_>, size: u32) {
    let (trees, root) = Trees::of_size(size);
    let view = trees.store.view(Op::Other);
    let changes = [joined(size / 2, size)];
    bencher.bench(|| {
        let mut nodes = NodeWriter::new(ROOM, trees.next);
        let to = trees
            .states
            .apply(&view, &mut nodes, root, &changes)
            .unwrap();
        let mut batch = Batch::new(Op::Other);
        nodes.write(&mut batch);
        (to, batch)
    });
}

/// What differs between two states one change apart, nodes cached.
#[divan::bench(args = SIZES, sample_size = 100)]
fn difference(bencher: Bencher<'_, '_>, size: u32) {
    let (mut trees, root) = Trees::of_size(size);
    let to = trees.apply(root, &[joined(size / 2, size)]);
    let view = trees.store.view(Op::Other);
    bencher.bench(|| trees.states.diff(&view, ROOM, root, black_box(to)).unwrap());
}

/// A page of 100 members from the middle.
#[divan::bench(args = SIZES, sample_size = 100)]
fn page(bencher: Bencher<'_, '_>, size: u32) {
    let (trees, root) = Trees::of_size(size);
    let view = trees.store.view(Op::Other);
    let after = Some(UserNum(size / 2));
    bencher.bench(|| {
        trees
            .states
            .members_page(&view, ROOM, root, after, 100)
            .unwrap()
    });
}

/// A public room which many join on one side of a fork.
struct Forked {
    trees: Trees,
    events: Vec<Arc<Pdu>>,
    status: Vec<EventStatus>,
    cited_by: Vec<Vec<EventIdx>>,
    ids: HashMap<OwnedEventId, EventIdx>,
    users: HashMap<String, UserNum>,
    signer: Ed25519Signer,
    version: RoomVersion,
}

const TYPES: [&str; 4] = [
    "m.room.create",
    "m.room.power_levels",
    "m.room.join_rules",
    "m.room.topic",
];

impl EventSource for Forked {
    fn pdu(&self, event: EventIdx) -> Result<Arc<Pdu>, StateError> {
        Ok(Arc::clone(&self.events[at(event)]))
    }

    fn status(&self, event: EventIdx) -> Result<EventStatus, StateError> {
        Ok(self.status[at(event)].clone())
    }

    fn idx_of(&self, id: &EventId) -> Result<Option<EventIdx>, StateError> {
        Ok(self.ids.get(id).copied())
    }

    fn cited_by(
        &self,
        event: EventIdx,
        from: EventIdx,
        limit: usize,
    ) -> Result<Vec<EventIdx>, StateError> {
        let citing = &self.cited_by[at(event)];
        let first = citing.partition_point(|citing| *citing < from);
        Ok(citing.iter().skip(first).take(limit).copied().collect())
    }

    fn state_key(&self, event_type: &str, key: &str) -> Result<Option<StateKey>, StateError> {
        if event_type == "m.room.member" {
            return Ok(self.users.get(key).map(|user| StateKey::Member(*user)));
        }
        let kind = (0u32..).zip(TYPES).find(|(_, name)| *name == event_type);
        Ok(kind.map(|(kind, _)| StateKey::Other(TypeNum(kind), StateKeyNum(0))))
    }
}

fn at(event: EventIdx) -> usize {
    usize::try_from(event.0).unwrap()
}

impl Forked {
    /// The room, and the states of its two forward extremities: `keys` members differ.
    fn new(keys: u32) -> (Self, [StateRoot; 2]) {
        let mut room = Self {
            trees: Trees::new(),
            events: Vec::new(),
            status: Vec::new(),
            cited_by: Vec::new(),
            ids: HashMap::new(),
            users: HashMap::new(),
            signer: Ed25519Signer::from_seed("x.org", "1", &[7; 32]),
            version: RoomVersion::DEFAULT,
        };
        let creator = "@creator:x.org";
        let version = format!(r#"{{"room_version":"{}"}}"#, room.version.as_str());
        let member = ("m.room.member", creator);
        let start = [
            room.send(creator, (TYPES[0], ""), &version, &[]),
            room.send(creator, member, r#"{"membership":"join"}"#, &[]),
            room.send(creator, (TYPES[1], ""), "{}", &[1]),
            room.send(
                creator,
                (TYPES[2], ""),
                r#"{"join_rule":"public"}"#,
                &[1, 2],
            ),
        ];
        let before = room.trees.apply(StateRoot::EMPTY, &start);
        let mut joins = Vec::new();
        for n in 0..keys {
            let user = format!("@user{n}:x.org");
            let key = ("m.room.member", user.as_str());
            joins.push(room.send(&user, key, r#"{"membership":"join"}"#, &[2, 3]));
        }
        let topic = room.send(creator, (TYPES[3], ""), r#"{"topic":"t"}"#, &[1, 2]);
        let forks = [
            room.trees.apply(before, &joins),
            room.trees.apply(before, &[topic]),
        ];
        (room, forks)
    }

    fn send(
        &mut self,
        sender: &str,
        (event_type, state_key): (&str, &str),
        content: &str,
        auth_events: &[u32],
    ) -> StateChange {
        let event = EventIdx(u32::try_from(self.events.len()).unwrap());
        let id_of = |event: &u32| self.events[at(EventIdx(*event))].event_id().to_owned();
        let room_id = self.events.first().map(|create| {
            let id = create.event_id().as_str().trim_start_matches('$');
            OwnedRoomId::try_from(format!("!{id}")).unwrap()
        });
        let builder = EventBuilder {
            room_id,
            sender: OwnedUserId::try_from(sender).unwrap(),
            event_type: event_type.to_owned(),
            state_key: Some(state_key.to_owned()),
            content: parse(content.as_bytes(), Numbers::Strict).unwrap(),
            redacts: None,
            prev_events: Vec::new(),
            auth_events: auth_events.iter().map(id_of).collect(),
            depth: 1,
            origin_server_ts: u64::from(event.0),
        };
        let pdu = builder.build(self.version, &self.signer).unwrap();
        let auth_events: Vec<_> = auth_events.iter().copied().map(EventIdx).collect();
        let auth_gen = auth_events
            .iter()
            .map(|cited| self.status[at(*cited)].auth_gen + 1)
            .max();
        for cited in &auth_events {
            self.cited_by[at(*cited)].push(event);
        }
        self.ids.insert(pdu.event_id().to_owned(), event);
        self.events.push(Arc::new(pdu));
        self.cited_by.push(Vec::new());
        self.status.push(EventStatus {
            standing: Standing::Accepted,
            state_before: StateRoot::EMPTY,
            state_after: None,
            timeline: None,
            position: None,
            redacted_by: None,
            replaces: None,
            auth_gen: auth_gen.unwrap_or(0),
            auth_events,
        });
        if event_type == "m.room.member" {
            let next = UserNum(u32::try_from(self.users.len()).unwrap());
            let user = *self.users.entry(state_key.to_owned()).or_insert(next);
            return joined(user.0, event.0);
        }
        match self.state_key(event_type, state_key).unwrap() {
            Some(StateKey::Other(kind, key)) => StateChange::Other(kind, key, Some(event)),
            _ => StateChange::Member(UserNum(0), None),
        }
    }
}

/// Two states that differ in so many keys become one; nothing cached.
#[divan::bench(args = [10, 1_000, 10_000], sample_count = 10, sample_size = 1)]
fn resolution(bencher: Bencher<'_, '_>, keys: u32) {
    let (room, forks) = Forked::new(keys);
    let view = room.trees.store.view(Op::Other);
    bencher
        .with_inputs(|| States::new(1 << 16))
        .bench_values(|states| {
            let mut nodes = NodeWriter::new(ROOM, room.trees.next);
            let resolved = states
                .resolve(&view, &mut nodes, room.version, &room, &forks)
                .unwrap();
            assert_eq!(resolved.members, forks[0].members);
            assert_ne!(resolved.rest, forks[0].rest);
            resolved
        });
}
