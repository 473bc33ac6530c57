//! Relations between events: which events relate to an event, and what is counted of them.
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#forming-relationships-between-events>
//!
//! A target is named by the hash of its event id, for it may come after what relates to it. Only
//! events that have a place in the timeline and are not redacted have rows here.

use bytes::Bytes;
use heliograph_core::ids::{EventIdx, RoomNum, TimelineKey, UserNum};

use crate::{
    codec::{Corrupt, Encoder, Field, Plain, Tail, Value, end, format},
    table::{AnyTable, Family, Table},
};

/// The kinds of relations that the server knows, by their `rel_type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RelationKind {
    /// Any that it does not know.
    Other,
    /// `m.annotation`
    Annotation,
    /// `m.reference`
    Reference,
    /// `m.replace`
    Replace,
    /// `m.thread`
    Thread,
}

impl RelationKind {
    /// Every kind.
    pub const ALL: [Self; 5] = [
        Self::Other,
        Self::Annotation,
        Self::Reference,
        Self::Replace,
        Self::Thread,
    ];

    /// The kind of a `rel_type`.
    pub fn of(rel_type: &str) -> Self {
        match rel_type {
            "m.annotation" => Self::Annotation,
            "m.reference" => Self::Reference,
            "m.replace" => Self::Replace,
            "m.thread" => Self::Thread,
            _ => Self::Other,
        }
    }

    const fn number(self) -> u8 {
        match self {
            Self::Other => 0,
            Self::Annotation => 1,
            Self::Reference => 2,
            Self::Replace => 3,
            Self::Thread => 4,
        }
    }
}

impl Field for RelationKind {
    fn put(&self, out: &mut Encoder) {
        self.number().put(out);
    }

    fn take(from: &mut Bytes) -> Result<Self, Corrupt> {
        let number = u8::take(from)?;
        let kind = Self::ALL.into_iter().find(|kind| kind.number() == number);
        kind.ok_or(Corrupt("kind of relation"))
    }
}

/// A set of kinds of relations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RelationKinds(u8);

impl RelationKinds {
    /// No kind.
    pub const NONE: Self = Self(0);

    /// Whether a kind is in the set.
    pub const fn has(self, kind: RelationKind) -> bool {
        self.0 & (1 << kind.number()) != 0
    }

    /// The set with one kind more.
    #[must_use]
    pub const fn with(self, kind: RelationKind) -> Self {
        Self(self.0 | (1 << kind.number()))
    }
}

impl Value for RelationKinds {
    fn encode(&self, out: &mut Encoder) {
        out.field(&1u8).field(&self.0);
    }

    fn decode(mut from: Bytes) -> Result<Self, Corrupt> {
        format(&mut from, 1)?;
        let kinds = u8::take(&mut from)?;
        end(&from)?;
        if kinds >> RelationKind::ALL.len() != 0 {
            return Err(Corrupt("kinds of relations"));
        }
        Ok(Self(kinds))
    }
}

/// An event that relates to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relation {
    /// The event that relates.
    pub event: EventIdx,
    /// Who sent it.
    pub sender: UserNum,
    /// Its `rel_type`.
    pub rel_type: Box<str>,
    /// Its type.
    pub event_type: Box<str>,
}

impl Value for Relation {
    fn encode(&self, out: &mut Encoder) {
        out.field(&1u8)
            .field(&self.event)
            .field(&self.sender)
            .field(&self.rel_type)
            .field(&self.event_type);
    }

    fn decode(mut from: Bytes) -> Result<Self, Corrupt> {
        format(&mut from, 1)?;
        let from = &mut from;
        let relation = Self {
            event: Field::take(from)?,
            sender: Field::take(from)?,
            rel_type: Field::take(from)?,
            event_type: Field::take(from)?,
        };
        end(from)?;
        Ok(relation)
    }
}

/// What is counted of a thread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Thread {
    /// How many replies it has; a thread without any has no row.
    pub replies: u32,
    /// The place of the latest reply.
    pub latest: TimelineKey,
}

impl Value for Thread {
    fn encode(&self, out: &mut Encoder) {
        out.field(&1u8).field(&self.replies).field(&self.latest);
    }

    fn decode(mut from: Bytes) -> Result<Self, Corrupt> {
        format(&mut from, 1)?;
        let from = &mut from;
        let thread = Self {
            replies: Field::take(from)?,
            latest: Field::take(from)?,
        };
        end(from)?;
        Ok(thread)
    }
}

