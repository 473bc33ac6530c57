//! Replacing a room by one of another version.
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#room-upgrades>

use std::sync::Arc;

use heliograph_core::{
    ids::{RoomNum, UserNum},
    json::{Numbers, Value, parse},
    pdu::Pdu,
    room_version::RoomVersion,
};
use heliograph_tables::{
    Direction, Op, Record,
    batch::PRESENT,
    schema::{ALIASES, Alias, PUBLISHED_ROOMS, ROOM_ALIASES},
};
use ruma_common::{OwnedRoomId, OwnedUserId};
use serde::Deserialize;

use crate::{
    InitialState, NewRoom, Preset, RoomError, Rooms, RoomsView, Sender, aliases, summary::text_of,
    work::RoomWork,
};

/// State that goes with the room, as it stands, in the order in which it is set.
const TRANSFERRED: [&str; 8] = [
    "m.room.join_rules",
    "m.room.history_visibility",
    "m.room.guest_access",
    "m.room.server_acl",
    "m.room.encryption",
    "m.room.name",
    "m.room.topic",
    "m.room.avatar",
];
/// Keys of the create event that each room has of its own.
const OWN_CREATION: [&str; 4] = [
    "creator",
    "room_version",
    "predecessor",
    "additional_creators",
];
/// What must be reached at least to write into a room that was replaced.
const CLOSED_LEVEL: i64 = 50;

/// How a room is to be replaced.
#[derive(Clone, Debug)]
pub struct Upgrade {
    /// The version of the new room.
    pub version: RoomVersion,
    /// Who is to stand beside its creator, from version 12 on.
    pub additional_creators: Vec<OwnedUserId>,
    /// The sender's profile, as it stands in the member event.
    pub profile: Value,
}

impl Rooms {
    /// Makes a new room with what goes with the old one, says in the old one where it went, closes
    /// it as far as the sender may, and lets aliases and directory lead to the new one.
    ///
    /// # Errors
    /// [`RoomError::Forbidden`] when the sender may not say that the room was replaced.
    pub async fn upgrade(
        &self,
        room: RoomNum,
        sender: Sender,
        upgrade: Upgrade,
    ) -> Result<OwnedRoomId, RoomError> {
        let (this, by) = (self.clone(), sender.clone());
        let new = self.inner.pool.run(move || {
            let view = this.inner.store.view(Op::CreateRoom);
            this.at(&view).replacement(room, &by, upgrade)
        });
        let id = self.create(sender.clone(), new.await??).await?;
        let (by, to) = (sender.clone(), id.clone());
        self.change(room, Op::State, move |work| work.replaced_by(&by, &to))
            .await?;
        let name = id.clone();
        let new = self
            .change_names(move |inner, view, batch| {
                let new = RoomsView::new(inner, view).find(&name)?;
                for row in view.scan(&ROOM_ALIASES, &(room,), Direction::Forward) {
                    let (_, alias) = row?.0;
                    let creator = sender.user;
                    batch.delete(&ROOM_ALIASES, &(room, alias.clone()));
                    batch.put(&ALIASES, &alias, &Alias { room: new, creator });
                    batch.put(&ROOM_ALIASES, &(new, alias), &PRESENT);
                }
                if view.has(&PUBLISHED_ROOMS, &room)? {
                    batch.delete(&PUBLISHED_ROOMS, &room);
                    batch.put(&PUBLISHED_ROOMS, &new, &PRESENT);
                    batch.record(Record::Published { room });
                    batch.record(Record::Published { room: new });
                }
                Ok((new, sender))
            })
            .await?;
        self.move_main_alias(room, new).await?;
        Ok(id)
    }

    /// Takes the main alias from the old room to the new one, where the sender may.
    async fn move_main_alias(
        &self,
        old: RoomNum,
        (new, sender): (RoomNum, Sender),
    ) -> Result<(), RoomError> {
        let by = sender.clone();
        let taken = self.change(old, Op::State, move |work| {
            let Some(content) = work.content_of("m.room.canonical_alias")? else {
                return Ok(None);
            };
            let empty = Value::object::<&str, _>([]);
            let sent = work.set_state(&by, "m.room.canonical_alias", "", empty);
            allowed(sent).map(|_| Some(content))
        });
        let Some(content) = taken.await? else {
            return Ok(());
        };
        let given = self.change(new, Op::State, move |work| {
            allowed(work.set_state(&sender, "m.room.canonical_alias", "", content)).map(|_| ())
        });
        given.await
    }
}

