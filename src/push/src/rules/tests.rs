//! Rules against events: the spec's cases, and what another implementation says.

mod in_texts;

use std::convert::Infallible;

use futures_util::FutureExt;
use heliograph_accounts::{PredefinedRules, push_rules_with};
use proptest::prelude::*;
use ruma_common::{
    power_levels::NotificationPowerLevels,
    push::{Action, PushConditionPowerLevelsCtx, PushConditionRoomCtx, Ruleset, Tweak},
    room_version_rules::RoomPowerLevelsRules,
    serde::Raw,
};
use serde_json::json;

use super::*;

const ME: &str = "@me:x.org";

/// What rules ask of a room.
struct Room {
    members: u64,
    powerful: bool,
    name: &'static str,
}

const ROOM: Room = Room {
    members: 3,
    powerful: true,
    name: "Max",
};

impl Surroundings for Room {
    type Error = Infallible;

    fn joined_members(&self) -> Result<u64, Infallible> {
        Ok(self.members)
    }

    fn sender_may_notify(&self, key: &str) -> Result<bool, Infallible> {
        Ok(key == "room" && self.powerful)
    }

    fn display_name(&self) -> Result<Option<Box<str>>, Infallible> {
        Ok(Some(self.name.into()))
    }
}

fn event(json: &Value) -> PushEvent {
    let text = json.to_string();
    PushEvent::parse(text.strip_suffix('}').unwrap(), "!room:x.org")
}

fn message(content: &Value) -> Value {
    json!({ "type": "m.room.message", "sender": "@other:x.org", "content": content })
}

/// Whether an event notifies and is highlighted.
fn told(set: &RuleSet, json: &Value, room: &Room) -> (bool, bool) {
    let outcome = set.outcome(&event(json), Some(ME), room).unwrap();
    (outcome.notify, outcome.highlight)
}

/// The predefined rules.
fn predefined() -> RuleSet {
    RuleSet::read(&push_rules_with(PredefinedRules::Current, None, USER))
}

const QUIET: (bool, bool) = (false, false);
const NOTIFY: (bool, bool) = (true, false);
const HIGHLIGHT: (bool, bool) = (true, true);
const LOUD: (bool, bool) = (true, true);

#[test]
fn the_predefined_rules_do_what_the_spec_says() {
    let set = predefined();
    let text = json!({ "msgtype": "m.text", "body": "hello" });
    let with = |key: &str, value: Value| {
        let mut content = text.clone();
        content[key] = value;
        message(&content)
    };
    let state = |kind: &str, key: &str, content: Value| json!({ "type": kind, "sender": "@other:x.org", "state_key": key, "content": content });
    let of = |kind: &str| json!({ "type": kind, "sender": "@other:x.org", "content": {} });
    let replace = json!({ "rel_type": "m.replace", "event_id": "$a" });
    let mut edit_with_mention = with("m.relates_to", replace.clone());
    edit_with_mention["content"]["m.mentions"] = json!({ "user_ids": [ME] });
    for (id, json, expected) in [
        ("PSH-20", message(&text), NOTIFY),
        ("PSH-08", with("msgtype", json!("m.notice")), QUIET),
        (
            "PSH-09",
            state("m.room.member", ME, json!({ "membership": "invite" })),
            NOTIFY,
        ),
        (
            "PSH-10",
            state(
                "m.room.member",
                "@o:x.org",
                json!({ "membership": "invite" }),
            ),
            QUIET,
        ),
        (
            "PSH-11",
            with("m.mentions", json!({ "user_ids": ["@o:x", ME] })),
            LOUD,
        ),
        (
            "PSH-11",
            with("m.mentions", json!({ "user_ids": ["@o:x"] })),
            NOTIFY,
        ),
        ("PSH-12", with("m.mentions", json!({ "room": true })), LOUD),
        (
            "PSH-12",
            with("m.mentions", json!({ "room": "true" })),
            NOTIFY,
        ),
        ("PSH-13", state("m.room.tombstone", "", json!({})), LOUD),
        ("PSH-13", of("m.room.tombstone"), QUIET),
        ("PSH-14", of("m.reaction"), QUIET),
        ("PSH-15", state("m.room.server_acl", "", json!({})), QUIET),
        ("PSH-16", with("m.relates_to", replace), QUIET),
        ("MOD-18", edit_with_mention, LOUD),
        (
            "PSH-17",
            with("body", json!("me Max @room @me:x.org")),
            NOTIFY,
        ),
        ("PSH-18", of("m.call.invite"), NOTIFY),
        ("PSH-20", of("m.room.encrypted"), NOTIFY),
        ("PSH-20", of("m.sticker"), QUIET),
    ] {
        assert_eq!(told(&set, &json, &ROOM), expected, "{id}: {json}");
    }
    let weak = Room {
        powerful: false,
        ..ROOM
    };
    let all = with("m.mentions", json!({ "room": true }));
    assert_eq!(told(&set, &all, &weak), NOTIFY, "PSH-12: without the power");
    let sound = |json: &Value, members| {
        let room = Room { members, ..ROOM };
        let outcome = set.outcome(&event(json), Some(ME), &room).unwrap();
        let sound = outcome.tweaks.iter().find(|(name, _)| &**name == "sound");
        sound.and_then(|(_, value)| value.as_str().map(str::to_owned))
    };
    assert_eq!(
        sound(&message(&text), 2).as_deref(),
        Some("default"),
        "PSH-19"
    );
    assert_eq!(
        sound(&of("m.room.encrypted"), 2).as_deref(),
        Some("default"),
        "PSH-19"
    );
    assert_eq!(sound(&message(&text), 3), None, "PSH-20");
    assert_eq!(
        sound(&of("m.call.invite"), 3).as_deref(),
        Some("ring"),
        "PSH-18"
    );
}

