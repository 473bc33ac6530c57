//! The state of a room as two trees: members, and everything else.

use std::{collections::BTreeMap, ops::ControlFlow};

use heliograph_core::ids::{EventIdx, NodeNum, RoomNum, StateKeyNum, TypeNum, UserNum};
use heliograph_tables::{
    View,
    schema::{Membership, StateRoot},
};

use super::{
    StateError,
    resolve::{ByChanges, RESULT_CACHE_CHANGES, RESULT_CACHE_SETS, ResultCache},
    tree::{
        node::{Entry, Place},
        nodes::{NodeCache, NodeWriter, Reader, corrupt},
        update::{Change, changed, finish},
        walk::{Difference, collect, count, diff, get, walk},
    },
};

/// A member in a state: the `m.room.member` event, and what it says, so that lists of members open
/// no event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MemberEntry {
    /// The event.
    pub event: EventIdx,
    /// Its `membership`.
    pub membership: Membership,
}

/// A key of a state that is not a member, and its event.
pub type OtherEntry = ((TypeNum, StateKeyNum), EventIdx);

/// A key of a state. Members order before everything else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StateKey {
    /// `m.room.member` of a user.
    Member(UserNum),
    /// Any other type, with its state key.
    Other(TypeNum, StateKeyNum),
}

/// One key of a state and what it becomes; `None` takes it out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateChange {
    /// A member.
    Member(UserNum, Option<MemberEntry>),
    /// Any other key.
    Other(TypeNum, StateKeyNum, Option<EventIdx>),
}

/// A member that differs between two states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemberChange {
    /// The user.
    pub user: UserNum,
    /// The member in the first state.
    pub before: Option<MemberEntry>,
    /// The member in the second state.
    pub after: Option<MemberEntry>,
}

/// Reads and changes the states of all rooms. It holds decoded tree nodes, which never change, and
/// no lock while it works; calls may block on the store.
#[derive(Debug)]
pub struct States {
    cache: NodeCache,
    pub(super) results: ResultCache,
}

impl States {
    /// With a cache of `capacity` nodes, of at most some 2 KiB each; results of resolution are kept
    /// in another of fixed size.
    pub fn new(capacity: usize) -> Self {
        let results =
            ResultCache::with_weighter(RESULT_CACHE_SETS, RESULT_CACHE_CHANGES, ByChanges);
        Self {
            cache: NodeCache::new(capacity),
            results,
        }
    }

    /// How many nodes the cache holds.
    pub fn cached_nodes(&self) -> usize {
        self.cache.len()
    }

