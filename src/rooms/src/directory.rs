//! The published rooms, the largest first.
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#published-room-directory>
//!
//! Which rooms are published is a table. Their order and what is searched in are kept in memory: read
//! when first asked for, and from then on after the log.

use std::{
    cmp::Reverse,
    collections::{BTreeSet, HashMap, HashSet},
    ops::Bound,
};

use heliograph_core::{
    ids::{Position, RoomNum},
    tokens::DirectoryToken,
};
use heliograph_tables::{
    Direction, Op, Record, View, batch::PRESENT, log::Read, schema::PUBLISHED_ROOMS,
};
use parking_lot::Mutex;

use crate::{Inner, RoomError, RoomSummary, Rooms, RoomsView, Sender, summary::text_of};

/// Bytes of each room that are searched in.
const MAX_TEXT_BYTES: usize = 1024;
/// Log entries taken in at a time.
const CHUNK: usize = 1024;

/// What of the published rooms is asked for.
#[derive(Clone, Debug)]
pub struct DirectoryQuery {
    /// Where to go on.
    pub from: Option<DirectoryToken>,
    /// How many rooms.
    pub limit: usize,
    /// What name, topic or alias must contain, whatever the case.
    pub term: Option<String>,
    /// The types of which a room must be one; `None` in it for rooms without a type.
    pub room_types: Option<Vec<Option<String>>>,
}

/// A page of the published rooms.
#[derive(Clone, Debug)]
pub struct DirectoryPage {
    /// The rooms.
    pub rooms: Vec<RoomSummary>,
    /// Where the next page begins.
    pub next: Option<DirectoryToken>,
    /// Where the page before ends.
    pub previous: Option<DirectoryToken>,
    /// How many rooms are published, whatever was asked for.
    pub published: usize,
}

/// A place in the order: the largest rooms first.
type Rank = (Reverse<u32>, RoomNum);

/// What is kept of a published room.
#[derive(Debug)]
struct Listed {
    joined: u32,
    room_type: Option<Box<str>>,
    /// Name, topic and main alias in small letters.
    text: Box<str>,
}

#[derive(Debug, Default)]
struct Rows {
    /// The log is taken in up to here.
    cursor: Position,
    ranks: BTreeSet<Rank>,
    rooms: HashMap<RoomNum, Listed>,
}

/// The published rooms in memory; empty until somebody asks.
#[derive(Debug, Default)]
pub(crate) struct Directory(Mutex<Option<Rows>>);

impl Rooms {
    /// Publishes a room, or takes it out of the directory.
    ///
    /// # Errors
    /// [`RoomError::Forbidden`] when the sender has not the power to say what the room is called.
    pub async fn publish(
        &self,
        room: RoomNum,
        sender: Sender,
        published: bool,
    ) -> Result<(), RoomError> {
        self.change_names(move |inner, view, batch| {
            if !RoomsView::new(inner, view).may_name(room, &sender)? {
                return Err(RoomError::Forbidden(
                    "you have not the power to publish the room".to_owned(),
                ));
            }
            if view.has(&PUBLISHED_ROOMS, &room)? != published {
                if published {
                    batch.put(&PUBLISHED_ROOMS, &room, &PRESENT);
                } else {
                    batch.delete(&PUBLISHED_ROOMS, &room);
                }
                batch.record(Record::Published { room });
            }
            Ok(())
        })
        .await
    }

    /// A page of the published rooms, as they are now.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn directory(&self, query: &DirectoryQuery) -> Result<DirectoryPage, RoomError> {
        let (view, ranks, next, previous, published) = {
            let mut rows = self.inner.directory.0.lock();
            // Taken with the lock held: no other request has taken in more than it shows.
            let view = self.inner.store.view(Op::ReadState);
            let rows = Rows::caught_up(&mut rows, &self.inner, &view)?;
            let (ranks, more) = rows.page(query);
            let token = |rank: Option<&Rank>, backward| {
                rank.map(|(Reverse(joined), room)| DirectoryToken {
                    backward,
                    joined: *joined,
                    room: *room,
                })
            };
            let backward = query.from.is_some_and(|from| from.backward);
            let (is_next, is_previous) = match (backward, query.from) {
                (true, _) => (true, more),
                (false, from) => (more, from.is_some()),
            };
            let next = token(ranks.last().filter(|_| is_next), false);
            let previous = token(ranks.first().filter(|_| is_previous), true);
            let published = rows.rooms.len();
            (view, ranks, next, previous, published)
        };
        let at = self.at(&view);
        let rooms = ranks.iter().map(|(_, room)| at.summary(*room));
        Ok(DirectoryPage {
            rooms: rooms.collect::<Result<_, _>>()?,
            next,
            previous,
            published,
        })
    }
}

impl RoomsView<'_> {
    /// Whether a room is in the published directory.
    pub fn is_published(&self, room: RoomNum) -> Result<bool, RoomError> {
        Ok(self.view().has(&PUBLISHED_ROOMS, &room)?)
    }
}

