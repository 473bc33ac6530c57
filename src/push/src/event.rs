//! An event as push rules read it: parsed once, for all who are asked about it.

use std::sync::OnceLock;

use serde_json::{Map, Value};

use crate::glob::fold;

/// The property that mentions users.
///
/// <https://spec.matrix.org/v1.19/client-server-api/#user-and-room-mentions>
const MENTIONS: &str = "m.mentions";

/// An event.
#[derive(Debug)]
pub struct PushEvent {
    json: Value,
    size_bytes: usize,
    /// `content.body`, folded, once somebody has asked for it.
    body: OnceLock<Option<Box<str>>>,
}

/// The path of a property.
///
/// <https://spec.matrix.org/v1.19/appendices/#dot-separated-property-paths>
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path(Box<[Box<str>]>);

impl Path {
    /// Reads a path: names between dots; a backslash takes its meaning from a dot or a backslash.
    pub fn new(text: &str) -> Self {
        let mut names = Vec::new();
        let mut name = String::new();
        let mut rest = text.chars().peekable();
        while let Some(c) = rest.next() {
            match c {
                '.' => names.push(std::mem::take(&mut name).into()),
                '\\' => name.push(rest.next_if(|c| matches!(c, '.' | '\\')).unwrap_or('\\')),
                c => name.push(c),
            }
        }
        names.push(name.into());
        Self(names.into())
    }

    /// Whether it is that of a property with these names.
    pub(crate) fn is(&self, names: &[&str]) -> bool {
        self.0.iter().map(|name| &**name).eq(names.iter().copied())
    }

    /// Whether it leads to a property with these names, or into it.
    pub(crate) fn leads_into(&self, names: &[&str]) -> bool {
        let first = self.0.get(..names.len());
        first.is_some_and(|first| first.iter().zip(names).all(|(a, b)| **a == **b))
    }

    pub(crate) fn size_bytes(&self) -> usize {
        let names = self.0.iter().map(|name| name.len().saturating_add(16));
        names.sum()
    }
}

impl PushEvent {
    /// Reads an event in the form that clients get, `open_json` without its closing brace and
    /// without a `room_id`; what is no event has no properties.
    pub fn parse(open_json: &str, room_id: &str) -> Self {
        let whole = format!("{open_json}}}");
        let mut json: Map<String, Value> = serde_json::from_str(&whole).unwrap_or_default();
        json.insert("room_id".to_owned(), room_id.into());
        Self {
            json: Value::Object(json),
            size_bytes: whole.len(),
            body: OnceLock::new(),
        }
    }

    /// A property.
    pub fn get(&self, path: &Path) -> Option<&Value> {
        path.0
            .iter()
            .try_fold(&self.json, |value, name| value.get(&**name))
    }

    /// A property of the event itself that is a text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.json.get(name)?.as_str()
    }

    /// `content.body`, folded.
    pub(crate) fn body(&self) -> Option<&str> {
        let body = self.body.get_or_init(|| {
            let body = self.json.get("content")?.get("body")?.as_str()?;
            Some(fold(body).into())
        });
        body.as_deref()
    }

    /// Whether the event names a user where the predefined rules look for one: as its state key or
    /// among those that it mentions. Of an event that does not, all users with the same rules are
    /// told the same.
    pub fn names(&self, user_id: &str) -> bool {
        let is_key = |key: &str| key == user_id || fold(key) == fold(user_id);
        if self.text("state_key").is_some_and(is_key) {
            return true;
        }
        let users = self
            .mentions()
            .and_then(|mentions| mentions.get("user_ids"));
        let users = users.and_then(Value::as_array);
        users.is_some_and(|users| users.iter().any(|user| user.as_str() == Some(user_id)))
    }

    /// Whether the event says whom it mentions, be it nobody.
    pub(crate) fn says_whom_it_mentions(&self) -> bool {
        self.mentions().is_some()
    }

    fn mentions(&self) -> Option<&Value> {
        self.json.get("content")?.get(MENTIONS)
    }

    /// Bytes of the event, about.
    pub const fn size_bytes(&self) -> usize {
        self.size_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_go_by_dots_that_are_not_escaped() {
        for (text, names) in [
            ("type", &["type"][..]),
            ("content.body", &["content", "body"]),
            (
                r"content.m\.mentions.room",
                &["content", "m.mentions", "room"],
            ),
            (r"a\\.b", &[r"a\", "b"]),
            (r"a\xb", &[r"a\xb"]),
            (r"a\", &[r"a\"]),
            ("", &[""]),
            ("a..b", &["a", "", "b"]),
        ] {
            assert!(Path::new(text).is(names), "PSH-21: {text}");
        }
    }

    #[test]
    fn a_user_is_named_by_mention_or_state_key() {
        let event = |rest: &str| PushEvent::parse(&format!("{{\"type\":\"x\"{rest}"), "!r");
        let mention = event(r#","content":{"m.mentions":{"user_ids":["@a:x",1]}}"#);
        assert!(mention.names("@a:x") && !mention.names("@b:x"));
        let key = event(r#","state_key":"@a:x","content":{}"#);
        assert!(key.names("@a:x") && !key.names("@b:x"));
        assert!(!event(r#","content":{"m.mentions":["@a:x"]}"#).names("@a:x"));
        assert!(!PushEvent::parse("nonsense", "!r").names("@a:x"));
    }
}
