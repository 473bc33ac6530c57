//! Conditions of push rules.
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#conditions-1>

use serde_json::Value;

use crate::{
    event::{Path, PushEvent},
    glob::{Glob, fold},
    rules::Surroundings,
};

/// A value that is compared exactly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Scalar {
    Null,
    Bool(bool),
    Integer(i64),
    Text(Box<str>),
}

impl Scalar {
    /// `None` for what cannot be compared: other numbers, arrays and objects.
    fn of(value: &Value) -> Option<Self> {
        match value {
            Value::Null => Some(Self::Null),
            Value::Bool(value) => Some(Self::Bool(*value)),
            Value::Number(number) => number.as_i64().map(Self::Integer),
            Value::String(text) => Some(Self::Text(text.as_str().into())),
            Value::Array(_) | Value::Object(_) => None,
        }
    }

    fn is(&self, value: &Value) -> bool {
        match (self, value) {
            (Self::Null, Value::Null) => true,
            (Self::Bool(one), Value::Bool(other)) => one == other,
            (Self::Integer(one), Value::Number(other)) => other.as_i64() == Some(*one),
            (Self::Text(one), Value::String(other)) => **one == **other,
            _ => false,
        }
    }
}

/// How a number is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    Is,
    Below,
    Above,
    AtMost,
    AtLeast,
}

/// One condition.
#[derive(Clone, Debug)]
pub(crate) enum Condition {
    /// A text property matches a pattern as a whole.
    Match(Path, Glob),
    /// `content.body` has words that match a pattern.
    Words(Glob),
    /// A text property is the user's id, without regard to case.
    IsUser(Path),
    /// A property is a value.
    Is(Path, Scalar),
    /// A list has a value.
    Contains(Path, Scalar),
    /// A list has the user's id.
    ContainsUser(Path),
    /// `content.body` has the user's display name in the room.
    DisplayName,
    /// `content.body` has the localpart of the user's id as words.
    UserName,
    /// The event does not say whom it mentions.
    NoMentions,
    /// So many are joined to the room.
    Members(Comparison, u64),
    /// The sender has the power to notify in this way.
    MayNotify(Box<str>),
}

impl Condition {
    /// Reads a condition; `None` for one that never holds. Where a value is `user`, a predefined
    /// rule means the user whose rules they are.
    ///
    /// <https://spec.matrix.org/v1.19/client-server-api/#predefined-rules>
    pub(crate) fn read(condition: &Value, user: Option<&str>) -> Option<Self> {
        let text = |name: &str| condition.get(name).and_then(Value::as_str);
        let path = || text("key").map(Path::new);
        let means_user = |value: Option<&str>| value.is_some() && value == user;
        match text("kind")? {
            "event_match" => {
                let (path, pattern) = (path()?, text("pattern")?);
                if means_user(Some(pattern)) {
                    return Some(Self::IsUser(path));
                }
                Some(Self::matching(path, pattern))
            }
            "event_property_is" => Some(Self::Is(path()?, Scalar::of(condition.get("value")?)?)),
            "event_property_contains" => {
                if means_user(text("value")) {
                    return path().map(Self::ContainsUser);
                }
                let value = Scalar::of(condition.get("value")?)?;
                Some(Self::Contains(path()?, value))
            }
            "contains_display_name" => Some(Self::DisplayName),
            "room_member_count" => members(text("is")?),
            "sender_notification_permission" => Some(Self::MayNotify(text("key")?.into())),
            _ => None,
        }
    }

    /// That a property matches a pattern.
    pub(crate) fn matching(path: Path, pattern: &str) -> Self {
        let glob = Glob::new(pattern);
        if path.is(&["content", "body"]) {
            Self::Words(glob)
        } else {
            Self::Match(path, glob)
        }
    }

    /// What it takes to tell, from little to much.
    pub(crate) const fn effort(&self) -> u8 {
        match self {
            Self::Match(..) | Self::IsUser(_) | Self::Is(..) | Self::NoMentions => 0,
            Self::Contains(..) | Self::ContainsUser(_) => 1,
            Self::Words(_) | Self::UserName => 2,
            Self::Members(..) => 3,
            Self::MayNotify(_) => 4,
            Self::DisplayName => 5,
        }
    }

    /// Bytes that it takes in memory, about.
    pub(crate) fn size_bytes(&self) -> usize {
        let own = match self {
            Self::Match(path, glob) => path.size_bytes().saturating_add(glob.size_bytes()),
            Self::Words(glob) => glob.size_bytes(),
            Self::IsUser(path)
            | Self::ContainsUser(path)
            | Self::Is(path, _)
            | Self::Contains(path, _) => path.size_bytes(),
            Self::MayNotify(key) => key.len(),
            Self::DisplayName | Self::UserName | Self::NoMentions | Self::Members(..) => 0,
        };
        own.saturating_add(size_of::<Self>())
    }