/// An event in the index of event ids: `core::hashing::event_id_hash`.
type IdHash = [u8; 32];
/// Room, target, sender, type and key, annotation.
type AnnotationKey = (RoomNum, IdHash, UserNum, Box<str>, EventIdx);
/// Room, target, sender, `origin_server_ts`, event id.
type EditKey = (RoomNum, IdHash, UserNum, u64, Tail);

/// (Room, event id hash of the target, kind, place of the event that relates) → that event.
pub const RELATIONS: Table<(RoomNum, IdHash, RelationKind, TimelineKey), Relation> =
    Table::new("relations", Family::Index, 0x0210);
/// Events to which others relate or once related, and by what kinds of relations.
pub const RELATED: Table<(RoomNum, EventIdx), RelationKinds> =
    Table::new("related", Family::Index, 0x0211);
/// (Room, event id hash of the target, sender, `origin_server_ts`, event id) → an event that may
/// replace the target, in the order in which one takes the place of the other.
pub const EDITS: Table<EditKey, Plain<EventIdx>> = Table::new("edits", Family::Index, 0x0212);
/// (Room, event id hash of the target, sender, type and key, annotation).
pub const ANNOTATIONS: Table<AnnotationKey, Plain<()>> =
    Table::new("annotations", Family::Index, 0x0213);
/// (Room, event id hash of the root) → what is counted of the thread.
pub const THREADS: Table<(RoomNum, IdHash), Thread> = Table::new("threads", Family::Index, 0x0410);
/// (Room, place of a thread's latest reply) → event id hash of the root.
pub const THREADS_BY_LATEST: Table<(RoomNum, TimelineKey), Plain<IdHash>> =
    Table::new("threads_by_latest", Family::Index, 0x0411);
/// (Room, event id hash of the root, sender) → how many replies the sender has in the thread.
pub const THREAD_SENDERS: Table<(RoomNum, IdHash, UserNum), Plain<u32>> =
    Table::new("thread_senders", Family::Index, 0x0412);

pub(super) const RELATION_TABLES: &[&dyn AnyTable] = &[
    &RELATIONS,
    &RELATED,
    &EDITS,
    &ANNOTATIONS,
    &THREADS,
    &THREADS_BY_LATEST,
    &THREAD_SENDERS,
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{super::testing::round_trip, *};
    use crate::batch::PRESENT;

    fn text() -> impl Strategy<Value = Box<str>> {
        ".{0,20}".prop_map(String::into_boxed_str)
    }

    proptest! {
        #[test]
        fn rows_round_trip(
            (room, event, sender, ts) in any::<(u32, u32, u32, u64)>(),
            hash in any::<[u8; 32]>(),
            kind in prop::sample::select(RelationKind::ALL.to_vec()),
            (segment, index, replies) in any::<(u64, u32, u32)>(),
            (one, other) in (text(), text()),
        ) {
            let (room, event, sender) = (RoomNum(room), EventIdx(event), UserNum(sender));
            let place = TimelineKey { segment, index };
            let relation = Relation { event, sender, rel_type: one.clone(), event_type: other };
            round_trip(&RELATIONS, &(room, hash, kind, place), &relation);
            round_trip(&RELATED, &(room, event), &RelationKinds::NONE.with(kind));
            round_trip(&EDITS, &(room, hash, sender, ts, Tail(one.clone())), &Plain(event));
            round_trip(&ANNOTATIONS, &(room, hash, sender, one, event), &PRESENT);
            round_trip(&THREADS, &(room, hash), &Thread { replies, latest: place });
            round_trip(&THREADS_BY_LATEST, &(room, place), &Plain(hash));
            round_trip(&THREAD_SENDERS, &(room, hash, sender), &Plain(replies));
        }

        #[test]
        fn relations_of_a_kind_stand_in_the_order_of_the_timeline(
            a in any::<(u64, u32)>(), b in any::<(u64, u32)>(),
        ) {
            let key = |(segment, index)| {
                let place = TimelineKey { segment, index };
                RELATIONS.key(&(RoomNum(1), [7; 32], RelationKind::Thread, place)).0
            };
            prop_assert_eq!(key(a).cmp(&key(b)), a.cmp(&b));
        }
    }

    #[test]
    fn a_set_has_the_kinds_that_were_put_into_it() {
        for kind in RelationKind::ALL {
            for other in RelationKind::ALL {
                assert_eq!(RelationKinds::NONE.with(kind).has(other), kind == other);
            }
        }
    }
}