/// What may be left undone where the room's rules do not allow it.
fn allowed<T>(done: Result<T, RoomError>) -> Result<bool, RoomError> {
    match done {
        Ok(_) => Ok(true),
        Err(RoomError::Forbidden(_)) => Ok(false),
        Err(error) => Err(error),
    }
}

fn content_of(pdu: &Pdu) -> Result<Value, RoomError> {
    parse(pdu.content_json().as_bytes(), Numbers::Loose)
        .map_err(|_| RoomError::Inconsistent("event"))
}

impl RoomsView<'_> {
    /// The room that replaces another.
    fn replacement(
        &self,
        room: RoomNum,
        sender: &Sender,
        upgrade: Upgrade,
    ) -> Result<NewRoom, RoomError> {
        aliases::check_member(self.view(), sender.user, room)?;
        let levels = self.power_levels(room)?;
        if !levels.user_can_set(&sender.user_id, "m.room.tombstone") {
            return Err(RoomError::Forbidden(
                "you have not the power to replace the room".to_owned(),
            ));
        }
        let head = self.head(room)?;
        let state = self.state(room);
        let event = |event_type: &str| state.pdu(head.state, event_type, "");
        let create = event("m.room.create")?;
        let create = create.ok_or(RoomError::Inconsistent("a room without a create event"))?;
        let mut creation = content_of(&create)?;
        for key in OWN_CREATION {
            creation.remove(key);
        }
        creation.insert("predecessor", self.predecessor(room, &upgrade)?);
        if !upgrade.additional_creators.is_empty() {
            let users = upgrade.additional_creators.iter();
            let users = users.map(|user| Value::from(user.as_str())).collect();
            creation.insert("additional_creators", Value::Array(users));
        }
        let mut first = Vec::new();
        for event_type in TRANSFERRED {
            if let Some(pdu) = event(event_type)? {
                first.push(initial(event_type, content_of(&pdu)?));
            }
        }
        // The last: whoever replaces a room need not have the power to set all of it again.
        let levels = event("m.room.power_levels")?;
        let levels = levels.map(|pdu| content_of(&pdu)).transpose()?;
        let levels = levels.unwrap_or_else(|| Value::object::<&str, _>([]));
        let levels = power_levels(levels, sender, &upgrade);
        first.push(initial("m.room.power_levels", levels));
        Ok(NewRoom {
            version: upgrade.version,
            preset: Preset::PrivateChat,
            creation_content: creation,
            transferred: Some(first),
            initial_state: Vec::new(),
            power_level_override: None,
            name: None,
            topic: None,
            invite: Vec::new(),
            is_direct: false,
            alias: None,
            published: false,
            creator_profile: upgrade.profile,
        })
    }

    /// The room that a room replaces for a user: the one that its create event names, if that one
    /// says the same, or the user made the new one.
    pub fn replaced_for(&self, user: UserNum, room: RoomNum) -> Result<Option<RoomNum>, RoomError> {
        let Some(old) = self.named_predecessor(room)? else {
            return Ok(None);
        };
        if self.creator(room)? == Some(user) {
            return Ok(Some(old));
        }
        let state = self.head(old)?.state;
        let tombstone = self.state(old).pdu(state, "m.room.tombstone", "")?;
        let replacement = text_of(tombstone.as_deref(), "replacement_room");
        let id = self.room_id(room)?;
        Ok((replacement.as_deref() == Some(id.as_str())).then_some(old))
    }

    /// The room that a create event names as its predecessor, if it is known here.
    fn named_predecessor(&self, room: RoomNum) -> Result<Option<RoomNum>, RoomError> {
        #[derive(Deserialize)]
        struct Created {
            predecessor: Predecessor,
        }
        #[derive(Deserialize)]
        struct Predecessor {
            room_id: OwnedRoomId,
        }
        let state = self.head(room)?.state;
        let create = self.state(room).pdu(state, "m.room.create", "")?;
        let named = create.and_then(|pdu| serde_json::from_str(pdu.content_json()).ok());
        let Some(Created { predecessor }) = named else {
            return Ok(None);
        };
        match self.find(&predecessor.room_id) {
            Ok(old) if old != room => Ok(Some(old)),
            Ok(_) | Err(RoomError::UnknownRoom) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What the new room's create event says of the old one. Where it names the room that it
    /// creates, no event of the old one is told.
    fn predecessor(&self, room: RoomNum, upgrade: &Upgrade) -> Result<Value, RoomError> {
        let id = self.room_id(room)?;
        let mut predecessor = Value::object([("room_id", Value::from(id.as_str()))]);
        let format = &upgrade.version.rules().event_format;
        let newest = self.head(room)?.extremities.last().copied();
        if let Some(newest) = newest.filter(|_| format.require_room_create_room_id) {
            let pdu = self.pdu(room, newest)?;
            predecessor.insert("event_id", Value::from(pdu.event_id().as_str()));
        }
        Ok(predecessor)
    }
}

fn initial(event_type: &str, content: Value) -> InitialState {
    InitialState {
        event_type: event_type.to_owned(),
        state_key: String::new(),
        content,
    }
}

/// The power levels of the old room as the new version has them: integers, and no entry for
/// creators who stand above all levels, or one for whoever did.
fn power_levels(levels: Value, sender: &Sender, upgrade: &Upgrade) -> Value {
    let rules = &upgrade.version.rules().authorization;
    let mut levels = if rules.integer_power_levels {
        with_integers(levels)
    } else {
        levels
    };
    let mut users = levels
        .remove("users")
        .unwrap_or_else(|| Value::object::<&str, _>([]));
    if rules.explicitly_privilege_room_creators {
        for user in upgrade.additional_creators.iter().chain([&sender.user_id]) {
            users.remove(user.as_str());
        }
    } else if users.get(sender.user_id.as_str()).is_none() {
        users.insert(sender.user_id.as_str(), Value::from(100));
    }
    levels.insert("users", users);
    levels
}

/// Levels that are texts, as old versions allow, as the numbers that they are.
fn with_integers(levels: Value) -> Value {
    match levels {
        Value::String(text) => match text.trim().parse::<i64>() {
            Ok(number) => Value::from(number),
            Err(_) => Value::String(text),
        },
        Value::Object(members) => {
            let members = members.into_iter();
            Value::object(members.map(|(key, value)| (key, with_integers(value))))
        }
        other => other,
    }
}

impl RoomWork<'_> {
    /// The content of a state event with an empty key.
    fn content_of(&self, event_type: &str) -> Result<Option<Value>, RoomError> {
        let idx = self.state_at(self.live.head.state, event_type, "")?;
        let pdu = idx.map(|idx| self.pdu(idx)).transpose()?;
        pdu.map(|pdu: Arc<Pdu>| content_of(&pdu)).transpose()
    }

    /// Says where the room went, and closes it to those without power, if the sender may.
    fn replaced_by(&mut self, sender: &Sender, new: &OwnedRoomId) -> Result<(), RoomError> {
        let tombstone = Value::object([
            ("body", Value::from("This room has been replaced")),
            ("replacement_room", Value::from(new.as_str())),
        ]);
        self.set_state(sender, "m.room.tombstone", "", tombstone)?;
        let Some(mut levels) = self.content_of("m.room.power_levels")? else {
            return Ok(());
        };
        let level = |levels: &Value, key: &str| levels.get(key).and_then(Value::as_i64);
        let above_most = level(&levels, "users_default").map_or(1, |most| most.saturating_add(1));
        let closed = above_most.max(CLOSED_LEVEL);
        let mut changed = false;
        for key in ["events_default", "invite"] {
            if level(&levels, key).unwrap_or(0) < closed {
                levels.insert(key, Value::from(closed));
                changed = true;
            }
        }
        if changed {
            allowed(self.set_state(sender, "m.room.power_levels", "", levels))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_that_are_texts_become_numbers() {
        let levels = r#"{"ban":" 50 ","users":{"@a:x":"100","@b:x":7},"x":"y"}"#;
        let levels = parse(levels.as_bytes(), Numbers::Loose).unwrap();
        assert_eq!(
            with_integers(levels).to_canonical_string(),
            r#"{"ban":50,"users":{"@a:x":100,"@b:x":7},"x":"y"}"#
        );
    }
}
