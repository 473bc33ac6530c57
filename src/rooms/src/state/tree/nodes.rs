//! Where nodes come from: those of the change in the making, a cache, the store.

use std::{collections::BTreeMap, sync::Arc};

use heliograph_core::ids::{NodeNum, RoomNum};
use heliograph_tables::{
    Batch, Corrupt, StoreError, Table, View,
    schema::{Raw, STATE_NODES},
};
use quick_cache::sync::Cache;

use super::node::{Node, Place};
use crate::state::StateError;

/// Decoded nodes by room and number; what a number stands for never changes.
pub(in crate::state) type NodeCache = Cache<(RoomNum, NodeNum), Arc<Node>>;

/// The new tree nodes of one change to a room: readable at once, written with its batch.
///
/// A change that is given up takes its numbers back with it, so its nodes must never be seen by
/// anyone else: they enter no cache before a view shows them.
#[derive(Debug)]
pub struct NodeWriter {
    room: RoomNum,
    /// The next free number, or `None` when none may be given out.
    next: Option<NodeNum>,
    pending: BTreeMap<NodeNum, Arc<Node>>,
}

impl NodeWriter {
    /// For a change to `room`, where `next_node` is the first number that is free; zero, which is
    /// the empty tree, counts as one.
    pub fn new(room: RoomNum, next_node: NodeNum) -> Self {
        let next = NodeNum(next_node.0.max(1));
        Self {
            room,
            next: Some(next),
            pending: BTreeMap::new(),
        }
    }

    /// For reading `room` only: it has no nodes of its own and takes none.
    pub const fn none(room: RoomNum) -> Self {
        Self {
            room,
            next: None,
            pending: BTreeMap::new(),
        }
    }

    /// The room.
    pub const fn room(&self) -> RoomNum {
        self.room
    }

    /// The first number that is still free.
    pub fn next_node(&self) -> NodeNum {
        self.next.unwrap_or(NodeNum(u32::MAX))
    }

    /// How many nodes the change has made so far.
    pub fn len(&self) -> usize {
        self.pending.len()
    }

    /// Whether the change has made no node yet.
    pub fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    /// Whether a node is one that the change has made.
    pub(in crate::state) fn made(&self, num: NodeNum) -> bool {
        self.pending.contains_key(&num)
    }

    /// Puts the new nodes into the batch of the change.
    pub fn write(&self, batch: &mut Batch) {
        for (num, node) in &self.pending {
            batch.put(&STATE_NODES, &(self.room, *num), &Raw(node.encode()));
        }
    }

    /// Takes in a new node.
    pub(in crate::state) fn add(&mut self, node: Node) -> Result<NodeNum, StateError> {
        let num = self.next.ok_or(StateError::NodesUsedUp)?;
        self.next = num.next();
        self.pending.insert(num, Arc::new(node));
        Ok(num)
    }
}

/// Reads nodes of one room.
#[derive(Clone, Copy)]
pub(in crate::state) struct Reader<'a> {
    pub(in crate::state) cache: &'a NodeCache,
    pub(in crate::state) view: &'a View,
    pub(in crate::state) nodes: &'a NodeWriter,
}

/// An error of the table of nodes.
pub(in crate::state) const fn corrupt(what: &'static str) -> StateError {
    const fn name<K, V>(table: &Table<K, V>) -> &'static str {
        table.name
    }
    StateError::Store(StoreError::Corrupt {
        table: name(&STATE_NODES),
        source: Corrupt(what),
    })
}

impl Reader<'_> {
    /// The node that hangs at a place.
    pub(in crate::state) fn load(&self, place: Place) -> Result<Arc<Node>, StateError> {
        let node = self.find(place.num)?;
        if node.fits(place) {
            Ok(node)
        } else {
            Err(corrupt("node out of place"))
        }
    }

    fn find(&self, num: NodeNum) -> Result<Arc<Node>, StateError> {
        if let Some(node) = self.nodes.pending.get(&num) {
            return Ok(Arc::clone(node));
        }
        let key = (self.nodes.room, num);
        if let Some(node) = self.cache.get(&key) {
            return Ok(node);
        }
        let raw = self
            .view
            .get(&STATE_NODES, &key)?
            .ok_or(corrupt("missing node"))?;
        let node = Node::decode(&raw.0).map_err(|source| StoreError::Corrupt {
            table: STATE_NODES.name,
            source,
        })?;
        let node = Arc::new(node);
        self.cache.insert(key, Arc::clone(&node));
        Ok(node)
    }
}
