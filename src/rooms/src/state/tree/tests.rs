use std::{collections::BTreeMap, sync::atomic::Ordering};

use bytes::Bytes;
use heliograph_core::ids::{EventIdx, NodeNum, RoomNum, StateKeyNum, TypeNum, UserNum};
use heliograph_tables::{
    Batch, Op, Store, StoreError,
    mem::MemStore,
    schema::{Membership, Raw, STATE_NODES, StateRoot},
};
use proptest::prelude::*;

use super::{
    node::{Child, Entry, Node, Place},
    nodes::NodeWriter,
};
use crate::state::{MemberEntry, StateChange, StateError, StateKey, States};

const ROOM: RoomNum = RoomNum(7);

type Model = BTreeMap<StateKey, (EventIdx, Membership)>;

fn change_of(key: StateKey, to: Option<(EventIdx, Membership)>) -> StateChange {
    match key {
        StateKey::Member(user) => StateChange::Member(
            user,
            to.map(|(event, membership)| MemberEntry { event, membership }),
        ),
        StateKey::Other(event_type, key) => {
            StateChange::Other(event_type, key, to.map(|(event, _)| event))
        }
    }
}

fn number() -> impl Strategy<Value = u32> {
    prop_oneof![
        6 => 0u32..80,
        3 => (0u32..4, 0u32..40).prop_map(|(high, low)| high * 0x0100_0000 + low),
        1 => any::<u32>(),
    ]
}

fn key() -> impl Strategy<Value = StateKey> {
    prop_oneof![
        number().prop_map(|user| StateKey::Member(UserNum(user))),
        (0u32..3, number())
            .prop_map(|(kind, key)| StateKey::Other(TypeNum(kind), StateKeyNum(key))),
    ]
}

fn membership() -> impl Strategy<Value = Membership> {
    prop_oneof![
        Just(Membership::Join),
        Just(Membership::Leave),
        Just(Membership::Ban)
    ]
}

/// One key and what it becomes; deletions are as frequent as they must be to empty trees.
fn change() -> impl Strategy<Value = (StateKey, Option<(EventIdx, Membership)>)> {
    let to = (0u32..1000, membership()).prop_map(|(event, m)| (EventIdx(event), m));
    (key(), prop::option::weighted(0.65, to))
}

fn apply_to(model: &mut Model, changes: &[(StateKey, Option<(EventIdx, Membership)>)]) {
    for (key, to) in changes {
        match to {
            Some(to) => model.insert(*key, *to),
            None => model.remove(key),
        };
    }
}

/// A room's store, with the next free node.
struct Room {
    store: MemStore,
    states: States,
    next: NodeNum,
}

impl Room {
    fn new(cache: usize) -> Self {
        Self {
            store: MemStore::new(),
            states: States::new(cache),
            next: NodeNum(0),
        }
    }

    /// Applies in one batch, or keeps the batch and reads through the writer.
    fn apply(&mut self, from: StateRoot, changes: &[StateChange]) -> StateRoot {
        let view = self.store.view(Op::State);
        let mut nodes = NodeWriter::new(ROOM, self.next);
        let to = self.states.apply(&view, &mut nodes, from, changes).unwrap();
        self.publish(&nodes);
        to
    }

    fn publish(&mut self, nodes: &NodeWriter) {
        let mut batch = Batch::new(Op::State);
        nodes.write(&mut batch);
        self.next = nodes.next_node();
        self.store
            .submit(self.store.try_reserve().unwrap(), batch)
            .unwrap();
    }

    fn content(&self, root: StateRoot) -> Model {
        let view = self.store.view(Op::ReadState);
        let members = self.states.members(&view, ROOM, root).unwrap();
        let others = self.states.others(&view, ROOM, root).unwrap();
        assert!(members.is_sorted_by_key(|(user, _)| *user));
        assert!(others.is_sorted_by_key(|(key, _)| *key));
        let members = members
            .into_iter()
            .map(|(u, m)| (StateKey::Member(u), (m.event, m.membership)));
        let others = others
            .into_iter()
            .map(|((t, k), event)| (StateKey::Other(t, k), (event, Membership::Join)));
        members.chain(others).collect()
    }

