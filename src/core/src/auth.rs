//! Authorisation.
//!
//! <https://spec.matrix.org/v1.19/server-server-api/#authorisation-rules>
//!
//! The rules themselves are `ruma-state-res`; here is what lies between them and our events, and a
//! short way for what is sent most: messages of joined members.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use ruma_common::{EventId, OwnedUserId, UserId};
use ruma_events::{StateEventType, TimelineEventType};
use ruma_state_res::events::{RoomCreateEvent, RoomPowerLevelsEvent};
use serde_json::value::RawValue;

use crate::{
    json::{Numbers, Object, Value, parse},
    pdu::Pdu,
    room_version::RoomVersion,
};

/// Which rule an event breaks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct AuthError(pub String);

/// The state that an event's auth events are taken from: types and state keys.
///
/// <https://spec.matrix.org/v1.19/server-server-api/#auth-events-selection>
///
/// # Errors
/// When a member event's content does not say what it must.
pub fn auth_types(
    event_type: &str,
    sender: &UserId,
    state_key: Option<&str>,
    content: &Value,
    version: RoomVersion,
) -> Result<Vec<(String, String)>, AuthError> {
    let json = if event_type == "m.room.member" {
        content.to_canonical_string()
    } else {
        // Of other events nothing in the content matters.
        "{}".to_owned()
    };
    let raw = RawValue::from_string(json).map_err(|error| AuthError(error.to_string()))?;
    let event_type = TimelineEventType::from(event_type);
    let rules = &version.rules().authorization;
    let types = ruma_state_res::auth_types_for_event(&event_type, sender, state_key, &raw, rules);
    let types = types.map_err(AuthError)?;
    Ok(types
        .into_iter()
        .map(|(event_type, key)| (event_type.to_string(), key))
        .collect())
}

/// The rules that need nothing but an event's own auth events.
///
/// # Errors
/// [`AuthError`] says which rule; an auth event that `fetch` does not give breaks one.
pub fn check_state_independent(
    version: RoomVersion,
    pdu: &Pdu,
    fetch: impl Fn(&EventId) -> Option<Arc<Pdu>>,
) -> Result<(), AuthError> {
    let rules = &version.rules().authorization;
    ruma_state_res::check_state_independent_auth_rules(rules, pdu, fetch).map_err(AuthError)
}

/// The rules that need a state; `fetch` gives its events by type and state key.
///
/// # Errors
/// [`AuthError`] says which rule.
pub fn check_state_dependent(
    version: RoomVersion,
    pdu: &Pdu,
    fetch: impl Fn(&str, &str) -> Option<Arc<Pdu>>,
) -> Result<(), AuthError> {
    let rules = &version.rules().authorization;
    let by_type = |event_type: &StateEventType, key: &str| fetch(&event_type.to_string(), key);
    ruma_state_res::check_state_dependent_auth_rules(rules, pdu, by_type).map_err(AuthError)
}

/// The power levels of a room, parsed.
///
/// <https://spec.matrix.org/v1.19/client-server-api/#mroompower_levels>
#[derive(Clone, Debug)]
pub struct PowerLevels {
    users: BTreeMap<OwnedUserId, i64>,
    users_default: i64,
    events: BTreeMap<String, i64>,
    events_default: i64,
    state_default: i64,
    invite: i64,
    redact: i64,
    notifications: BTreeMap<String, i64>,
    /// Creators stand above all levels, where the version says so.
    above_all: HashSet<OwnedUserId>,
}

impl PowerLevels {
    /// Reads the power levels of a room from its power levels event, if it has one, and its create
    /// event.
    ///
    /// # Errors
    /// When either cannot be read by the rules of the version.
    pub fn new(version: RoomVersion, event: Option<&Pdu>, create: &Pdu) -> Result<Self, AuthError> {
        let rules = &version.rules().authorization;
        let creators = RoomCreateEvent::new(create)
            .creators(rules)
            .map_err(AuthError)?;
        let privileged = rules.explicitly_privilege_room_creators;
        let Some(event) = event else {
            let users = creators
                .iter()
                .map(|creator| (creator.clone(), 100))
                .collect();
            let above_all = if privileged { creators } else { HashSet::new() };
            return Ok(Self {
                users,
                users_default: 0,
                events: BTreeMap::new(),
                events_default: 0,
                state_default: 0,
                invite: 0,
                redact: 50,
                notifications: BTreeMap::new(),
                above_all,
            });
        };
        let levels = RoomPowerLevelsEvent::new(event);
        let content: Object = object_of(event)?;
        let field = |key: &str, default| level(&content, key, rules.integer_power_levels, default);
        let users = levels
            .users(rules)
            .map_err(AuthError)?
            .into_iter()
            .flatten();
        let events = levels
            .events(rules)
            .map_err(AuthError)?
            .into_iter()
            .flatten();
        Ok(Self {
            users: users
                .map(|(user, level)| (user.clone(), i64::from(*level)))
                .collect(),
            users_default: field("users_default", 0)?,
            events: events
                .map(|(kind, level)| (kind.to_string(), i64::from(level)))
                .collect(),
            events_default: field("events_default", 0)?,
            state_default: field("state_default", 50)?,
            invite: field("invite", 0)?,
            redact: field("redact", 50)?,
            notifications: notifications(&content, rules.integer_power_levels),
            above_all: if privileged { creators } else { HashSet::new() },
        })
    }

