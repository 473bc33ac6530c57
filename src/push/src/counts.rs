//! Unread counts: what they are is said here; how they are kept, in `unread`.
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#receiving-notifications>
//!
//! A live event counts for a user who was joined when it came and has been since, did not send it,
//! does not ignore its sender and may see it, if it is not redacted, if the user's rules, as they
//! are now, notify of it, and if it stands after the receipts of its thread and those without one.
//! So counts follow from what is stored, and a restart changes none.
//!
//! A message writes nothing for its readers. Counts are a cache: those of one user and room go on
//! from where they were counted to whenever they are asked for, and are written to disk once in
//! [`SAVE_EVERY`] events. One call looks at a bounded number of events and says when it is not
//! through; who asks then asks again, and nobody is told a number before it is whole.

use std::{cell::Cell, sync::Arc};

use futures_util::FutureExt;
use heliograph_core::ids::{EventIdx, Position, RoomNum, TimelineKey};
use heliograph_rooms::{Presenter, ReceiptType, RoomError, RoomsView};
use heliograph_tables::{
    Batch, Direction, Op, StoreError, View,
    schema::{
        LIVE_EVENTS, LiveEvent, LiveFacts, LiveMarks, RECEIPTS, RoomHead, Tally, UNREAD_ROOMS,
        UnreadRoom, UserRoom,
    },
};
use ruma_common::EventId;

use crate::{
    push::{Came, Push, Who},
    unread::{self, CountAnew, MAIN},
};

/// Events that are looked at before the counts are written to disk.
const SAVE_EVERY: u32 = 1000;
/// What it costs to read an event and ask the rules, in rows that are only looked at.
const READING: u64 = 16;

/// How much work may still be done at once, in rows of the timeline.
#[derive(Debug)]
pub struct Budget(Cell<u64>);

impl Budget {
    /// So many rows.
    pub const fn new(rows: u64) -> Self {
        Self(Cell::new(rows))
    }

    fn spend(&self, rows: u64) {
        self.0.set(self.0.get().saturating_sub(rows));
    }

    fn is_spent(&self) -> bool {
        self.0.get() == 0
    }
}

/// A room as it is read for a user.
pub struct Place<'p, 'v> {
    /// The moment.
    pub view: &'v View,
    /// All rooms.
    pub rooms: &'p RoomsView<'v>,
    /// What makes the room's events for the user.
    pub presenter: &'p Presenter<'v>,
    /// The room.
    pub room: RoomNum,
    /// Where it stands.
    pub head: &'p RoomHead,
    /// The user's standing in it, which is joined.
    pub standing: &'p UserRoom,
}

/// The unread counts of one user in one room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counts {
    /// What is in no thread.
    pub main: Tally,
    /// Each thread with something unread, by the id of its root.
    pub threads: Vec<(Box<str>, Tally)>,
    /// When they last changed, or a little later.
    pub changed: Position,
}

impl Counts {
    /// All threads and the main timeline together.
    pub fn all(&self) -> Tally {
        let threads = self.threads.iter().map(|(_, tally)| *tally);
        threads.fold(self.main, Tally::plus)
    }

    fn of(row: &UnreadRoom) -> Self {
        let tallies = unread::tallies(row);
        let mut all = row.threads.iter().map(|thread| &thread.id).zip(tallies);
        let main = all.next().map_or(Tally::default(), |(_, tally)| tally);
        let threads = all.filter(|(_, tally)| tally.notifications > 0);
        Self {
            main,
            threads: threads.map(|(id, tally)| (id.clone(), tally)).collect(),
            changed: row.changed,
        }
    }
}

/// Counts as they are kept in memory.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counted {
    row: UnreadRoom,
    /// Events looked at since the row was written.
    unsaved: u32,
}

impl Counted {
    /// Bytes that it takes, about.
    pub(crate) fn size_bytes(&self) -> u64 {
        let events = self.row.unread.len().saturating_mul(32);
        let threads = self.row.threads.len().saturating_mul(112);
        let bytes = events.saturating_add(threads).saturating_add(160);
        u64::try_from(bytes).unwrap_or(u64::MAX)
    }
}

