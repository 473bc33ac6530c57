//! What changed when, in memory: which rooms to look at for a token, and whom to wake.
//!
//! A consumer of the log. It starts empty; what lies before its start is found in the permanent
//! indexes instead.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use heliograph_core::ids::{DeviceNum, Position, RoomNum, UserNum};
use heliograph_tables::{Record, Store, StoreError, log::Read};
use parking_lot::Mutex;
use tokio::sync::watch;

/// What a waiting request is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wake {
    /// Grows with each thing that may concern the user.
    pub count: u64,
    /// The last device of the user that was removed.
    pub removed: Option<DeviceNum>,
}

/// A user somebody waits for.
struct Watched {
    sender: watch::Sender<Wake>,
    rooms: HashSet<RoomNum>,
    /// Whether `rooms` has all of the user's rooms.
    ready: bool,
    /// When somebody last waited, in the order of waits.
    used: u64,
}

#[derive(Default)]
struct State {
    /// Everything up to here is taken in.
    cursor: Position,
    /// The position from which on `by_position` is whole.
    since: Position,
    by_position: BTreeMap<Position, Vec<RoomNum>>,
    by_room: HashMap<RoomNum, Position>,
    users: HashMap<UserNum, Watched>,
    waiters: HashMap<RoomNum, HashSet<UserNum>>,
    uses: u64,
}

/// The rooms that changed lately, and the users who wait.
pub struct Tracker {
    store: Arc<dyn Store>,
    state: Mutex<State>,
    max_users: usize,
}

impl Tracker {
    /// Log entries taken in at a time.
    const CHUNK: usize = 1024;

    /// A tracker that begins at what is published now and keeps at most `max_users` users.
    pub fn new(store: Arc<dyn Store>, max_users: usize) -> Self {
        let start = *store.published().borrow();
        let state = State {
            cursor: start,
            since: start,
            ..State::default()
        };
        Self {
            store,
            state: Mutex::new(state),
            max_users,
        }
    }

