//! Making events: hashed and signed from the first day.
//!
//! <https://spec.matrix.org/v1.19/server-server-api/#signing-events>
//!
//! The content is made canonical once and spliced into the hashed, the signed and the stored form;
//! what is signed is also what names the event.

use ruma_common::{OwnedEventId, OwnedRoomId, OwnedUserId};
use ruma_events::TimelineEventType;

use crate::{
    hashing::{base64, id_of_hash, redact_content, sha256},
    json::{JsonError, Value, push_string},
    pdu::{
        Layout, MAX_AUTH_EVENTS, MAX_ID_BYTES, MAX_PDU_BYTES, MAX_PREV_EVENTS, Pdu, PduError,
        escaped,
    },
    room_version::RoomVersion,
    signing::Signer,
};

/// An event without its hash and signature.
#[derive(Clone, Debug)]
pub struct EventBuilder {
    /// The room, unless the event names it.
    pub room_id: Option<OwnedRoomId>,
    /// Who sends it: a user of the signing server.
    pub sender: OwnedUserId,
    /// Its type.
    pub event_type: String,
    /// Its state key, if it is a state event.
    pub state_key: Option<String>,
    /// Its content: an object.
    pub content: Value,
    /// What it redacts, in versions that say so outside of the content.
    pub redacts: Option<OwnedEventId>,
    /// The forward extremities.
    pub prev_events: Vec<OwnedEventId>,
    /// The events that allow it.
    pub auth_events: Vec<OwnedEventId>,
    /// One more than the greatest depth before it.
    pub depth: u64,
    /// The time, milliseconds since the Unix epoch.
    pub origin_server_ts: u64,
}

/// Why no event can be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// The content is not an object.
    #[error("the content must be an object")]
    Content,
    /// The content has numbers that the room's version forbids, or is nested too deep.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// The event, or a string or list in it, is over its limit.
    #[error("{0} is too large")]
    TooLarge(&'static str),
    /// A key has a value that cannot be.
    #[error(transparent)]
    Pdu(PduError),
}

impl BuildError {
    /// Whether something is over its limit.
    pub const fn is_too_large(&self) -> bool {
        matches!(self, Self::TooLarge(_))
    }
}

/// The greatest depth that canonical JSON can say.
const MAX_DEPTH: u64 = (1 << 53) - 1;

/// The parts of an event that are written into each of its forms.
struct Parts<'a> {
    builder: &'a EventBuilder,
    version: RoomVersion,
    event_id: Option<String>,
}

impl EventBuilder {
    /// Hashes and signs the event.
    ///
    /// # Errors
    /// As [`BuildError`] says.
    pub fn build(&self, version: RoomVersion, signer: &dyn Signer) -> Result<Pdu, BuildError> {
        self.check(version)?;
        let mut content = String::with_capacity(256);
        self.content.write_canonical(&mut content);
        let event_id = version
            .events_carry_ids()
            .then(|| self.own_id(&content, signer));
        let parts = Parts {
            builder: self,
            version,
            event_id,
        };
        let (hashed, _) = parts.write(&content, None, None, false);
        let hash = base64(&sha256(hashed.as_bytes()));
        let kept = self.redacted_content(version);
        let (to_sign, _) = parts.write(&kept, Some(&hash), None, true);
        let signature = base64(&signer.sign(to_sign.as_bytes()));
        let own = (signer.server_name(), signer.key_id(), signature.as_str());
        let (json, layout) = parts.write(&content, Some(&hash), Some(own), false);
        if json.len() > MAX_PDU_BYTES {
            return Err(BuildError::TooLarge("the event"));
        }
        let id = match &parts.event_id {
            Some(id) => id.clone(),
            None => id_of_hash(&sha256(to_sign.as_bytes()), version),
        };
        self.finish(version, id, json, layout)
    }

    fn check(&self, version: RoomVersion) -> Result<(), BuildError> {
        if self.content.as_object().is_none() {
            return Err(BuildError::Content);
        }
        // Within the event: what is stored must be read again.
        self.content.check(version.numbers(), 1)?;
        if self.prev_events.len() > MAX_PREV_EVENTS {
            return Err(BuildError::TooLarge("prev_events"));
        }
        if self.auth_events.len() > MAX_AUTH_EVENTS {
            return Err(BuildError::TooLarge("auth_events"));
        }
        for (name, text) in [
            ("type", Some(self.event_type.as_str())),
            ("state_key", self.state_key.as_deref()),
            ("sender", Some(self.sender.as_str())),
        ] {
            if text.is_some_and(|text| text.len() > MAX_ID_BYTES) {
                return Err(BuildError::TooLarge(name));
            }
        }
        Ok(())
    }

    /// The id of an event that carries its own: made of what it says, and of where it stands.
    fn own_id(&self, content: &str, signer: &dyn Signer) -> String {
        let prev: Vec<&str> = self.prev_events.iter().map(|id| id.as_str()).collect();
        let state_key = self.state_key.as_deref().unwrap_or("\0");
        let room = self.room_id.as_ref().map_or("", |id| id.as_str());
        let text = format!(
            "{room}\0{}\0{}\0{state_key}\0{content}\0{}\0{}",
            self.sender,
            self.event_type,
            self.origin_server_ts,
            prev.join("\0"),
        );
        let name: String = base64(&sha256(text.as_bytes()))
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .collect();
        format!("${name}:{}", signer.server_name())
    }