/// Why a count stops: it is to begin anew, or the room cannot be read.
enum Stop {
    Anew,
    Error(RoomError),
}

impl From<CountAnew> for Stop {
    fn from(_: CountAnew) -> Self {
        Self::Anew
    }
}

impl From<RoomError> for Stop {
    fn from(error: RoomError) -> Self {
        Self::Error(error)
    }
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Error(error.into())
    }
}

/// A count in the making.
struct Counting<'c, 'p, 'v> {
    push: &'c Push,
    who: &'c Who,
    place: &'c Place<'p, 'v>,
    budget: &'c Budget,
    counted: Counted,
    /// Whether plain messages notify and are highlighted, if that can be told.
    plain: Option<(bool, bool)>,
}

impl Push {
    /// The unread counts of a user in a room; `None` when the budget was spent before they were
    /// whole: the next call goes on.
    ///
    /// # Errors
    /// Those of the store.
    pub fn counts(
        &self,
        who: &Who,
        place: &Place<'_, '_>,
        budget: &Budget,
    ) -> Result<Option<Counts>, RoomError> {
        let key = (who.user, place.room);
        let known = self.known(who, place)?;
        let basis = who.basis ^ joined_since(place.standing).0.rotate_left(32);
        let good = known.clone().filter(|known| known.row.basis == basis);
        if let Some(good) = &good
            && good.row.counted_to >= place.view.position()
        {
            return Ok(Some(Counts::of(&good.row)));
        }
        let mut counting = Counting {
            push: self,
            who,
            place,
            budget,
            counted: Counted::default(),
            plain: who.rules.of_plain(place.presenter.room_id().as_str()),
        };
        let is_whole = match good {
            Some(good) => counting.go_on(good),
            None => counting.begin(basis),
        };
        let is_whole = match is_whole {
            Ok(is_whole) => is_whole,
            Err(Stop::Error(error)) => return Err(error),
            Err(Stop::Anew) => match counting.begin(basis) {
                Ok(is_whole) => is_whole,
                Err(Stop::Error(error)) => return Err(error),
                Err(Stop::Anew) => return Err(RoomError::Inconsistent("unread counts")),
            },
        };
        let mut counted = counting.counted;
        if is_whole && let Some(before) = known.filter(|known| known.row.basis != basis) {
            // Rules that changed are no news where they change nothing.
            counted.row.changed = if Counts::of(&before.row)
                == (Counts {
                    changed: before.row.changed,
                    ..Counts::of(&counted.row)
                }) {
                before.row.changed
            } else {
                place.view.position()
            };
        }
        if counted.unsaved >= SAVE_EVERY && self.save(key, &counted.row) {
            counted.unsaved = 0;
        }
        let counts = is_whole.then(|| Counts::of(&counted.row));
        self.counted.insert(key, Arc::new(counted));
        Ok(counts)
    }

    /// What was counted before.
    fn known(&self, who: &Who, place: &Place<'_, '_>) -> Result<Option<Counted>, RoomError> {
        let key = (who.user, place.room);
        if let Some(known) = self.counted.get(&key) {
            return Ok(Some((*known).clone()));
        }
        let row = place.view.get(&UNREAD_ROOMS, &key)?;
        let row = row.filter(|row| row.counted_to <= place.view.position());
        Ok(row.map(|row| Counted { row, unsaved: 0 }))
    }

    /// Writes a row if that takes no waiting; it is a cache.
    fn save(&self, key: (heliograph_core::ids::UserNum, RoomNum), row: &UnreadRoom) -> bool {
        let Some(Ok(permit)) = self.store.reserve().now_or_never() else {
            return false;
        };
        let mut batch = Batch::new(Op::Other);
        batch.put(&UNREAD_ROOMS, &key, row);
        self.store.submit(permit, batch).is_ok()
    }
}

/// Since when a user is joined.
fn joined_since(standing: &UserRoom) -> Position {
    standing.joined_since.unwrap_or(standing.position)
}

