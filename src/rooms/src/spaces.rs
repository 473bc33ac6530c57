//! The rooms of a space, depth first.
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#discovering-rooms-within-spaces>

use std::collections::HashSet;

use heliograph_core::ids::{EventIdx, RoomNum, UserNum};
use ruma_common::OwnedRoomId;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{RoomDetails, RoomError, RoomsView};

/// Rooms that a walk looks at, at most, with those that it gave before.
const MAX_WALK: usize = 5000;
/// Children of one space that are looked at.
const MAX_CHILDREN: usize = 1000;
/// Rooms that wait for their turn in a walk, above which no more are added.
const MAX_WAITING: usize = 20_000;
/// Characters of an `order` that counts.
const MAX_ORDER: usize = 50;

/// What of a space is asked for.
#[derive(Clone, Copy, Debug)]
pub struct HierarchyQuery {
    /// The space.
    pub room: RoomNum,
    /// Who asks.
    pub user: UserNum,
    /// Whether only rooms that their space suggests are wanted.
    pub suggested_only: bool,
    /// How many steps below the space the walk goes.
    pub max_depth: u32,
    /// How many rooms were given before.
    pub skip: usize,
    /// How many rooms are wanted.
    pub limit: usize,
}

/// A room of a space.
#[derive(Debug, Serialize)]
pub struct SpaceRoom {
    /// What it tells.
    #[serde(flatten)]
    pub details: RoomDetails,
    /// Its own `m.space.child` events, stripped, if it is a space.
    pub children_state: Vec<Box<RawValue>>,
}

/// A part of the rooms of a space.
#[derive(Debug)]
pub struct Hierarchy {
    /// The rooms, the space itself first.
    pub rooms: Vec<SpaceRoom>,
    /// Whether there are more.
    pub more: bool,
}

/// What an `m.space.child` event says.
#[derive(Deserialize)]
struct ChildContent {
    #[serde(default)]
    via: Vec<String>,
    #[serde(default)]
    order: Option<serde_json::Value>,
    #[serde(default)]
    suggested: Option<serde_json::Value>,
}

/// A child of a space; children are in the order of what stands here first.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Child {
    /// Those without an order come last.
    has_no_order: bool,
    order: String,
    origin_server_ts: u64,
    room: OwnedRoomId,
    event: EventIdx,
}

impl RoomsView<'_> {
    /// Walks over the rooms of a space that the user may know of, each once, and leaves out those
    /// that were given before.
    ///
    /// # Errors
    /// [`RoomError::UnknownRoom`] when the user may not know of the space itself.
    pub fn hierarchy(&self, query: &HierarchyQuery) -> Result<Hierarchy, RoomError> {
        let root = self.room_id(query.room)?;
        let mut seen = HashSet::new();
        let mut stack = vec![(root, 0u32)];
        let mut found = Hierarchy {
            rooms: Vec::new(),
            more: false,
        };
        let mut skip = query.skip;
        for _ in 0..MAX_WALK {
            let Some((room, depth)) = stack.pop() else {
                return Ok(found);
            };
            if !seen.insert(room.clone()) {
                continue;
            }
            let Some((room, details)) = self.known_to(&room, query)? else {
                continue;
            };
            let is_space = details.summary.room_type.as_deref() == Some("m.space");
            let children = if is_space {
                self.children(room, query.suggested_only)?
            } else {
                Vec::new()
            };
            if depth < query.max_depth && stack.len() < MAX_WAITING {
                let below = depth.saturating_add(1);
                let unseen = children.iter().rev().filter(|c| !seen.contains(&c.room));
                stack.extend(unseen.map(|child| (child.room.clone(), below)));
            }
            if skip > 0 {
                skip = skip.saturating_sub(1);
                continue;
            }
            if found.rooms.len() == query.limit {
                found.more = true;
                return Ok(found);
            }
            found.rooms.push(SpaceRoom {
                details,
                children_state: self.stripped_children(room, &children)?,
            });
        }
        Ok(found)
    }

    /// A room that this server and the user know; the space itself must be one.
    fn known_to(
        &self,
        room: &OwnedRoomId,
        query: &HierarchyQuery,
    ) -> Result<Option<(RoomNum, RoomDetails)>, RoomError> {
        let details = self.find(room).and_then(|room| {
            let (details, _) = self.details(room, Some(query.user))?;
            Ok((room, details))
        });
        match details {
            Ok(known) => Ok(Some(known)),
            Err(RoomError::UnknownRoom) if self.find(room).ok() != Some(query.room) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The children of a space, in the order in which they are shown.
    fn children(&self, space: RoomNum, suggested_only: bool) -> Result<Vec<Child>, RoomError> {
        let root = self.head(space)?.state;
        let events = self.state(space).of_type(root, "m.space.child")?;
        let mut children = Vec::new();
        for event in events {
            let child = self.child(space, event, suggested_only)?;
            children.extend(child);
        }
        children.sort_unstable();
        children.truncate(MAX_CHILDREN);
        Ok(children)
    }

    /// A child, if the event names one: a room, and servers through which it is reached.
    fn child(
        &self,
        space: RoomNum,
        event: EventIdx,
        suggested_only: bool,
    ) -> Result<Option<Child>, RoomError> {
        let pdu = self.pdu(space, event)?;
        let room = pdu
            .state_key()
            .and_then(|key| OwnedRoomId::try_from(key).ok());
        let content = serde_json::from_str::<ChildContent>(pdu.content_json()).ok();
        let (Some(room), Some(content)) = (room, content) else {
            return Ok(None);
        };
        let suggested = content.suggested == Some(serde_json::Value::Bool(true));
        if content.via.is_empty() || (suggested_only && !suggested) {
            return Ok(None);
        }
        let order = content.order.as_ref().and_then(serde_json::Value::as_str);
        let counts = |order: &&str| {
            order.len() <= MAX_ORDER && order.bytes().all(|byte| matches!(byte, 0x20..=0x7e))
        };
        let order = order.filter(counts);
        Ok(Some(Child {
            has_no_order: order.is_none(),
            order: order.unwrap_or_default().to_owned(),
            origin_server_ts: pdu.origin_server_ts(),
            room,
            event,
        }))
    }

    /// The children's events as stripped state with their time.
    fn stripped_children(
        &self,
        space: RoomNum,
        children: &[Child],
    ) -> Result<Vec<Box<RawValue>>, RoomError> {
        let presenter = self.presenter(space, None)?;
        let stripped = children.iter().map(|child| {
            let mut json = presenter.stripped(child.event)?;
            json.pop();
            json.push_str(",\"origin_server_ts\":");
            json.push_str(&child.origin_server_ts.to_string());
            json.push('}');
            RawValue::from_string(json).map_err(|_| RoomError::Inconsistent("event"))
        });
        stripped.collect()
    }
}
