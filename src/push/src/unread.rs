//! What one user has not read of one room, as a value: notifications come, are read, are redacted.
//!
//! The newest notifications are kept one by one, so that a receipt between them or the redaction
//! of one of them is taken in without looking at any event. Older ones are kept as numbers; what
//! would divide those asks for a new count from the timeline, so that nothing is ever guessed.

use heliograph_core::ids::{EventIdx, Position, TimelineKey};
use heliograph_tables::schema::{Tally, UnreadEvent, UnreadRoom, UnreadThread};

/// The thread id of what is in no thread.
pub(crate) const MAIN: &str = "main";

/// Notifications that are kept one by one, at most.
const MAX_KEPT: usize = 1024;
/// Notifications that become numbers at once.
const FOLDED_AT_ONCE: usize = 512;
/// Threads that are kept though nothing in them is unread, while a count goes on.
const MAX_THREADS: usize = 1024;

/// The counts cannot be told from what was kept: they are to be counted anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CountAnew;

/// Notifications of one thread.
fn folded(row: &UnreadRoom) -> bool {
    let any = |thread: &UnreadThread| thread.folded.notifications > 0;
    row.threads.iter().any(any)
}

/// The number of a thread of which something is known.
pub(crate) fn thread(row: &UnreadRoom, id: &str) -> Option<usize> {
    row.threads.iter().position(|thread| *thread.id == *id)
}

/// Begins to know of a thread, read up to a place; gives its number.
pub(crate) fn add_thread(row: &mut UnreadRoom, id: &str, read: Option<TimelineKey>) -> usize {
    if row.threads.len() >= MAX_THREADS {
        prune(row);
    }
    row.threads.push(UnreadThread {
        id: id.into(),
        read,
        folded: Tally::default(),
    });
    row.threads.len().saturating_sub(1)
}

/// Whether an event of a thread stands where the user has read.
pub(crate) fn is_read(row: &UnreadRoom, thread: Option<usize>, place: TimelineKey) -> bool {
    let own = thread.and_then(|at| row.threads.get(at)?.read);
    row.read.max(own).is_some_and(|read| place <= read)
}

/// Adds a notification, later than all others.
pub(crate) fn add(
    row: &mut UnreadRoom,
    (event, place): (EventIdx, TimelineKey),
    thread: usize,
    highlight: bool,
) {
    row.unread.push(UnreadEvent {
        place,
        event,
        thread: u32::try_from(thread).unwrap_or(u32::MAX),
        highlight,
    });
    if row.unread.len() > MAX_KEPT {
        let old: Vec<UnreadEvent> = row.unread.drain(..FOLDED_AT_ONCE).collect();
        for unread in &old {
            if let Some(thread) = thread_of(&mut row.threads, unread) {
                thread.folded.add(unread.highlight);
            }
        }
        row.folded_to = old.last().map(|last| last.place).max(row.folded_to);
    }
}

fn thread_of<'t>(
    threads: &'t mut [UnreadThread],
    unread: &UnreadEvent,
) -> Option<&'t mut UnreadThread> {
    threads.get_mut(usize::try_from(unread.thread).ok()?)
}

/// Takes in that a thread, or without one everything, is read up to a place; whether that changes
/// the counts.
pub(crate) fn read(
    row: &mut UnreadRoom,
    thread: Option<usize>,
    place: TimelineKey,
) -> Result<bool, CountAnew> {
    let before = totals(row);
    let of_thread = |at: usize| thread.is_none_or(|thread| thread == at);
    let splits = row.folded_to.is_some_and(|to| place < to);
    for (at, known) in row.threads.iter_mut().enumerate() {
        if !of_thread(at) || known.folded == Tally::default() {
            continue;
        }
        if splits {
            return Err(CountAnew);
        }
        known.folded = Tally::default();
    }
    match thread {
        None => row.read = row.read.max(Some(place)),
        Some(at) => {
            if let Some(known) = row.threads.get_mut(at) {
                known.read = known.read.max(Some(place));
            }
        }
    }
    let of_thread = |number: u32| usize::try_from(number).is_ok_and(of_thread);
    row.unread
        .retain(|unread| unread.place > place || !of_thread(unread.thread));
    Ok(before != totals(row))
}

/// Takes in that an event was redacted after it was counted, if it was; whether that changes the
/// counts.
pub(crate) fn redact(
    row: &mut UnreadRoom,
    event: EventIdx,
    place: Option<TimelineKey>,
) -> Result<bool, CountAnew> {
    let before = row.unread.len();
    row.unread.retain(|unread| unread.event != event);
    if row.unread.len() < before {
        return Ok(true);
    }
    match (place, row.folded_to) {
        (Some(place), Some(to)) if place <= to && folded(row) => Err(CountAnew),
        _ => Ok(false),
    }
}

/// Forgets redacted events, `is_redacted` says of which, when it is not known which were redacted.
pub(crate) fn recheck<E>(
    row: &mut UnreadRoom,
    is_redacted: impl Fn(EventIdx) -> Result<bool, E>,
) -> Result<Result<bool, CountAnew>, E> {
    if folded(row) {
        return Ok(Err(CountAnew));
    }
    let mut kept = Vec::with_capacity(row.unread.len());
    for unread in &row.unread {
        if !is_redacted(unread.event)? {
            kept.push(*unread);
        }
    }
    let changed = kept.len() < row.unread.len();
    row.unread = kept;
    Ok(Ok(changed))
}