    /// What redaction leaves of the content, canonical.
    fn redacted_content(&self, version: RoomVersion) -> String {
        let Value::Object(content) = &self.content else {
            return "{}".to_owned();
        };
        let mut kept = content.clone();
        redact_content(&self.event_type, &mut kept, &version.rules().redaction);
        Value::Object(kept).to_canonical_string()
    }

    fn finish(
        &self,
        version: RoomVersion,
        event_id: String,
        json: String,
        layout: Layout,
    ) -> Result<Pdu, BuildError> {
        let event_id = OwnedEventId::try_from(event_id)
            .map_err(|_| BuildError::Pdu(PduError::Malformed("event_id")))?;
        let room_id = match &self.room_id {
            Some(room_id) => room_id.clone(),
            None => {
                OwnedRoomId::try_from(format!("!{}", event_id.as_str().trim_start_matches('$')))
                    .map_err(|_| BuildError::Pdu(PduError::Malformed("room_id")))?
            }
        };
        let redacts = if self.event_type != "m.room.redaction" {
            None
        } else if version.rules().redaction.content_field_redacts {
            let id = self.content.get("redacts").and_then(Value::as_str);
            id.and_then(|id| OwnedEventId::try_from(id).ok())
        } else {
            self.redacts.clone()
        };
        let escaped_type = escaped(&self.event_type, json.as_bytes(), &layout);
        Ok(Pdu {
            event_id,
            room_id,
            names_room: self.room_id.is_some(),
            sender: self.sender.clone(),
            event_type: TimelineEventType::from(self.event_type.as_str()),
            escaped_type,
            state_key: self.state_key.clone(),
            origin_server_ts: self.origin_server_ts,
            depth: self.depth.min(MAX_DEPTH),
            prev_events: self.prev_events.clone(),
            auth_events: self.auth_events.clone(),
            redacts,
            rejected: false,
            bytes: json.into(),
            layout,
            content: std::sync::OnceLock::new(),
        })
    }
}

/// Writes the members of an object one after the other.
struct Writer {
    json: String,
    layout: Layout,
}

impl Writer {
    fn member(&mut self, key: &str, value: impl FnOnce(&mut String)) {
        if self.json.len() > 1 {
            self.json.push(',');
        }
        push_string(&mut self.json, key);
        self.json.push(':');
        let from = self.json.len();
        value(&mut self.json);
        self.layout.note(key, from, self.json.len());
    }

    fn text(&mut self, key: &str, text: &str) {
        self.member(key, |json| push_string(json, text));
    }
}

impl Parts<'_> {
    /// Writes one form of the event: its keys stand in the order of canonical JSON.
    fn write(
        &self,
        content: &str,
        hash: Option<&str>,
        signature: Option<(&str, &str, &str)>,
        redacted: bool,
    ) -> (String, Layout) {
        let event = self.builder;
        let json = String::with_capacity(content.len().saturating_add(700));
        let mut out = Writer {
            json,
            layout: Layout::default(),
        };
        out.json.push('{');
        out.member("auth_events", |json| {
            self.references(json, &event.auth_events);
        });
        out.member("content", |json| json.push_str(content));
        out.member("depth", |json| {
            json.push_str(&event.depth.min(MAX_DEPTH).to_string());
        });
        if let Some(id) = &self.event_id {
            out.text("event_id", id);
        }
        if let Some(hash) = hash {
            out.member("hashes", |json| {
                json.push_str("{\"sha256\":");
                push_string(json, hash);
                json.push('}');
            });
        }
        out.member("origin_server_ts", |json| {
            json.push_str(&event.origin_server_ts.to_string());
        });
        out.member("prev_events", |json| {
            self.references(json, &event.prev_events);
        });
        if let Some(target) = event.redacts.as_ref().filter(|_| !redacted) {
            out.text("redacts", target.as_str());
        }
        if let Some(room_id) = &event.room_id {
            out.text("room_id", room_id.as_str());
        }
        out.text("sender", event.sender.as_str());
        if let Some(signature) = signature {
            out.member("signatures", |json| push_signature(json, signature));
        }
        if let Some(state_key) = &event.state_key {
            out.text("state_key", state_key);
        }
        out.text("type", &event.event_type);
        out.json.push('}');
        (out.json, out.layout)
    }

    /// Writes a list of references; where they are pairs, the hashes are left for the reader to
    /// take from the events.
    fn references(&self, json: &mut String, ids: &[OwnedEventId]) {
        json.push('[');
        for (i, id) in ids.iter().enumerate() {
            if i > 0 {
                json.push(',');
            }
            if self.version.references_are_pairs() {
                json.push('[');
                push_string(json, id.as_str());
                json.push_str(",{}]");
            } else {
                push_string(json, id.as_str());
            }
        }
        json.push(']');
    }
}

fn push_signature(json: &mut String, (server, key_id, signature): (&str, &str, &str)) {
    json.push('{');
    push_string(json, server);
    json.push_str(":{");
    push_string(json, key_id);
    json.push(':');
    push_string(json, signature);
    json.push_str("}}");
}