    /// Everything about a tree's nodes but their numbers.
    fn shape(&self, root: NodeNum) -> String {
        if root == NodeNum(0) {
            return String::new();
        }
        let view = self.store.view(Op::ReadState);
        let nodes = NodeWriter::none(ROOM);
        let node = self
            .states
            .reader(&view, &nodes)
            .load(Place::root(root))
            .unwrap();
        match &*node {
            Node::Bucket(entries) => format!("{entries:?}"),
            Node::Branch(branch) => {
                let children = branch.children.iter().map(|(at, child)| match child {
                    Child::Embedded(entries) => format!("{at}: {entries:?}"),
                    Child::Stored(num) => format!("{at}: <{}>", self.shape(*num)),
                });
                let children: Vec<_> = children.collect();
                format!(
                    "{} {} {} {children:?}",
                    branch.level, branch.prefix, branch.total
                )
            }
        }
    }
}

/// What the other tree stores no membership for.
fn normal(model: &Model) -> Model {
    let keep = |(key, (event, m)): (&StateKey, &(EventIdx, Membership))| match key {
        StateKey::Member(_) => (*key, (*event, *m)),
        StateKey::Other(..) => (*key, (*event, Membership::Join)),
    };
    model.iter().map(keep).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    /// The trees do what a map does, whatever came before, and whoever still holds older roots.
    #[test]
    fn trees_are_maps(
        steps in prop::collection::vec(prop::collection::vec(change(), 0..60), 1..8),
        probe in prop::collection::vec(key(), 8),
        limit in 0usize..50,
    ) {
        let mut room = Room::new(64);
        let mut versions: Vec<(StateRoot, Model)> = vec![(StateRoot::EMPTY, Model::new())];
        for step in &steps {
            let (root, model) = versions.last().unwrap();
            let mut model = model.clone();
            apply_to(&mut model, step);
            let changes: Vec<_> = step.iter().map(|(key, to)| change_of(*key, *to)).collect();
            let root = room.apply(*root, &changes);
            versions.push((root, normal(&model)));
        }
        let view = room.store.view(Op::ReadState);
        let nodes = NodeWriter::none(ROOM);
        for (root, model) in &versions {
            prop_assert_eq!(&room.content(*root), model);
            for key in probe.iter().chain(model.keys().step_by(7)) {
                let found = room.states.event_with(&view, &nodes, *root, *key).unwrap();
                prop_assert_eq!(found, model.get(key).map(|(event, _)| *event));
            }
            let members = model.keys().filter(|key| matches!(key, StateKey::Member(_))).count();
            let counted = room.states.count_members(&view, ROOM, *root).unwrap();
            prop_assert_eq!(usize::try_from(counted).unwrap(), members);
            let counted = room.states.count_others(&view, ROOM, *root).unwrap();
            prop_assert_eq!(usize::try_from(counted).unwrap(), model.len() - members);
            for after in [None, Some(UserNum(30)), Some(UserNum(u32::MAX))] {
                let page = room.states.members_page(&view, ROOM, *root, after, limit).unwrap();
                let page: Vec<_> = page.into_iter().map(|(user, _)| user).collect();
                let users = model.keys().filter_map(|key| match key {
                    StateKey::Member(user) => Some(*user),
                    StateKey::Other(..) => None,
                });
                let expected: Vec<_> =
                    users.filter(|user| after.is_none_or(|a| *user > a)).take(limit).collect();
                prop_assert_eq!(page, expected);
            }
        }
        for (a, before) in &versions {
            for (b, after) in &versions {
                let found = room.states.diff(&view, ROOM, *a, *b).unwrap();
                let keys: std::collections::BTreeSet<_> = before.keys().chain(after.keys()).collect();
                let expected: Vec<_> = keys
                    .into_iter()
                    .filter(|key| before.get(key) != after.get(key))
                    .map(|key| (*key, after.get(key).map(|(event, _)| *event)))
                    .collect();
                prop_assert_eq!(found, expected);
            }
        }
    }

    /// Equal states have equal nodes, however they came about.
    #[test]
    fn the_shape_depends_on_the_content_only(
        steps in prop::collection::vec(prop::collection::vec(change(), 0..60), 1..6),
        order in any::<u64>(),
    ) {
        let mut room = Room::new(64);
        let mut model = Model::new();
        let mut root = StateRoot::EMPTY;
        for step in &steps {
            apply_to(&mut model, step);
            let changes: Vec<_> = step.iter().map(|(key, to)| change_of(*key, *to)).collect();
            root = room.apply(root, &changes);
        }
        let mut entries: Vec<_> = model.into_iter().collect();
        if !entries.is_empty() {
            let by = usize::try_from(order).unwrap() % entries.len();
            entries.rotate_left(by);
        }
        let mut other = StateRoot::EMPTY;
        for (key, to) in entries {
            other = room.apply(other, &[change_of(key, Some(to))]);
        }
        prop_assert_eq!(room.shape(root.members), room.shape(other.members));
        prop_assert_eq!(room.shape(root.rest), room.shape(other.rest));
    }

    /// What a change has made reads the same before and after it is published, and a change that
    /// says nothing new makes nothing.
    #[test]
    fn new_nodes_are_read_before_they_are_published(
        steps in prop::collection::vec(prop::collection::vec(change(), 1..60), 1..5),
    ) {
        let mut room = Room::new(64);
        let view = room.store.view(Op::State);
        let mut nodes = NodeWriter::new(ROOM, NodeNum(0));
        let mut model = Model::new();
        let mut root = StateRoot::EMPTY;
        for step in &steps {
            apply_to(&mut model, step);
            let changes: Vec<_> = step.iter().map(|(key, to)| change_of(*key, *to)).collect();
            root = room.states.apply(&view, &mut nodes, root, &changes).unwrap();
            let made = nodes.len();
            prop_assert_eq!(room.states.apply(&view, &mut nodes, root, &changes).unwrap(), root);
            prop_assert_eq!(nodes.len(), made);
        }
        for (key, (event, _)) in &model {
            let found = room.states.event_with(&view, &nodes, root, *key).unwrap();
            prop_assert_eq!(found, Some(*event));
        }
        prop_assert_eq!(room.states.cached_nodes(), 0);
        room.publish(&nodes);
        prop_assert_eq!(room.content(root), normal(&model));
    }

    #[test]
    fn nodes_round_trip(
        keys in prop::collection::btree_set(any::<u64>(), 1..32),
        event in any::<u32>(),
        tag in any::<u8>(),
    ) {
        let entries = keys.into_iter().map(|key| Entry { key, event: EventIdx(event), tag });
        let node = Node::Bucket(entries.collect());
        prop_assert_eq!(Node::decode(&node.encode()), Ok(node));
    }

    /// Damaged nodes are errors: decoding them, and every way of reading a tree of them.
    #[test]
    fn damaged_nodes_are_errors(
        mut rows in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 4),
        headers in prop::collection::vec(0u8..3, 4),
    ) {
        let room = Room::new(64);
        let mut batch = Batch::new(Op::State);
        for (num, (row, kind)) in (1u32..).zip(rows.iter_mut().zip(headers)) {
            row.splice(0..0, [1, kind]);
            // Whatever decodes is safe to use.
            drop(Node::decode(row));
            batch.put(&STATE_NODES, &(ROOM, NodeNum(num)), &Raw(Bytes::from(row.clone())));
        }
        room.store.submit(room.store.try_reserve().unwrap(), batch).unwrap();
        let view = room.store.view(Op::ReadState);
        for num in 1..5 {
            let root = StateRoot { members: NodeNum(num), rest: NodeNum(num) };
            drop(room.states.members(&view, ROOM, root));
            drop(room.states.others(&view, ROOM, root));
            drop(room.states.member(&view, ROOM, root, UserNum(0)));
            drop(room.states.diff(&view, ROOM, root, StateRoot::EMPTY));
            let mut nodes = NodeWriter::new(ROOM, NodeNum(9));
            let change = [StateChange::Other(TypeNum(0), StateKeyNum(0), Some(EventIdx(0)))];
            drop(room.states.apply(&view, &mut nodes, root, &change));
        }
    }
}

