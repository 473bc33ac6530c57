//! The threads of a room, by their latest reply.
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#querying-threads-in-a-room>

use heliograph_core::ids::{EventIdx, TimelineKey};
use heliograph_tables::{
    Direction,
    schema::{EVENT_IDS, THREADS_BY_LATEST},
};

use crate::{Page, RoomError, after, serving::Presenter};

/// Threads that one page looks at, shown or not.
const MAX_LOOKED_AT: usize = 1000;

impl Presenter<'_> {
    /// A page of the roots of threads, those with the latest replies first: of threads whose latest
    /// reply stands before `from`, at most `limit`; with `participated`, only those that the reader
    /// has begun or replied to.
    pub fn threads_page(
        &self,
        from: TimelineKey,
        participated: bool,
        limit: usize,
    ) -> Result<Page, RoomError> {
        let mut page = Page::default();
        let rows = self.view().range(
            &THREADS_BY_LATEST,
            &(self.room(), TimelineKey::MIN),
            &(self.room(), from),
            Direction::Backward,
        );
        for (looked_at, row) in rows.enumerate() {
            let ((_, place), root) = row?;
            if page.events.len() == limit || looked_at == MAX_LOOKED_AT {
                page.end = Some(after(place));
                break;
            }
            page.events.extend(self.shown_root(root.0, participated)?);
        }
        Ok(page)
    }

    /// A root, if it is here and the reader is shown its thread.
    fn shown_root(
        &self,
        hash: [u8; 32],
        participated: bool,
    ) -> Result<Option<EventIdx>, RoomError> {
        let root = self.view().get(&EVENT_IDS, &hash)?.map(|row| row.0);
        let Some((_, root)) = root.filter(|(room, _)| *room == self.room()) else {
            return Ok(None);
        };
        let status = match self.visible(root) {
            Ok(status) => status,
            Err(RoomError::UnknownEvent) => return Ok(None),
            Err(error) => return Err(error),
        };
        let shared = self.shared(root, &status)?;
        if self.is_ignored(&shared)? {
            return Ok(None);
        }
        let thread = self.thread(hash, &shared)?;
        let shown = thread.is_some_and(|thread| !participated || thread.participated());
        Ok(shown.then_some(root))
    }
}
