//! Events: immutable bytes, a small mutable status, and the ways to find them.

use bytes::Bytes;
use heliograph_core::ids::{DeviceNum, EventIdx, NodeNum, Position, RoomNum, TimelineKey, UserNum};

use crate::{
    codec::{Corrupt, Encoder, Field, Plain, Value, end, format, split},
    table::{AnyTable, Family, Table},
};

/// Bytes whose first is their format, read by the owner of that format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Raw(pub Bytes);

impl Value for Raw {
    fn encode(&self, out: &mut Encoder) {
        out.raw(&self.0);
    }

    fn decode(from: Bytes) -> Result<Self, Corrupt> {
        if from.is_empty() {
            Err(Corrupt("no format byte"))
        } else {
            Ok(Self(from))
        }
    }
}

/// The two trees that are the state of a room at one point.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StateRoot {
    /// The tree of members.
    pub members: NodeNum,
    /// The tree of everything else.
    pub rest: NodeNum,
}

impl StateRoot {
    /// The state before a room's first event.
    pub const EMPTY: Self = Self {
        members: NodeNum(0),
        rest: NodeNum(0),
    };
}

impl Field for StateRoot {
    fn put(&self, out: &mut Encoder) {
        out.field(&self.members).field(&self.rest);
    }

    fn take(from: &mut Bytes) -> Result<Self, Corrupt> {
        Ok(Self {
            members: Field::take(from)?,
            rest: Field::take(from)?,
        })
    }
}

/// What became of an event under the spec's checks.
///
/// <https://spec.matrix.org/v1.19/server-server-api/#checks-performed-on-receipt-of-a-pdu>
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Passed all checks.
    Accepted,
    /// Failed authorisation by its auth events or by the state before it.
    Rejected,
    /// Allowed by the state before it, not by the room's current state.
    SoftFailed,
    /// Known only as part of an auth chain or a state: its place in the graph is not known.
    Outlier,
    /// An outlier that failed authorisation by its auth events.
    RejectedOutlier,
}

impl Standing {
    /// Whether the event failed authorisation for good.
    pub const fn is_rejected(self) -> bool {
        matches!(self, Self::Rejected | Self::RejectedOutlier)
    }

    /// Whether the event has no place in the graph here.
    pub const fn is_outlier(self) -> bool {
        matches!(self, Self::Outlier | Self::RejectedOutlier)
    }
}

impl Field for Standing {
    fn put(&self, out: &mut Encoder) {
        let byte: u8 = match self {
            Self::Accepted => 0,
            Self::Rejected => 1,
            Self::SoftFailed => 2,
            Self::Outlier => 3,
            Self::RejectedOutlier => 4,
        };
        byte.put(out);
    }

    fn take(from: &mut Bytes) -> Result<Self, Corrupt> {
        Ok(match u8::take(from)? {
            0 => Self::Accepted,
            1 => Self::Rejected,
            2 => Self::SoftFailed,
            3 => Self::Outlier,
            4 => Self::RejectedOutlier,
            _ => return Err(Corrupt("standing")),
        })
    }
}

/// What is known of an event beside its bytes; changes over its life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventStatus {
    /// What the checks said.
    pub standing: Standing,
    /// The state before it; [`StateRoot::EMPTY`] for outliers.
    pub state_before: StateRoot,
    /// The state after it, where that is another than before.
    pub state_after: Option<StateRoot>,
    /// Its place in the timeline, if it has one.
    pub timeline: Option<TimelineKey>,
    /// When it came in live; `None` for history and outliers.
    pub position: Option<Position>,
    /// The redaction that took its content.
    pub redacted_by: Option<EventIdx>,
    /// The state event of the same type and key that it replaced in the state before it.
    pub replaces: Option<EventIdx>,
    /// One more than the highest `auth_gen` of its auth events: walks over auth chains go by it.
    pub auth_gen: u32,
    /// Its auth events: an event is only taken in when all of them are here.
    pub auth_events: Vec<EventIdx>,
}