    pub(super) const fn reader<'a>(&'a self, view: &'a View, nodes: &'a NodeWriter) -> Reader<'a> {
        Reader {
            cache: &self.cache,
            view,
            nodes,
        }
    }

    /// A member in a state that shows in `view`.
    pub fn member(
        &self,
        view: &View,
        room: RoomNum,
        state: StateRoot,
        user: UserNum,
    ) -> Result<Option<MemberEntry>, StateError> {
        self.member_with(view, &NodeWriter::none(room), state, user)
    }

    /// A member in a state that may be one of the change in the making.
    pub fn member_with(
        &self,
        view: &View,
        nodes: &NodeWriter,
        state: StateRoot,
        user: UserNum,
    ) -> Result<Option<MemberEntry>, StateError> {
        let entry = get(&self.reader(view, nodes), state.members, u64::from(user.0))?;
        entry.map(|entry| member_of(&entry)).transpose()
    }

    /// The event at a key, other than a member's, in a state that shows in `view`.
    pub fn other(
        &self,
        view: &View,
        room: RoomNum,
        state: StateRoot,
        key: (TypeNum, StateKeyNum),
    ) -> Result<Option<EventIdx>, StateError> {
        self.other_with(view, &NodeWriter::none(room), state, key)
    }

    /// The same in a state that may be one of the change in the making.
    pub fn other_with(
        &self,
        view: &View,
        nodes: &NodeWriter,
        state: StateRoot,
        (event_type, key): (TypeNum, StateKeyNum),
    ) -> Result<Option<EventIdx>, StateError> {
        let entry = get(
            &self.reader(view, nodes),
            state.rest,
            packed(event_type, key),
        )?;
        Ok(entry.map(|entry| entry.event))
    }

    /// Every event of a type other than `m.room.member`.
    pub fn of_type(
        &self,
        view: &View,
        room: RoomNum,
        state: StateRoot,
        event_type: TypeNum,
    ) -> Result<Vec<EventIdx>, StateError> {
        let nodes = NodeWriter::none(room);
        let mut events = Vec::new();
        let mut take = |entry: Entry| {
            if unpacked(entry.key).0 != event_type {
                return ControlFlow::Break(());
            }
            events.push(entry.event);
            ControlFlow::Continue(())
        };
        let from = packed(event_type, StateKeyNum(0));
        // Stopping early is not of interest: another type begins there.
        let _stopped = walk(
            &self.reader(view, &nodes),
            Place::root(state.rest),
            from,
            &mut take,
        )?;
        Ok(events)
    }

    /// The event at any key, in a state that may be one of the change in the making.
    pub fn event_with(
        &self,
        view: &View,
        nodes: &NodeWriter,
        state: StateRoot,
        key: StateKey,
    ) -> Result<Option<EventIdx>, StateError> {
        match key {
            StateKey::Member(user) => Ok(self
                .member_with(view, nodes, state, user)?
                .map(|member| member.event)),
            StateKey::Other(event_type, key) => {
                self.other_with(view, nodes, state, (event_type, key))
            }
        }
    }

    /// Every member of whatever membership, in the order of their numbers.
    pub fn members(
        &self,
        view: &View,
        room: RoomNum,
        state: StateRoot,
    ) -> Result<Vec<(UserNum, MemberEntry)>, StateError> {
        self.members_page(view, room, state, None, usize::MAX)
    }

    /// At most `limit` members of whatever membership, in the order of their numbers, from the one
    /// after `after`.
    pub fn members_page(
        &self,
        view: &View,
        room: RoomNum,
        state: StateRoot,
        after: Option<UserNum>,
        limit: usize,
    ) -> Result<Vec<(UserNum, MemberEntry)>, StateError> {
        let nodes = NodeWriter::none(room);
        let reader = self.reader(view, &nodes);
        let from = after.map_or(0, |user| u64::from(user.0).saturating_add(1));
        let mut page: Vec<Entry> = Vec::new();
        let mut take = |entry| {
            if page.len() == limit {
                return ControlFlow::Break(());
            }
            page.push(entry);
            ControlFlow::Continue(())
        };
        // Stopping early is not of interest: the page is full then.
        let _stopped = walk(&reader, Place::root(state.members), from, &mut take)?;
        page.iter()
            .map(|entry| Ok((user_of(entry.key)?, member_of(entry)?)))
            .collect()
    }

    /// How many members of whatever membership there are.
    pub fn count_members(
        &self,
        view: &View,
        room: RoomNum,
        state: StateRoot,
    ) -> Result<u32, StateError> {
        count(&self.reader(view, &NodeWriter::none(room)), state.members)
    }

    /// Every entry that is not a member, in the order of types and state keys.
    pub fn others(
        &self,
        view: &View,
        room: RoomNum,
        state: StateRoot,
    ) -> Result<Vec<OtherEntry>, StateError> {
        let nodes = NodeWriter::none(room);
        let mut entries = Vec::new();
        if state.rest != NodeNum(0) {
            collect(
                &self.reader(view, &nodes),
                Place::root(state.rest),
                &mut entries,
            )?;
        }
        Ok(entries
            .into_iter()
            .map(|entry| (unpacked(entry.key), entry.event))
            .collect())
    }

    /// How many entries there are that are not members.
    pub fn count_others(
        &self,
        view: &View,
        room: RoomNum,
        state: StateRoot,
    ) -> Result<u32, StateError> {
        count(&self.reader(view, &NodeWriter::none(room)), state.rest)
    }

    /// Every key at which two states differ, in order, and the event that the second has there.
    ///
    /// What both share is not read: it costs as much as was changed between the two.
    pub fn diff(
        &self,
        view: &View,
        room: RoomNum,
        from: StateRoot,
        to: StateRoot,
    ) -> Result<Vec<(StateKey, Option<EventIdx>)>, StateError> {
        let differences = self.differences(view, &NodeWriter::none(room), from, to)?;
        Ok(differences.into_iter().map(|d| (d.key, d.after)).collect())
    }

    /// Every key at which two states differ, in order, and the events that they have there.
    pub(super) fn differences(
        &self,
        view: &View,
        nodes: &NodeWriter,
        from: StateRoot,
        to: StateRoot,
    ) -> Result<Vec<KeyDifference>, StateError> {
        let reader = self.reader(view, nodes);
        let mut out = Vec::new();
        for found in diff(&reader, from.members, to.members)? {
            out.push(KeyDifference::of(
                StateKey::Member(user_of(found.key)?),
                &found,
            ));
        }
        for found in diff(&reader, from.rest, to.rest)? {
            let (event_type, key) = unpacked(found.key);
            out.push(KeyDifference::of(StateKey::Other(event_type, key), &found));
        }
        Ok(out)
    }

    /// Every member that differs between two states, in the order of their numbers.
    pub fn member_changes(
        &self,
        view: &View,
        nodes: &NodeWriter,
        from: StateRoot,
        to: StateRoot,
    ) -> Result<Vec<MemberChange>, StateError> {
        let found = diff(&self.reader(view, nodes), from.members, to.members)?;
        let member = |entry: Option<Entry>| entry.map(|e| member_of(&e)).transpose();
        found
            .into_iter()
            .map(|d| {
                let user = user_of(d.key)?;
                Ok(MemberChange {
                    user,
                    before: member(d.before)?,
                    after: member(d.after)?,
                })
            })
            .collect()
    }

    /// The state that a state becomes by changes; of two to one key the last counts.
    ///
    /// The new nodes are in `nodes`, which must be written with the batch that uses the answer. A
    /// tree that does not change keeps its root.
    pub fn apply(
        &self,
        view: &View,
        nodes: &mut NodeWriter,
        state: StateRoot,
        changes: &[StateChange],
    ) -> Result<StateRoot, StateError> {
        let mut members = BTreeMap::new();
        let mut rest = BTreeMap::new();
        for change in changes {
            match *change {
                StateChange::Member(user, to) => {
                    let to = to.map(|member| (member.event, member.membership.to_byte()));
                    members.insert(u64::from(user.0), to);
                }
                StateChange::Other(event_type, key, to) => {
                    rest.insert(packed(event_type, key), to.map(|event| (event, 0)));
                }
            }
        }
        Ok(StateRoot {
            members: self.apply_to(view, nodes, state.members, members)?,
            rest: self.apply_to(view, nodes, state.rest, rest)?,
        })
    }

    fn apply_to(
        &self,
        view: &View,
        nodes: &mut NodeWriter,
        root: NodeNum,
        changes: BTreeMap<u64, Option<(EventIdx, u8)>>,
    ) -> Result<NodeNum, StateError> {
        if changes.is_empty() {
            return Ok(root);
        }
        let changes: Vec<_> = changes
            .into_iter()
            .map(|(key, to)| Change { key, to })
            .collect();
        let tree = changed(&self.reader(view, nodes), root, &changes)?;
        finish(nodes, tree)
    }
}

