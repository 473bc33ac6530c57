//! Many changes to a tree at once: each node on the way is read and written once.

use heliograph_core::ids::{EventIdx, NodeNum};

use super::{
    node::{
        BUCKET_MAX, Branch, Child, EMBEDDED_MAX, Entry, Node, Place, count_of, digit, head, shared,
    },
    nodes::{NodeWriter, Reader},
    walk::collect,
};
use crate::state::StateError;

/// What one key becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::state) struct Change {
    pub(in crate::state) key: u64,
    /// The event and its tag, or `None` when nothing is to stand there.
    pub(in crate::state) to: Option<(EventIdx, u8)>,
}

impl Change {
    fn entry(self) -> Option<Entry> {
        self.to.map(|(event, tag)| Entry {
            key: self.key,
            event,
            tag,
        })
    }
}

/// A tree whose new nodes have no numbers yet.
pub(in crate::state) enum Tree {
    /// At most [`BUCKET_MAX`] entries, or none.
    Entries(Vec<Entry>),
    /// A node that is stored already.
    Kept(NodeNum),
    /// More than [`BUCKET_MAX`] entries.
    Branch(NewBranch),
}

/// A branch whose children have no numbers yet.
pub(in crate::state) struct NewBranch {
    level: u8,
    prefix: u64,
    total: u32,
    children: Vec<(u8, Tree)>,
}

/// A tree and how many entries it has.
type Counted = (Tree, u32);

/// A tree with changes made; `changes` in the order of their keys, each key once.
pub(in crate::state) fn changed(
    reader: &Reader<'_>,
    root: NodeNum,
    changes: &[Change],
) -> Result<Tree, StateError> {
    if root == NodeNum(0) {
        return Ok(build(merged(&[], changes)).0);
    }
    change_node(reader, Place::root(root), changes).map(|changed| changed.tree)
}

/// Numbers the new nodes of a tree, children first, and says the number of its first node.
pub(in crate::state) fn finish(writer: &mut NodeWriter, tree: Tree) -> Result<NodeNum, StateError> {
    let new = match tree {
        Tree::Kept(num) => return Ok(num),
        Tree::Entries(entries) if entries.is_empty() => return Ok(NodeNum(0)),
        Tree::Entries(entries) => return writer.add(Node::Bucket(entries)),
        Tree::Branch(new) => new,
    };
    let mut children = Vec::with_capacity(new.children.len());
    for (at, tree) in new.children {
        let child = match tree {
            Tree::Entries(few) if few.len() <= EMBEDDED_MAX => Child::Embedded(few),
            tree => Child::Stored(finish(writer, tree)?),
        };
        children.push((at, child));
    }
    let NewBranch {
        level,
        prefix,
        total,
        ..
    } = new;
    writer.add(Node::Branch(Branch {
        level,
        prefix,
        total,
        children,
    }))
}

/// A stored tree after changes, and how many entries it had before.
struct Changed {
    tree: Tree,
    count: u32,
    before: u32,
}

fn change_node(
    reader: &Reader<'_>,
    place: Place,
    changes: &[Change],
) -> Result<Changed, StateError> {
    let node = reader.load(place)?;
    let before = node.count();
    let (tree, count) = match &*node {
        Node::Bucket(entries) => {
            let now = merged(entries, changes);
            if now == *entries {
                (Tree::Kept(place.num), before)
            } else {
                build(now)
            }
        }
        Node::Branch(branch) => {
            let (inside, outside): (Vec<_>, Vec<_>) = changes
                .iter()
                .copied()
                .partition(|change| branch.holds(change.key));
            let tree = change_branch(reader, (place.num, branch), &inside)?;
            let added = merged(&[], &outside);
            if added.is_empty() {
                tree
            } else {
                joined(reader, tree, &added)?
            }
        }
    };
    Ok(Changed {
        tree,
        count,
        before,
    })
}

/// A branch with changes made to keys that belong below it.
fn change_branch(
    reader: &Reader<'_>,
    (num, branch): (NodeNum, &Branch),
    changes: &[Change],
) -> Result<Counted, StateError> {
    let mut children = Vec::with_capacity(branch.children.len());
    let mut total = branch.total;
    let mut same = true;
    for at in 0..16 {
        let mine = group(changes, at, branch.level, |change| change.key);
        let child = branch.child(at);
        let (tree, count) = match child {
            None if mine.is_empty() => continue,
            None => {
                let (tree, count) = build(merged(&[], mine));
                same &= count == 0;
                total = total.saturating_add(count);
                (tree, count)
            }
            Some(Child::Stored(num)) if mine.is_empty() => (Tree::Kept(*num), 1),
            Some(Child::Stored(num)) => {
                let child = change_node(reader, branch.place(at, *num), mine)?;
                same &= matches!(child.tree, Tree::Kept(kept) if kept == *num);
                total = total
                    .saturating_sub(child.before)
                    .saturating_add(child.count);
                (child.tree, child.count)
            }
            Some(Child::Embedded(few)) => {
                let now = merged(few, mine);
                same &= now == *few;
                let (tree, count) = build(now);
                total = total.saturating_sub(count_of(few)).saturating_add(count);
                (tree, count)
            }
        };
        if count > 0 {
            children.push((at, tree));
        }
    }
    if same {
        return Ok((Tree::Kept(num), branch.total));
    }
    let (level, prefix) = (branch.level, branch.prefix);
    shaped(
        reader,
        NewBranch {
            level,
            prefix,
            total,
            children,
        },
    )
}