    /// Takes in the log, at least up to what any view shows that was taken before, and wakes those
    /// whom it concerns.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn catch_up(&self) -> Result<(), StoreError> {
        let mut state = self.state.lock();
        loop {
            let entries = match self.store.log_after(state.cursor, Self::CHUNK)? {
                Read::Entries(entries) => entries,
                Read::Trimmed => {
                    let newest = *self.store.published().borrow();
                    if state.cursor >= newest {
                        return Ok(());
                    }
                    state.restart(newest);
                    continue;
                }
            };
            if entries.is_empty() {
                return Ok(());
            }
            let mut woken = HashSet::new();
            for entry in entries {
                for record in entry.entry.0.iter() {
                    state.take(entry.position, record, &mut woken);
                }
                state.cursor = entry.position;
            }
            for user in woken {
                state.wake(user);
            }
        }
    }

    /// The rooms that changed after `after`, newest first, or `None` when that is not known, or
    /// when there are more than `most` of them.
    pub fn rooms_after(&self, after: Position, most: usize) -> Option<Vec<RoomNum>> {
        let state = self.state.lock();
        if after < state.since {
            return None;
        }
        let mut rooms = Vec::new();
        for (_, at) in state.by_position.range(after.next()?..).rev() {
            rooms.extend_from_slice(at);
            if rooms.len() > most {
                return None;
            }
        }
        Some(rooms)
    }

    /// Subscribes to what concerns a user; `rooms` reads those that the user is in, and is called
    /// when the user is not watched yet.
    pub fn watch<E>(
        &self,
        user: UserNum,
        rooms: impl FnOnce() -> Result<HashSet<RoomNum>, E>,
    ) -> Result<watch::Receiver<Wake>, E> {
        let (receiver, ready) = self.state.lock().subscribe(user, self.max_users);
        if !ready {
            // The user is already watched, so that a membership that changes while the rooms are
            // read is not missed; a room too many costs a needless wake-up.
            let rooms = rooms()?;
            self.state.lock().add_rooms(user, &rooms);
        }
        Ok(receiver)
    }

    /// Adds those who are watched and share a room with one of `users`, who changed, and these
    /// themselves, of the rooms in which at most `most` users are watched. Gives those users whose
    /// rooms are not known here.
    pub fn sharers(
        &self,
        users: &[UserNum],
        most: usize,
        to: &mut HashSet<UserNum>,
    ) -> Vec<UserNum> {
        let state = self.state.lock();
        let mut unknown = Vec::new();
        to.extend(users);
        for user in users {
            match state.users.get(user).filter(|watched| watched.ready) {
                Some(watched) => state.add_waiters(&watched.rooms, most, to),
                None => unknown.push(*user),
            }
        }
        unknown
    }

    /// Adds those who are watched and are in one of these rooms, of those in which at most `most`
    /// are.
    pub fn watched_in(&self, rooms: &[RoomNum], most: usize, to: &mut HashSet<UserNum>) {
        self.state.lock().add_waiters(rooms, most, to);
    }

    /// Keeps those of `users` who may share a room with a user: all but those of whom it is known
    /// that they do not.
    pub fn retain_sharers(&self, user: UserNum, users: &mut Vec<UserNum>) {
        let state = self.state.lock();
        let rooms_of = |user: &UserNum| {
            let watched = state.users.get(user).filter(|watched| watched.ready);
            watched.map(|watched| &watched.rooms)
        };
        let Some(own) = rooms_of(&user) else { return };
        users.retain(|other| {
            *other == user || rooms_of(other).is_none_or(|theirs| !own.is_disjoint(theirs))
        });
    }

    /// Wakes a user; whether somebody waits.
    pub fn wake(&self, user: UserNum) -> bool {
        let state = self.state.lock();
        let watched = state.users.get(&user);
        let waits = watched.is_some_and(|watched| watched.sender.receiver_count() > 0);
        if waits {
            state.wake(user);
        }
        waits
    }

    /// Wakes those who wait and are in a room: for what is not in the log, such as typing.
    pub fn wake_room(&self, room: RoomNum) {
        let state = self.state.lock();
        for user in state.waiters.get(&room).into_iter().flatten() {
            state.wake(*user);
        }
    }
}

impl State {
    /// Rooms whose last change is kept; what is older is found in the permanent indexes.
    const MAX_ROOMS: usize = 1 << 18;

    /// Subscribes to a user, and says whether the user's rooms are known.
    fn subscribe(&mut self, user: UserNum, max_users: usize) -> (watch::Receiver<Wake>, bool) {
        self.uses = self.uses.wrapping_add(1);
        if !self.users.contains_key(&user) && self.users.len() >= max_users {
            self.drop_idle();
        }
        let watched = self.users.entry(user).or_insert_with(|| Watched {
            sender: watch::channel(Wake::default()).0,
            rooms: HashSet::new(),
            ready: false,
            used: 0,
        });
        watched.used = self.uses;
        (watched.sender.subscribe(), watched.ready)
    }

    fn add_rooms(&mut self, user: UserNum, rooms: &HashSet<RoomNum>) {
        let Some(watched) = self.users.get_mut(&user) else {
            return;
        };
        watched.rooms.extend(rooms);
        watched.ready = true;
        for room in rooms {
            self.waiters.entry(*room).or_default().insert(user);
        }
    }

