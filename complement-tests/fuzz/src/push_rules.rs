//! Push rules that users make, patterns among them.

use std::{convert::Infallible, sync::LazyLock};

use bytes::Bytes;
use heliograph_push::{Glob, MAX_PATTERN_CHARS, Path, PushEvent, RuleSets, Surroundings, fold};

/// The longest text and pattern that are compared the slow way.
const SHORT: usize = 48;
/// Whose rules they are.
const USER: &str = "@a:b";

/// A room in which everything is as the byte says.
struct Room(u8);

impl Surroundings for Room {
    type Error = Infallible;

    fn joined_members(&self) -> Result<u64, Infallible> {
        Ok(u64::from(self.0 % 8))
    }

    fn sender_may_notify(&self, key: &str) -> Result<bool, Infallible> {
        Ok(key == "room" && self.0.is_multiple_of(2))
    }

    fn display_name(&self) -> Result<Option<Box<str>>, Infallible> {
        Ok((!self.0.is_multiple_of(3)).then(|| "Al *?".into()))
    }
}

/// Rules as they are stored up to the first zero byte, then an event without its closing brace, a
/// pattern, and a text. Rules are asked without a panic and say the same each time; who is not
/// named is told what all others are; what is said of plain messages holds; patterns match what a
/// slow and simple matcher says.
///
/// # Panics
/// When a property does not hold.
pub fn push_rules(data: &[u8]) {
    static SETS: LazyLock<RuleSets> = LazyLock::new(RuleSets::default);
    let mut parts = data.splitn(4, |byte| *byte == 0);
    let mut next = || parts.next().unwrap_or_default();
    let changes = Bytes::copy_from_slice(next());
    let mut text = || String::from_utf8_lossy(next()).into_owned();
    let (event, pattern, text) = (text(), text(), text());
    patterns(&pattern, &text);
    let path = Path::new(&pattern);
    let room = Room(u8::try_from(data.len() % 256).unwrap_or_default());
    let rules = SETS.with(&changes);
    let event = PushEvent::parse(&event, "!room:b");
    let _property = event.get(&path);
    let Ok(told) = rules.outcome(&event, Some(USER), &room);
    assert!(told.notify || !told.highlight, "a highlight notifies");
    assert_eq!(rules.outcome(&event, Some(USER), &room), Ok(told.clone()));
    if !event.names(USER) && !rules.is_personal() {
        assert_eq!(rules.outcome(&event, None, &room), Ok(told));
    }
    if let Some(plain) = rules.of_plain("!room:b") {
        let body = serde_json::Value::from(text.replace("m.", ""));
        let message = format!(
            "{{\"type\":\"m.room.message\",\"sender\":\"@c:d\",\"content\":\
                {{\"msgtype\":\"m.text\",\"body\":{body}}}"
        );
        let message = PushEvent::parse(&message, "!room:b");
        let Ok(told) = rules.outcome(&message, Some(USER), &room);
        assert_eq!((told.notify, told.highlight), plain, "a plain message");
    }
}

fn patterns(pattern: &str, text: &str) {
    let glob = Glob::new(pattern);
    let (pattern, text) = (fold(pattern), fold(text));
    let (whole, words) = (glob.matches(&text), glob.matches_words(&text));
    assert!(words || !whole || pattern.chars().count() > MAX_PATTERN_CHARS || text.is_empty());
    if pattern.len() <= SHORT && text.len() <= SHORT {
        let pattern: Vec<char> = pattern.chars().collect();
        let text: Vec<char> = text.chars().collect();
        assert_eq!(whole, slow(&pattern, &text), "a pattern and a text");
    }
}

/// Whether a pattern matches a text: the lengths of its heads that do, after each character.
fn slow(pattern: &[char], text: &[char]) -> bool {
    let on = |heads: &mut Vec<usize>, at: usize| {
        heads.push(at);
        let stars = pattern.iter().skip(at).take_while(|c| **c == '*');
        heads.extend((1..=stars.count()).map(|more| at + more));
    };
    let mut heads = Vec::new();
    on(&mut heads, 0);
    for c in text {
        let mut longer = Vec::new();
        for at in heads {
            match pattern.get(at) {
                Some('*') => on(&mut longer, at),
                Some(wanted) if wanted == c || *wanted == '?' => on(&mut longer, at + 1),
                _ => {}
            }
        }
        longer.sort_unstable();
        longer.dedup();
        heads = longer;
    }
    heads.contains(&pattern.len())
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    [
        "{\"own\":{},\"predefined\":{}}\0{\"type\":\"m.room.message\",\"sender\":\"@c:d\",\
            \"content\":{\"body\":\"hello a b\",\"msgtype\":\"m.text\"}\0h*o\0hello",
        "{\"own\":{\"override\":[{\"rule_id\":\"x\",\"default\":false,\"enabled\":true,\
            \"conditions\":[{\"kind\":\"event_match\",\"key\":\"content.body\",\"pattern\":\"*a?\"},\
            {\"kind\":\"event_property_is\",\"key\":\"content.n\",\"value\":5},\
            {\"kind\":\"event_property_contains\",\"key\":\"content.l\",\"value\":null}],\
            \"actions\":[\"notify\",{\"set_tweak\":\"highlight\"}]}]},\"predefined\":{}}\0\
            {\"type\":\"x\",\"content\":{\"body\":\"xab\",\"n\":5,\"l\":[null]}\0a?b*\0aXbc",
        "{\"own\":{\"underride\":[{\"rule_id\":\"y\",\"enabled\":true,\"conditions\":[\
            {\"kind\":\"room_member_count\",\"is\":\">=3\"},{\"kind\":\"contains_display_name\"},\
            {\"kind\":\"sender_notification_permission\",\"key\":\"room\"}],\"actions\":[\"notify\"]}]},\
            \"predefined\":{\".m.rule.master\":{\"enabled\":true}}}\0\
            {\"content\":{\"body\":\"al *?\",\"m.mentions\":{\"user_ids\":[\"@a:b\"],\"room\":true}}\0\
            content.m\\.x\\\\.y\0_a_",
        "{\"own\":{\"content\":[{\"rule_id\":\"c\",\"pattern\":\"b*\",\"actions\":[]}],\
            \"room\":[{\"rule_id\":\"!room:b\",\"actions\":[]}],\"sender\":[{\"rule_id\":\"@c:d\",\
            \"actions\":[\"dont_notify\"]}]},\"predefined\":{\".m.rule.message\":{\"actions\":[]}}}\0\
            {\"type\":\"m.room.member\",\"state_key\":\"@A:b\",\"content\":{\"membership\":\"invite\"}\0\
            **\0",
    ]
    .map(|text| text.as_bytes().to_vec())
    .into()
}