impl Value for EventStatus {
    fn encode(&self, out: &mut Encoder) {
        out.field(&1u8)
            .field(&self.standing)
            .field(&self.state_before)
            .field(&self.state_after)
            .field(&self.timeline)
            .field(&self.position)
            .field(&self.redacted_by)
            .field(&self.replaces)
            .field(&self.auth_gen)
            .field(&self.auth_events);
    }

    fn decode(mut from: Bytes) -> Result<Self, Corrupt> {
        format(&mut from, 1)?;
        let from = &mut from;
        let status = Self {
            standing: Field::take(from)?,
            state_before: Field::take(from)?,
            state_after: Field::take(from)?,
            timeline: Field::take(from)?,
            position: Field::take(from)?,
            redacted_by: Field::take(from)?,
            replaces: Field::take(from)?,
            auth_gen: Field::take(from)?,
            auth_events: Field::take(from)?,
        };
        end(from)?;
        Ok(status)
    }
}

/// How an event was sent by a client of this server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventLocal {
    /// The sender.
    pub user: UserNum,
    /// The device it was sent from.
    pub device: DeviceNum,
    /// The client's transaction id, if it gave one.
    pub transaction: Option<Box<str>>,
}

impl Value for EventLocal {
    fn encode(&self, out: &mut Encoder) {
        out.field(&1u8)
            .field(&self.user)
            .field(&self.device)
            .field(&self.transaction);
    }

    fn decode(mut from: Bytes) -> Result<Self, Corrupt> {
        format(&mut from, 1)?;
        let from = &mut from;
        let local = Self {
            user: Field::take(from)?,
            device: Field::take(from)?,
            transaction: Field::take(from)?,
        };
        end(from)?;
        Ok(local)
    }
}

/// Event bytes, as `core::pdu::StoredPdu` lays them out.
pub const EVENTS: Table<(RoomNum, EventIdx), Raw> = Table::new("events", Family::Events, 0x0201);
/// What is known of each event.
pub const EVENT_STATUS: Table<(RoomNum, EventIdx), EventStatus> =
    Table::new("event_status", Family::Index, 0x0202);
/// Events that clients of this server sent.
pub const EVENT_LOCAL: Table<(RoomNum, EventIdx), EventLocal> =
    Table::new("event_local", Family::Index, 0x0203);
/// Event id hash (`core::hashing::event_id_hash`) → event.
pub const EVENT_IDS: Table<[u8; 32], Plain<(RoomNum, EventIdx)>> =
    Table::new("event_ids", Family::Index, 0x0204);
/// (Room, auth event, state event that cites it).
pub const AUTH_CITED_BY: Table<(RoomNum, EventIdx, EventIdx), Plain<()>> =
    Table::new("auth_cited_by", Family::Index, 0x0205);
/// (Room, event id hash of a target not yet here, redaction that waits for it).
pub const WAITING_REDACTIONS: Table<(RoomNum, [u8; 32], EventIdx), Plain<()>> =
    Table::new("waiting_redactions", Family::Index, 0x0206);
/// Nodes of the state trees, as `rooms` lays them out.
pub const STATE_NODES: Table<(RoomNum, NodeNum), Raw> =
    Table::new("state_nodes", Family::State, 0x0301);

pub(super) const EVENT_TABLES: &[&dyn AnyTable] = &[
    &EVENTS,
    &EVENT_STATUS,
    &EVENT_LOCAL,
    &EVENT_IDS,
    &AUTH_CITED_BY,
    &WAITING_REDACTIONS,
    &STATE_NODES,
];

/// Takes the bytes after the format byte: for owners of [`Raw`] values.
pub fn after_format(raw: &Raw, expected: u8) -> Result<Bytes, Corrupt> {
    let mut bytes = raw.0.clone();
    format(&mut bytes, expected)?;
    let len = bytes.len();
    split(&mut bytes, len)
}