    /// Whether a user is a creator who stands above all levels.
    pub fn is_above_all(&self, user: &str) -> bool {
        UserId::parse(user).is_ok_and(|user| self.above_all.contains(&user))
    }

    /// Whether a user's power reaches a level.
    fn reaches(&self, user: &UserId, level: i64) -> bool {
        self.above_all.contains(user)
            || self.users.get(user).copied().unwrap_or(self.users_default) >= level
    }

    /// Whether a user may send message-like events of a type.
    pub fn user_can_send(&self, user: &UserId, event_type: &str) -> bool {
        self.reaches(
            user,
            self.events
                .get(event_type)
                .copied()
                .unwrap_or(self.events_default),
        )
    }

    /// Whether a user may send state events of a type.
    pub fn user_can_set(&self, user: &UserId, event_type: &str) -> bool {
        let level = self.events.get(event_type).copied();
        self.reaches(user, level.unwrap_or(self.state_default))
    }

    /// Whether a user may invite others.
    pub fn user_can_invite(&self, user: &UserId) -> bool {
        self.reaches(user, self.invite)
    }

    /// Those who may invite and have a power of their own.
    pub fn named_inviters(&self) -> impl Iterator<Item = &UserId> {
        let named = self.users.iter();
        let of_users = named.filter(|(_, level)| **level >= self.invite);
        let above_all = self.above_all.iter().map(|user| &**user);
        above_all.chain(of_users.map(|(user, _)| &**user))
    }

    /// Whether a user may notify all of a room in a way such as `room`.
    ///
    /// <https://spec.matrix.org/v1.19/client-server-api/#conditions-1>
    pub fn user_can_notify(&self, user: &UserId, key: &str) -> bool {
        let level = self.notifications.get(key).copied();
        self.reaches(user, level.unwrap_or(NOTIFICATION_LEVEL))
    }

    /// Whether a user may redact events of others.
    pub fn user_can_redact(&self, user: &UserId) -> bool {
        self.reaches(user, self.redact)
    }
}

/// The level of a key that `notifications` does not have.
const NOTIFICATION_LEVEL: i64 = 50;

/// The levels in `notifications`; the rules demand nothing of them, so what is none is left out.
fn notifications(content: &Object, strict: bool) -> BTreeMap<String, i64> {
    let Some(Value::Object(levels)) = content.get("notifications") else {
        return BTreeMap::new();
    };
    let read = |key: &str| level(levels, key, strict, NOTIFICATION_LEVEL).ok();
    let levels = levels.keys();
    levels
        .filter_map(|key| Some((key.clone(), read(key)?)))
        .collect()
}

/// An event's content.
fn object_of(event: &Pdu) -> Result<Object, AuthError> {
    match parse(event.content_json().as_bytes(), Numbers::Loose) {
        Ok(Value::Object(content)) => Ok(content),
        _ => Err(AuthError("the content is not an object".to_owned())),
    }
}

/// A level in a power levels event: an integer, or, in versions before 10, a string that is one.
///
/// <https://spec.matrix.org/v1.19/rooms/v1/#mroompower_levels-events-accept-values-as-strings>
fn level(content: &Object, key: &str, strict: bool, default: i64) -> Result<i64, AuthError> {
    let number = match content.get(key) {
        None => return Ok(default),
        Some(Value::String(text)) if !strict => text.trim().parse().ok(),
        Some(value) if value.is_integer() => value.as_i64(),
        Some(_) => None,
    };
    number.ok_or_else(|| AuthError(format!("{key} is not a level")))
}

/// Types of state events for which the rules have parts of their own: no message is of them.
const STATE_ONLY: [&str; 5] = [
    "m.room.aliases",
    "m.room.create",
    "m.room.member",
    "m.room.power_levels",
    "m.room.third_party_invite",
];

/// Whether a message-like event that is no redaction is allowed: what the whole rules come to for
/// a sender of a room that federates, or of its own server. Types that only state events should
/// have are refused, though the rules of some versions leave room for them.
///
/// # Errors
/// [`AuthError`] says why not.
pub fn message_allowed(
    joined: bool,
    levels: &PowerLevels,
    sender: &UserId,
    event_type: &str,
) -> Result<(), AuthError> {
    if !joined {
        return Err(AuthError("sender is not joined to the room".to_owned()));
    }
    if STATE_ONLY.contains(&event_type) {
        return Err(AuthError(format!("{event_type} needs a state key")));
    }
    if !levels.user_can_send(sender, event_type) {
        return Err(AuthError("sender does not have enough power".to_owned()));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