impl Rows {
    /// The rows as `view` shows the rooms, or as a later view does.
    fn caught_up<'a>(
        slot: &'a mut Option<Self>,
        inner: &Inner,
        view: &View,
    ) -> Result<&'a mut Self, RoomError> {
        let known = match slot.take() {
            Some(mut rows) => rows.follow(inner, view)?.then_some(rows),
            None => None,
        };
        let rows = match known {
            Some(rows) => rows,
            None => Self::read(inner, view)?,
        };
        Ok(slot.insert(rows))
    }

    /// Reads all published rooms.
    fn read(inner: &Inner, view: &View) -> Result<Self, RoomError> {
        let mut rows = Self {
            cursor: view.position(),
            ..Self::default()
        };
        for row in view.scan(&PUBLISHED_ROOMS, &(), Direction::Forward) {
            rows.refresh(inner, view, row?.0)?;
        }
        Ok(rows)
    }

    /// Takes in the log up to `view`; `false` when it was trimmed.
    fn follow(&mut self, inner: &Inner, view: &View) -> Result<bool, RoomError> {
        let mut changed = HashSet::new();
        while self.cursor < view.position() {
            let Read::Entries(entries) = inner.store.log_after(self.cursor, CHUNK)? else {
                return Ok(false);
            };
            if entries.is_empty() {
                break;
            }
            for entry in entries {
                if entry.position > view.position() {
                    self.cursor = view.position();
                    break;
                }
                self.cursor = entry.position;
                for record in entry.entry.0.iter() {
                    match record {
                        Record::Published { room } => {
                            changed.insert(*room);
                        }
                        Record::CurrentState { room } if self.rooms.contains_key(room) => {
                            changed.insert(*room);
                        }
                        _ => {}
                    }
                }
            }
        }
        for room in changed {
            self.refresh(inner, view, room)?;
        }
        Ok(true)
    }

    /// Reads a room again.
    fn refresh(&mut self, inner: &Inner, view: &View, room: RoomNum) -> Result<(), RoomError> {
        if let Some(before) = self.rooms.remove(&room) {
            self.ranks.remove(&(Reverse(before.joined), room));
        }
        let at = RoomsView::new(inner, view);
        if !at.is_published(room)? {
            return Ok(());
        }
        // No more is read than is kept: at the first request, it is read of all rooms.
        let (head, state) = (at.head(room)?, at.state(room));
        let read = |event_type: &str, key: &str| -> Result<Option<String>, RoomError> {
            let event = state.pdu(head.state, event_type, "")?;
            Ok(text_of(event.as_deref(), key))
        };
        let texts = [
            read("m.room.name", "name")?,
            read("m.room.topic", "topic")?,
            read("m.room.canonical_alias", "alias")?,
        ];
        let mut text = String::new();
        for part in texts.into_iter().flatten() {
            let room_left = MAX_TEXT_BYTES.saturating_sub(text.len());
            let end = part.floor_char_boundary(room_left);
            text.push_str(&part.get(..end).unwrap_or_default().to_lowercase());
            text.push('\n');
        }
        let joined = head.joined;
        self.ranks.insert((Reverse(joined), room));
        let listed = Listed {
            joined,
            room_type: read("m.room.create", "type")?.map(Into::into),
            text: text.into(),
        };
        self.rooms.insert(room, listed);
        Ok(())
    }

    /// The rooms of a page in their order, and whether there are more in the query's direction.
    fn page(&self, query: &DirectoryQuery) -> (Vec<Rank>, bool) {
        let term = query.term.as_ref().map(|term| term.to_lowercase());
        let wanted = |rank: &&Rank| {
            self.rooms.get(&rank.1).is_some_and(|listed| {
                let types = query.room_types.as_ref();
                types.is_none_or(|types| {
                    types
                        .iter()
                        .any(|t| t.as_deref() == listed.room_type.as_deref())
                }) && term
                    .as_ref()
                    .is_none_or(|term| listed.text.contains(&**term))
            })
        };
        let place = query
            .from
            .map(|from| (from.backward, (Reverse(from.joined), from.room)));
        let take = query.limit.saturating_add(1);
        let mut ranks: Vec<Rank> = match place {
            None => self
                .ranks
                .iter()
                .filter(wanted)
                .take(take)
                .copied()
                .collect(),
            Some((false, rank)) => {
                let rest = self.ranks.range((Bound::Excluded(rank), Bound::Unbounded));
                rest.filter(wanted).take(take).copied().collect()
            }
            Some((true, rank)) => {
                let rest = self.ranks.range(..rank).rev();
                rest.filter(wanted).take(take).copied().collect()
            }
        };
        let more = ranks.len() > query.limit;
        ranks.truncate(query.limit);
        if place.is_some_and(|(backward, _)| backward) {
            ranks.reverse();
        }
        (ranks, more)
    }
}
