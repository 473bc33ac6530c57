//! Reading trees: one key, all keys in order, what differs between two.

use std::ops::ControlFlow;

use heliograph_core::ids::NodeNum;

use super::{
    node::{Branch, Child, Entry, Node, Place, digit, head},
    nodes::Reader,
    update::group,
};
use crate::state::StateError;

/// What stands at a key.
pub(in crate::state) fn get(
    reader: &Reader<'_>,
    root: NodeNum,
    key: u64,
) -> Result<Option<Entry>, StateError> {
    let find = |entries: &[Entry]| {
        let found = entries.binary_search_by_key(&key, |entry| entry.key).ok()?;
        entries.get(found).copied()
    };
    let mut place = Place::root(root);
    while place.num != NodeNum(0) {
        match &*reader.load(place)? {
            Node::Bucket(entries) => return Ok(find(entries)),
            Node::Branch(branch) if branch.holds(key) => {
                let at = digit(key, branch.level);
                match branch.child(at) {
                    None => return Ok(None),
                    Some(Child::Embedded(entries)) => return Ok(find(entries)),
                    Some(Child::Stored(num)) => place = branch.place(at, *num),
                }
            }
            Node::Branch(_) => return Ok(None),
        }
    }
    Ok(None)
}

/// How many entries a tree has.
pub(in crate::state) fn count(reader: &Reader<'_>, root: NodeNum) -> Result<u32, StateError> {
    if root == NodeNum(0) {
        return Ok(0);
    }
    Ok(reader.load(Place::root(root))?.count())
}

/// Shows the entries from `from` up, in the order of their keys, until told to stop.
pub(in crate::state) fn walk(
    reader: &Reader<'_>,
    place: Place,
    from: u64,
    visit: &mut dyn FnMut(Entry) -> ControlFlow<()>,
) -> Result<ControlFlow<()>, StateError> {
    if place.num == NodeNum(0) {
        return Ok(ControlFlow::Continue(()));
    }
    match &*reader.load(place)? {
        Node::Bucket(entries) => Ok(show(entries, from, visit)),
        Node::Branch(branch) => {
            for (at, child) in &branch.children {
                if branch.last_key(*at) < from {
                    continue;
                }
                let flow = match child {
                    Child::Embedded(entries) => show(entries, from, visit),
                    Child::Stored(num) => walk(reader, branch.place(*at, *num), from, visit)?,
                };
                if flow.is_break() {
                    return Ok(flow);
                }
            }
            Ok(ControlFlow::Continue(()))
        }
    }
}

fn show(
    entries: &[Entry],
    from: u64,
    visit: &mut dyn FnMut(Entry) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let mut entries = entries.iter().filter(|entry| entry.key >= from);
    entries.try_for_each(|entry| visit(*entry))
}

/// Appends all entries of a tree.
pub(in crate::state) fn collect(
    reader: &Reader<'_>,
    place: Place,
    out: &mut Vec<Entry>,
) -> Result<(), StateError> {
    let mut push = |entry| {
        out.push(entry);
        ControlFlow::Continue(())
    };
    walk(reader, place, 0, &mut push).map(|_| ())
}

/// One key at which two trees differ: what stands there in the one and in the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::state) struct Difference {
    pub(in crate::state) key: u64,
    pub(in crate::state) before: Option<Entry>,
    pub(in crate::state) after: Option<Entry>,
}

/// What differs between two trees, in the order of the keys. Nodes that both have are not read.
pub(in crate::state) fn diff(
    reader: &Reader<'_>,
    before: NodeNum,
    after: NodeNum,
) -> Result<Vec<Difference>, StateError> {
    let mut compare = Compare {
        reader,
        found: Vec::new(),
        swapped: false,
    };
    compare.sides(Side::root(before), Side::root(after))?;
    let mut found = compare.found;
    found.sort_unstable_by_key(|difference| difference.key);
    Ok(found)
}

