//! Events as servers exchange them.
//!
//! <https://spec.matrix.org/v1.19/server-server-api/#pdus>

mod layout;
mod stored;

use std::sync::OnceLock;

use bytes::Bytes;
use ruma_common::{
    EventId, MilliSecondsSinceUnixEpoch, OwnedEventId, OwnedRoomId, OwnedUserId, RoomId, UserId,
};
use ruma_events::TimelineEventType;
use serde_json::value::RawValue;

pub(crate) use layout::Layout;
use layout::{slice, str_at};
pub use stored::{CorruptPdu, StoredPdu};

use crate::{
    hashing::{has_its_hash, id_of_hash, redact, sha256, signed_form},
    json::{JsonError, Numbers, Object, Value, parse},
    room_version::RoomVersion,
};

/// Bytes of an event in its canonical form with signatures, at most.
///
/// <https://spec.matrix.org/v1.19/client-server-api/#size-limits>
pub const MAX_PDU_BYTES: usize = 65_536;
/// Bytes of a type, state key, sender, room id or event id, at most.
pub const MAX_ID_BYTES: usize = 255;
/// Events that an event may have before it, at most.
pub const MAX_PREV_EVENTS: usize = 20;
/// Auth events of an event, at most.
pub const MAX_AUTH_EVENTS: usize = 10;

