//! Who is online: in memory only.
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#presence>
//!
//! A user is what the most active of their devices is. Changes have an order, in which readers find
//! what is new to them; who may see whom is for [`crate::Sharing`].

mod device;
mod user;

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use heliograph_core::ids::{DeviceNum, UserNum};
use heliograph_work::SharedClock;
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::{ephemeral::Sequence, presence::user::User};

/// Bytes of a status message, at most.
pub const MAX_STATUS_BYTES: usize = 1024;

/// The values of `presence`, from the least active to the most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum PresenceState {
    /// `offline`
    #[default]
    Offline,
    /// `unavailable`
    Unavailable,
    /// `online`
    Online,
}

impl PresenceState {
    /// The spec's word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Offline => "offline",
            Self::Unavailable => "unavailable",
            Self::Online => "online",
        }
    }

    /// The state with the spec's word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Offline, Self::Unavailable, Self::Online]
            .into_iter()
            .find(|state| state.as_str() == word)
    }
}

/// What others are told of a user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    /// The state.
    pub state: PresenceState,
    /// What the user says about it.
    pub status: Option<Arc<str>>,
    /// How long ago the user did something, milliseconds; not known of who was never seen.
    pub last_active_ago_ms: Option<u64>,
    /// Whether the user is doing something now.
    pub currently_active: bool,
}

/// How presence is kept.
#[derive(Clone, Copy, Debug)]
pub struct PresenceSettings {
    /// Whether it is kept at all.
    pub enabled: bool,
    /// A user who does nothing for this long is unavailable, milliseconds.
    pub idle_after_ms: u64,
    /// A device that does not sync for this long is offline, milliseconds.
    pub offline_after_ms: u64,
    /// A user who did something within this time is currently active, milliseconds.
    pub active_for_ms: u64,
    /// The least time between two changes of one user that are told, milliseconds.
    pub throttle_ms: u64,
    /// Rooms with more joined members carry no presence.
    pub max_room_members: u32,
    /// Users of whom something is remembered, at most.
    pub max_users: usize,
}

impl Default for PresenceSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            idle_after_ms: 5 * 60 * 1000,
            offline_after_ms: 30 * 1000,
            active_for_ms: 60 * 1000,
            throttle_ms: 250,
            max_room_members: 250,
            max_users: 65_536,
        }
    }
}

/// Who is online. Clones are the same.
#[derive(Clone, Debug)]
pub struct Presence {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    settings: PresenceSettings,
    clock: SharedClock,
    all: Mutex<All>,
    changes: watch::Sender<u64>,
}

#[derive(Debug)]
struct All {
    sequence: Sequence,
    users: HashMap<UserNum, User>,
    /// The users in the order of their last changes.
    by_change: BTreeMap<u64, UserNum>,
    /// Those of them who are offline.
    offline: BTreeSet<(u64, UserNum)>,
    /// When each user changes by the mere passing of time.
    due: BTreeSet<(u64, UserNum)>,
}

/// A device that syncs; ends with this value.
#[derive(Debug)]
pub struct Polling(Option<(Arc<Inner>, UserNum, DeviceNum)>);

impl Drop for Polling {
    fn drop(&mut self) {
        if let Some((inner, user, device)) = &self.0 {
            let now_ms = inner.clock.now_ms();
            inner.change(*user, |user| user.stop_polling(*device, now_ms));
        }
    }
}

impl Presence {
    /// Nobody is online. `sequence` numbers the changes, among others.
    pub(crate) fn new(settings: PresenceSettings, clock: SharedClock, sequence: Sequence) -> Self {
        let all = All {
            sequence,
            users: HashMap::new(),
            by_change: BTreeMap::new(),
            offline: BTreeSet::new(),
            due: BTreeSet::new(),
        };
        Self {
            inner: Arc::new(Inner {
                settings,
                clock,
                all: Mutex::new(all),
                changes: watch::Sender::new(0),
            }),
        }
    }

    /// The settings.
    pub fn settings(&self) -> &PresenceSettings {
        &self.inner.settings
    }

    /// Says that a device syncs from now on, until the answer is dropped: in what state, or, with
    /// `offline`, without being online by it.
    pub fn poll(&self, user: UserNum, device: DeviceNum, state: PresenceState) -> Polling {
        if state == PresenceState::Offline || !self.inner.settings.enabled {
            return Polling(None);
        }
        let now_ms = self.inner.clock.now_ms();
        self.inner
            .change(user, |user| user.poll(device, state, now_ms));
        Polling(Some((Arc::clone(&self.inner), user, device)))
    }

    /// Sets the state of a device and the user's status message, as the user wishes.
    pub fn set(
        &self,
        user: UserNum,
        device: DeviceNum,
        state: PresenceState,
        status: Option<Arc<str>>,
    ) {
        let now_ms = self.inner.clock.now_ms();
        self.inner
            .change(user, |user| user.set(device, state, status, now_ms));
    }

