//! The event factory: events of any room version, hashed and signed.

use heliograph_core::{
    builder::EventBuilder,
    hashing::{base64, content_hash, signed_form},
    json::{Numbers, Value, parse},
    pdu::Pdu,
    room_version::RoomVersion,
    signing::Signer,
};
use ruma_common::{OwnedEventId, OwnedUserId, RoomId};

use crate::{Graph, signer};

/// The time from which [`Craft::nth`] counts, milliseconds since the Unix epoch.
pub const EPOCH_MS: u64 = 1_700_000_000_100;

/// What an event is made of; what is not said follows from its parents.
#[derive(Clone, Debug, Default)]
pub struct Craft<'a> {
    /// The full id of the user who sends it; their server signs it.
    pub sender: &'a str,
    /// Its type.
    pub event_type: &'a str,
    /// Its state key, if it is a state event.
    pub state_key: Option<&'a str>,
    /// Its content: an object as JSON.
    pub content: &'a str,
    /// The events before it, at least one.
    pub prev: Vec<OwnedEventId>,
    /// The events that allow it: where nothing is said, [`Graph::auth_of`] its first parent.
    pub auth: Option<Vec<OwnedEventId>>,
    /// One more than that of the deepest parent, where nothing is said.
    pub depth: Option<u64>,
    /// What it redacts, wherever the version says so.
    pub redacts: Option<OwnedEventId>,
    /// Its time, milliseconds after [`EPOCH_MS`].
    pub nth: usize,
}

impl Craft<'_> {
    /// Makes the event, for a room whose events are in `graph`.
    pub fn make(self, room_id: &RoomId, graph: &impl Graph) -> Pdu {
        let version = graph.version();
        let mut content = parse(self.content.as_bytes(), Numbers::Loose).unwrap();
        let in_content = version.rules().redaction.content_field_redacts;
        if let Some(target) = self.redacts.as_ref().filter(|_| in_content) {
            content.insert("redacts", Value::String(target.to_string()));
        }
        let sender = OwnedUserId::try_from(self.sender).unwrap();
        let depth_of = |id: &OwnedEventId| graph.pdu(id).map_or(0, |pdu| pdu.depth());
        let deepest = self.prev.iter().map(depth_of).max().unwrap_or_default();
        let auth_events = self.auth.unwrap_or_else(|| {
            graph.auth_of(
                (&sender, self.event_type, self.state_key),
                &content,
                &self.prev[0],
            )
        });
        let key = signer(sender.server_name().as_str());
        let builder = EventBuilder {
            room_id: Some(room_id.to_owned()),
            event_type: self.event_type.to_owned(),
            state_key: self.state_key.map(str::to_owned),
            content,
            redacts: self.redacts.filter(|_| !in_content),
            prev_events: self.prev,
            auth_events,
            depth: self.depth.unwrap_or(deepest + 1),
            origin_server_ts: EPOCH_MS + u64::try_from(self.nth).unwrap(),
            sender,
        };
        builder.build(version, &key).unwrap()
    }
}

/// An event changed, then hashed and signed anew by `server`.
pub fn remade(
    pdu: &Pdu,
    version: RoomVersion,
    server: &str,
    change: impl FnOnce(&mut Value),
) -> Pdu {
    let mut event = Value::Object(pdu.object().unwrap());
    change(&mut event);
    event.remove("signatures");
    event.remove("hashes");
    let hash = base64(&content_hash(event.as_object().unwrap()));
    event.insert(
        "hashes",
        Value::object([("sha256", Value::from(hash.as_str()))]),
    );
    let key = signer(server);
    let message = signed_form(event.as_object().unwrap(), version);
    let signature = base64(&key.sign(message.as_bytes()));
    let own = Value::object([(key.key_id(), Value::from(signature.as_str()))]);
    event.insert("signatures", Value::object([(key.server_name(), own)]));
    Pdu::from_object(event.as_object().unwrap(), version).unwrap()
}