/// Rules of one kind, all with ids of their own.
fn own(kind: &str, rules: &[Value]) -> RuleSet {
    let rules: Vec<Value> = rules
        .iter()
        .enumerate()
        .map(|(at, rule)| {
            let mut rule = rule.clone();
            if rule.get("rule_id").is_none() {
                rule["rule_id"] = json!(format!("r{at}"));
            }
            rule
        })
        .collect();
    RuleSet::read(&json!({ "global": { kind: rules } }))
}

#[test]
fn conditions_hold_as_the_spec_says() {
    let json = message(&json!({
        "body": "Hello Max-Power",
        "number": 5,
        "nothing": null,
        "list": ["a", 1, null, true, ["b"]],
        "dotted.key": { "back\\slash": "X" },
    }));
    let is = |key: &str, value: Value| json!({ "kind": "event_property_is", "key": key, "value": value });
    let contains = |value: Value| json!({ "kind": "event_property_contains", "key": "content.list", "value": value });
    let matches =
        |key: &str, pattern: &str| json!({ "kind": "event_match", "key": key, "pattern": pattern });
    let members = |is: &str| json!({ "kind": "room_member_count", "is": is });
    let cases = [
        ("PSH-21", matches("content.body", "max"), true),
        ("PSH-21", matches("content.body", "m?x"), true),
        ("PSH-21", matches("content.body", "hell"), false),
        ("PSH-21", matches("type", "M.ROOM.*"), true),
        ("PSH-21", matches("type", "room"), false),
        ("PSH-21", matches("content.number", "*"), false),
        ("PSH-21", matches("content.absent", "*"), false),
        (
            "PSH-21",
            matches(r"content.dotted\.key.back\\slash", "x"),
            true,
        ),
        ("PSH-22", is("content.number", json!(5)), true),
        ("PSH-22", is("content.number", json!("5")), false),
        ("PSH-22", is("content.nothing", json!(null)), true),
        ("PSH-22", is("content.absent", json!(null)), false),
        ("PSH-22", is("content.list", json!(["a"])), false),
        ("PSH-22", contains(json!("a")), true),
        ("PSH-22", contains(json!("A")), false),
        ("PSH-22", contains(json!(true)), true),
        ("PSH-22", contains(json!("b")), false),
        ("PSH-22", contains(json!(["b"])), false),
        ("PSH-23", members("3"), true),
        ("PSH-23", members("==3"), true),
        ("PSH-23", members("<3"), false),
        ("PSH-23", members("<=3"), true),
        ("PSH-23", members(">2"), true),
        ("PSH-23", members(">=4"), false),
        ("PSH-23", members("= 3"), false),
        ("PSH-23", members("+3"), false),
        ("PSH-25", json!({ "kind": "org.unknown" }), false),
        ("PSH-25", json!({ "key": "type", "pattern": "*" }), false),
        ("PSH-21", json!({ "kind": "contains_display_name" }), true),
    ];
    for (id, condition, expected) in cases {
        let rule = json!({ "conditions": [condition], "actions": ["notify"] });
        let holds = told(&own("override", &[rule]), &json, &ROOM) == NOTIFY;
        assert_eq!(holds, expected, "{id}: {condition}");
    }
}

