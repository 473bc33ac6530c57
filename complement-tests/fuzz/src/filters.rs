//! Filters of syncs and pages.

use heliograph_core::json::{Numbers, parse};
use heliograph_sync::{EventFilter, EventFormat, Filter, RoomFilter};
use serde_json::{Value, json};

use crate::must;

/// The longest text and pattern that are compared the slow way.
const SHORT: usize = 64;

/// Filters: JSON up to the first zero byte, then a type and a sender that it is asked about. What
/// is read is read alike from its canonical form and from what it says, and stars match what they
/// must.
///
/// # Panics
/// When a property does not hold.
pub fn filters(data: &[u8]) {
    let mut parts = data.splitn(3, |byte| *byte == 0);
    let mut next = || std::str::from_utf8(parts.next().unwrap_or_default()).unwrap_or_default();
    let (text, event_type, sender) = (next(), next(), next());
    let Ok(filter) = Filter::parse(text) else {
        return;
    };
    assert!(text.trim_start().starts_with('{'), "a filter is an object");
    let written = written(&filter).to_string();
    assert_eq!(must(Filter::parse(&written), "what a filter says"), filter);
    // What a filter does not know may be what canonical JSON has no form for.
    if let Ok(value) = parse(text.as_bytes(), Numbers::Loose) {
        let canonical = value.to_canonical_string();
        assert_eq!(must(Filter::parse(&canonical), "canonical"), filter);
    }
    let room = &filter.room;
    let of_events = [
        &filter.account_data,
        &room.state,
        &room.timeline,
        &room.ephemeral,
        &room.account_data,
    ];
    for events in of_events {
        asked(events, event_type, sender);
    }
    let wanted = wants(room.rooms.as_ref(), room.not_rooms.as_ref(), |e| {
        e == sender
    });
    assert_eq!(room.wants_room(sender), wanted, "rooms are named whole");
}

/// A filter's answers about a type, a sender and a room.
fn asked(filter: &EventFilter, event_type: &str, sender: &str) {
    let wanted = wants(filter.senders.as_ref(), filter.not_senders.as_ref(), |e| {
        e == sender
    });
    assert_eq!(filter.wants_sender(sender), wanted, "senders");
    let wanted = wants(filter.rooms.as_ref(), filter.not_rooms.as_ref(), |e| {
        e == sender
    });
    assert_eq!(filter.wants_room(sender), wanted, "rooms");
    let lists = [&filter.types, &filter.not_types];
    let mut patterns = lists.into_iter().flatten().flatten();
    let short = |text: &str| text.len() <= SHORT;
    if short(event_type) && patterns.all(|p| short(p)) {
        let wanted = wants(filter.types.as_ref(), filter.not_types.as_ref(), |e| {
            stars(e.as_bytes(), event_type.as_bytes())
        });
        assert_eq!(filter.wants_type(event_type), wanted, "types");
    }
    if filter.wants_all() {
        assert!(filter.wants_type(event_type) && filter.wants_sender(sender));
    }
    assert!(filter.limit(10, 100) <= 100, "limits are limited");
    assert_eq!(filter.limit(10, 0), 0);
}

/// A value is wanted that a list has, or any without a list, unless the other list has it.
fn wants(list: Option<&Vec<String>>, not: Option<&Vec<String>>, is: impl Fn(&str) -> bool) -> bool {
    list.is_none_or(|list| list.iter().any(|entry| is(entry)))
        && !not.is_some_and(|list| list.iter().any(|entry| is(entry)))
}

/// Whether a pattern with stars matches: by all ways at once, one character after the other.
fn stars(pattern: &[u8], text: &[u8]) -> bool {
    // The lengths of the heads of the pattern that match the text so far.
    let after_stars = |mut at: usize, heads: &mut Vec<usize>| {
        heads.push(at);
        while pattern.get(at) == Some(&b'*') {
            at += 1;
            heads.push(at);
        }
    };
    let mut heads = Vec::new();
    after_stars(0, &mut heads);
    for byte in text {
        let mut longer = Vec::new();
        for at in heads {
            match pattern.get(at) {
                Some(b'*') => after_stars(at, &mut longer),
                Some(wanted) if wanted == byte => after_stars(at + 1, &mut longer),
                _ => {}
            }
        }
        longer.sort_unstable();
        longer.dedup();
        heads = longer;
    }
    heads.contains(&pattern.len())
}

