//! The state trees, over nodes that are damaged and through changes that are not.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use heliograph_core::ids::{EventIdx, NodeNum, RoomNum, StateKeyNum, TypeNum, UserNum};
use heliograph_rooms::state::{MemberEntry, NodeWriter, StateChange, StateKey, States};
use heliograph_tables::{
    Batch, Op, Store,
    mem::MemStore,
    schema::{Membership, Raw, STATE_NODES, StateRoot},
};

use crate::must;

const ROOM: RoomNum = RoomNum(7);
/// Nodes of a damaged tree, at most.
const MAX_NODES: usize = 8;
/// Changes of a sound tree, at most: enough for branches below branches.
const MAX_CHANGES: usize = 200;
/// Groups of changes, at most, less the last: each is checked over the whole tree.
const MAX_GROUPS: usize = 8;

/// What stands at the keys of a state.
type Model = BTreeMap<StateKey, (EventIdx, Membership)>;

/// Nodes of state trees as they may be after damage, each with a byte of length before it: every
/// way of reading them ends, in an error or in answers that agree with each other.
///
/// # Panics
/// When a property does not hold.
pub fn nodes(mut data: &[u8]) {
    let mut nodes = Vec::new();
    while let Some((len, rest)) = data.split_first()
        && nodes.len() < MAX_NODES
    {
        let (node, rest) = rest.split_at(usize::from(*len).min(rest.len()));
        nodes.push(Bytes::copy_from_slice(node));
        data = rest;
    }
    damaged(&nodes);
}

/// A key of a state, and the event that it becomes.
type Difference = (StateKey, Option<EventIdx>);

/// A store, and the trees over it.
struct Room {
    store: MemStore,
    states: States,
}

impl Room {
    fn new() -> Self {
        Self {
            store: MemStore::new(),
            states: States::new(64),
        }
    }

    fn submit(&self, batch: Batch) {
        let permit = must(self.store.try_reserve(), "a place in the queue");
        must(self.store.submit(permit, batch), "the store in memory");
    }

    /// Every entry of a state, if its trees can be read.
    fn list(&self, root: StateRoot) -> Option<Model> {
        let view = self.store.view(Op::ReadState);
        let members = self.states.members(&view, ROOM, root).ok()?;
        let others = self.states.others(&view, ROOM, root).ok()?;
        assert!(members.is_sorted_by(|a, b| a.0 < b.0), "members in order");
        assert!(others.is_sorted_by(|a, b| a.0 < b.0), "others in order");
        for (user, member) in &members {
            let found = must(self.states.member(&view, ROOM, root, *user), "a member");
            assert_eq!(found, Some(*member), "who is listed is found");
        }
        for (key, event) in &others {
            let found = must(self.states.other(&view, ROOM, root, *key), "an entry");
            assert_eq!(found, Some(*event), "what is listed is found");
        }
        let members = members
            .into_iter()
            .map(|(user, m)| (StateKey::Member(user), (m.event, m.membership)));
        let others = others.into_iter().map(|((event_type, key), event)| {
            let key = StateKey::Other(event_type, key);
            (key, (event, Membership::Join))
        });
        Some(members.chain(others).collect())
    }

    /// Every key at which two states differ, as the trees say.
    fn found(&self, from: StateRoot, to: StateRoot) -> Vec<Difference> {
        let view = self.store.view(Op::ReadState);
        let found = self.states.diff(&view, ROOM, from, to);
        must(found, "the difference of two states")
    }
}

/// Every key at which two states differ, as their entries say.
fn expected(before: &Model, after: &Model) -> Vec<Difference> {
    let keys: BTreeSet<_> = before.keys().chain(after.keys()).copied().collect();
    let differ = keys.iter().filter(|key| before.get(key) != after.get(key));
    differ
        .map(|key| (*key, after.get(key).map(|entry| entry.0)))
        .collect()
}

/// Reads and changes trees of these nodes, of which the first two are roots.
pub(crate) fn damaged(nodes: &[Bytes]) {
    let room = Room::new();
    let mut batch = Batch::new(Op::State);
    for (number, node) in (1..).zip(nodes) {
        batch.put(&STATE_NODES, &(ROOM, NodeNum(number)), &Raw(node.clone()));
    }
    room.submit(batch);
    let root = |members, rest| StateRoot {
        members: NodeNum(members),
        rest: NodeNum(rest),
    };
    let (first, second) = (root(1, 1), root(2, 2));
    let view = room.store.view(Op::ReadState);
    let lists = [first, second].map(|root| (root, room.list(root)));
    if let [(first, Some(before)), (second, Some(after))] = &lists {
        let found = room.found(StateRoot::EMPTY, *first);
        assert_eq!(found, expected(&Model::new(), before), "the difference");
        let mut found = room.found(*first, *second);
        // Outside of the tree of members the byte of the membership is zero, but in damaged nodes it
        // can be another: such entries differ although their events do not.
        found.retain(|(key, to)| {
            let is_member = matches!(key, StateKey::Member(_));
            is_member || before.get(key).map(|entry| entry.0) != *to
        });
        assert_eq!(found, expected(before, after), "the difference");
    } else {
        drop(room.states.diff(&view, ROOM, first, second));
    }
    let mut nodes = NodeWriter::new(ROOM, NodeNum(100));
    for event in [Some(EventIdx(9)), None] {
        let member = event.map(|event| MemberEntry {
            event,
            membership: Membership::Leave,
        });
        let changes = [
            StateChange::Member(UserNum(1), member),
            StateChange::Other(TypeNum(0), StateKeyNum(1), event),
        ];
        // Counts in damaged nodes may be wrong, so what comes of it is not known.
        drop(room.states.apply(&view, &mut nodes, first, &changes));
    }
    drop(room.states.count_members(&view, ROOM, first));
    drop(room.states.count_others(&view, ROOM, first));
}

