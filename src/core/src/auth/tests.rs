//! Tests of authorisation: the short way says what the whole rules say.

use std::sync::Arc;

use proptest::prelude::*;
use ruma_common::{OwnedRoomId, OwnedUserId};

use super::*;
use crate::{
    builder::EventBuilder,
    json::{Numbers, parse},
    signing::Ed25519Signer,
};

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

/// A level as JSON: an integer, or a string where the version takes strings for levels.
fn level(version: RoomVersion) -> impl Strategy<Value = String> {
    let strict = version.rules().authorization.integer_power_levels;
    (0i64..3, 0u8..3).prop_map(move |(level, form)| match form {
        1 if !strict => format!("\"{level}\""),
        2 if !strict => format!("\" +{level} \""),
        _ => level.to_string(),
    })
}

/// A content of power levels, or none.
fn levels(version: RoomVersion) -> impl Strategy<Value = Option<String>> {
    let some = |key: &'static str| {
        let member = level(version).prop_map(move |level| format!(r#""{key}":{level}"#));
        prop::option::of(member).prop_map(Option::unwrap_or_default)
    };
    let all = (
        some("events_default"),
        some("users_default"),
        some("@b:x.org"),
        some("m.x"),
    );
    let all = all.prop_map(|(events, users, user, kind)| {
        let members = [
            format!(r#""users":{{{user}}}"#),
            format!(r#""events":{{{kind}}}"#),
            events,
            users,
        ];
        let members: Vec<_> = members.into_iter().filter(|m| !m.is_empty()).collect();
        format!("{{{}}}", members.join(","))
    });
    prop::option::of(all)
}

proptest! {
    #[test]
    fn messages_are_allowed_as_by_the_whole_rules(
        (version, levels) in prop::sample::select(RoomVersion::ALL.to_vec())
            .prop_flat_map(|version| (Just(version), levels(version))),
        joined: bool,
        sender in prop::sample::select(vec!["@a:x.org", "@b:x.org", "@c:x.org"]),
        event_type in prop::sample::select(vec!["m.x", "m.room.message", "m.room.topic"]),
    ) {
        let made = r#"{"creator":"@a:x.org","additional_creators":["@c:x.org"]}"#;
        let create = Arc::new(event(version, "@a:x.org", "m.room.create", Some(""), made));
        let power = levels.map(|content| {
            Arc::new(event(version, "@a:x.org", "m.room.power_levels", Some(""), &content))
        });
        let membership = if joined { "join" } else { "leave" };
        let member = Arc::new(event(
            version, sender, "m.room.member", Some(sender), &format!(r#"{{"membership":"{membership}"}}"#),
        ));
        let message = event(version, sender, event_type, None, "{}");
        let whole = check_state_dependent(version, &message, |event_type, key| match event_type {
            "m.room.create" => Some(Arc::clone(&create)),
            "m.room.power_levels" => power.clone(),
            "m.room.member" if key == sender => Some(Arc::clone(&member)),
            _ => None,
        });
        let levels = PowerLevels::new(version, power.as_deref(), &create).unwrap();
        let short = message_allowed(joined, &levels, message.sender(), event_type);
        prop_assert_eq!(whole.is_ok(), short.is_ok(), "{:?} {:?}", whole, short);
    }
}

/// The whole rules have rules of their own for these types, and no message is of them.
#[test]
fn types_of_state_with_rules_of_their_own_are_no_messages() {
    for version in RoomVersion::ALL {
        let create = event(
            version,
            "@a:x.org",
            "m.room.create",
            Some(""),
            r#"{"creator":"@a:x.org"}"#,
        );
        let levels = PowerLevels::new(version, None, &create).unwrap();
        for event_type in [
            "m.room.create",
            "m.room.member",
            "m.room.power_levels",
            "m.room.third_party_invite",
            "m.room.aliases",
        ] {
            let allowed = message_allowed(true, &levels, create.sender(), event_type);
            assert!(
                allowed.is_err(),
                "{event_type} in version {}",
                version.as_str()
            );
        }
        assert!(message_allowed(true, &levels, create.sender(), "m.room.message").is_ok());
    }
}

#[test]
fn the_level_to_redact_is_read_with_its_default() {
    for version in RoomVersion::ALL {
        let create = event(
            version,
            "@a:x.org",
            "m.room.create",
            Some(""),
            r#"{"creator":"@a:x.org"}"#,
        );
        for (redact, users_default, may) in
            [("", 49, false), ("", 50, true), (r#","redact":0"#, 0, true)]
        {
            let content = format!(r#"{{"users_default":{users_default}{redact}}}"#);
            let power = event(
                version,
                "@a:x.org",
                "m.room.power_levels",
                Some(""),
                &content,
            );
            let levels = PowerLevels::new(version, Some(&power), &create).unwrap();
            let user = OwnedUserId::try_from("@b:x.org").unwrap();
            assert_eq!(levels.user_can_redact(&user), may, "{content}");
        }
    }
}
