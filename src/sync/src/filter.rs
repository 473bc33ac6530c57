//! Filters: what a client wants to be told.
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#filtering>
//!
//! A filter is read once and compared by numbers and sorted strings; an empty list matches
//! nothing, a missing one everything, and `not_` lists win.

use heliograph_rooms::{Presenter, RelatedBy, RoomError, SharedEvent};
use ruma_common::{RoomId, UserId};
use serde::Deserialize;

/// How events are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EventFormat {
    /// As clients know them.
    #[default]
    Client,
    /// As servers exchange them.
    Federation,
}

/// A filter as clients upload it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Filter {
    /// Dotted paths of the keys that events keep; all when absent.
    pub event_fields: Option<Vec<String>>,
    /// How events are written.
    pub event_format: EventFormat,
    /// Of global account data.
    pub account_data: EventFilter,
    /// Of presence.
    pub presence: EventFilter,
    /// Of rooms.
    pub room: RoomFilter,
}

/// What a filter wants of rooms.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct RoomFilter {
    /// Only these rooms.
    pub rooms: Option<Vec<String>>,
    /// Not these rooms.
    pub not_rooms: Option<Vec<String>>,
    /// Whether rooms that were left are in an initial sync.
    pub include_leave: bool,
    /// Of state.
    pub state: EventFilter,
    /// Of timelines.
    pub timeline: EventFilter,
    /// Of receipts and typing.
    pub ephemeral: EventFilter,
    /// Of account data.
    pub account_data: EventFilter,
}

/// What a filter wants of events; the spec's `RoomEventFilter`, of which `EventFilter` is a part.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct EventFilter {
    /// At most so many.
    pub limit: Option<u64>,
    /// Only these types; `*` stands for any run of characters.
    pub types: Option<Vec<String>>,
    /// Not these types.
    pub not_types: Option<Vec<String>>,
    /// Only of these senders.
    pub senders: Option<Vec<String>>,
    /// Not of these senders.
    pub not_senders: Option<Vec<String>>,
    /// Only in these rooms.
    pub rooms: Option<Vec<String>>,
    /// Not in these rooms.
    pub not_rooms: Option<Vec<String>>,
    /// Only with a `url` in the content, or only without.
    pub contains_url: Option<bool>,
    /// Only with one of these types of relation to another event.
    #[serde(rename = "org.matrix.msc3874.rel_types", alias = "rel_types")]
    pub rel_types: Option<Vec<String>>,
    /// Not with one of these types of relation to another event.
    #[serde(rename = "org.matrix.msc3874.not_rel_types", alias = "not_rel_types")]
    pub not_rel_types: Option<Vec<String>>,
    /// Only events to which another relates in one of these ways.
    pub related_by_rel_types: Option<Vec<String>>,
    /// Only events to which an event of one of these senders relates.
    pub related_by_senders: Option<Vec<String>>,
    /// Only members that the events at hand are about.
    pub lazy_load_members: bool,
    /// Such members again although they were sent before.
    pub include_redundant_members: bool,
    /// Unread counts of each thread by itself.
    pub unread_thread_notifications: bool,
}

/// Why a filter is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a filter: {0}")]
pub struct BadFilter(String);

impl Filter {
    /// Reads a filter.
    pub fn parse(json: &str) -> Result<Self, BadFilter> {
        // A derived struct would also be read from an array.
        if !json.trim_start().starts_with('{') {
            return Err(BadFilter("it is not an object".to_owned()));
        }
        let filter: Self =
            serde_json::from_str(json).map_err(|error| BadFilter(error.to_string()))?;
        filter.check_ids()?;
        Ok(filter)
    }

    /// Refuses what cannot be the id of a room or user. The spec does not demand it, but such a
    /// list matches nothing, which nobody wants.
    fn check_ids(&self) -> Result<(), BadFilter> {
        let room = &self.room;
        check_rooms([room.rooms.as_ref(), room.not_rooms.as_ref()])?;
        let of_rooms = [
            &room.state,
            &room.timeline,
            &room.ephemeral,
            &room.account_data,
        ];
        for filter in of_rooms.into_iter().chain([&self.account_data]) {
            check_rooms([filter.rooms.as_ref(), filter.not_rooms.as_ref()])?;
            let senders = [filter.senders.as_ref(), filter.not_senders.as_ref()];
            for sender in senders.into_iter().flatten().flatten() {
                if <&UserId>::try_from(sender.as_str()).is_err() {
                    return Err(BadFilter(format!("{sender:?} is not a user id")));
                }
            }
        }
        Ok(())
    }
}

fn check_rooms(lists: [Option<&Vec<String>>; 2]) -> Result<(), BadFilter> {
    for room in lists.into_iter().flatten().flatten() {
        if <&RoomId>::try_from(room.as_str()).is_err() {
            return Err(BadFilter(format!("{room:?} is not a room id")));
        }
    }
    Ok(())
}

/// Whether a list lets a value through.
fn listed(list: Option<&Vec<String>>, value: &str) -> bool {
    list.is_none_or(|list| list.iter().any(|entry| entry == value))
}