/// A filter as JSON with every key that it has.
fn written(filter: &Filter) -> Value {
    let format = match filter.event_format {
        EventFormat::Client => "client",
        EventFormat::Federation => "federation",
    };
    json!({
        "event_fields": filter.event_fields,
        "event_format": format,
        "account_data": written_events(&filter.account_data),
        "room": written_room(&filter.room),
    })
}

fn written_room(room: &RoomFilter) -> Value {
    json!({
        "rooms": room.rooms,
        "not_rooms": room.not_rooms,
        "include_leave": room.include_leave,
        "state": written_events(&room.state),
        "timeline": written_events(&room.timeline),
        "ephemeral": written_events(&room.ephemeral),
        "account_data": written_events(&room.account_data),
    })
}

fn written_events(events: &EventFilter) -> Value {
    json!({
        "limit": events.limit,
        "types": events.types,
        "not_types": events.not_types,
        "senders": events.senders,
        "not_senders": events.not_senders,
        "rooms": events.rooms,
        "not_rooms": events.not_rooms,
        "contains_url": events.contains_url,
        "org.matrix.msc3874.rel_types": events.rel_types,
        "not_rel_types": events.not_rel_types,
        "related_by_rel_types": events.related_by_rel_types,
        "related_by_senders": events.related_by_senders,
        "lazy_load_members": events.lazy_load_members,
        "include_redundant_members": events.include_redundant_members,
        "unread_thread_notifications": events.unread_thread_notifications,
    })
}

/// Filters of each part, and what they are asked about.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    [
        "{}",
        "{\"event_fields\":[\"type\",\"content.a\\\\.b\"],\"event_format\":\"federation\"}",
        "{\"room\":{\"rooms\":[\"!a:b\"],\"not_rooms\":[],\"include_leave\":true}}\0m.x\0!a:b",
        "{\"room\":{\"timeline\":{\"limit\":10,\"types\":[\"m.room.*\",\"*\"],\"not_types\":[\
            \"*a*b*\"]}}}\0m.room.name\0@a:b",
        "{\"room\":{\"state\":{\"senders\":[\"@a:b\"],\"not_senders\":[\"@c:d\"],\
            \"lazy_load_members\":true,\"include_redundant_members\":false,\"unread_thread_notifications\":true}}}\0m.a\0@a:b",
        "{\"room\":{\"timeline\":{\"rel_types\":[\"m.thread\"],\"not_rel_types\":[],\"related_by_rel_types\":[\"m.x\"],\
            \"related_by_senders\":[\"@a:b\"]}}}\0m.a\0@a:b",
        "{\"room\":{\"ephemeral\":{\"types\":[\"a*a\",\"**\"]},\"account_data\":{\"limit\":0,\
            \"contains_url\":null}}}\0a\0@a:b",
        "{\"account_data\":{\"not_types\":[\"*\"],\"contains_url\":true,\"rooms\":null},\
            \"presence\":{\"x\":1.5}}\0aa\0",
        "{\"account_data\":{\"types\":[\"*.name\"]},\"room\":{\"state\":{\"types\":[\"m*room*name\"]},\
            \"timeline\":{\"not_types\":[\"m.*.na*e\"]}}}\0m.room.name.x\0@a:b",
        "{\"account_data\":{\"types\":[\"*aa\"]},\"room\":{\"state\":{\"types\":[\"a*ba*\"]}}}\0abaa\0",
        "[]",
        "{\"event_format\":\"x\"}",
    ]
    .map(|text| text.as_bytes().to_vec())
    .into()
}
