//! Tests of authorisation: the short way says what the whole rules say.

use std::sync::Arc;

use proptest::prelude::*;
use ruma_common::{OwnedRoomId, OwnedUserId};

use super::*;
use crate::{builder::EventBuilder, json::Numbers, signing::Ed25519Signer};

fn signer() -> Ed25519Signer {
    Ed25519Signer::from_seed("x.org", "1", &[7; 32])
}

fn event(
    version: RoomVersion,
    sender: &str,
    event_type: &str,
    key: Option<&str>,
    content: &str,
) -> Pdu {
    let signer = signer();
    EventBuilder {
        room_id: Some(OwnedRoomId::try_from("!r:x.org").unwrap()),
        sender: OwnedUserId::try_from(sender).unwrap(),
        event_type: event_type.to_owned(),
        state_key: key.map(str::to_owned),
        content: parse(content.as_bytes(), Numbers::Loose).unwrap(),
        redacts: None,
        prev_events: vec![],
        auth_events: vec![],
        depth: 2,
        origin_server_ts: 1,
    }
    .build(version, &signer)
    .unwrap()
}

proptest! {
    #[test]
    fn messages_are_allowed_as_by_the_whole_rules(
        version in prop::sample::select(RoomVersion::ALL.to_vec()),
        levels in prop::option::of((0i64..3, 0i64..3, prop::option::of(0i64..3), prop::option::of(0i64..3))),
        joined: bool,
        sender in prop::sample::select(vec!["@a:x.org", "@b:x.org"]),
    ) {
        let create = event(version, "@a:x.org", "m.room.create", Some(""), r#"{"creator":"@a:x.org"}"#);
        let power = levels.map(|(events, users, user, kind)| {
            let user = user.map(|l| format!(r#""@b:x.org":{l}"#)).unwrap_or_default();
            let kind = kind.map(|l| format!(r#""m.x":{l}"#)).unwrap_or_default();
            let content = format!(
                r#"{{"events_default":{events},"users_default":{users},"users":{{{user}}},"events":{{{kind}}}}}"#
            );
            Arc::new(event(version, "@a:x.org", "m.room.power_levels", Some(""), &content))
        });
        let membership = if joined { "join" } else { "leave" };
        let member = Arc::new(event(
            version, sender, "m.room.member", Some(sender), &format!(r#"{{"membership":"{membership}"}}"#),
        ));
        let create = Arc::new(create);
        let message = event(version, sender, "m.x", None, "{}");
        let whole = check_state_dependent(version, &message, |event_type, key| match event_type {
            "m.room.create" => Some(Arc::clone(&create)),
            "m.room.power_levels" => power.clone(),
            "m.room.member" if key == sender => Some(Arc::clone(&member)),
            _ => None,
        });
        let levels = PowerLevels::new(version, power.as_deref(), &create).unwrap();
        let short = message_allowed(joined, &levels, message.sender(), "m.x");
        prop_assert_eq!(whole.is_ok(), short.is_ok(), "{:?} {:?}", whole, short);
    }
}