/// One key at which two states differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct KeyDifference {
    pub(super) key: StateKey,
    pub(super) before: Option<EventIdx>,
    pub(super) after: Option<EventIdx>,
}

impl KeyDifference {
    fn of(key: StateKey, found: &Difference) -> Self {
        let event = |entry: Option<Entry>| entry.map(|e| e.event);
        Self {
            key,
            before: event(found.before),
            after: event(found.after),
        }
    }
}

fn packed(event_type: TypeNum, key: StateKeyNum) -> u64 {
    (u64::from(event_type.0) << 32) | u64::from(key.0)
}

fn unpacked(key: u64) -> (TypeNum, StateKeyNum) {
    let half = |half: u64| u32::try_from(half & u64::from(u32::MAX)).unwrap_or_default();
    (TypeNum(half(key >> 32)), StateKeyNum(half(key)))
}

fn user_of(key: u64) -> Result<UserNum, StateError> {
    u32::try_from(key)
        .map(UserNum)
        .map_err(|_| corrupt("user number"))
}

fn member_of(entry: &Entry) -> Result<MemberEntry, StateError> {
    let membership = Membership::from_byte(entry.tag).ok_or(corrupt("membership"))?;
    Ok(MemberEntry {
        event: entry.event,
        membership,
    })
}
