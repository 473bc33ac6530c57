//! What is done with events, told once for all users with the same rules.

use std::{
    collections::HashSet,
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

use heliograph_accounts::PredefinedRules;
use heliograph_core::ids::{EventIdx, Position, RoomNum, UserNum};
use heliograph_rooms::{Presenter, RoomError, RoomsView};
use heliograph_tables::{Store, View, interner::Interner, schema::LiveEvent};
use quick_cache::{Weighter, sync::Cache};
use ruma_common::UserId;

use crate::{
    counts::Counted,
    event::PushEvent,
    rules::{Outcome, RuleSet, Surroundings},
    sets::RuleSets,
};

/// Outcomes that are kept.
const OUTCOMES: usize = 65_536;
/// Bytes of parsed events that are kept, about.
const EVENT_BYTES: u64 = 16 << 20;
/// Parsed events that this is about enough for.
const EVENTS: usize = 4096;
/// Bytes of counts that are kept, about.
const COUNT_BYTES: u64 = 64 << 20;
/// Counts that this is about enough for.
const COUNTS: usize = 262_144;

/// What is kept takes its bytes.
#[derive(Clone)]
pub(crate) struct ByBytes;

impl Weighter<(RoomNum, EventIdx), Arc<PushEvent>> for ByBytes {
    fn weight(&self, _: &(RoomNum, EventIdx), event: &Arc<PushEvent>) -> u64 {
        // Parsed, JSON takes about four times its text.
        u64::try_from(event.size_bytes())
            .unwrap_or(u64::MAX)
            .saturating_mul(4)
            .max(1)
    }
}

impl Weighter<(UserNum, RoomNum), Arc<Counted>> for ByBytes {
    fn weight(&self, _: &(UserNum, RoomNum), counted: &Arc<Counted>) -> u64 {
        counted.size_bytes()
    }
}

/// One whose rules are asked.
pub struct Who {
    /// The user.
    pub user: UserNum,
    /// The user's id.
    pub user_id: Arc<str>,
    /// The user's rules.
    pub rules: Arc<RuleSet>,
    /// Whom the user ignores.
    pub ignored: HashSet<UserNum>,
    /// A hash of rules and ignored users that is the same after a restart.
    pub(crate) basis: u64,
}

/// An event that came in live.
#[derive(Clone, Copy, Debug)]
pub struct Came<'l> {
    /// When it came.
    pub position: Position,
    /// Its row.
    pub live: &'l LiveEvent,
}

/// Push rules and unread counts.
pub struct Push {
    pub(crate) store: Arc<dyn Store>,
    interner: Arc<Interner>,
    sets: RuleSets,
    outcomes: Cache<(RoomNum, EventIdx, u64), Outcome>,
    events: Cache<(RoomNum, EventIdx), Arc<PushEvent>, ByBytes>,
    pub(crate) counted: Cache<(UserNum, RoomNum), Arc<Counted>, ByBytes>,
}

impl Push {
    /// Rules and counts over a store.
    pub fn new(store: Arc<dyn Store>, interner: Arc<Interner>, which: PredefinedRules) -> Self {
        Self {
            store,
            interner,
            sets: RuleSets::new(which),
            outcomes: Cache::new(OUTCOMES),
            events: Cache::with_weighter(EVENTS, EVENT_BYTES, ByBytes),
            counted: Cache::with_weighter(COUNTS, COUNT_BYTES, ByBytes),
        }
    }

    /// The sets of rules of all users.
    pub const fn rules(&self) -> &RuleSets {
        &self.sets
    }

    /// A user with the rules that are the user's at the moment of a view.
    ///
    /// # Errors
    /// Those of the store.
    pub fn who(&self, view: &View, user: UserNum) -> Result<Who, RoomError> {
        let user_id = self.interner.users.name(view, user)?;
        let user_id = user_id.ok_or(RoomError::Inconsistent("a user without a name"))?;
        let (rules, changes) = self.sets.of(view, user)?;
        let ids = heliograph_accounts::ignored_users(view, user)?;
        let mut ignored = HashSet::new();
        for id in &ids {
            ignored.extend(self.interner.users.find(view, id)?);
        }
        ignored.remove(&user);
        let mut hasher = DefaultHasher::new();
        (changes, ids).hash(&mut hasher);
        if self.sets.which() == PredefinedRules::WithNamesInTexts {
            hasher.write_u8(1);
        }
        Ok(Who {
            user,
            user_id,
            rules,
            ignored,
            basis: hasher.finish(),
        })
    }

    /// What is done with an event for a user who did not send it. `rooms` and `presenter` read the
    /// room at one moment.
    ///
    /// # Errors
    /// Those of the store.
    pub fn outcome(
        &self,
        who: &Who,
        (rooms, presenter, room): (&RoomsView<'_>, &Presenter<'_>, RoomNum),
        came: Came<'_>,
    ) -> Result<Outcome, RoomError> {
        let idx = came.live.event;
        let event = self.event(presenter, (room, idx))?;
        let alone = who.rules.is_personal() || event.names(&who.user_id);
        let key = (room, idx, who.rules.id());
        if !alone && let Some(known) = self.outcomes.get(&key) {
            return Ok(known);
        }
        let around = Around {
            rooms,
            room,
            user: who.user,
            came,
            sender: event.text("sender"),
        };
        let user_id = alone.then_some(&*who.user_id);
        let outcome = who.rules.outcome(&event, user_id, &around)?;
        if !alone {
            self.outcomes.insert(key, outcome.clone());
        }
        Ok(outcome)
    }

    /// An event, parsed once.
    fn event(
        &self,
        presenter: &Presenter<'_>,
        (room, idx): (RoomNum, EventIdx),
    ) -> Result<Arc<PushEvent>, RoomError> {
        if let Some(known) = self.events.get(&(room, idx)) {
            return Ok(known);
        }
        let status = presenter.status(idx)?;
        let shared = presenter.shared(idx, &status)?;
        let room_id = presenter.room_id().as_str();
        let event = Arc::new(PushEvent::parse(&shared.open_json, room_id));
        self.events.insert((room, idx), Arc::clone(&event));
        Ok(event)
    }
}

/// A room when an event came.
struct Around<'a> {
    rooms: &'a RoomsView<'a>,
    room: RoomNum,
    user: UserNum,
    came: Came<'a>,
    sender: Option<&'a str>,
}

impl Surroundings for Around<'_> {
    type Error = RoomError;

    fn joined_members(&self) -> Result<u64, RoomError> {
        let head = self.rooms.head_at(self.room, self.came.position)?;
        Ok(head.map_or(0, |(_, head)| u64::from(head.joined)))
    }

    fn sender_may_notify(&self, key: &str) -> Result<bool, RoomError> {
        let Some(Ok(sender)) = self.sender.map(<&UserId>::try_from) else {
            return Ok(false);
        };
        let state = self.came.live.state_before;
        let levels = self.rooms.power_levels_in(self.room, state)?;
        Ok(levels.is_some_and(|levels| levels.user_can_notify(sender, key)))
    }

    fn display_name(&self) -> Result<Option<Box<str>>, RoomError> {
        let state = self.came.live.state_before;
        self.rooms.displayname_in(self.room, state, self.user)
    }
}
