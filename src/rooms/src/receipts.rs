//! Receipts and read markers.
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#receipts>
//! <https://spec.matrix.org/v1.19/client-server-api/#fully-read-markers>
//!
//! Receipts are on disk before they are answered. There is one row for each user, type and thread,
//! and a second one that orders a room's receipts by the position at which they came.

use std::sync::Arc;

use heliograph_accounts::privacy;
use heliograph_core::ids::{Position, RoomNum, TimelineKey, UserNum};
use heliograph_tables::{
    Batch, Direction, Op, Record, View,
    batch::PRESENT,
    codec::UNSTAMPED,
    schema::{Membership, RECEIPTS, RECEIPTS_BY_POSITION, Receipt, USER_ROOMS, UserRoom},
};
use ruma_common::{EventId, OwnedEventId};

use crate::{RoomError, Rooms, work::RoomWork};

/// The kinds of receipts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReceiptType {
    /// `m.read`: everyone in the room sees it.
    Read,
    /// `m.read.private`: only the user sees it.
    ReadPrivate,
}

impl ReceiptType {
    /// The spec's word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "m.read",
            Self::ReadPrivate => "m.read.private",
        }
    }

    /// The type with the spec's word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Read, Self::ReadPrivate]
            .into_iter()
            .find(|t| t.as_str() == word)
    }
}

/// Where a receipt belongs.
#[derive(Clone, Debug)]
pub struct ReceiptPlace {
    /// The room.
    pub room: RoomNum,
    /// Whose receipt.
    pub user: UserNum,
    /// Its type.
    pub kind: ReceiptType,
    /// `main`, a thread's root, or empty for a receipt that is not threaded.
    pub thread: Box<str>,
}

/// A receipt as it is delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceiptRow {
    /// Whose receipt.
    pub user: UserNum,
    /// Its type's name.
    pub kind: Box<str>,
    /// `main`, a thread's root, or empty.
    pub thread: Box<str>,
    /// Where it stands.
    pub receipt: Receipt,
}

/// Moves a receipt to an event.
pub(crate) fn set(
    view: &View,
    batch: &mut Batch,
    place: &ReceiptPlace,
    event_id: &str,
    ts: u64,
) -> Result<(), RoomError> {
    let ReceiptPlace {
        room,
        user,
        kind,
        thread,
    } = place;
    let key = (*room, *user, Box::from(kind.as_str()), thread.clone());
    if let Some(before) = view.get(&RECEIPTS, &key)? {
        let at = (*room, before.position, *user, key.2.clone(), thread.clone());
        batch.delete(&RECEIPTS_BY_POSITION, &at);
    }
    let receipt = Receipt {
        event_id: event_id.into(),
        ts,
        position: UNSTAMPED,
    };
    batch.put(&RECEIPTS, &key, &receipt);
    let at = (*room, UNSTAMPED, *user, key.2, thread.clone());
    batch.put(&RECEIPTS_BY_POSITION, &at, &PRESENT);
    let private = *kind == ReceiptType::ReadPrivate;
    batch.record(Record::Receipt {
        room: *room,
        user: *user,
        private,
    });
    Ok(())
}

impl Rooms {
    /// Moves a receipt; it is on disk before this returns. One of a user who hides them is private.
    ///
    /// # Errors
    /// [`RoomError::Forbidden`] when the user is not joined to the room.
    pub async fn set_receipt(
        &self,
        mut place: ReceiptPlace,
        event_id: OwnedEventId,
    ) -> Result<(), RoomError> {
        self.change(place.room, Op::UserData, move |work| {
            work.must_be_joined(place.user)?;
            if privacy(&work.view, place.user)?.hide_receipts {
                place.kind = ReceiptType::ReadPrivate;
            }
            if work.moves_receipt_on(&place, &event_id)? {
                let ts = work.inner.clock.now_ms();
                set(&work.view, &mut work.batch, &place, event_id.as_str(), ts)?;
            }
            Ok(())
        })
        .await
    }