/// Gives a changed branch the shape that its entries demand.
fn shaped(reader: &Reader<'_>, mut branch: NewBranch) -> Result<Counted, StateError> {
    let total = branch.total;
    if usize::try_from(total).is_ok_and(|total| total <= BUCKET_MAX) {
        let mut entries = Vec::new();
        flatten(
            reader,
            Tree::Branch(branch),
            Place::root(NodeNum(0)),
            &mut entries,
        )?;
        return Ok((Tree::Entries(entries), total));
    }
    if branch.children.len() == 1
        && let Some((_, only)) = branch.children.pop()
    {
        return Ok((only, total));
    }
    Ok((Tree::Branch(branch), total))
}

/// Collects all entries of a small tree.
fn flatten(
    reader: &Reader<'_>,
    tree: Tree,
    place: Place,
    out: &mut Vec<Entry>,
) -> Result<(), StateError> {
    match tree {
        Tree::Entries(entries) => out.extend(entries),
        Tree::Kept(num) => collect(reader, Place { num, ..place }, out)?,
        Tree::Branch(new) => {
            let NewBranch {
                level,
                prefix,
                total,
                children,
            } = new;
            let shape = Branch {
                level,
                prefix,
                total,
                children: Vec::new(),
            };
            for (at, child) in children {
                flatten(reader, child, shape.place(at, NodeNum(0)), out)?;
            }
        }
    }
    Ok(())
}

/// A tree together with entries whose keys lie outside of its prefix.
fn joined(
    reader: &Reader<'_>,
    (tree, count): Counted,
    added: &[Entry],
) -> Result<Counted, StateError> {
    let prefix = match &tree {
        Tree::Entries(entries) => return Ok(build(united(entries, added))),
        Tree::Branch(branch) => branch.prefix,
        Tree::Kept(num) => match &*reader.load(Place::root(*num))? {
            Node::Branch(branch) => branch.prefix,
            Node::Bucket(entries) => return Ok(build(united(entries, added))),
        },
    };
    let nearest = added.iter().map(|entry| shared(prefix, entry.key)).min();
    let level = nearest.unwrap_or_default();
    let total = count.saturating_add(count_of(added));
    let mut tree = Some((tree, count));
    let mut children = Vec::new();
    for at in 0..16 {
        let mine = group(added, at, level, |entry| entry.key);
        let own = if digit(prefix, level) == at {
            tree.take()
        } else {
            None
        };
        let child = match own {
            Some((tree, _)) if mine.is_empty() => tree,
            Some(tree) => joined(reader, tree, mine)?.0,
            None if mine.is_empty() => continue,
            None => build(mine.to_vec()).0,
        };
        children.push((at, child));
    }
    let prefix = head(prefix, level);
    Ok((
        Tree::Branch(NewBranch {
            level,
            prefix,
            total,
            children,
        }),
        total,
    ))
}

/// All of two lists without a key in common.
fn united(some: &[Entry], others: &[Entry]) -> Vec<Entry> {
    let mut all = [some, others].concat();
    all.sort_unstable_by_key(|entry| entry.key);
    all
}

/// A tree of entries that are in order.
fn build(entries: Vec<Entry>) -> Counted {
    let total = count_of(&entries);
    let (Some(first), Some(last)) = (entries.first(), entries.last()) else {
        return (Tree::Entries(entries), 0);
    };
    if entries.len() <= BUCKET_MAX {
        return (Tree::Entries(entries), total);
    }
    let level = shared(first.key, last.key);
    let prefix = head(first.key, level);
    let children = (0..16)
        .map(|at| (at, group(&entries, at, level, |entry| entry.key)))
        .filter(|(_, mine)| !mine.is_empty())
        .map(|(at, mine)| (at, build(mine.to_vec()).0))
        .collect();
    (
        Tree::Branch(NewBranch {
            level,
            prefix,
            total,
            children,
        }),
        total,
    )
}

/// The run of items that have `at` as their half-byte at `level`; items in the order of their
/// keys, which share all half-bytes before it.
pub(super) fn group<T>(items: &[T], at: u8, level: u8, key: impl Fn(&T) -> u64) -> &[T] {
    let from = items.partition_point(|item| digit(key(item), level) < at);
    let to = items.partition_point(|item| digit(key(item), level) <= at);
    items.get(from..to).unwrap_or_default()
}

/// Entries with changes made, both in the order of their keys.
fn merged(entries: &[Entry], changes: &[Change]) -> Vec<Entry> {
    let mut out = Vec::with_capacity(entries.len().saturating_add(changes.len()));
    let mut old = entries.iter().peekable();
    for change in changes {
        while let Some(entry) = old.next_if(|entry| entry.key < change.key) {
            out.push(*entry);
        }
        if old.peek().is_some_and(|entry| entry.key == change.key) {
            old.next();
        }
        out.extend(change.entry());
    }
    out.extend(old);
    out
}
