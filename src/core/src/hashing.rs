//! Hashes of events, and redaction, which hashes and signatures are over.
//!
//! <https://spec.matrix.org/v1.19/server-server-api/#signing-events>
//! <https://spec.matrix.org/v1.19/client-server-api/#redactions>

use std::fmt::Write;

use base64::{
    Engine, alphabet,
    engine::{
        DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig,
        general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
    },
};
use ring::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use ruma_common::{EventId, RoomId, room_version_rules::RedactionRules};

use crate::{
    json::{Object, Value, write_members},
    room_version::RoomVersion,
};

/// SHA-256.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    fixed(digest(&SHA256, bytes).as_ref())
}

/// SHA-1 in hexadecimal: only for the tie-break of state resolution version 1.
pub(crate) fn sha1_hex(bytes: &[u8]) -> String {
    let digest = digest(&SHA1_FOR_LEGACY_USE_ONLY, bytes);
    let mut hex = String::with_capacity(40);
    for byte in digest.as_ref() {
        // Writing into a string cannot fail.
        write!(hex, "{byte:02x}").unwrap_or_default();
    }
    hex
}

/// The 32 bytes of a digest.
fn fixed(bytes: &[u8]) -> [u8; 32] {
    bytes.try_into().unwrap_or_default()
}

/// Unpadded Base64, as hashes and signatures are written.
pub fn base64(bytes: &[u8]) -> String {
    STANDARD_NO_PAD.encode(bytes)
}

/// Base64 as others write it: padded or not, and with any last bits.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Reads Base64, unpadded or padded.
pub fn from_base64(text: &str) -> Option<Vec<u8>> {
    LENIENT.decode(text).ok()
}

/// The content hash of an event: over all but `unsigned`, `signatures` and `hashes`.
///
/// <https://spec.matrix.org/v1.19/server-server-api/#calculating-the-content-hash-for-an-event>
pub fn content_hash(event: &Object) -> [u8; 32] {
    let hashed = event
        .iter()
        .filter(|(key, _)| !matches!(key.as_str(), "unsigned" | "signatures" | "hashes"));
    let mut json = String::new();
    write_members(hashed, &mut json);
    sha256(json.as_bytes())
}

/// Whether the content hash that an event carries is that of its content.
pub(crate) fn has_its_hash(event: &Object) -> bool {
    let carried = event
        .get("hashes")
        .and_then(|h| h.get("sha256"))
        .and_then(Value::as_str)
        .and_then(from_base64);
    carried.is_some_and(|hash| hash == content_hash(event))
}

/// What signatures and the reference hash of an event are over: its redacted form without
/// `signatures` and `unsigned`.
pub fn signed_form(event: &Object, version: RoomVersion) -> String {
    let event = redact(event.clone(), &version.rules().redaction);
    let signed = event
        .iter()
        .filter(|(key, _)| !matches!(key.as_str(), "unsigned" | "signatures"));
    let mut json = String::new();
    write_members(signed, &mut json);
    json
}

/// The event id that a reference hash makes.
pub fn id_of_hash(hash: &[u8; 32], version: RoomVersion) -> String {
    let hash = if version.url_safe_ids() {
        URL_SAFE_NO_PAD.encode(hash)
    } else {
        STANDARD_NO_PAD.encode(hash)
    };
    format!("${hash}")
}

/// The key of an event in the index of all event ids: its reference hash; for versions whose
/// events carry their ids, a hash of the room's id and the event's.
pub fn event_id_hash(room: &RoomId, event: &EventId, version: RoomVersion) -> [u8; 32] {
    if !version.events_carry_ids() {
        let hash = event.as_str().trim_start_matches('$');
        let bytes = if version.url_safe_ids() {
            URL_SAFE_NO_PAD.decode(hash)
        } else {
            STANDARD_NO_PAD.decode(hash)
        };
        if let Some(hash) = bytes.ok().and_then(|bytes| bytes.try_into().ok()) {
            return hash;
        }
    }
    // Also what only looks like an id: it then names an event that cannot be.
    let mut context = Context::new(&SHA256);
    context.update(room.as_bytes());
    context.update(b"\0");
    context.update(event.as_bytes());
    fixed(context.finish().as_ref())
}

/// The hashes that an event id of any room may stand for: the form depends on the room's version.
pub fn hashes_of_id(event: &EventId) -> impl Iterator<Item = [u8; 32]> {
    let hash = event.as_str().trim_start_matches('$');
    let forms = [&URL_SAFE_NO_PAD, &STANDARD_NO_PAD];
    let decoded = forms.map(|form| form.decode(hash).ok()?.try_into().ok());
    decoded.into_iter().flatten()
}

/// Top-level keys that redaction keeps.
const KEPT: [&str; 12] = [
    "event_id",
    "type",
    "room_id",
    "sender",
    "state_key",
    "content",
    "hashes",
    "signatures",
    "depth",
    "prev_events",
    "auth_events",
    "origin_server_ts",
];

/// An event as redaction leaves it.
pub fn redact(mut event: Object, rules: &RedactionRules) -> Object {
    let event_type = event
        .get("type")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned();
    let old_keys = rules.keep_origin_membership_prev_state;
    event.retain(|key, _| {
        KEPT.contains(&key.as_str())
            || (old_keys && matches!(key.as_str(), "origin" | "membership" | "prev_state"))
    });
    if let Some(Value::Object(content)) = event.get_mut("content") {
        redact_content(&event_type, content, rules);
    }
    event
}

/// Leaves of a content what redaction keeps for the event's type.
pub fn redact_content(event_type: &str, content: &mut Object, rules: &RedactionRules) {
    match event_type {
        "m.room.member" => redact_member(content, rules),
        "m.room.create" if rules.keep_room_create_content => {}
        "m.room.create" => content.retain(|key, _| key == "creator"),
        "m.room.join_rules" => content.retain(|key, _| {
            key == "join_rule" || (rules.keep_room_join_rules_allow && key == "allow")
        }),
        "m.room.power_levels" => content.retain(|key, _| {
            matches!(
                key.as_str(),
                "ban"
                    | "events"
                    | "events_default"
                    | "kick"
                    | "redact"
                    | "state_default"
                    | "users"
                    | "users_default"
            ) || (rules.keep_room_power_levels_invite && key == "invite")
        }),
        "m.room.aliases" if rules.keep_room_aliases_aliases => {
            content.retain(|key, _| key == "aliases");
        }
        "m.room.history_visibility" => content.retain(|key, _| key == "history_visibility"),
        "m.room.redaction" if rules.keep_room_redaction_redacts => {
            content.retain(|key, _| key == "redacts");
        }
        _ => content.clear(),
    }
}

fn redact_member(content: &mut Object, rules: &RedactionRules) {
    content.retain(|key, value| match key.as_str() {
        "membership" => true,
        "join_authorised_via_users_server" => {
            rules.keep_room_member_join_authorised_via_users_server
        }
        "third_party_invite" if rules.keep_room_member_third_party_invite_signed => {
            let Value::Object(invite) = value else {
                return false;
            };
            // An emptied object stays: other servers keep it, so it is part of the event's id.
            invite.retain(|key, _| key == "signed");
            true
        }
        _ => false,
    });
}

#[cfg(test)]
mod tests;
