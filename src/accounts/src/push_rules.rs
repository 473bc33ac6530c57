//! The predefined push rules.
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#predefined-rules>

use serde_json::{Value, json};

/// Which predefined rules users have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PredefinedRules {
    /// Those of the specification.
    #[default]
    Current,
    /// Also those that it had until v1.16, which look for names in texts. They do so in events
    /// without `m.mentions`, as older clients and bridges send them.
    ///
    /// <https://spec.matrix.org/v1.16/client-server-api/#predefined-rules>
    WithNamesInTexts,
}

/// The content of `m.push_rules` for a user who changed nothing.
pub fn predefined(which: PredefinedRules, user_id: &str) -> Value {
    let in_texts = which == PredefinedRules::WithNamesInTexts;
    let (mut overrides, mut content) = (overrides(user_id), Vec::new());
    if in_texts {
        let tombstone = json!(".m.rule.tombstone");
        let mut ids = overrides.iter().map(|rule| rule.get("rule_id"));
        let at = ids.position(|id| id == Some(&tombstone));
        let at = at.unwrap_or(overrides.len());
        overrides.splice(at..at, names_in_texts());
        content.push(name_of_user(user_id));
    }
    json!({ "global": {
        "override": overrides,
        "content": content,
        "room": [],
        "sender": [],
        "underride": underrides(),
    }})
}

fn rule(rule_id: &str, conditions: &Value, actions: &Value) -> Value {
    json!({
        "rule_id": rule_id,
        "default": true,
        "enabled": rule_id != ".m.rule.master",
        "conditions": conditions,
        "actions": actions,
    })
}

fn matches(key: &str, pattern: &str) -> Value {
    json!({ "kind": "event_match", "key": key, "pattern": pattern })
}

fn is(key: &str, value: impl Into<Value>) -> Value {
    let value: Value = value.into();
    json!({ "kind": "event_property_is", "key": key, "value": value })
}

fn sound(name: &str) -> Value {
    json!({ "set_tweak": "sound", "value": name })
}

fn overrides(user_id: &str) -> Vec<Value> {
    let highlight = json!({ "set_tweak": "highlight" });
    let quiet = json!([]);
    vec![
        rule(".m.rule.master", &quiet, &quiet),
        rule(
            ".m.rule.suppress_notices",
            &json!([matches("content.msgtype", "m.notice")]),
            &quiet,
        ),
        rule(
            ".m.rule.invite_for_me",
            &json!([
                matches("type", "m.room.member"),
                matches("content.membership", "invite"),
                matches("state_key", user_id),
            ]),
            &json!(["notify", sound("default")]),
        ),
        rule(
            ".m.rule.member_event",
            &json!([matches("type", "m.room.member")]),
            &quiet,
        ),
        rule(
            ".m.rule.is_user_mention",
            &json!([{
                "kind": "event_property_contains",
                "key": r"content.m\.mentions.user_ids",
                "value": user_id,
            }]),
            &json!(["notify", sound("default"), highlight]),
        ),
        rule(
            ".m.rule.is_room_mention",
            &json!([
                is(r"content.m\.mentions.room", true),
                { "kind": "sender_notification_permission", "key": "room" },
            ]),
            &json!(["notify", highlight]),
        ),
        rule(
            ".m.rule.tombstone",
            &json!([
                matches("type", "m.room.tombstone"),
                matches("state_key", "")
            ]),
            &json!(["notify", highlight]),
        ),
        rule(
            ".m.rule.reaction",
            &json!([matches("type", "m.reaction")]),
            &quiet,
        ),
        rule(
            ".m.rule.room.server_acl",
            &json!([
                matches("type", "m.room.server_acl"),
                matches("state_key", "")
            ]),
            &quiet,
        ),
        rule(
            ".m.rule.suppress_edits",
            &json!([is(r"content.m\.relates_to.rel_type", "m.replace")]),
            &quiet,
        ),
    ]
}

/// The user's display name, and `@room`.
fn names_in_texts() -> [Value; 2] {
    let highlight = json!({ "set_tweak": "highlight" });
    [
        rule(
            ".m.rule.contains_display_name",
            &json!([{ "kind": "contains_display_name" }]),
            &json!(["notify", sound("default"), highlight]),
        ),
        rule(
            ".m.rule.roomnotif",
            &json!([
                matches("content.body", "@room"),
                { "kind": "sender_notification_permission", "key": "room" },
            ]),
            &json!(["notify", highlight]),
        ),
    ]
}

/// The localpart of the user's id.
fn name_of_user(user_id: &str) -> Value {
    let localpart = user_id.trim_start_matches('@');
    let localpart = localpart.split(':').next().unwrap_or_default();
    json!({
        "rule_id": ".m.rule.contains_user_name",
        "default": true,
        "enabled": true,
        "pattern": localpart,
        "actions": ["notify", sound("default"), { "set_tweak": "highlight" }],
    })
}

fn underrides() -> Vec<Value> {
    let two_members = json!({ "kind": "room_member_count", "is": "2" });
    vec![
        rule(
            ".m.rule.call",
            &json!([matches("type", "m.call.invite")]),
            &json!(["notify", sound("ring")]),
        ),
        rule(
            ".m.rule.encrypted_room_one_to_one",
            &json!([two_members, matches("type", "m.room.encrypted")]),
            &json!(["notify", sound("default")]),
        ),
        rule(
            ".m.rule.room_one_to_one",
            &json!([two_members, matches("type", "m.room.message")]),
            &json!(["notify", sound("default")]),
        ),
        rule(
            ".m.rule.message",
            &json!([matches("type", "m.room.message")]),
            &json!(["notify"]),
        ),
        rule(
            ".m.rule.encrypted",
            &json!([matches("type", "m.room.encrypted")]),
            &json!(["notify"]),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use ruma_common::{push::Ruleset, user_id};

    use super::*;

    /// Another implementation's data for the same spec, in the shape that it has here.
    #[test]
    fn the_rules_are_those_of_the_spec() {
        let user = user_id!("@alice:example.org");
        let ours = predefined(PredefinedRules::Current, user.as_str());
        let theirs = serde_json::to_value(Ruleset::server_default(user)).unwrap();
        let ours: Ruleset = serde_json::from_value(ours["global"].clone()).unwrap();
        assert_eq!(serde_json::to_value(ours).unwrap(), theirs);
    }
}
