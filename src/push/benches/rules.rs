//! What one event costs in rules asked for all members of a room who may be told of it.
//!
//! A time is for all members together; divided by their number it is the time for each, which divan
//! gives as items a second.

#![expect(clippy::unwrap_used, reason = "a benchmark may stop")]

use std::{collections::HashMap, convert::Infallible, sync::Arc};

use bytes::Bytes;
use divan::{Bencher, black_box, counter::ItemsCount};
use heliograph_push::{Outcome, PushEvent, RuleSet, RuleSets, Surroundings};
use serde_json::json;

const MEMBERS: [u32; 2] = [2_000, 20_000];
/// Of so many members, one has rules that nobody else has.
const ONE_OF: u32 = 10;

fn main() {
    divan::main();
}

/// A room of many.
struct Room(u32);

impl Surroundings for Room {
    type Error = Infallible;

    fn joined_members(&self) -> Result<u64, Infallible> {
        Ok(u64::from(self.0))
    }

    fn sender_may_notify(&self, _key: &str) -> Result<bool, Infallible> {
        Ok(false)
    }

    fn display_name(&self) -> Result<Option<Box<str>>, Infallible> {
        Ok(None)
    }
}

/// The members of a room, each with the rules of theirs.
struct Members {
    room: Room,
    all: Vec<(String, Arc<RuleSet>)>,
    event: String,
}

impl Members {
    fn new(members: u32, own: impl Fn(u32) -> bool) -> Self {
        let sets = RuleSets::default();
        let rules = |number: u32| {
            let pattern = format!("word{number}");
            let content = json!([{ "rule_id": pattern, "default": false, "enabled": true,
                "pattern": pattern, "actions": ["notify", { "set_tweak": "highlight" }] }]);
            let muted = json!([{ "rule_id": format!("!muted{number}:x.org"), "default": false,
                "enabled": true, "actions": [] }]);
            let own = json!({ "content": content, "room": muted });
            Bytes::from(json!({ "own": own, "predefined": {} }).to_string())
        };
        let member = |number: u32| {
            let set = if own(number) {
                sets.with(&rules(number))
            } else {
                sets.predefined()
            };
            (format!("@user{number}:x.org"), set)
        };
        let event = json!({
            "type": "m.room.message", "sender": "@sender:x.org", "event_id": "$event",
            "origin_server_ts": 1_700_000_000_000_u64,
            "content": {
                "msgtype": "m.text",
                "body": "a sentence of the length that people write in rooms, and of user7",
                "m.mentions": { "user_ids": ["@user7:x.org"] },
            },
        });
        let event = event.to_string();
        Self {
            room: Room(members),
            all: (0..members).map(member).collect(),
            event: event.strip_suffix('}').unwrap().to_owned(),
        }
    }

    /// The event read once and each set of rules asked once, but for who is named.
    fn notified(&self) -> usize {
        let event = PushEvent::parse(&self.event, "!room:x.org");
        let mut known: HashMap<*const RuleSet, Outcome> = HashMap::new();
        let mut notified = 0;
        for (user_id, set) in &self.all {
            let alone = event.names(user_id);
            let key = Arc::as_ptr(set);
            let notify = match known.get(&key) {
                Some(outcome) if !alone => outcome.notify,
                _ => {
                    let user = alone.then_some(user_id.as_str());
                    let Ok(outcome) = set.outcome(&event, user, &self.room);
                    let notify = outcome.notify;
                    if !alone {
                        known.insert(key, outcome);
                    }
                    notify
                }
            };
            notified += usize::from(notify);
        }
        notified
    }

    fn bench(&self, bencher: Bencher<'_, '_>) {
        let members = self.all.len();
        assert_eq!(self.notified(), members, "all are told");
        bencher
            .counter(ItemsCount::new(members))
            .bench(|| black_box(self.notified()));
    }
}

/// All members have the predefined rules.
#[divan::bench(args = MEMBERS)]
fn predefined_rules(bencher: Bencher<'_, '_>, members: u32) {
    Members::new(members, |_| false).bench(bencher);
}

/// A tenth of the members have rules of their own.
#[divan::bench(args = MEMBERS)]
fn a_tenth_with_own_rules(bencher: Bencher<'_, '_>, members: u32) {
    Members::new(members, |number| number.is_multiple_of(ONE_OF)).bench(bencher);
}