/// Forgets threads in which nothing is unread; the main timeline, the first, stays.
pub(crate) fn prune(row: &mut UnreadRoom) {
    let mut numbers = vec![None; row.threads.len()];
    let mut counts = vec![0u32; row.threads.len()];
    for unread in &row.unread {
        let count = usize::try_from(unread.thread).ok();
        if let Some(count) = count.and_then(|at| counts.get_mut(at)) {
            *count = count.saturating_add(1);
        }
    }
    let mut kept = Vec::new();
    let threads = std::mem::take(&mut row.threads).into_iter();
    for (at, ((thread, count), number)) in threads.zip(counts).zip(&mut numbers).enumerate() {
        if at == 0 || count > 0 || thread.folded != Tally::default() {
            *number = u32::try_from(kept.len()).ok();
            kept.push(thread);
        }
    }
    row.threads = kept;
    for unread in &mut row.unread {
        let at = usize::try_from(unread.thread).ok();
        if let Some(number) = at.and_then(|at| numbers.get(at).copied().flatten()) {
            unread.thread = number;
        }
    }
}

/// The counts of each thread that is known, by its number.
pub(crate) fn tallies(row: &UnreadRoom) -> Vec<Tally> {
    let mut tallies: Vec<Tally> = row.threads.iter().map(|thread| thread.folded).collect();
    for unread in &row.unread {
        let at = usize::try_from(unread.thread).ok();
        if let Some(tally) = at.and_then(|at| tallies.get_mut(at)) {
            tally.add(unread.highlight);
        }
    }
    tallies
}

/// The counts of all threads together.
pub(crate) fn totals(row: &UnreadRoom) -> Tally {
    let tallies = tallies(row).into_iter();
    tallies.fold(Tally::default(), Tally::plus)
}

/// A row with nothing counted yet.
pub(crate) fn nothing(basis: u64, counted_to: Position) -> UnreadRoom {
    UnreadRoom {
        basis,
        counted_to,
        threads: vec![UnreadThread {
            id: MAIN.into(),
            read: None,
            folded: Tally::default(),
        }],
        ..UnreadRoom::default()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const THREADS: [&str; 3] = [MAIN, "$a", "$b"];

    #[derive(Clone, Debug)]
    enum Step {
        Come { thread: usize, highlight: bool },
        Read { thread: Option<usize>, back: u32 },
        Redact { back: u32 },
        Prune,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            20 => (0..3usize, any::<bool>())
                .prop_map(|(thread, highlight)| Step::Come { thread, highlight }),
            1 => (prop::option::of(0..3usize), 0..900u32)
                .prop_map(|(thread, back)| Step::Read { thread, back }),
            1 => (0..2000u32).prop_map(|back| Step::Redact { back }),
            1 => Just(Step::Prune),
        ];
        prop::collection::vec(step, 0..2500)
    }

    fn at(index: u32) -> TimelineKey {
        TimelineKey { segment: 1, index }
    }

    /// The same with every notification kept.
    #[derive(Default)]
    struct Model {
        unread: Vec<(u32, usize, bool)>,
    }

    impl Model {
        fn row(&self) -> UnreadRoom {
            let mut row = nothing(0, Position(0));
            for (index, thread, highlight) in &self.unread {
                let number = known(&mut row, *thread);
                add(&mut row, (EventIdx(*index), at(*index)), number, *highlight);
            }
            row
        }

        fn of(&self, thread: usize) -> Tally {
            let mut tally = Tally::default();
            for (_, _, highlight) in self.unread.iter().filter(|(_, t, _)| *t == thread) {
                tally.add(*highlight);
            }
            tally
        }
    }

    fn known(row: &mut UnreadRoom, at: usize) -> usize {
        thread(row, THREADS[at]).unwrap_or_else(|| add_thread(row, THREADS[at], None))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn counts_are_those_of_all_that_is_unread(steps in steps()) {
            let (mut row, mut model, mut next) = (Model::default().row(), Model::default(), 0u32);
            for step in steps {
                match step {
                    Step::Come { thread, highlight } => {
                        let number = known(&mut row, thread);
                        add(&mut row, (EventIdx(next), at(next)), number, highlight);
                        model.unread.push((next, thread, highlight));
                        next += 1;
                    }
                    Step::Read { thread, back } => {
                        let to = next.saturating_sub(back);
                        model.unread.retain(|(index, t, _)| {
                            *index > to || thread.is_some_and(|thread| thread != *t)
                        });
                        let number = thread.map(|thread| known(&mut row, thread));
                        if read(&mut row, number, at(to)).is_err() {
                            row = model.row();
                        }
                    }
                    Step::Redact { back } => {
                        let gone = next.saturating_sub(back);
                        model.unread.retain(|(index, ..)| *index != gone);
                        if redact(&mut row, EventIdx(gone), Some(at(gone))).is_err() {
                            row = model.row();
                        }
                    }
                    Step::Prune => prune(&mut row),
                }
                prop_assert!(row.unread.len() <= MAX_KEPT);
            }
            let tallies = tallies(&row);
            for (at, id) in THREADS.iter().enumerate() {
                let tally = thread(&row, id).map_or(Tally::default(), |at| tallies[at]);
                prop_assert_eq!(tally, model.of(at), "{}", id);
            }
        }
    }
}