#[test]
fn the_first_rule_that_matches_decides() {
    let (quiet, loud) = (json!([]), json!(["notify", { "set_tweak": "highlight" }]));
    let all = |actions: &Value| json!({ "rule_id": "all", "conditions": [], "actions": actions });
    let sender = |actions: &Value| json!({ "rule_id": "@other:x.org", "actions": actions });
    let room = |actions: &Value| json!({ "rule_id": "!room:x.org", "actions": actions });
    let content = |actions: &Value| json!({ "rule_id": "c", "pattern": "hi", "actions": actions });
    let json = message(&json!({ "body": "hi" }));
    let mut rules = json!({ "underride": [all(&loud)] });
    let steps = [
        ("sender", sender(&quiet), QUIET),
        ("room", room(&loud), LOUD),
        ("content", content(&quiet), QUIET),
        ("override", all(&loud), LOUD),
    ];
    for (kind, rule, expected) in steps {
        rules[kind] = json!([rule]);
        let set = RuleSet::read(&json!({ "global": rules }));
        assert_eq!(told(&set, &json, &ROOM), expected, "PSH-26: {kind}");
    }
    rules["override"][0]["enabled"] = json!(false);
    let set = RuleSet::read(&json!({ "global": rules }));
    assert_eq!(told(&set, &json, &ROOM), QUIET, "PSH-05: turned off");
}

#[test]
fn actions_that_nobody_knows_say_nothing() {
    for (actions, expected) in [
        (json!(["dont_notify"]), QUIET),
        (json!(["coalesce"]), QUIET),
        (json!(["org.unknown", "notify", { "other": 1 }]), NOTIFY),
        (
            json!(["notify", { "set_tweak": "highlight", "value": false }]),
            NOTIFY,
        ),
        (
            json!(["notify", { "set_tweak": "highlight", "value": true }]),
            LOUD,
        ),
        (json!([{ "set_tweak": "highlight" }]), QUIET),
        (json!({}), QUIET),
    ] {
        let rule = json!({ "conditions": [], "actions": actions });
        let set = own("override", &[rule]);
        let told = told(&set, &message(&json!({})), &ROOM);
        assert_eq!(told, expected, "PSH-28: {actions}");
    }
}

#[test]
fn plain_messages_are_told_without_reading_them() {
    assert_eq!(predefined().of_plain("!a:x"), Some(NOTIFY));
    let mute = |id: &str| {
        let room = json!({ "rule_id": id, "conditions": [], "actions": [] });
        let mut rules = push_rules_with(PredefinedRules::Current, None, USER);
        rules["global"]["room"] = json!([room]);
        RuleSet::read(&rules).of_plain("!a:x")
    };
    assert_eq!((mute("!a:x"), mute("!b:x")), (Some(QUIET), Some(NOTIFY)));
}

fn word() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "a",
        "b",
        "A b",
        "a-b",
        "*a",
        "a*",
        "?",
        "a?b",
        "",
        "m.room.message",
    ])
    .prop_map(str::to_owned)
}

fn key() -> impl Strategy<Value = String> {
    let keys = [
        "content.body",
        "content.x",
        "type",
        r"content.m\.x",
        "content.list",
        "state_key",
    ];
    prop::sample::select(keys.to_vec()).prop_map(str::to_owned)
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        word().prop_map(Value::from),
        Just(json!(1)),
        Just(json!(true)),
        Just(json!(null))
    ]
}

fn condition() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => (key(), word()).prop_map(|(key, pattern)|
            json!({ "kind": "event_match", "key": key, "pattern": pattern })),
        2 => (key(), scalar()).prop_map(|(key, value)|
            json!({ "kind": "event_property_is", "key": key, "value": value })),
        2 => (key(), scalar()).prop_map(|(key, value)|
            json!({ "kind": "event_property_contains", "key": key, "value": value })),
        1 => prop::sample::select(vec!["2", "==3", "<3", ">=3", "<=2"]).prop_map(|is|
            json!({ "kind": "room_member_count", "is": is })),
        1 => Just(json!({ "kind": "sender_notification_permission", "key": "room" })),
        1 => Just(json!({ "kind": "org.unknown" })),
    ]
}

fn actions() -> impl Strategy<Value = Value> {
    prop::sample::select(vec![
        json!([]),
        json!(["notify"]),
        json!(["notify", { "set_tweak": "highlight" }]),
    ])
}