    /// Adds those who wait for news of rooms.
    fn add_waiters<'a>(
        &self,
        rooms: impl IntoIterator<Item = &'a RoomNum>,
        most: usize,
        to: &mut HashSet<UserNum>,
    ) {
        for room in rooms {
            if let Some(waiting) = self.waiters.get(room)
                && waiting.len() <= most
            {
                to.extend(waiting);
            }
        }
    }

    /// Drops the half of the users for whom nobody waits and nobody waited for longest.
    fn drop_idle(&mut self) {
        let mut idle: Vec<(u64, UserNum)> = self
            .users
            .iter()
            .filter(|(_, w)| w.sender.receiver_count() == 0)
            .map(|(user, w)| (w.used, *user))
            .collect();
        idle.sort_unstable();
        for (_, user) in idle.iter().take(idle.len().div_ceil(2)) {
            for room in self.users.remove(user).into_iter().flat_map(|w| w.rooms) {
                self.leave(room, *user);
            }
        }
    }

    fn leave(&mut self, room: RoomNum, user: UserNum) {
        if let Some(users) = self.waiters.get_mut(&room) {
            users.remove(&user);
            if users.is_empty() {
                self.waiters.remove(&room);
            }
        }
    }

    /// Forgets everything: the log was trimmed past the cursor.
    fn restart(&mut self, at: Position) {
        self.cursor = at;
        self.since = at;
        self.by_position.clear();
        self.by_room.clear();
        // What was trimmed may have brought somebody into a room.
        for watched in self.users.values_mut() {
            watched.ready = false;
        }
        for user in self.users.keys().copied().collect::<Vec<_>>() {
            self.wake(user);
        }
    }

    fn wake(&self, user: UserNum) {
        if let Some(watched) = self.users.get(&user) {
            watched
                .sender
                .send_modify(|wake| wake.count = wake.count.wrapping_add(1));
        }
    }

    fn touch(&mut self, position: Position, room: RoomNum) {
        if let Some(before) = self.by_room.insert(room, position) {
            if before == position {
                return;
            }
            if let Some(rooms) = self.by_position.get_mut(&before) {
                rooms.retain(|r| *r != room);
                if rooms.is_empty() {
                    self.by_position.remove(&before);
                }
            }
        }
        self.by_position.entry(position).or_default().push(room);
        if self.by_room.len() > Self::MAX_ROOMS
            && let Some((oldest, rooms)) = self.by_position.pop_first()
        {
            self.since = oldest;
            for room in rooms {
                self.by_room.remove(&room);
            }
        }
    }

    fn take(&mut self, position: Position, record: &Record, woken: &mut HashSet<UserNum>) {
        match record {
            Record::Event { room, .. }
            | Record::CurrentState { room }
            | Record::Receipt { room, .. } => {
                self.touch(position, *room);
                woken.extend(self.waiters.get(room).into_iter().flatten());
            }
            Record::Membership { room, user } => {
                self.touch(position, *room);
                if let Some(watched) = self.users.get_mut(user) {
                    // Whether it is a join is for the woken request to see; to be woken once
                    // too often costs less than to look here.
                    watched.rooms.insert(*room);
                    self.waiters.entry(*room).or_default().insert(*user);
                    woken.insert(*user);
                }
            }
            Record::AccountData { user, room } => {
                if let Some(room) = room {
                    self.touch(position, *room);
                }
                woken.insert(*user);
            }
            Record::DeviceRemoved { user, device } => {
                if let Some(watched) = self.users.get(user) {
                    watched
                        .sender
                        .send_modify(|wake| wake.removed = Some(*device));
                }
                woken.insert(*user);
            }
            Record::Published { .. }
            | Record::ProfileChanged { .. }
            | Record::DevicesChanged { .. }
            | Record::Redacted { .. } => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use heliograph_tables::{Batch, Op, Permit, Submitted, View, mem::MemStore, store::Reserve};

    use super::*;

    fn touch(store: &MemStore, room: u32) -> Position {
        let mut batch = Batch::new(Op::Other);
        batch.record(Record::CurrentState {
            room: RoomNum(room),
        });
        store
            .submit(store.try_reserve().unwrap(), batch)
            .unwrap()
            .position
    }

    #[test]
    fn rooms_are_found_by_their_last_change() {
        let store = Arc::new(MemStore::new());
        touch(&store, 9);
        let tracker = Tracker::new(Arc::<MemStore>::clone(&store), 8);
        let first = touch(&store, 1);
        touch(&store, 2);
        touch(&store, 1);
        tracker.catch_up().unwrap();
        assert_eq!(
            tracker.rooms_after(first, 8),
            Some(vec![RoomNum(1), RoomNum(2)])
        );
        assert_eq!(
            tracker.rooms_after(Position(0), 8),
            None,
            "from before the start"
        );
        assert_eq!(tracker.rooms_after(first, 1), None, "too many");
        assert_eq!(tracker.rooms_after(Position(4), 8), Some(vec![]));
    }

    #[test]
    fn those_in_the_room_are_woken_and_nobody_else() {
        let store = Arc::new(MemStore::new());
        let tracker = Tracker::new(Arc::<MemStore>::clone(&store), 8);
        let watch = |user, room| {
            tracker
                .watch(UserNum(user), || {
                    Ok::<_, ()>(HashSet::from([RoomNum(room)]))
                })
                .unwrap()
        };
        let (inside, outside) = (watch(1, 1), watch(2, 2));
        touch(&store, 1);
        tracker.catch_up().unwrap();
        assert!(inside.has_changed().unwrap());
        assert!(!outside.has_changed().unwrap());
    }

    /// A store whose log was trimmed up to a position.
    struct Trimmed(MemStore, Position);

    impl Store for Trimmed {
        fn view(&self, op: Op) -> View {
            self.0.view(op)
        }

        fn reserve(&self) -> Reserve<'_> {
            self.0.reserve()
        }

        fn submit(&self, permit: Permit, batch: Batch) -> Result<Submitted, StoreError> {
            self.0.submit(permit, batch)
        }

        fn published(&self) -> watch::Receiver<Position> {
            self.0.published()
        }

        fn log_after(&self, after: Position, limit: usize) -> Result<Read, StoreError> {
            if after < self.1 {
                return Ok(Read::Trimmed);
            }
            self.0.log_after(after, limit)
        }

        fn epoch(&self) -> u64 {
            self.0.epoch()
        }
    }

    #[test]
    fn a_trimmed_log_is_caught_up_from_the_indexes() {
        let store = Arc::new(Trimmed(MemStore::new(), Position(3)));
        let tracker = Tracker::new(Arc::<Trimmed>::clone(&store), 8);
        let watch = |rooms: &[u32]| {
            let rooms: HashSet<RoomNum> = rooms.iter().copied().map(RoomNum).collect();
            tracker.watch(UserNum(1), || Ok::<_, ()>(rooms)).unwrap()
        };
        let mut waiting = watch(&[]);
        for room in 1..=3 {
            touch(&store.0, room);
        }
        tracker.catch_up().unwrap();
        assert_eq!(tracker.rooms_after(Position(2), 8), None, "from before");
        assert_eq!(tracker.rooms_after(Position(3), 8), Some(vec![]));
        assert!(waiting.has_changed().unwrap(), "there may be news");
        // Meanwhile the user came into room 7, of which the log tells no more.
        waiting = watch(&[7]);
        touch(&store.0, 7);
        tracker.catch_up().unwrap();
        assert_eq!(
            tracker.rooms_after(Position(3), 8),
            Some(vec![RoomNum(7)]),
            "what follows is taken in"
        );
        assert!(waiting.has_changed().unwrap(), "woken by the new room");
    }

    #[test]
    fn idle_users_make_room() {
        let store = Arc::new(MemStore::new());
        let tracker = Tracker::new(store, 4);
        let kept = tracker
            .watch(UserNum(0), || Ok::<_, ()>(HashSet::new()))
            .unwrap();
        for user in 1..100 {
            tracker
                .watch(UserNum(user), || Ok::<_, ()>(HashSet::from([RoomNum(1)])))
                .unwrap();
        }
        let state = tracker.state.lock();
        assert!(state.users.len() <= 4);
        assert!(state.waiters.values().all(|users| users.len() <= 4));
        assert_eq!(
            kept.has_changed().ok(),
            Some(false),
            "somebody waits for this one"
        );
    }
}
