//! One room, one writer: the registry of rooms that are being changed, and the change itself.
//!
//! Changes of a room stand in line, first come, first served. One runs on the pool over a view under
//! the room's own unpublished layers, and submits one batch. The next one's turn comes when the
//! batch is *submitted*, so that one room takes many changes per sync of the disk; the caller is
//! answered when it is published. There is no network inside.

use std::{collections::HashMap, sync::Arc};

use heliograph_core::{
    auth::PowerLevels,
    ids::{EventIdx, RoomNum},
    room_version::RoomVersion,
};
use heliograph_tables::{
    Completion, Direction, Op, Overlay, Permit, View,
    schema::{ROOM_HEADS, ROOM_NAMES, ROOMS, RoomHead, RoomInfo},
};
use heliograph_work::Line;
use parking_lot::Mutex;
use ruma_common::{OwnedEventId, OwnedRoomId};

use crate::{Inner, RoomError, Rooms, work::RoomWork};

/// What the writer of a room keeps between two changes.
#[derive(Clone, Debug)]
pub(crate) struct LiveRoom {
    /// The room's id.
    pub(crate) id: OwnedRoomId,
    /// What never changes about it.
    pub(crate) info: RoomInfo,
    /// Its version.
    pub(crate) version: RoomVersion,
    /// Where it stands with everything submitted.
    pub(crate) head: RoomHead,
    /// The ids of the forward extremities, as in `head`.
    pub(crate) tips: Vec<(EventIdx, OwnedEventId)>,
    /// The power levels in the current state, by the event that set them.
    pub(crate) power: Option<(Option<EventIdx>, Arc<PowerLevels>)>,
    /// What was submitted and no view shows yet.
    pub(crate) overlay: Overlay,
}

/// A room and who waits to change it; empty until the first change has read the room.
type Slot = Arc<Line<Option<LiveRoom>>>;

/// The rooms that were changed lately.
#[derive(Debug, Default)]
pub(crate) struct Registry(Mutex<HashMap<RoomNum, Slot>>);

impl Registry {
    /// Above this many rooms, those that are at rest are dropped before another comes in.
    const SWEEP_ABOVE: usize = 4096;

    fn slot(&self, room: RoomNum) -> Slot {
        let mut slots = self.0.lock();
        if slots.len() > Self::SWEEP_ABOVE {
            slots.retain(|_, slot| Arc::strong_count(slot) > 1 || !at_rest(slot));
        }
        let slot = slots
            .entry(room)
            .or_insert_with(|| Arc::new(Line::new(None)));
        Arc::clone(slot)
    }
}

/// Whether nothing of the room is on its way to disk.
fn at_rest(slot: &Slot) -> bool {
    slot.peek(|room| room.as_ref().is_none_or(|r| r.overlay.is_empty()))
        .unwrap_or(false)
}

/// The outcome of a change: its answer, and what must be published before it is given.
struct Changed<T> {
    answer: T,
    completion: Option<Completion>,
}

impl Rooms {
    /// Changes a room: `change` checks and prepares when it is its turn, and what it prepared is one
    /// batch.
    ///
    /// # Errors
    /// Those of `change`; [`RoomError::UnknownRoom`] when there is no such room; those of the
    /// store. After an error of the store the change may or may not be found after a restart.
    pub(crate) async fn change<T, F>(
        &self,
        room: RoomNum,
        op: Op,
        change: F,
    ) -> Result<T, RoomError>
    where
        T: Send + 'static,
        F: FnOnce(&mut RoomWork<'_>) -> Result<T, RoomError> + Send + 'static,
    {
        let permit = self.inner.store.reserve().await?;
        let inner = Arc::clone(&self.inner);
        let slot = self.inner.live.slot(room);
        let changed = slot
            .run(&self.inner.pool, move |live| {
                let changed = run_change(&inner, live, (room, op), permit, change)?;
                let unpublished = live.as_ref().and_then(|l| l.overlay.newest());
                Ok::<_, RoomError>((changed, unpublished))
            })
            .await??;
        let (Changed { answer, completion }, unpublished) = changed;
        if let Some(completion) = completion {
            completion.published().await?;
        } else if let Some(position) = unpublished {
            // The answer may rest on what another request has submitted: it waits for that.
            let mut published = self.inner.store.published();
            published
                .wait_for(|p| *p >= position)
                .await
                .map_err(|_| heliograph_tables::StoreError::Closed)?;
        }
        Ok(answer)
    }
}

/// The synchronous part of a change.
fn run_change<T>(
    inner: &Arc<Inner>,
    live: &mut Option<LiveRoom>,
    (room, op): (RoomNum, Op),
    permit: Permit,
    change: impl FnOnce(&mut RoomWork<'_>) -> Result<T, RoomError>,
) -> Result<Changed<T>, RoomError> {
    let mut view = inner.store.view(op);
    if let Some(live) = live.as_mut() {
        live.overlay.forget_up_to(view.position());
        view = view.under(live.overlay.clone());
    } else {
        *live = Some(load(inner, &view, room)?.ok_or(RoomError::UnknownRoom)?);
    }
    let Some(live) = live.as_mut() else {
        return Err(RoomError::UnknownRoom);
    };
    let mut work = RoomWork::begin(inner, room, live.clone(), view, op);
    let answer = change(&mut work)?;
    let Some((batch, next)) = work.finish() else {
        return Ok(Changed {
            answer,
            completion: None,
        });
    };
    let submitted = inner.store.submit(permit, batch)?;
    let overlay = std::mem::take(&mut live.overlay);
    *live = next;
    live.overlay = overlay;
    live.head.settle(submitted.position);
    live.overlay.push(submitted.layer);
    Ok(Changed {
        answer,
        completion: Some(submitted.completion),
    })
}

/// Reads a room as its writer needs it.
fn load(inner: &Inner, view: &View, room: RoomNum) -> Result<Option<LiveRoom>, RoomError> {
    let (Some(info), Some(id)) = (view.get(&ROOMS, &room)?, view.get(&ROOM_NAMES, &room)?) else {
        return Ok(None);
    };
    let Some((_, head)) = view.end(&ROOM_HEADS, &(room,), Direction::Backward)? else {
        return Ok(None);
    };
    let version = RoomVersion::try_from(&*info.version)
        .map_err(|_| RoomError::Inconsistent("room version"))?;
    let id = OwnedRoomId::try_from(&*id.0).map_err(|_| RoomError::Inconsistent("room id"))?;
    let tips = head
        .extremities
        .iter()
        .map(|idx| {
            Ok((
                *idx,
                inner.events.pdu(view, room, *idx)?.event_id().to_owned(),
            ))
        })
        .collect::<Result<_, RoomError>>()?;
    Ok(Some(LiveRoom {
        id,
        info,
        version,
        head,
        tips,
        power: None,
        overlay: Overlay::default(),
    }))
}
