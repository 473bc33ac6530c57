//! The newest log entries in memory: live consumers never read the disk again.

use std::collections::VecDeque;

use heliograph_core::ids::Position;
use heliograph_tables::{Record, store::LogEntry};

/// Entries that are kept at most, whatever their size.
pub(crate) const MAX_ENTRIES: usize = 65_536;

/// Published entries without a gap, oldest first.
pub(crate) struct Ring {
    entries: VecDeque<LogEntry>,
    bytes: usize,
    max_bytes: usize,
}

impl Ring {
    /// An empty ring that holds about `max_bytes` at most.
    pub(crate) const fn new(max_bytes: usize) -> Self {
        Self {
            entries: VecDeque::new(),
            bytes: 0,
            max_bytes,
        }
    }

    /// Adds the entry after the newest one.
    pub(crate) fn push(&mut self, entry: LogEntry) {
        self.bytes = self.bytes.saturating_add(size_bytes(&entry));
        self.entries.push_back(entry);
        while self.entries.len() > MAX_ENTRIES || self.bytes > self.max_bytes {
            let Some(oldest) = self.entries.pop_front() else {
                break;
            };
            self.bytes = self.bytes.saturating_sub(size_bytes(&oldest));
        }
    }

    /// At most `limit` entries after a position, or `None` when the ring does not reach back so
    /// far.
    pub(crate) fn after(&self, after: Position, limit: usize) -> Option<Vec<LogEntry>> {
        let first = self.entries.front()?.position;
        let skip = after.next()?.0.checked_sub(first.0)?;
        let skip = usize::try_from(skip).ok()?;
        Some(
            self.entries
                .iter()
                .skip(skip)
                .take(limit)
                .cloned()
                .collect(),
        )
    }
}

/// What an entry takes in memory, roughly.
fn size_bytes(entry: &LogEntry) -> usize {
    let records = entry.entry.0.len().saturating_mul(size_of::<Record>());
    size_of::<LogEntry>()
        .saturating_add(2 * size_of::<usize>())
        .saturating_add(records)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use heliograph_core::ids::RoomNum;
    use heliograph_tables::log::Entry;

    use super::*;

    fn entry(position: u64) -> LogEntry {
        let records: Arc<[Record]> = [Record::CurrentState { room: RoomNum(1) }].into();
        LogEntry {
            position: Position(position),
            entry: Entry(records),
        }
    }

    fn positions(ring: &Ring, after: u64, limit: usize) -> Option<Vec<u64>> {
        let entries = ring.after(Position(after), limit)?;
        Some(entries.iter().map(|e| e.position.0).collect())
    }

    #[test]
    fn reads_on_from_a_position_and_says_when_it_cannot() {
        let mut ring = Ring::new(usize::MAX);
        assert_eq!(positions(&ring, 0, 10), None);
        for position in 5..9 {
            ring.push(entry(position));
        }
        assert_eq!(positions(&ring, 3, 10), None);
        assert_eq!(positions(&ring, 4, 2), Some(vec![5, 6]));
        assert_eq!(positions(&ring, 7, 2), Some(vec![8]));
        assert_eq!(positions(&ring, 8, 2), Some(vec![]));
        assert_eq!(positions(&ring, 80, 2), Some(vec![]));
    }

    #[test]
    fn is_bounded_by_entries_and_by_bytes() {
        let mut by_count = Ring::new(usize::MAX);
        let mut by_bytes = Ring::new(10 * size_bytes(&entry(0)));
        for position in 1..=70_000 {
            by_count.push(entry(position));
            by_bytes.push(entry(position));
        }
        assert_eq!(by_count.entries.len(), MAX_ENTRIES);
        assert_eq!(by_bytes.entries.len(), 10);
        assert_eq!(positions(&by_bytes, 69_989, 99), None);
        assert_eq!(positions(&by_bytes, 69_990, 1), Some(vec![69_991]));
    }
}
