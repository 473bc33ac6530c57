//! Who is typing: in memory only.
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#typing-notifications>

use std::{
    collections::{BTreeMap, HashMap},
    sync::atomic::{AtomicU64, Ordering},
};

use heliograph_core::ids::{RoomNum, UserNum};
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::ephemeral::Sequence;

/// Who types in one room.
#[derive(Debug, Default)]
struct Room {
    /// The sequence number of the last change.
    changed: u64,
    /// Until when each user types, milliseconds since the Unix epoch.
    until_ms: BTreeMap<UserNum, u64>,
}

/// Typing notifications of all rooms.
///
/// Changes carry a sequence number of this process, which sync tokens hold; a token of another
/// process gets the present state again.
#[derive(Debug)]
pub struct Typing {
    sequence: Sequence,
    /// The number of the last change that was one of typing.
    last: AtomicU64,
    rooms: Mutex<HashMap<RoomNum, Room>>,
    changes: watch::Sender<(u64, Option<RoomNum>)>,
}

impl Typing {
    /// The longest time that a client may ask for, milliseconds.
    pub const MAX_MS: u64 = 120_000;

    /// Nobody types. `sequence` numbers the changes, among others.
    pub(crate) fn new(sequence: Sequence) -> Self {
        Self {
            sequence,
            last: AtomicU64::new(0),
            rooms: Mutex::default(),
            changes: watch::channel((0, None)).0,
        }
    }

    /// The sequence number of the last change in any room.
    pub fn sequence(&self) -> u64 {
        self.last.load(Ordering::Acquire)
    }

    /// Tells of each change: its sequence number and its room.
    pub fn changes(&self) -> watch::Receiver<(u64, Option<RoomNum>)> {
        self.changes.subscribe()
    }

    /// Says that `user` types for `for_ms` from `now_ms` on, or, with `None`, has stopped.
    pub fn set(&self, room: RoomNum, user: UserNum, for_ms: Option<u64>, now_ms: u64) {
        let mut rooms = self.rooms.lock();
        let entry = rooms.entry(room).or_default();
        let changed = match for_ms {
            Some(ms) => {
                let until = now_ms.saturating_add(ms.min(Self::MAX_MS));
                entry.until_ms.insert(user, until).is_none()
            }
            None => entry.until_ms.remove(&user).is_some(),
        };
        if changed {
            entry.changed = self.advance(room);
        }
    }

    /// Ends what has run out; gives when the next one does, milliseconds since the Unix epoch.
    pub fn expire(&self, now_ms: u64) -> Option<u64> {
        let mut rooms = self.rooms.lock();
        let mut next = None;
        for (num, room) in rooms.iter_mut() {
            let before = room.until_ms.len();
            room.until_ms.retain(|_, until| *until > now_ms);
            if room.until_ms.len() != before {
                room.changed = self.advance(*num);
            }
            next = room.until_ms.values().copied().chain(next).min();
        }
        next
    }

    /// Who types in a room, if that changed after `after`.
    pub fn changed_after(&self, room: RoomNum, after: u64) -> Option<Vec<UserNum>> {
        let rooms = self.rooms.lock();
        let room = rooms.get(&room).filter(|r| r.changed > after)?;
        Some(room.until_ms.keys().copied().collect())
    }

    /// The rooms in which something changed after `after`.
    pub fn rooms_changed_after(&self, after: u64) -> Vec<RoomNum> {
        if self.sequence() <= after {
            return Vec::new();
        }
        let rooms = self.rooms.lock();
        rooms
            .iter()
            .filter(|(_, r)| r.changed > after)
            .map(|(num, _)| *num)
            .collect()
    }

    fn advance(&self, room: RoomNum) -> u64 {
        let sequence = self.sequence.advance();
        self.last.store(sequence, Ordering::Release);
        self.changes.send_replace((sequence, Some(room)));
        sequence
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typing_ends_by_itself_and_repeats_are_no_change() {
        let typing = Typing::new(Sequence::default());
        let (room, user) = (RoomNum(1), UserNum(2));
        typing.set(room, user, Some(1000), 0);
        assert_eq!(typing.changed_after(room, 0), Some(vec![user]));
        typing.set(room, user, Some(1000), 500);
        assert_eq!(typing.sequence(), 1, "a repeat only prolongs");
        assert_eq!(typing.expire(1400), Some(1500));
        assert_eq!(typing.expire(1500), None);
        assert_eq!(typing.changed_after(room, 1), Some(vec![]));
        assert_eq!(typing.changed_after(room, 2), None);
    }

    #[test]
    fn nobody_types_for_longer_than_the_limit() {
        let typing = Typing::new(Sequence::default());
        typing.set(RoomNum(1), UserNum(2), Some(u64::MAX), 1);
        assert_eq!(typing.expire(1), Some(Typing::MAX_MS + 1));
    }
}
