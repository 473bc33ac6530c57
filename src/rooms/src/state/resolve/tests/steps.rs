//! State events of every kind that decides about others, at random places in the graph.

use std::collections::BTreeMap;

use heliograph_core::{
    hashing::base64,
    ids::EventIdx,
    json::Value,
    signing::{Signer, sign_json},
};
use proptest::prelude::*;

use super::room::Room;

const USERS: [&str; 5] = ["@a:x.org", "@b:x.org", "@c:x.org", "@d:x.org", "@e:x.org"];

impl Room {
    /// Sends what a step says; nothing if the room does not allow it there.
    pub(super) fn step(&mut self, step: &Step) {
        let newest = self.events.len() - 1;
        let parents: BTreeMap<_, _> = step
            .back
            .iter()
            .map(|back| newest.saturating_sub(usize::from(*back)).max(5))
            .map(|event| (event, EventIdx(u32::try_from(event).unwrap())))
            .collect();
        let parents: Vec<_> = parents.into_values().collect();
        let user = |n: u8| USERS[usize::from(n) % USERS.len()];
        let (sender, target) = (user(step.sender), user(step.target));
        let token = format!("t{}", step.value % 2);
        let (key, content) = match step.kind % 10 {
            0 => (("m.room.power_levels", ""), self.levels(step)),
            1 => {
                let rule = ["public", "invite", "knock"][usize::from(step.value % 3)];
                (
                    ("m.room.join_rules", ""),
                    format!(r#"{{"join_rule":"{rule}"}}"#),
                )
            }
            2 | 3 => (
                ("m.room.member", sender),
                r#"{"membership":"join"}"#.to_owned(),
            ),
            4 | 5 => {
                let memberships = ["leave", "ban", "invite", "leave"];
                let membership = memberships[usize::from(step.value % 4)];
                (
                    ("m.room.member", target),
                    format!(r#"{{"membership":"{membership}"}}"#),
                )
            }
            6 => (
                ("m.room.topic", ""),
                format!(r#"{{"topic":"{}"}}"#, step.value),
            ),
            7 => (
                ("m.room.name", ""),
                format!(r#"{{"name":"{}"}}"#, step.value),
            ),
            8 => {
                let public = base64(&self.signer.public_key());
                let content = format!(
                    r#"{{"display_name":"e","key_validity_url":"https://x.org",
                    "public_key":"{public}","public_keys":[{{"public_key":"{public}"}}]}}"#
                );
                (("m.room.third_party_invite", token.as_str()), content)
            }
            _ => (
                ("m.room.member", target),
                self.third_party_invite(target, &token),
            ),
        };
        self.send(&parents, sender, key, &content, u64::from(step.ts));
    }

    fn levels(&self, step: &Step) -> String {
        let privileged = self
            .version
            .rules()
            .authorization
            .explicitly_privilege_room_creators;
        let creator = if privileged { "" } else { r#""@a:x.org":100,"# };
        let level = |n: u8| [0, 10, 50, 100][usize::from(n % 4)];
        let (b, c) = (level(step.value), level(step.value / 4));
        format!(
            r#"{{"users":{{{creator}"@b:x.org":{b},"@c:x.org":{c}}},"state_default":{},"ban":{}}}"#,
            level(step.value / 16),
            level(step.target),
        )
    }

    fn third_party_invite(&self, target: &str, token: &str) -> String {
        let mut signed =
            Value::object([("mxid", Value::from(target)), ("token", Value::from(token))]);
        sign_json(&mut signed, &self.signer).unwrap();
        format!(
            r#"{{"membership":"invite","third_party_invite":{{"display_name":"e","signed":{}}}}}"#,
            signed.to_canonical_string()
        )
    }
}

/// One state event that somebody tries to send.
#[derive(Clone, Debug)]
pub(super) struct Step {
    /// How far back its parents are.
    back: Vec<u8>,
    sender: u8,
    target: u8,
    kind: u8,
    value: u8,
    ts: u8,
}

pub(super) fn step() -> impl Strategy<Value = Step> {
    let back = prop_oneof![
        3 => prop::collection::vec(0u8..2, 1),
        3 => prop::collection::vec(0u8..8, 1),
        3 => prop::collection::vec(0u8..8, 2..4),
    ];
    (back, 0u8..8, 0u8..5, any::<u8>(), any::<u8>(), 0u8..20).prop_map(
        |(back, sender, target, kind, value, ts)| {
            // The first users can do most.
            Step {
                back,
                sender: sender.saturating_sub(3),
                target,
                kind,
                value,
                ts,
            }
        },
    )
}
