//! Which members a client was sent, for lazy loading.
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#lazy-loading-room-members>
//!
//! A bounded cache: what it has forgotten is sent again.

use std::{collections::HashSet, sync::Arc};

use heliograph_core::ids::{DeviceNum, EventIdx, RoomNum, UserNum};
use parking_lot::Mutex;
use quick_cache::sync::Cache;

/// A client's view of one room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Client {
    pub(crate) user: UserNum,
    pub(crate) device: DeviceNum,
    pub(crate) room: RoomNum,
}

/// The member events that a client has of one room.
type Sent = Arc<Mutex<HashSet<(UserNum, EventIdx)>>>;

/// The members that clients were sent.
pub(crate) struct LazyMembers(Cache<Client, Sent>);

impl LazyMembers {
    /// Members kept for one client and room; past that all are sent again.
    const MAX_MEMBERS: usize = 4096;

    /// Room for so many pairs of a client and a room.
    pub(crate) fn new(capacity: usize) -> Self {
        Self(Cache::new(capacity))
    }

    /// Forgets what a client was sent of a room: it begins anew.
    pub(crate) fn forget(&self, client: Client) {
        self.0.remove(&client);
    }

    /// Notes that a member event is sent; gives whether it had been before.
    pub(crate) fn note(&self, client: Client, member: UserNum, event: EventIdx) -> bool {
        let sent = self.0.get(&client).unwrap_or_else(|| {
            let sent = Sent::default();
            self.0.insert(client, Arc::clone(&sent));
            sent
        });
        let mut sent = sent.lock();
        if sent.len() >= Self::MAX_MEMBERS {
            sent.clear();
        }
        !sent.insert((member, event))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_is_noted_once_and_a_changed_one_again() {
        let lazy = LazyMembers::new(16);
        let client = Client {
            user: UserNum(1),
            device: DeviceNum(1),
            room: RoomNum(1),
        };
        assert!(!lazy.note(client, UserNum(2), EventIdx(5)));
        assert!(lazy.note(client, UserNum(2), EventIdx(5)));
        assert!(
            !lazy.note(client, UserNum(2), EventIdx(6)),
            "SYN-07: changed"
        );
        lazy.forget(client);
        assert!(!lazy.note(client, UserNum(2), EventIdx(6)));
    }
}
