//! Push rules, read once and then asked about many events.
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#push-rules>

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use serde_json::Value;

use crate::{
    conditions::Condition,
    event::{Path, PushEvent},
};

/// What stands in the predefined rules where they name the user whose they are: no user id.
pub(crate) const USER: &str = "@\0";

/// The predefined rules that look for names in texts; only where an event does not say whom it
/// mentions.
const IN_TEXTS: [&str; 3] = [
    ".m.rule.contains_display_name",
    ".m.rule.contains_user_name",
    ".m.rule.roomnotif",
];
const USER_NAME: &str = IN_TEXTS[1];

/// The kinds of rules, in the order in which they are asked.
const KINDS: [&str; 5] = ["override", "content", "room", "sender", "underride"];

/// What a rule says is done with an event.
///
/// <https://spec.matrix.org/v1.19/client-server-api/#actions>
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Whether it is a notification.
    pub notify: bool,
    /// Whether it is one that is highlighted.
    pub highlight: bool,
    /// All tweaks, by name, the last one of each, in the order in which they are given.
    pub tweaks: Arc<[(Box<str>, Value)]>,
}

impl Outcome {
    /// Reads actions; those that are unknown and those of history (`dont_notify`, `coalesce`) say
    /// nothing.
    fn read(actions: &Value) -> Self {
        let mut tweaks: Vec<(Box<str>, Value)> = Vec::new();
        let mut notify = false;
        for action in actions.as_array().into_iter().flatten() {
            notify |= action.as_str() == Some("notify");
            let Some(name) = action.get("set_tweak").and_then(Value::as_str) else {
                continue;
            };
            let value = match (name, action.get("value")) {
                (_, Some(value)) => value.clone(),
                ("highlight", None) => Value::Bool(true),
                (_, None) => Value::Null,
            };
            tweaks.retain(|(other, _)| **other != *name);
            tweaks.push((name.into(), value));
        }
        let is_on = |(name, value): &(Box<str>, Value)| {
            &**name == "highlight" && *value == Value::Bool(true)
        };
        Self {
            notify,
            highlight: notify && tweaks.iter().any(is_on),
            tweaks: tweaks.into(),
        }
    }
}

/// What rules ask of the room about an event, as it was then; asked only when a rule needs it.
pub trait Surroundings {
    /// Why there is no answer.
    type Error;

    /// How many are joined to the room.
    fn joined_members(&self) -> Result<u64, Self::Error>;

    /// Whether the sender's power reaches the level of a key of `notifications`.
    fn sender_may_notify(&self, key: &str) -> Result<bool, Self::Error>;

    /// The user's display name in the room.
    fn display_name(&self) -> Result<Option<Box<str>>, Self::Error>;
}

/// A rule that is on.
#[derive(Debug)]
struct Rule {
    conditions: Box<[Condition]>,
    outcome: Outcome,
}

/// All rules of a user that are on, in the order in which they are asked; shared by all users with
/// the same.
#[derive(Debug)]
pub struct RuleSet {
    id: u64,
    rules: Box<[Rule]>,
    is_personal: bool,
    size_bytes: usize,
}