    /// Whether it holds of an event for a user; without a user, for all whom the event does not
    /// name.
    pub(crate) fn holds<S: Surroundings>(
        &self,
        event: &PushEvent,
        user_id: Option<&str>,
        around: &S,
    ) -> Result<bool, S::Error> {
        let text = |path: &Path| event.get(path).and_then(Value::as_str);
        let list = |path: &Path| event.get(path).and_then(Value::as_array);
        Ok(match self {
            Self::Match(path, glob) => text(path).is_some_and(|text| glob.matches(&fold(text))),
            Self::Words(glob) => event.body().is_some_and(|body| glob.matches_words(body)),
            Self::IsUser(path) => match (text(path), user_id) {
                (Some(text), Some(user_id)) => text == user_id || fold(text) == fold(user_id),
                _ => false,
            },
            Self::Is(path, value) => event.get(path).is_some_and(|found| value.is(found)),
            Self::Contains(path, value) => {
                list(path).is_some_and(|list| list.iter().any(|found| value.is(found)))
            }
            Self::ContainsUser(path) => user_id.is_some_and(|user_id| {
                list(path).is_some_and(|list| list.iter().any(|id| id.as_str() == Some(user_id)))
            }),
            Self::DisplayName => match event.body() {
                Some(body) => around
                    .display_name()?
                    .is_some_and(|name| has_name(body, &name)),
                None => false,
            },
            Self::UserName => match (event.body(), user_id.map(localpart)) {
                (Some(body), Some(name)) => has_name(body, name),
                _ => false,
            },
            Self::NoMentions => !event.says_whom_it_mentions(),
            Self::Members(comparison, number) => {
                let members = around.joined_members()?;
                match comparison {
                    Comparison::Is => members == *number,
                    Comparison::Below => members < *number,
                    Comparison::Above => members > *number,
                    Comparison::AtMost => members <= *number,
                    Comparison::AtLeast => members >= *number,
                }
            }
            Self::MayNotify(key) => around.sender_may_notify(key)?,
        })
    }

    /// Whether it holds of every plain message, of none, or, as `None`, of some: see
    /// [`crate::RuleSet::of_plain`].
    pub(crate) fn holds_of_plain(&self, room_id: &str) -> Option<bool> {
        const ABSENT: [&[&str]; 3] = [
            &["state_key"],
            &["content", "m.mentions"],
            &["content", "m.relates_to"],
        ];
        let path = match self {
            Self::Match(path, _)
            | Self::IsUser(path)
            | Self::Is(path, _)
            | Self::Contains(path, _)
            | Self::ContainsUser(path) => path,
            Self::NoMentions => return Some(true),
            Self::Words(_)
            | Self::DisplayName
            | Self::UserName
            | Self::Members(..)
            | Self::MayNotify(_) => return None,
        };
        if ABSENT.iter().any(|names| path.leads_into(names)) {
            return Some(false);
        }
        match self {
            Self::Match(path, glob) if path.is(&["type"]) => Some(glob.matches("m.room.message")),
            Self::Match(path, glob) if path.is(&["room_id"]) => Some(glob.matches(&fold(room_id))),
            Self::Is(path, Scalar::Text(id)) if path.is(&["room_id"]) => Some(**id == *room_id),
            Self::Match(path, glob) if path.is(&["content", "msgtype"]) => {
                (glob.literal() == Some("m.notice")).then_some(false)
            }
            _ => None,
        }
    }
}

fn localpart(user_id: &str) -> &str {
    let rest = user_id.strip_prefix('@').unwrap_or(user_id);
    rest.split_once(':')
        .map_or(rest, |(localpart, _)| localpart)
}

/// Whether a folded body has a display name as words.
fn has_name(body: &str, name: &str) -> bool {
    // What are wildcards in a pattern are letters in a name; `?` matches them, too.
    let pattern = name.replace(['*', '?'], "?");
    !name.is_empty() && Glob::new(&pattern).matches_words(body)
}

/// Reads `is` of `room_member_count`.
fn members(is: &str) -> Option<Condition> {
    let (comparison, number) = [
        ("==", Comparison::Is),
        ("<=", Comparison::AtMost),
        (">=", Comparison::AtLeast),
        ("<", Comparison::Below),
        (">", Comparison::Above),
    ]
    .into_iter()
    .find_map(|(sign, comparison)| Some((comparison, is.strip_prefix(sign)?)))
    .unwrap_or((Comparison::Is, is));
    if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(Condition::Members(comparison, number.parse().ok()?))
}