/// State trees under changes of four bytes, in groups: after each group a tree says what a map says.
///
/// # Panics
/// When a property does not hold.
pub fn states(data: &[u8]) {
    let room = Room::new();
    let mut model = Model::new();
    let mut root = StateRoot::EMPTY;
    let mut next = NodeNum(1);
    let mut before = model.clone();
    let mut group = Vec::new();
    let mut groups = 0;
    let mut changes = data.as_chunks().0.iter().take(MAX_CHANGES).peekable();
    while let Some(bytes) = changes.next() {
        let (key, to) = change(*bytes);
        match to {
            Some(to) => drop(model.insert(key, to)),
            None => drop(model.remove(&key)),
        }
        group.push(state_change(key, to));
        let [kind, ..] = bytes;
        let ends = kind & 0x80 != 0 && groups < MAX_GROUPS;
        if !ends && changes.peek().is_some() {
            continue;
        }
        groups += 1;
        let view = room.store.view(Op::ReadState);
        let mut nodes = NodeWriter::new(ROOM, next);
        let applied = room.states.apply(&view, &mut nodes, root, &group);
        let old_root = std::mem::replace(&mut root, must(applied, "a change"));
        next = nodes.next_node();
        group.clear();
        let mut batch = Batch::new(Op::State);
        nodes.write(&mut batch);
        room.submit(batch);
        assert_eq!(room.list(root).as_ref(), Some(&model), "the state");
        let found = room.found(old_root, root);
        assert_eq!(found, expected(&before, &model), "the difference");
        before.clone_from(&model);
        counted(&room, root, &model);
    }
    let found = room.found(StateRoot::EMPTY, root);
    assert_eq!(found, expected(&Model::new(), &model), "the whole state");
    if model.is_empty() {
        assert_eq!(root, StateRoot::EMPTY, "an empty tree is no node");
    }
}

/// A tree knows how many entries it has.
fn counted(room: &Room, root: StateRoot, model: &Model) {
    let view = room.store.view(Op::ReadState);
    let members = must(room.states.count_members(&view, ROOM, root), "a count");
    let others = must(room.states.count_others(&view, ROOM, root), "a count");
    let is_member = |key: &&StateKey| matches!(key, StateKey::Member(_));
    let expected = model.keys().filter(is_member).count();
    assert_eq!(usize::try_from(members), Ok(expected));
    assert_eq!(usize::try_from(others), Ok(model.len() - expected));
}

/// Four bytes as a change: what kind, two bytes of a key, and the event.
fn change([kind, high, low, event]: [u8; 4]) -> (StateKey, Option<(EventIdx, Membership)>) {
    // Keys far apart make deep trees, keys beside each other make full buckets.
    let number = (u32::from(high) << 24) | u32::from(low);
    let (key, membership) = if kind & 1 == 0 {
        let membership = Membership::from_byte(event % 5 + 1).unwrap_or(Membership::Ban);
        (StateKey::Member(UserNum(number)), membership)
    } else {
        let event_type = TypeNum(u32::from(kind >> 1) & 3);
        let key = StateKey::Other(event_type, StateKeyNum(number));
        (key, Membership::Join)
    };
    let put = kind & 0x70 != 0;
    (key, put.then(|| (EventIdx(u32::from(event)), membership)))
}

fn state_change(key: StateKey, to: Option<(EventIdx, Membership)>) -> StateChange {
    match key {
        StateKey::Member(user) => {
            let to = to.map(|(event, membership)| MemberEntry { event, membership });
            StateChange::Member(user, to)
        }
        StateKey::Other(event_type, key) => {
            StateChange::Other(event_type, key, to.map(|(event, _)| event))
        }
    }
}

/// A bucket, a branch with a node below, and a branch that leads to itself.
pub(crate) fn node_seeds() -> Vec<Vec<u8>> {
    let bucket: &[u8] = &[1, 0, 2, 3, 5, 1, 0, 6, 2];
    // Level 15 of keys that begin with zeros: at 0 a node of its own, at 1 an entry within.
    let branch: &[u8] = &[1, 1, 15, 0, 40, 0, 3, 2, 0, 1, 0, 7, 1];
    let below: &[u8] = &[1, 0, 1, 0, 6, 2];
    let other_tag: &[u8] = &[1, 0, 2, 3, 5, 3, 0, 6, 2];
    let loops: &[u8] = &[1, 1, 0, 0, 40, 0, 3, 1, 1];
    let nodes = |nodes: &[&[u8]]| -> Vec<u8> {
        let sized = nodes.iter().flat_map(|node| {
            let len = u8::try_from(node.len()).unwrap_or(u8::MAX);
            [&[len], *node].concat()
        });
        sized.collect()
    };
    vec![
        nodes(&[bucket]),
        nodes(&[bucket, other_tag]),
        nodes(&[branch, below]),
        nodes(&[loops, branch]),
    ]
}

/// Changes that fill and empty trees.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let changes = |kind: u8, high: u8, group: u8| -> Vec<u8> {
        let bytes = (0..100u8).flat_map(|n| {
            let end = if n % group == 0 { 0x80 } else { 0 };
            [kind | end, (n % 7) * high, n / 3 * 2, n]
        });
        bytes.collect()
    };
    vec![
        changes(0x10, 0, 50),
        changes(0x11, 16, 10),
        changes(0x13, 3, 100),
        [changes(0x10, 0, 20), changes(0, 0, 9)].concat(),
    ]
}