/// A branch that leads to itself is found out, not followed for ever.
#[test]
fn a_node_below_itself_is_corrupt() {
    let room = Room::new(64);
    let mut batch = Batch::new(Op::State);
    // Format, branch, level 0, prefix 0, total 40, children at 0 and 1, both this node itself.
    let row = Bytes::from_static(&[1, 1, 0, 0, 40, 0, 3, 1, 1]);
    assert!(Node::decode(&row).is_ok());
    batch.put(&STATE_NODES, &(ROOM, NodeNum(1)), &Raw(row));
    room.store
        .submit(room.store.try_reserve().unwrap(), batch)
        .unwrap();
    let view = room.store.view(Op::ReadState);
    let state = StateRoot {
        members: NodeNum(1),
        rest: NodeNum(2),
    };
    let looped = room.states.members(&view, ROOM, state);
    assert!(
        matches!(looped, Err(StateError::Store(StoreError::Corrupt { .. }))),
        "{looped:?}"
    );
    let missing = room.states.others(&view, ROOM, state);
    assert!(
        matches!(missing, Err(StateError::Store(StoreError::Corrupt { .. }))),
        "{missing:?}"
    );
}

/// Looking up, changing and comparing cost as many nodes as the tree is deep: the size of the room
/// enters by its logarithm only.
#[test]
fn cost_grows_with_the_logarithm() {
    let mut costs = Vec::new();
    for size in [10u32, 1_000, 100_000] {
        let mut room = Room::new(1);
        let all: Vec<_> = (0..size)
            .map(|user| {
                change_of(
                    StateKey::Member(UserNum(user)),
                    Some((EventIdx(user), Membership::Join)),
                )
            })
            .collect();
        let state = room.apply(StateRoot::EMPTY, &all);
        // A cache of its own, so that every node read is counted.
        room.states = States::new(1);
        let counts = |room: &Room, op: Op| {
            let counts = room.store.counts().of(op);
            (
                counts.nodes_read.load(Ordering::Relaxed),
                counts.nodes_written.load(Ordering::Relaxed),
                counts.bytes_written.load(Ordering::Relaxed),
            )
        };
        let user = UserNum(size / 2);
        let read = room.store.view(Op::ReadState);
        assert!(
            room.states
                .member(&read, ROOM, state, user)
                .unwrap()
                .is_some()
        );
        let looked_up = counts(&room, Op::ReadState).0;
        room.states = States::new(1);
        let before = counts(&room, Op::State);
        let to = room.apply(
            state,
            &[change_of(
                StateKey::Member(user),
                Some((EventIdx(1), Membership::Ban)),
            )],
        );
        let after = counts(&room, Op::State);
        room.states = States::new(1);
        let compare = room.store.view(Op::Sync);
        let found = room.states.diff(&compare, ROOM, state, to).unwrap();
        assert_eq!(found, [(StateKey::Member(user), Some(EventIdx(1)))]);
        let compared = counts(&room, Op::Sync).0;
        let (nodes, bytes) = (after.1 - before.1, after.2 - before.2);
        costs.push((looked_up, after.0 - before.0, nodes, bytes, compared));
    }
    for (cost, deepest) in costs.iter().zip([1, 3, 5]) {
        let (looked_up, read, nodes, bytes, compared) = *cost;
        assert!(looked_up <= deepest && nodes <= deepest, "{costs:?}");
        assert!(
            read <= deepest,
            "a change reads each node on its way once: {costs:?}"
        );
        assert!(compared <= 2 * deepest, "{costs:?}");
        assert!(bytes < 1024, "{costs:?}");
    }
}
