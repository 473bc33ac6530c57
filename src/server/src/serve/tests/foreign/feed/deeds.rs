//! What users of the fake do.

use heliograph_testkit::{Deed, Graph};
use ruma_common::OwnedEventId;
use serde_json::{Value, json};

use super::Feed;

impl Feed<'_> {
    /// The events before a new one: the newest, or a fork from some while ago.
    fn parents(&self) -> Vec<OwnedEventId> {
        let mut from = match self.below(10) {
            0..5 => self.fake.tips(),
            5..8 => self.recent.clone(),
            _ => {
                let one = self.below(self.recent.len());
                return vec![self.recent[one].clone()];
            }
        };
        let most = if self.chance(50) { 10 } else { 2 };
        while from.len() > most {
            from.swap_remove(self.below(from.len()));
        }
        from
    }

    /// An event of any kind, allowed or not.
    pub(super) fn anything(&mut self) -> OwnedEventId {
        let n = self.below(1000);
        let user = |n: usize| format!("@f{n}:far.org");
        let powerful = user(self.below(2));
        let (sender, event_type, state_key, content) = match self.below(100) {
            0..50 => (
                user(self.below(3)),
                "m.room.message",
                None,
                format!(r#"{{"body":"{n}","msgtype":"m.text"}}"#),
            ),
            50..65 => (
                powerful,
                "m.room.topic",
                Some(String::new()),
                format!(r#"{{"topic":"{n}"}}"#),
            ),
            65..75 => (
                powerful,
                "m.room.name",
                Some(String::new()),
                format!(r#"{{"name":"{n}"}}"#),
            ),
            75..83 => (
                user(0),
                "m.room.power_levels",
                Some(String::new()),
                self.power([50 * (n % 2), 50 * (n / 2 % 2)]),
            ),
            83..90 => (
                powerful,
                "m.room.member",
                Some(user(2)),
                r#"{"membership":"leave"}"#.to_owned(),
            ),
            90..97 => (
                user(1 + n % 2),
                "m.room.member",
                Some(user(1 + n % 2)),
                format!(r#"{{"displayname":"{n}","membership":"join"}}"#),
            ),
            _ => (
                user(9),
                "m.room.message",
                None,
                r#"{"body":"not a member"}"#.to_owned(),
            ),
        };
        let id = self.fake.make(Deed {
            sender: &sender,
            event_type,
            state_key: state_key.as_deref(),
            content: &content,
            prev: self.parents(),
            nth: n,
        });
        if !self.fake.standing(&id).is_rejected() {
            self.remember(id.clone());
        }
        id
    }

    /// The power levels, with those of two users of the fake.
    fn power(&self, [f1, f2]: [usize; 2]) -> String {
        let mut content = self.power.clone();
        content["users"]["@f1:far.org"] = json!(f1);
        content["users"]["@f2:far.org"] = json!(f2);
        content.to_string()
    }

    /// A message of a user of the fake.
    pub(super) fn message(
        &mut self,
        user: &str,
        body: &str,
        prev: Vec<OwnedEventId>,
    ) -> OwnedEventId {
        self.fake.make(Deed {
            sender: user,
            event_type: "m.room.message",
            content: &format!(r#"{{"body":"{body}","msgtype":"m.text"}}"#),
            prev,
            nth: self.said,
            ..Deed::default()
        })
    }

    /// The content of the power levels after what the fake knows.
    pub(super) fn power_now(&self) -> Value {
        let tip = self.fake.tips().remove(0);
        let at = ("m.room.power_levels".to_owned(), String::new());
        let levels = self.fake.state_before(&tip)[&at].clone();
        let levels = self.fake.pdu(&levels).unwrap();
        serde_json::from_str(levels.content_json()).unwrap()
    }
}