/// Whether a value is in a list that shuts out.
fn shut_out(list: Option<&Vec<String>>, value: &str) -> bool {
    list.is_some_and(|list| list.iter().any(|entry| entry == value))
}

/// Whether a pattern with `*` for any run of characters matches a whole text.
fn matches(pattern: &str, text: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(mut text) = text.strip_prefix(head) else {
        return false;
    };
    let mut parts = rest.split('*').peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return text.ends_with(part);
        }
        let Some(at) = text.find(part) else {
            return false;
        };
        text = text.get(at.saturating_add(part.len())..).unwrap_or("");
    }
    true
}

impl RoomFilter {
    /// Whether a room is wanted.
    pub fn wants_room(&self, room_id: &str) -> bool {
        listed(self.rooms.as_ref(), room_id) && !shut_out(self.not_rooms.as_ref(), room_id)
    }
}

impl EventFilter {
    /// Whether a room is wanted.
    pub fn wants_room(&self, room_id: &str) -> bool {
        listed(self.rooms.as_ref(), room_id) && !shut_out(self.not_rooms.as_ref(), room_id)
    }

    /// Whether every event is wanted, its room left aside: there is nothing to look at.
    pub fn wants_all(&self) -> bool {
        self.types.is_none()
            && self.not_types.is_none()
            && self.senders.is_none()
            && self.not_senders.is_none()
            && self.contains_url.is_none()
            && self.rel_types.is_none()
            && self.not_rel_types.is_none()
            && self.related_by_rel_types.is_none()
            && self.related_by_senders.is_none()
    }

    /// Whether a type is wanted.
    pub fn wants_type(&self, event_type: &str) -> bool {
        let any = |list: &Vec<String>| list.iter().any(|pattern| matches(pattern, event_type));
        self.types.as_ref().is_none_or(any) && !self.not_types.as_ref().is_some_and(any)
    }

    /// Whether a sender is wanted.
    pub fn wants_sender(&self, sender: &str) -> bool {
        listed(self.senders.as_ref(), sender) && !shut_out(self.not_senders.as_ref(), sender)
    }

    /// Whether an event that relates in this way to another, if to any, is wanted.
    ///
    /// <https://github.com/matrix-org/matrix-spec-proposals/pull/3874>
    pub fn wants_rel_type(&self, rel_type: Option<&str>) -> bool {
        match rel_type {
            Some(rel_type) => {
                listed(self.rel_types.as_ref(), rel_type)
                    && !shut_out(self.not_rel_types.as_ref(), rel_type)
            }
            None => self.rel_types.is_none(),
        }
    }

    /// Whether an event is wanted, its room and what relates to it left aside.
    fn wants(&self, event: &SharedEvent) -> bool {
        self.wants_type(&event.event_type)
            && self.wants_sender(&event.sender)
            && self
                .contains_url
                .is_none_or(|wanted| wanted == event.has_url)
            && self.wants_rel_type(event.rel_type.as_deref())
    }

    /// Whether an event of a room that `presenter` makes is wanted, its room left aside.
    pub fn wants_of(
        &self,
        presenter: &Presenter<'_>,
        event: &SharedEvent,
    ) -> Result<bool, RoomError> {
        if !self.wants(event) {
            return Ok(false);
        }
        let wanted = RelatedBy {
            rel_types: self.related_by_rel_types.as_deref(),
            senders: self.related_by_senders.as_deref(),
        };
        if wanted.rel_types.is_none() && wanted.senders.is_none() {
            return Ok(true);
        }
        presenter.is_related_by(event, wanted)
    }

    /// The limit, or `default`, and never more than `most`.
    pub fn limit(&self, default: usize, most: usize) -> usize {
        self.limit
            .map_or(default, |n| usize::try_from(n).unwrap_or(most))
            .min(most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_match_runs() {
        for (pattern, text, expected) in [
            ("m.room.*", "m.room.name", true),
            ("m.room.*", "m.reaction", false),
            ("*", "", true),
            ("*.name", "m.room.name", true),
            ("m.*.na*", "m.room.name", true),
            ("m.room.name", "m.room.names", false),
            ("a*a", "a", false),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} on {text}");
        }
    }

    #[test]
    fn an_empty_list_matches_nothing_and_not_lists_win() {
        let none = Filter::parse(r#"{"room":{"timeline":{"types":[]}}}"#).unwrap();
        assert!(!none.room.timeline.wants_type("m.room.message"), "SYN-06");
        let both =
            Filter::parse(r#"{"room":{"timeline":{"types":["m.*"],"not_types":["m.room.*"]}}}"#)
                .unwrap();
        assert!(both.room.timeline.wants_type("m.reaction"));
        assert!(!both.room.timeline.wants_type("m.room.message"), "SYN-03");
    }

    #[test]
    fn what_is_not_a_filter_is_refused() {
        for bad in [
            "[]",
            "{\"room\":1}",
            "{\"event_format\":\"x\"}",
            "{\"room\":{\"rooms\":1}}",
        ] {
            assert!(Filter::parse(bad).is_err(), "{bad}");
        }
    }
}