/// One side of a comparison.
#[derive(Clone, Copy)]
enum Side<'a> {
    Entries(&'a [Entry]),
    Branch(&'a Branch),
    Stored(Place),
}

impl<'a> Side<'a> {
    const fn root(num: NodeNum) -> Self {
        if num.0 == 0 {
            Self::Entries(&[])
        } else {
            Self::Stored(Place::root(num))
        }
    }

    fn of(node: &'a Node) -> Self {
        match node {
            Node::Bucket(entries) => Self::Entries(entries),
            Node::Branch(branch) => Self::Branch(branch),
        }
    }

    fn child(branch: &'a Branch, at: u8) -> Self {
        match branch.child(at) {
            None => Self::Entries(&[]),
            Some(Child::Embedded(entries)) => Self::Entries(entries),
            Some(Child::Stored(num)) => Self::Stored(branch.place(at, *num)),
        }
    }
}

struct Compare<'a> {
    reader: &'a Reader<'a>,
    found: Vec<Difference>,
    /// Whether the sides stand the other way round just now.
    swapped: bool,
}

impl Compare<'_> {
    fn sides(&mut self, a: Side<'_>, b: Side<'_>) -> Result<(), StateError> {
        match (a, b) {
            (Side::Stored(x), Side::Stored(y)) if x.num == y.num => Ok(()),
            (Side::Stored(x), b) => {
                let node = self.reader.load(x)?;
                self.sides(Side::of(&node), b)
            }
            (a, Side::Stored(y)) => {
                let node = self.reader.load(y)?;
                self.sides(a, Side::of(&node))
            }
            (Side::Entries(x), Side::Entries(y)) => {
                self.entries(x, y);
                Ok(())
            }
            (Side::Entries(x), Side::Branch(y)) => self.other_way(|s| s.branch_entries(y, x)),
            (Side::Branch(x), Side::Entries(y)) => self.branch_entries(x, y),
            (Side::Branch(x), Side::Branch(y)) if x.level <= y.level => self.branches(x, y),
            (Side::Branch(x), Side::Branch(y)) => self.other_way(|s| s.branches(y, x)),
        }
    }

    fn other_way(
        &mut self,
        compare: impl FnOnce(&mut Self) -> Result<(), StateError>,
    ) -> Result<(), StateError> {
        self.swapped = !self.swapped;
        let done = compare(self);
        self.swapped = !self.swapped;
        done
    }

    fn branch_entries(&mut self, branch: &Branch, entries: &[Entry]) -> Result<(), StateError> {
        let from = entries.partition_point(|entry| head(entry.key, branch.level) < branch.prefix);
        let to = entries.partition_point(|entry| head(entry.key, branch.level) <= branch.prefix);
        self.entries(&[], entries.get(..from).unwrap_or_default());
        self.entries(&[], entries.get(to..).unwrap_or_default());
        let inside = entries.get(from..to).unwrap_or_default();
        for at in 0..16 {
            let mine = group(inside, at, branch.level, |entry| entry.key);
            self.sides(Side::child(branch, at), Side::Entries(mine))?;
        }
        Ok(())
    }

    /// Two branches, the first not deeper than the second.
    fn branches(&mut self, x: &Branch, y: &Branch) -> Result<(), StateError> {
        if x.level == y.level && x.prefix == y.prefix {
            for at in 0..16 {
                self.sides(Side::child(x, at), Side::child(y, at))?;
            }
        } else if x.level < y.level && x.holds(y.prefix) {
            for at in 0..16 {
                let inside = digit(y.prefix, x.level) == at;
                let other = if inside {
                    Side::Branch(y)
                } else {
                    Side::Entries(&[])
                };
                self.sides(Side::child(x, at), other)?;
            }
        } else {
            self.branch_entries(x, &[])?;
            self.other_way(|s| s.branch_entries(y, &[]))?;
        }
        Ok(())
    }

    fn entries(&mut self, a: &[Entry], b: &[Entry]) {
        let (mut a, mut b) = (a.iter().copied().peekable(), b.iter().copied().peekable());
        loop {
            let key = match (a.peek(), b.peek()) {
                (None, None) => return,
                (Some(x), Some(y)) => x.key.min(y.key),
                (Some(one), None) | (None, Some(one)) => one.key,
            };
            let (x, y) = (a.next_if(|e| e.key == key), b.next_if(|e| e.key == key));
            if x != y {
                let (before, after) = if self.swapped { (y, x) } else { (x, y) };
                self.found.push(Difference { key, before, after });
            }
        }
    }
}