    /// Says that a user does something by a device: sends, types, reads.
    pub fn active(&self, user: UserNum, device: DeviceNum) {
        let now_ms = self.inner.clock.now_ms();
        self.inner.change(user, |user| user.active(device, now_ms));
    }

    /// Has others look at a user again, who hides or shows themselves.
    pub fn touch(&self, user: UserNum) {
        let changed = self.inner.all.lock().renumber(user);
        self.inner.tell(changed);
    }

    /// What is shown of a user.
    pub fn of(&self, user: UserNum) -> Shown {
        let now_ms = self.inner.clock.now_ms();
        let all = self.inner.all.lock();
        let found = all.users.get(&user);
        found.map_or_else(Shown::default, |user| {
            user.shown(now_ms, &self.inner.settings)
        })
    }

    /// The users who changed after `after`, the last to do so first.
    pub fn changed_after(&self, after: u64, most: usize) -> Vec<UserNum> {
        let all = self.inner.all.lock();
        let Some(from) = after.checked_add(1) else {
            return Vec::new();
        };
        let changed = all.by_change.range(from..).rev();
        changed.map(|(_, user)| *user).take(most).collect()
    }

    /// The users who are not offline, the last to change first.
    pub fn present(&self, most: usize) -> Vec<UserNum> {
        let all = self.inner.all.lock();
        let changed = all.by_change.values().rev().copied();
        let is_present = |user: &UserNum| {
            let found = all.users.get(user);
            found.is_some_and(|user| user.told().state != PresenceState::Offline)
        };
        changed.filter(is_present).take(most).collect()
    }

    /// Tells of changes by the sequence number of the last one, and of the same number again when
    /// [`Presence::expire`] is to be called earlier than it said.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.inner.changes.subscribe()
    }

    /// Takes in what the passing of time has changed; gives when it changes something next,
    /// milliseconds since the Unix epoch.
    pub fn expire(&self, now_ms: u64) -> Option<u64> {
        let mut all = self.inner.all.lock();
        let mut changed = None;
        while let Some((at, user)) = all.due.first().copied()
            && at <= now_ms
        {
            all.due.remove(&(at, user));
            changed = all.settle(user, now_ms, &self.inner.settings).or(changed);
        }
        let next = all.due.first().map(|(at, _)| *at);
        drop(all);
        self.inner.tell(changed);
        next
    }
}

impl Inner {
    /// Changes a user, and what others are told if it shows.
    fn change(&self, num: UserNum, change: impl FnOnce(&mut User)) {
        if !self.settings.enabled {
            return;
        }
        let now_ms = self.clock.now_ms();
        let mut all = self.all.lock();
        if !all.users.contains_key(&num) && !all.make_room(self.settings.max_users) {
            return;
        }
        change(all.users.entry(num).or_default());
        let due = all.due.first().map(|(at, _)| *at);
        let changed = all.settle(num, now_ms, &self.settings);
        let due_now = all.due.first().map(|(at, _)| *at);
        drop(all);
        self.tell(changed);
        // Whoever lets time pass has to look sooner.
        if changed.is_none() && due_now.is_some_and(|now| due.is_none_or(|before| now < before)) {
            self.changes.send_modify(|_| {});
        }
    }

    fn tell(&self, changed: Option<u64>) {
        if let Some(sequence) = changed {
            self.changes.send_replace(sequence);
        }
    }
}

impl All {
    /// Brings what is told of a user up to date; gives the number of the change, if it is one.
    fn settle(&mut self, num: UserNum, now_ms: u64, settings: &PresenceSettings) -> Option<u64> {
        let user = self.users.get_mut(&num)?;
        let due_before = user.due();
        let is_news = user.settle(now_ms, settings);
        if let Some(at) = due_before {
            self.due.remove(&(at, num));
        }
        if let Some(at) = user.due() {
            self.due.insert((at, num));
        }
        if !is_news {
            if user.is_blank() {
                self.users.remove(&num);
            }
            return None;
        }
        self.renumber(num)
    }

    /// Makes a user the last to have changed.
    fn renumber(&mut self, num: UserNum) -> Option<u64> {
        let user = self.users.get_mut(&num)?;
        let (before, sequence) = (user.changed(), self.sequence.advance());
        user.note_change(sequence);
        let is_offline = user.told().state == PresenceState::Offline;
        self.by_change.remove(&before);
        self.by_change.insert(sequence, num);
        self.offline.remove(&(before, num));
        if is_offline {
            self.offline.insert((sequence, num));
        }
        Some(sequence)
    }

    /// Forgets who has been offline for longest, if there are too many; whether there is room then.
    fn make_room(&mut self, max_users: usize) -> bool {
        if self.users.len() < max_users {
            return true;
        }
        let Some((change, user)) = self.offline.pop_first() else {
            return false;
        };
        self.by_change.remove(&change);
        if let Some(at) = self.users.remove(&user).and_then(|user| user.due()) {
            self.due.remove(&(at, user));
        }
        true
    }
}