/// Rules of one's own before the predefined ones.
fn rules() -> impl Strategy<Value = Value> {
    let by_conditions = (prop::collection::vec(condition(), 1..3), actions());
    let by_content = (word(), actions());
    (
        prop::collection::vec(by_conditions, 0..3),
        prop::collection::vec(by_content, 0..2),
    )
        .prop_map(|(overrides, contents)| {
            let overrides: Vec<Value> = overrides
                .into_iter()
                .enumerate()
                .map(|(at, (c, a))| {
                    json!({
                        "rule_id": format!("o{at}"), "default": false, "enabled": true,
                        "conditions": c, "actions": a,
                    })
                })
                .collect();
            let contents: Vec<Value> = contents
                .into_iter()
                .enumerate()
                .map(|(at, (p, a))| {
                    json!({
                        "rule_id": format!("c{at}"), "default": false, "enabled": true,
                        "pattern": p, "actions": a,
                    })
                })
                .collect();
            json!({ "override": overrides, "content": contents })
        })
}

fn any_event() -> impl Strategy<Value = Value> {
    let list = prop::collection::vec(scalar(), 0..3);
    (word(), word(), scalar(), list, any::<bool>(), any::<bool>()).prop_map(
        |(body, x, dotted, list, mentions, is_state)| {
            let mut content = json!({ "body": body, "x": x, "m.x": dotted, "list": list });
            if mentions {
                content["m.mentions"] = json!({ "user_ids": [ME], "room": true });
            }
            let mut event = message(&content);
            if is_state {
                event["state_key"] = json!("a");
            }
            event
        },
    )
}

/// What ruma says.
fn oracle(rules: &Value, json: &Value, room: &Room) -> (bool, bool) {
    let rules: Ruleset = serde_json::from_value(rules["global"].clone()).unwrap();
    let mut json = json.clone();
    json["room_id"] = json!("!room:x.org");
    let raw: Raw<Value> = Raw::new(&json).unwrap();
    let sender = if room.powerful {
        "@other:x.org"
    } else {
        "@another:x.org"
    };
    let levels = PushConditionPowerLevelsCtx::new(
        [(sender.try_into().unwrap(), 100.into())].into(),
        0.into(),
        NotificationPowerLevels::new(),
        RoomPowerLevelsRules::new(
            &ruma_common::RoomVersionId::V11
                .rules()
                .unwrap()
                .authorization,
            None,
        ),
    );
    let context = PushConditionRoomCtx::new(
        "!room:x.org".try_into().unwrap(),
        u32::try_from(room.members).unwrap().into(),
        ME.try_into().unwrap(),
        room.name.to_owned(),
    )
    .with_power_levels(levels);
    let actions = rules.get_actions(&raw, &context).now_or_never().unwrap();
    let is_loud = |action: &Action| matches!(action, Action::SetTweak(Tweak::Highlight(h)) if *h == true.into());
    (
        actions.iter().any(Action::should_notify),
        actions.iter().any(is_loud),
    )
}

proptest! {
    #[test]
    fn rules_say_what_another_implementation_says(
        own in rules(),
        json in any_event(),
        members in 1u64..5,
        powerful: bool,
    ) {
        let room = Room { members, powerful, ..ROOM };
        let mut all = push_rules_with(PredefinedRules::Current, None, ME);
        for kind in ["override", "content"] {
            let mut rules = own[kind].as_array().unwrap().clone();
            rules.extend(all["global"][kind].as_array().unwrap().iter().cloned());
            all["global"][kind] = Value::Array(rules);
        }
        prop_assert_eq!(told(&RuleSet::read(&all), &json, &room), oracle(&all, &json, &room));
    }

    /// A plain message is told alike, read or not.
    #[test]
    fn what_is_said_of_plain_messages_holds(
        own in rules(),
        body in word(),
        members in 1u64..4,
        names_in_texts: bool,
    ) {
        let which = if names_in_texts {
            PredefinedRules::WithNamesInTexts
        } else {
            PredefinedRules::Current
        };
        let mut all = push_rules_with(which, None, USER);
        for kind in ["override", "content"] {
            let mut rules = own[kind].as_array().unwrap().clone();
            rules.extend(all["global"][kind].as_array().unwrap().iter().cloned());
            all["global"][kind] = Value::Array(rules);
        }
        let set = RuleSet::read(&all);
        let room = Room { members, ..ROOM };
        let json = message(&json!({ "msgtype": "m.text", "body": body }));
        if let Some(plain) = set.of_plain("!room:x.org") {
            prop_assert_eq!(plain, told(&set, &json, &room));
        }
    }
}