impl Counting<'_, '_, '_> {
    /// Counts from where the user joined or, if that is later, has read to.
    fn begin(&mut self, basis: u64) -> Result<bool, Stop> {
        self.counted = Counted::default();
        let joined = joined_since(self.place.standing);
        self.counted.row = unread::nothing(basis, joined);
        self.counted.row.rewrites = self.place.head.rewrites;
        self.counted.row.rewrites_at = self.place.view.position();
        let mut from = joined;
        for thread in ["", MAIN] {
            let mut changed = Position(0);
            let Some((read, position)) = self.read_to(thread, &mut changed, Position(0))? else {
                continue;
            };
            let row = &mut self.counted.row;
            row.changed = row.changed.max(changed);
            let number = (!thread.is_empty()).then_some(0);
            unread::read(row, number, read)?;
            // Where there are threads, what is read of the main timeline says nothing of them.
            let is_all = thread.is_empty() || !self.place.rooms.has_threads(self.place.room)?;
            if let Some(position) = position.filter(|_| is_all) {
                from = from.max(Position(position.0.saturating_sub(1)));
            }
        }
        self.counted.row.counted_to = from;
        self.scan()
    }

    /// Takes in what came since the last count.
    fn go_on(&mut self, good: Counted) -> Result<bool, Stop> {
        self.counted = good;
        let row = &self.counted.row;
        let mut ids: Vec<Box<str>> = vec!["".into()];
        ids.extend(row.threads.iter().map(|thread| thread.id.clone()));
        let after = row.counted_to;
        for (at, id) in ids.iter().enumerate() {
            let mut moved = Position(0);
            let Some((read, _)) = self.read_to(id, &mut moved, after)? else {
                continue;
            };
            let row = &mut self.counted.row;
            if unread::read(row, at.checked_sub(1), read)? {
                row.changed = row.changed.max(moved);
            }
        }
        if !self.scan()? {
            return Ok(false);
        }
        let head = self.place.head.rewrites;
        if self.counted.row.rewrites != head {
            let presenter = self.place.presenter;
            let is_redacted = |event: EventIdx| -> Result<bool, RoomError> {
                Ok(presenter.status(event)?.redacted_by.is_some())
            };
            if unread::recheck(&mut self.counted.row, is_redacted)?? {
                self.counted.row.changed = self.place.view.position();
            }
            self.counted.row.rewrites = head;
        }
        Ok(true)
    }

    /// Up to where the user's receipts of a thread say that it is read, of those that came after a
    /// position, and when the event there came; `moved` becomes the position of the newest one.
    fn read_to(
        &self,
        thread: &str,
        moved: &mut Position,
        after: Position,
    ) -> Result<Option<(TimelineKey, Option<Position>)>, RoomError> {
        let Place {
            view, rooms, room, ..
        } = self.place;
        let mut read = None;
        for kind in [ReceiptType::Read, ReceiptType::ReadPrivate] {
            let key = (*room, self.who.user, kind.as_str().into(), thread.into());
            let Some(receipt) = view.get(&RECEIPTS, &key)? else {
                continue;
            };
            if receipt.position <= after {
                continue;
            }
            let Ok(event) = <&EventId>::try_from(&*receipt.event_id) else {
                continue;
            };
            // An event that is not here may be anywhere.
            if let Some((place, status)) = rooms.placed(*room, event)? {
                read = read.max(Some((place, status.position)));
                *moved = (*moved).max(receipt.position);
            }
        }
        Ok(read)
    }

    /// Looks at the live events that came since, whole batches at a time; whether that was all.
    fn scan(&mut self) -> Result<bool, Stop> {
        let Place { view, room, .. } = self.place;
        let to = view.position();
        let from = self.counted.row.counted_to.next().unwrap_or(to);
        let end = to.next().unwrap_or(to);
        let rows = view.range(
            &LIVE_EVENTS,
            &(*room, from),
            &(*room, end),
            Direction::Forward,
        );
        let mut batch = from;
        for row in rows {
            let ((_, position, _), live) = row.map_err(RoomError::from)?;
            if position != batch {
                if self.budget.is_spent() {
                    return Ok(false);
                }
                batch = position;
            }
            self.budget.spend(1);
            self.counted.unsaved = self.counted.unsaved.saturating_add(1);
            self.take(Came {
                position,
                live: &live,
            })?;
            self.counted.row.counted_to = position;
        }
        let row = &mut self.counted.row;
        row.counted_to = to;
        row.rewrites_at = to;
        unread::prune(row);
        Ok(true)
    }

    fn take(&mut self, came: Came<'_>) -> Result<(), Stop> {
        let Place { rooms, room, .. } = self.place;
        let live = came.live;
        let facts = rooms.live_facts(*room, live)?;
        if facts.marks.has(LiveMarks::REDACTION) {
            self.redaction(came)?;
        }
        let is_own = facts.sender == self.who.user;
        if is_own
            || facts.marks.has(LiveMarks::REDACTED)
            || self.who.ignored.contains(&facts.sender)
        {
            return Ok(());
        }
        let relates = facts.marks.has(LiveMarks::RELATES);
        let in_main = (!relates).then_some(0);
        if unread::is_read(&self.counted.row, in_main, live.timeline) {
            return Ok(());
        }
        let Some(highlight) = self.notifies(came, facts)? else {
            return Ok(());
        };
        let thread = if relates { self.thread(live)? } else { 0 };
        if !unread::is_read(&self.counted.row, Some(thread), live.timeline) {
            let row = &mut self.counted.row;
            unread::add(row, (live.event, live.timeline), thread, highlight);
            row.changed = row.changed.max(came.position);
        }
        Ok(())
    }

    /// The number of the thread that an event is in; one of which nothing is known yet is read up to
    /// where its own receipts say.
    fn thread(&mut self, live: &LiveEvent) -> Result<usize, RoomError> {
        let Place { rooms, room, .. } = self.place;
        self.budget.spend(READING);
        let root = rooms.thread_of(*room, live.event)?;
        let id = root.as_ref().map_or(MAIN, |root| root.as_str());
        if let Some(known) = unread::thread(&self.counted.row, id) {
            return Ok(known);
        }
        let mut moved = Position(0);
        let read = self.read_to(id, &mut moved, Position(0))?;
        let row = &mut self.counted.row;
        row.changed = row.changed.max(moved);
        Ok(unread::add_thread(row, id, read.map(|(place, _)| place)))
    }

    /// Whether an event notifies, and then whether it is highlighted.
    fn notifies(&self, came: Came<'_>, facts: LiveFacts) -> Result<Option<bool>, RoomError> {
        let Place {
            rooms,
            presenter,
            room,
            ..
        } = self.place;
        if facts.marks.has(LiveMarks::APART) {
            let event = came.live.event;
            let status = presenter.status(event)?;
            self.budget.spend(READING);
            if !presenter.visibility().allows(event, &status)? {
                return Ok(None);
            }
        }
        if facts.marks.has(LiveMarks::PLAIN)
            && let Some((notify, highlight)) = self.plain
        {
            return Ok(notify.then_some(highlight));
        }
        self.budget.spend(READING);
        let outcome = self
            .push
            .outcome(self.who, (rooms, presenter, *room), came)?;
        Ok(outcome.notify.then_some(outcome.highlight))
    }

    /// Takes in a redaction that came since what it redacts was counted.
    fn redaction(&mut self, came: Came<'_>) -> Result<(), Stop> {
        let row = &self.counted.row;
        if came.position <= row.rewrites_at {
            return Ok(());
        }
        let Place { rooms, room, .. } = self.place;
        self.budget.spend(READING);
        let Some((target, status)) = rooms.redacted_by(*room, came.live.event)? else {
            return Ok(());
        };
        if status.redacted_by != Some(came.live.event) {
            return Ok(());
        }
        let row = &mut self.counted.row;
        row.rewrites = row.rewrites.wrapping_add(1);
        row.rewrites_at = came.position;
        if unread::redact(row, target, status.timeline)? {
            row.changed = came.position;
        }
        Ok(())
    }
}