/// Why bytes are no event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PduError {
    /// They are not JSON that the room's version takes.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// A key is missing or has a value of the wrong kind.
    #[error("{0} is missing or malformed")]
    Malformed(&'static str),
    /// The event, or a string or list in it, is over its limit.
    #[error("{0} is too large")]
    TooLarge(&'static str),
}

/// An event, read for the rules.
#[derive(Clone, Debug)]
pub struct Pdu {
    pub(crate) event_id: OwnedEventId,
    pub(crate) room_id: OwnedRoomId,
    /// Whether the event itself names its room.
    pub(crate) names_room: bool,
    pub(crate) sender: OwnedUserId,
    pub(crate) event_type: TimelineEventType,
    /// The type, where it does not stand in `bytes` as it is.
    pub(crate) escaped_type: Option<Box<str>>,
    pub(crate) state_key: Option<String>,
    pub(crate) origin_server_ts: u64,
    pub(crate) depth: u64,
    pub(crate) prev_events: Vec<OwnedEventId>,
    pub(crate) auth_events: Vec<OwnedEventId>,
    pub(crate) redacts: Option<OwnedEventId>,
    pub(crate) rejected: bool,
    /// The canonical form.
    pub(crate) bytes: Bytes,
    /// Where things stand in `bytes`.
    pub(crate) layout: Layout,
    pub(crate) content: OnceLock<Box<RawValue>>,
}

impl Pdu {
    /// Reads an event and checks its form, as the first of the checks on receipt demands.
    ///
    /// <https://spec.matrix.org/v1.19/server-server-api/#checks-performed-on-receipt-of-a-pdu>
    ///
    /// # Errors
    /// As [`PduError`] says.
    pub fn parse(bytes: &[u8], version: RoomVersion) -> Result<Self, PduError> {
        match parse(bytes, version.numbers())? {
            Value::Object(event) => Self::from_object(&event, version),
            _ => Err(PduError::Malformed("the event")),
        }
    }

    /// The same for an event that is read already.
    ///
    /// # Errors
    /// As [`PduError`] says.
    pub fn from_object(event: &Object, version: RoomVersion) -> Result<Self, PduError> {
        let (json, layout) = Layout::write(event);
        if json.len() > MAX_PDU_BYTES {
            return Err(PduError::TooLarge("the event"));
        }
        let event_id = if version.events_carry_ids() {
            text(event, "event_id")?.to_owned()
        } else {
            id_of_hash(&sha256(signed_form(event, version).as_bytes()), version)
        };
        let pdu = Self::read(event, version, event_id, (json.into(), layout))?;
        // The server in an id that events carry must sign: without one, nobody had to.
        if version.events_carry_ids() && pdu.event_id.server_name().is_none() {
            return Err(PduError::Malformed("event_id"));
        }
        pdu.check_auth_events(version)?;
        Ok(pdu)
    }

    /// Reads the keys that the rules need.
    pub(crate) fn read(
        event: &Object,
        version: RoomVersion,
        event_id: String,
        (bytes, layout): (Bytes, Layout),
    ) -> Result<Self, PduError> {
        let event_id =
            OwnedEventId::try_from(event_id).map_err(|_| PduError::Malformed("event_id"))?;
        let event_type = text(event, "type")?;
        let (room_id, names_room) = room_of(event, event_type, &event_id, version)?;
        let sender = text(event, "sender")?;
        let sender = OwnedUserId::try_from(sender).map_err(|_| PduError::Malformed("sender"))?;
        if event
            .get("content")
            .is_none_or(|content| content.as_object().is_none())
        {
            return Err(PduError::Malformed("content"));
        }
        Ok(Self {
            room_id,
            names_room,
            sender,
            event_type: TimelineEventType::from(event_type),
            escaped_type: escaped(event_type, &bytes, &layout),
            state_key: optional_text(event, "state_key")?.map(str::to_owned),
            origin_server_ts: unsigned(event, "origin_server_ts")?,
            depth: unsigned(event, "depth")?,
            prev_events: references(event, "prev_events", MAX_PREV_EVENTS, version)?,
            auth_events: references(event, "auth_events", MAX_AUTH_EVENTS, version)?,
            redacts: redacts(event, event_type, version),
            rejected: false,
            event_id,
            bytes,
            layout,
            content: OnceLock::new(),
        })
    }

    /// Since version 12 the create event is in the room's id, not among the auth events.
    fn check_auth_events(&self, version: RoomVersion) -> Result<(), PduError> {
        if version
            .rules()
            .event_format
            .allow_room_create_in_auth_events
        {
            return Ok(());
        }
        let create = self.room_id.as_str().trim_start_matches('!');
        let named = self
            .auth_events
            .iter()
            .any(|id| id.as_str().trim_start_matches('$') == create);
        if named {
            Err(PduError::Malformed("auth_events"))
        } else {
            Ok(())
        }
    }

    /// The event's id.
    pub fn event_id(&self) -> &EventId {
        &self.event_id
    }

    /// The room's id; of a create event that names its room, the one that it makes.
    pub fn room_id(&self) -> Option<&RoomId> {
        Some(&self.room_id)
    }

    /// Who sent it.
    pub fn sender(&self) -> &UserId {
        &self.sender
    }

    /// Its type.
    pub fn type_str(&self) -> &str {
        match &self.escaped_type {
            Some(event_type) => event_type,
            None => str_at(&self.bytes, self.layout.event_type).unwrap_or_default(),
        }
    }

    /// Its state key, if it is a state event.
    pub fn state_key(&self) -> Option<&str> {
        self.state_key.as_deref()
    }

    /// When it was sent, by its server's clock, milliseconds since the Unix epoch.
    pub const fn origin_server_ts(&self) -> u64 {
        self.origin_server_ts
    }

    /// One more than the greatest depth before it, as its sender says: never trusted.
    pub const fn depth(&self) -> u64 {
        self.depth
    }

    /// The events before it.
    pub fn prev_event_ids(&self) -> impl Iterator<Item = &EventId> {
        self.prev_events.iter().map(|id| &**id)
    }

    /// The events that it says allow it.
    pub fn auth_event_ids(&self) -> impl Iterator<Item = &EventId> {
        self.auth_events.iter().map(|id| &**id)
    }

    /// The event that it redacts.
    pub fn redacts_id(&self) -> Option<&EventId> {
        self.redacts.as_deref()
    }

    /// Its content, canonical.
    pub fn content_json(&self) -> &str {
        slice(&self.bytes, self.layout.content)
    }

    /// The event, canonical, with its signatures.
    pub fn json(&self) -> &str {
        std::str::from_utf8(&self.bytes).unwrap_or_default()
    }

    /// Its keys.
    ///
    /// # Errors
    /// Never for an event that was read by [`Self::parse`].
    pub fn object(&self) -> Result<Object, PduError> {
        match parse(&self.bytes, Numbers::Loose)? {
            Value::Object(event) => Ok(event),
            _ => Err(PduError::Malformed("the event")),
        }
    }

    /// The same event, as one that failed authorisation.
    #[must_use]
    pub fn into_rejected(mut self) -> Self {
        self.rejected = true;
        self
    }

    /// The event as redaction leaves it; its id stays.
    ///
    /// # Errors
    /// Never for an event that was read by [`Self::parse`].
    pub fn redacted(&self, version: RoomVersion) -> Result<Self, PduError> {
        let event = redact(self.object()?, &version.rules().redaction);
        let (json, layout) = Layout::write(&event);
        let id = self.event_id.to_string();
        let redacted = Self::read(&event, version, id, (json.into(), layout))?;
        Ok(Self {
            rejected: self.rejected,
            ..redacted
        })
    }

    /// Whether the content hash that the event carries is that of its content.
    ///
    /// # Errors
    /// Never for an event that was read by [`Self::parse`].
    pub fn has_its_hash(&self) -> Result<bool, PduError> {
        Ok(has_its_hash(&self.object()?))
    }
}

/// A type that does not stand in an event's JSON as it is, because it has characters that JSON
/// escapes.
pub(crate) fn escaped(event_type: &str, bytes: &[u8], layout: &Layout) -> Option<Box<str>> {
    (str_at(bytes, layout.event_type) != Some(event_type)).then(|| event_type.into())
}

/// A string of at most [`MAX_ID_BYTES`], if it is there.
fn optional_text<'a>(event: &'a Object, key: &'static str) -> Result<Option<&'a str>, PduError> {
    match event.get(key) {
        None => Ok(None),
        Some(Value::String(text)) if text.len() > MAX_ID_BYTES => Err(PduError::TooLarge(key)),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(PduError::Malformed(key)),
    }
}

fn text<'a>(event: &'a Object, key: &'static str) -> Result<&'a str, PduError> {
    optional_text(event, key)?.ok_or(PduError::Malformed(key))
}

/// A number that is not negative.
fn unsigned(event: &Object, key: &'static str) -> Result<u64, PduError> {
    let number = event.get(key).and_then(Value::as_i64);
    number
        .and_then(|n| u64::try_from(n).ok())
        .ok_or(PduError::Malformed(key))
}

/// The room's id, and whether the event names it itself.
fn room_of(
    event: &Object,
    event_type: &str,
    event_id: &EventId,
    version: RoomVersion,
) -> Result<(OwnedRoomId, bool), PduError> {
    let malformed = || PduError::Malformed("room_id");
    let names_its_room =
        event_type == "m.room.create" && !version.rules().event_format.require_room_create_room_id;
    if names_its_room && !event.contains_key("room_id") {
        let id = format!("!{}", event_id.as_str().trim_start_matches('$'));
        return Ok((OwnedRoomId::try_from(id).map_err(|_| malformed())?, false));
    }
    let id = text(event, "room_id")?;
    Ok((OwnedRoomId::try_from(id).map_err(|_| malformed())?, true))
}

/// The event ids in a list of references.
fn references(
    event: &Object,
    key: &'static str,
    most: usize,
    version: RoomVersion,
) -> Result<Vec<OwnedEventId>, PduError> {
    let list = event
        .get(key)
        .and_then(Value::as_array)
        .ok_or(PduError::Malformed(key))?;
    if list.len() > most {
        return Err(PduError::TooLarge(key));
    }
    let id = |reference: &Value| {
        let id = if version.references_are_pairs() {
            reference
                .as_array()
                .and_then(|pair| pair.first())
                .and_then(Value::as_str)
        } else {
            reference.as_str()
        };
        let id = id.filter(|id| id.len() <= MAX_ID_BYTES);
        id.and_then(|id| OwnedEventId::try_from(id).ok())
            .ok_or(PduError::Malformed(key))
    };
    list.iter().map(id).collect()
}

/// What a redaction redacts; a malformed id names nothing.
fn redacts(event: &Object, event_type: &str, version: RoomVersion) -> Option<OwnedEventId> {
    if event_type != "m.room.redaction" {
        return None;
    }
    let id = if version.rules().redaction.content_field_redacts {
        event
            .get("content")
            .and_then(|content| content.get("redacts"))
    } else {
        event.get("redacts")
    };
    id.and_then(Value::as_str)
        .and_then(|id| OwnedEventId::try_from(id).ok())
}

impl ruma_state_res::Event for Pdu {
    type Id = OwnedEventId;

    fn event_id(&self) -> &OwnedEventId {
        &self.event_id
    }

    fn room_id(&self) -> Option<&RoomId> {
        self.names_room.then_some(&*self.room_id)
    }

    fn sender(&self) -> &UserId {
        &self.sender
    }

    fn origin_server_ts(&self) -> MilliSecondsSinceUnixEpoch {
        MilliSecondsSinceUnixEpoch(js_int::UInt::new_saturating(self.origin_server_ts))
    }

    fn event_type(&self) -> &TimelineEventType {
        &self.event_type
    }

    fn content(&self) -> &RawValue {
        self.content.get_or_init(|| {
            RawValue::from_string(self.content_json().to_owned())
                .unwrap_or_else(|_| RawValue::NULL.to_owned())
        })
    }

    fn state_key(&self) -> Option<&str> {
        self.state_key.as_deref()
    }

    fn prev_events(&self) -> Box<dyn DoubleEndedIterator<Item = &OwnedEventId> + '_> {
        Box::new(self.prev_events.iter())
    }

    fn auth_events(&self) -> Box<dyn DoubleEndedIterator<Item = &OwnedEventId> + '_> {
        Box::new(self.auth_events.iter())
    }

    fn redacts(&self) -> Option<&OwnedEventId> {
        self.redacts.as_ref()
    }

    fn rejected(&self) -> bool {
        self.rejected
    }
}

#[cfg(test)]
mod tests;