    /// Says that a user types for `for_ms`, or, with `None`, has stopped. Of one who hides it, nobody
    /// is told.
    ///
    /// # Errors
    /// [`RoomError::Forbidden`] when the user is not joined to the room.
    pub async fn set_typing(
        &self,
        room: RoomNum,
        user: UserNum,
        for_ms: Option<u64>,
    ) -> Result<(), RoomError> {
        let inner = Arc::clone(&self.inner);
        let hides = self.inner.pool.run(move || {
            let view = inner.store.view(Op::UserData);
            joined(view.get(&USER_ROOMS, &(user, room))?)?;
            Ok::<_, RoomError>(privacy(&view, user)?.hide_typing)
        });
        let for_ms = if hides.await?? { None } else { for_ms };
        let now_ms = self.inner.clock.now_ms();
        self.inner.typing.set(room, user, for_ms, now_ms);
        Ok(())
    }

    /// Checks that a user is joined to a room.
    ///
    /// # Errors
    /// [`RoomError::Forbidden`] when not.
    pub async fn must_be_joined(&self, room: RoomNum, user: UserNum) -> Result<(), RoomError> {
        let inner = Arc::clone(&self.inner);
        let check = self.inner.pool.run(move || {
            let view = inner.store.view(Op::UserData);
            joined(view.get(&USER_ROOMS, &(user, room))?)
        });
        check.await?
    }
}

impl RoomWork<'_> {
    /// Whether a receipt for an event would stand later in the timeline than it does: receipts only
    /// move forward. Where either event has no place here, the newer receipt counts.
    fn moves_receipt_on(&self, place: &ReceiptPlace, event: &EventId) -> Result<bool, RoomError> {
        let kind = Box::from(place.kind.as_str());
        let key = (place.room, place.user, kind, place.thread.clone());
        let Some(before) = self.view.get(&RECEIPTS, &key)? else {
            return Ok(true);
        };
        let Ok(before) = EventId::parse(&*before.event_id) else {
            return Ok(true);
        };
        let places = (self.place_of(&before)?, self.place_of(event)?);
        Ok(!matches!(places, (Some(before), Some(after)) if after <= before))
    }

    /// Where an event stands in the timeline.
    fn place_of(&self, event: &EventId) -> Result<Option<TimelineKey>, RoomError> {
        let Some(idx) = self.find(event)? else {
            return Ok(None);
        };
        Ok(self.status(idx)?.timeline)
    }

    /// Checks that a user is joined to the room.
    fn must_be_joined(&self, user: UserNum) -> Result<(), RoomError> {
        joined(self.view.get(&USER_ROOMS, &(user, self.room))?)
    }
}

/// Whether a standing is that of a joined user.
fn joined(row: Option<UserRoom>) -> Result<(), RoomError> {
    match row.map(|row| row.membership) {
        Some(Membership::Join) => Ok(()),
        _ => Err(RoomError::Forbidden("not joined to the room".to_owned())),
    }
}

/// The receipts that moved after `after` and up to `to`, as `reader` may see them; at most `limit`,
/// the newest ones.
pub fn since(
    view: &View,
    (room, reader): (RoomNum, UserNum),
    (after, to): (Position, Position),
    limit: usize,
) -> Result<Vec<ReceiptRow>, RoomError> {
    let from = (room, after.next().unwrap_or(after));
    let end = (room, to.next().unwrap_or(to));
    let mut rows = Vec::new();
    for row in view
        .range(&RECEIPTS_BY_POSITION, &from, &end, Direction::Backward)
        .take(limit)
    {
        let ((_, _, user, kind, thread), _) = row?;
        if user != reader && &*kind == ReceiptType::ReadPrivate.as_str() {
            continue;
        }
        let key = (room, user, kind, thread);
        if let Some(receipt) = view.get(&RECEIPTS, &key)? {
            rows.push(ReceiptRow {
                user,
                kind: key.2,
                thread: key.3,
                receipt,
            });
        }
    }
    Ok(rows)
}
