//! Events as they are stored: a header that says where things stand, then the canonical form.

use std::borrow::Cow;

use bytes::Bytes;
use ruma_common::OwnedEventId;

use super::{
    Pdu, PduError,
    layout::{Layout, Span, slice, text_at},
};
use crate::{
    hashing::id_of_hash,
    json::{Numbers, Value, parse, push_string},
    room_version::RoomVersion,
};

/// The first byte of a stored event.
const FORMAT: u8 = 1;
/// Bytes of the header: format, hash, seven spans.
const HEADER_BYTES: usize = 1 + 32 + 7 * 8;

/// A stored event, not parsed.
#[derive(Clone, Debug)]
pub struct StoredPdu {
    hash: [u8; 32],
    layout: Layout,
    json: Bytes,
}

/// Stored bytes that are no event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("stored event does not decode")]
pub struct CorruptPdu;

impl StoredPdu {
    /// The bytes to store; `hash` is the event's key in the index of event ids.
    pub fn encode(pdu: &Pdu, hash: [u8; 32]) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEADER_BYTES.saturating_add(pdu.bytes.len()));
        out.push(FORMAT);
        out.extend(hash);
        for span in pdu.layout.spans() {
            out.extend(span.from.to_be_bytes());
            out.extend(span.to.to_be_bytes());
        }
        out.extend_from_slice(&pdu.bytes);
        out
    }

    /// Takes stored bytes apart.
    ///
    /// # Errors
    /// [`CorruptPdu`] when they are of another format, or a span is outside of them.
    pub fn decode(mut bytes: Bytes) -> Result<Self, CorruptPdu> {
        if bytes.len() < HEADER_BYTES || bytes.first() != Some(&FORMAT) {
            return Err(CorruptPdu);
        }
        let json = bytes.split_off(HEADER_BYTES);
        let hash = bytes
            .get(1..33)
            .and_then(|b| b.try_into().ok())
            .ok_or(CorruptPdu)?;
        let text = std::str::from_utf8(&json).map_err(|_| CorruptPdu)?;
        let mut spans = [Span::default(); 7];
        let rows = bytes.get(33..).unwrap_or_default().chunks_exact(8);
        for (span, row) in spans.iter_mut().zip(rows) {
            let (from, to) = row.split_at(4);
            let number = |b: &[u8]| b.try_into().map(u32::from_be_bytes).map_err(|_| CorruptPdu);
            *span = Span {
                from: number(from)?,
                to: number(to)?,
            };
            let index = |n| usize::try_from(n).unwrap_or(usize::MAX);
            text.get(index(span.from)..index(span.to))
                .ok_or(CorruptPdu)?;
        }
        Ok(Self {
            hash,
            layout: Layout::from_spans(spans),
            json,
        })
    }

    /// The event's id.
    ///
    /// # Errors
    /// [`CorruptPdu`] when it carries none and should.
    pub fn event_id(&self, version: RoomVersion) -> Result<OwnedEventId, CorruptPdu> {
        let id = if version.events_carry_ids() {
            text_at(&self.json, self.layout.event_id)
                .ok_or(CorruptPdu)?
                .into_owned()
        } else {
            id_of_hash(&self.hash, version)
        };
        OwnedEventId::try_from(id).map_err(|_| CorruptPdu)
    }

    /// The event, canonical, with its signatures.
    pub fn json(&self) -> &str {
        std::str::from_utf8(&self.json).unwrap_or_default()
    }

    /// Its content, canonical.
    pub fn content_json(&self) -> &str {
        slice(&self.json, self.layout.content)
    }

    /// Who sent it.
    ///
    /// # Errors
    /// [`CorruptPdu`] when there is no such text.
    pub fn sender(&self) -> Result<Cow<'_, str>, CorruptPdu> {
        text_at(&self.json, self.layout.sender).ok_or(CorruptPdu)
    }

    /// Its type.
    ///
    /// # Errors
    /// [`CorruptPdu`] when there is no such text.
    pub fn event_type(&self) -> Result<Cow<'_, str>, CorruptPdu> {
        text_at(&self.json, self.layout.event_type).ok_or(CorruptPdu)
    }

    /// Its state key, if it is a state event.
    ///
    /// # Errors
    /// [`CorruptPdu`] when there is one that is no text.
    pub fn state_key(&self) -> Result<Option<Cow<'_, str>>, CorruptPdu> {
        if self.layout.state_key == Span::default() {
            return Ok(None);
        }
        text_at(&self.json, self.layout.state_key)
            .map(Some)
            .ok_or(CorruptPdu)
    }

    /// When it was sent, by its server's clock, milliseconds since the Unix epoch.
    pub fn origin_server_ts(&self) -> u64 {
        slice(&self.json, self.layout.origin_server_ts)
            .parse()
            .unwrap_or(0)
    }

    /// Appends the event as clients know it: an object with all keys but `room_id` and `unsigned`,
    /// left open, for the caller to add those and the closing brace.
    ///
    /// <https://spec.matrix.org/v1.19/client-server-api/#room-event-format>
    ///
    /// # Errors
    /// [`CorruptPdu`] when the event has no id.
    pub fn client_json(&self, version: RoomVersion, out: &mut String) -> Result<(), CorruptPdu> {
        let layout = &self.layout;
        let slice = |span| slice(&self.json, span);
        out.push_str("{\"type\":");
        out.push_str(slice(layout.event_type));
        out.push_str(",\"sender\":");
        out.push_str(slice(layout.sender));
        out.push_str(",\"event_id\":");
        push_string(out, self.event_id(version)?.as_str());
        out.push_str(",\"origin_server_ts\":");
        out.push_str(slice(layout.origin_server_ts));
        if layout.state_key != Span::default() {
            out.push_str(",\"state_key\":");
            out.push_str(slice(layout.state_key));
        }
        if self.event_type().is_ok_and(|t| t == "m.room.redaction") {
            self.push_redaction(version, out);
        } else {
            out.push_str(",\"content\":");
            out.push_str(self.content_json());
        }
        Ok(())
    }

    /// A redaction tells its target, as the room's version has it, at the top and in its content.
    ///
    /// <https://spec.matrix.org/v1.19/rooms/v11/#moving-the-redacts-property-of-mroomredaction-events-to-a-content-property>
    fn push_redaction(&self, version: RoomVersion, out: &mut String) {
        let content = parse(self.content_json().as_bytes(), Numbers::Loose);
        let mut content = content.unwrap_or_else(|_| Value::object::<&str, _>([]));
        // Only one of the two places counts, and a foreign event can say another thing in each.
        let target = if version.rules().redaction.content_field_redacts {
            let target = content.get("redacts").and_then(Value::as_str);
            target.map(|target| Cow::Owned(target.to_owned()))
        } else {
            content.remove("redacts");
            text_at(&self.json, self.layout.redacts)
        };
        if let Some(target) = target {
            out.push_str(",\"redacts\":");
            push_string(out, &target);
            content.insert("redacts", Value::from(&*target));
        }
        out.push_str(",\"content\":");
        content.write_canonical(out);
    }

    /// Reads the event for the rules.
    ///
    /// # Errors
    /// When the stored bytes are no event.
    pub fn to_pdu(&self, version: RoomVersion) -> Result<Pdu, PduError> {
        let Value::Object(event) = parse(&self.json, Numbers::Loose)? else {
            return Err(PduError::Malformed("the event"));
        };
        let id = self
            .event_id(version)
            .map_err(|_| PduError::Malformed("event_id"))?;
        Pdu::read(
            &event,
            version,
            id.to_string(),
            (self.json.clone(), self.layout),
        )
    }
}