impl RuleSet {
    /// Reads the content of `m.push_rules`, the predefined rules made for [`USER`]. Rules that
    /// cannot be read match nothing.
    pub(crate) fn read(content: &Value) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let global = content.get("global");
        let mut rules = Vec::new();
        for kind in KINDS {
            let of_kind = global
                .and_then(|global| global.get(kind))
                .and_then(Value::as_array);
            let of_kind = of_kind.map_or(&[][..], Vec::as_slice);
            rules.extend(of_kind.iter().filter_map(|rule| Rule::read(kind, rule)));
        }
        let conditions = || rules.iter().flat_map(|rule: &Rule| rule.conditions.iter());
        let size = conditions().map(Condition::size_bytes).sum::<usize>();
        let is_personal =
            conditions().any(|c| matches!(c, Condition::DisplayName | Condition::UserName));
        Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            is_personal,
            size_bytes: size.saturating_add(rules.len().saturating_mul(size_of::<Rule>())),
            rules: rules.into(),
        }
    }

    /// A number that no other set of rules of this process has.
    pub(crate) const fn id(&self) -> u64 {
        self.id
    }

    /// Whether users with these rules may be told different things even of an event that names
    /// none of them: a rule looks for their display names.
    pub const fn is_personal(&self) -> bool {
        self.is_personal
    }

    /// Bytes that it takes in memory, about.
    pub const fn size_bytes(&self) -> usize {
        self.size_bytes
    }

    /// What is done with an event: what the first rule says whose conditions all hold; nothing when
    /// there is none. Without a user, for all whom [`PushEvent::names`] does not name.
    ///
    /// # Errors
    /// Those of `around`.
    pub fn outcome<S: Surroundings>(
        &self,
        event: &PushEvent,
        user_id: Option<&str>,
        around: &S,
    ) -> Result<Outcome, S::Error> {
        for rule in &self.rules {
            if rule.matches(event, user_id, around)? {
                return Ok(rule.outcome.clone());
            }
        }
        Ok(Outcome::default())
    }

    /// Whether a plain message in a room notifies and is highlighted, if that can be told without
    /// reading it. Plain is an `m.room.message` that is no `m.notice`, has no state key, mentions
    /// nobody and relates to nothing.
    pub fn of_plain(&self, room_id: &str) -> Option<(bool, bool)> {
        let mut possible: Option<(bool, bool)> = None;
        for rule in &self.rules {
            let told = || rule.conditions.iter().map(|c| c.holds_of_plain(room_id));
            if told().any(|told| told == Some(false)) {
                continue;
            }
            let outcome = (rule.outcome.notify, rule.outcome.highlight);
            if possible.is_some_and(|other| other != outcome) {
                return None;
            }
            possible = Some(outcome);
            if told().all(|told| told == Some(true)) {
                return possible;
            }
        }
        match possible {
            Some((true, _)) => None,
            _ => Some((false, false)),
        }
    }
}

impl Rule {
    /// Reads a rule; `None` for one that is off or never matches.
    fn read(kind: &str, rule: &Value) -> Option<Self> {
        if rule.get("enabled").and_then(Value::as_bool) == Some(false) {
            return None;
        }
        let id = rule.get("rule_id").and_then(Value::as_str)?;
        let is_predefined = rule.get("default").and_then(Value::as_bool) == Some(true);
        let user = is_predefined.then_some(USER);
        let is =
            |name: &str| Condition::Is(Path::new(name), crate::conditions::Scalar::Text(id.into()));
        let mut conditions = match kind {
            "room" => vec![is("room_id")],
            "sender" => vec![is("sender")],
            "content" if is_predefined && id == USER_NAME => vec![Condition::UserName],
            "content" => {
                let pattern = rule.get("pattern").and_then(Value::as_str)?;
                vec![Condition::matching(Path::new("content.body"), pattern)]
            }
            _ => {
                let conditions = rule.get("conditions").and_then(Value::as_array);
                let read = conditions.into_iter().flatten();
                read.map(|condition| Condition::read(condition, user))
                    .collect::<Option<Vec<_>>>()?
            }
        };
        if is_predefined && IN_TEXTS.contains(&id) {
            conditions.push(Condition::NoMentions);
        }
        conditions.sort_by_key(Condition::effort);
        Some(Self {
            conditions: conditions.into(),
            outcome: Outcome::read(rule.get("actions").unwrap_or(&Value::Null)),
        })
    }

    fn matches<S: Surroundings>(
        &self,
        event: &PushEvent,
        user_id: Option<&str>,
        around: &S,
    ) -> Result<bool, S::Error> {
        for condition in &self.conditions {
            if !condition.holds(event, user_id, around)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests;
