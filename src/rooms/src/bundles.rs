//! Aggregations that are bundled with an event: `unsigned` → `m.relations`.
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#aggregations-of-child-events>
//!
//! Which events of a page have relations is one look at a range of the index for each run of event
//! numbers: a page whose events came one after the other reads no row for those without.

use std::{collections::HashMap, fmt::Write, sync::Arc};

use heliograph_core::ids::EventIdx;
use heliograph_tables::{
    Direction,
    schema::{
        EDITS, EventStatus, RELATED, RELATIONS, RelationKind, RelationKinds, THREAD_SENDERS,
        THREADS,
    },
};

use crate::{
    RoomError,
    serving::{Form, Presenter, SharedEvent, push_string},
};

/// Event numbers that may lie between two of a page in one look at the index.
const MAX_GAP: u32 = 16;
/// Ids in one `m.reference`, at most: the first ones.
const MAX_REFERENCES: usize = 100;
/// Relations looked at to find one that counts.
const MAX_LOOKED_AT: usize = 500;

/// Which events of a page have relations, and of which kinds.
#[derive(Debug, Default)]
pub struct Related(HashMap<EventIdx, RelationKinds>);

impl Related {
    pub(crate) fn of(&self, event: EventIdx) -> RelationKinds {
        self.0.get(&event).copied().unwrap_or_default()
    }
}

/// An event with what is known of it.
type Known = (Arc<EventStatus>, Arc<SharedEvent>);

/// What a thread is to one reader.
pub(crate) struct ThreadSummary {
    replies: u32,
    latest: EventIdx,
    participated: bool,
}

impl ThreadSummary {
    /// Whether the reader has sent the root or a reply.
    pub(crate) const fn participated(&self) -> bool {
        self.participated
    }
}

impl Presenter<'_> {
    /// Which of these events have relations.
    pub fn related(&self, events: &[EventIdx]) -> Result<Related, RoomError> {
        let mut sorted = events.to_vec();
        sorted.sort_unstable();
        let mut related = Related::default();
        for run in sorted.chunk_by(|a, b| b.0.saturating_sub(a.0) <= MAX_GAP) {
            let (Some(first), Some(last)) = (run.first(), run.last()) else {
                continue;
            };
            let end = (self.room(), EventIdx(last.0.saturating_add(1)));
            let rows =
                self.view()
                    .range(&RELATED, &(self.room(), *first), &end, Direction::Forward);
            for row in rows {
                let ((_, event), kinds) = row?;
                related.0.insert(event, kinds);
            }
        }
        Ok(related)
    }

    /// An event whole, with `room_id` and the aggregations of what relates to it.
    pub fn bundled_event(&self, idx: EventIdx) -> Result<String, RoomError> {
        let mut json = String::new();
        self.push_bundled_event(&mut json, idx, &self.related(&[idx])?, Form::WithRoomId)?;
        Ok(json)
    }

    /// Appends an event of a page with the aggregations of what relates to it.
    pub fn push_bundled_event(
        &self,
        out: &mut String,
        idx: EventIdx,
        related: &Related,
        form: Form,
    ) -> Result<(), RoomError> {
        let known = self.known(idx)?;
        let relations = self.bundle(related.of(idx), &known, form, true)?;
        self.push_event(out, (&known.0, &known.1), form, &relations)
    }

    fn known(&self, idx: EventIdx) -> Result<Known, RoomError> {
        let status = self.status(idx)?;
        let shared = self.shared(idx, &status)?;
        Ok((status, shared))
    }

    /// The key of an event in the indexes of relations.
    pub(crate) fn target_hash(&self, shared: &SharedEvent) -> Result<[u8; 32], RoomError> {
        let version = self.inner.events.version(self.view(), self.room())?;
        let id = ruma_common::EventId::parse(&*shared.event_id)
            .map_err(|_| RoomError::Inconsistent("event id"))?;
        Ok(crate::events::id_hash(&self.room_id, &id, version))
    }

    /// Whether the reader is shown an event that relates to another.
    pub(crate) fn shows(&self, idx: EventIdx) -> Result<bool, RoomError> {
        let status = self.status(idx)?;
        Ok(status.redacted_by.is_none()
            && status.timeline.is_some()
            && self.visibility().allows(idx, &status)?)
    }

    /// The object `m.relations` of an event; empty when there is nothing to tell.
    fn bundle(
        &self,
        kinds: RelationKinds,
        known: &Known,
        form: Form,
        with_thread: bool,
    ) -> Result<String, RoomError> {
        if kinds == RelationKinds::NONE {
            return Ok(String::new());
        }
        let hash = self.target_hash(&known.1)?;
        let mut members: Vec<String> = Vec::new();
        if kinds.has(RelationKind::Replace)
            && let Some(edit) = self.latest_edit(hash, known)?
        {
            let mut json = String::from("\"m.replace\":");
            let edit = self.known(edit)?;
            self.push_event(&mut json, (&edit.0, &edit.1), form, "")?;
            members.push(json);
        }
        if kinds.has(RelationKind::Reference) {
            members.extend(self.references(hash)?);
        }
        if with_thread
            && kinds.has(RelationKind::Thread)
            && let Some(thread) = self.thread(hash, &known.1)?
        {
            members.push(self.thread_json(&thread, form)?);
        }
        if members.is_empty() {
            return Ok(String::new());
        }
        Ok(format!("{{{}}}", members.join(",")))
    }

    /// The event that replaces another: the newest by its sender's clock, then the greatest by id.
    ///
    /// <https://spec.matrix.org/v1.19/client-server-api/#server-side-aggregation-of-mreplace-relationships>
    fn latest_edit(
        &self,
        hash: [u8; 32],
        (status, shared): &Known,
    ) -> Result<Option<EventIdx>, RoomError> {
        let may_be_edited = status.redacted_by.is_none()
            && shared.state_key.is_none()
            && shared.rel_type.as_deref() != Some("m.replace");
        let sender = self
            .inner
            .interner
            .users
            .find(self.view(), &shared.sender)?;
        let Some(sender) = sender.filter(|_| may_be_edited) else {
            return Ok(None);
        };
        let start = (self.room(), hash, sender);
        let rows = self.view().scan(&EDITS, &start, Direction::Backward);
        for row in rows.take(MAX_LOOKED_AT) {
            let edit = row?.1.0;
            if self.shows(edit)? && self.known(edit)?.1.event_type == shared.event_type {
                return Ok(Some(edit));
            }
        }
        Ok(None)
    }

    /// `m.reference`: the ids of the events that refer to one.
    ///
    /// <https://spec.matrix.org/v1.19/client-server-api/#server-side-aggregation-of-mreference>
    fn references(&self, hash: [u8; 32]) -> Result<Option<String>, RoomError> {
        let mut ids = String::new();
        let mut count = 0;
        let start = (self.room(), hash, RelationKind::Reference);
        let rows = self.view().scan(&RELATIONS, &start, Direction::Forward);
        for row in rows.take(MAX_LOOKED_AT) {
            let (_, relation) = row?;
            if self.ignored()?.contains(&relation.sender) || !self.shows(relation.event)? {
                continue;
            }
            if !ids.is_empty() {
                ids.push(',');
            }
            ids.push_str("{\"event_id\":");
            push_string(&mut ids, &self.known(relation.event)?.1.event_id);
            ids.push('}');
            count += 1;
            if count == MAX_REFERENCES {
                break;
            }
        }
        let json = format!("\"m.reference\":{{\"chunk\":[{ids}]}}");
        Ok((count > 0).then_some(json))
    }

    /// What the thread of a root is to the reader; `None` when there is nothing to show of it.
    ///
    /// <https://spec.matrix.org/v1.19/client-server-api/#server-side-aggregation-of-mthread-relationships>
    pub(crate) fn thread(
        &self,
        hash: [u8; 32],
        root: &SharedEvent,
    ) -> Result<Option<ThreadSummary>, RoomError> {
        let Some(row) = self.view().get(&THREADS, &(self.room(), hash))? else {
            return Ok(None);
        };
        let by = |user| -> Result<u32, RoomError> {
            let row = self
                .view()
                .get(&THREAD_SENDERS, &(self.room(), hash, user))?;
            Ok(row.map_or(0, |row| row.0))
        };
        let replies = row
            .replies
            .saturating_sub(self.ignored_replies(hash, row.replies)?);
        let latest = if replies > 0 {
            self.latest_reply(hash)?
        } else {
            None
        };
        let Some(latest) = latest else {
            return Ok(None);
        };
        let participated = match &self.reader {
            Some(reader) => {
                let users = &self.inner.interner.users;
                by(reader.user)? > 0 || users.find(self.view(), &root.sender)? == Some(reader.user)
            }
            None => false,
        };
        Ok(Some(ThreadSummary {
            replies,
            latest,
            participated,
        }))
    }

    /// How many of a thread's replies are by users whom the reader ignores: by the shorter of the
    /// two lists, of those users and of those who replied.
    fn ignored_replies(&self, hash: [u8; 32], replies: u32) -> Result<u32, RoomError> {
        let ignored = self.ignored()?;
        let mut count = 0u32;
        if usize::try_from(replies).is_ok_and(|most| most < ignored.len()) {
            let start = (self.room(), hash);
            for row in self
                .view()
                .scan(&THREAD_SENDERS, &start, Direction::Forward)
            {
                let ((.., sender), row) = row?;
                if ignored.contains(&sender) {
                    count = count.saturating_add(row.0);
                }
            }
            return Ok(count);
        }
        for user in ignored {
            let key = (self.room(), hash, *user);
            let row = self.view().get(&THREAD_SENDERS, &key)?;
            count = count.saturating_add(row.map_or(0, |row| row.0));
        }
        Ok(count)
    }

    /// The latest reply of a thread that the reader is shown.
    fn latest_reply(&self, hash: [u8; 32]) -> Result<Option<EventIdx>, RoomError> {
        let start = (self.room(), hash, RelationKind::Thread);
        let rows = self.view().scan(&RELATIONS, &start, Direction::Backward);
        for row in rows.take(MAX_LOOKED_AT) {
            let (_, relation) = row?;
            if !self.ignored()?.contains(&relation.sender) && self.shows(relation.event)? {
                return Ok(Some(relation.event));
            }
        }
        Ok(None)
    }

    /// `m.thread`
    fn thread_json(&self, thread: &ThreadSummary, form: Form) -> Result<String, RoomError> {
        let mut json = String::from("\"m.thread\":{\"latest_event\":");
        let latest = self.known(thread.latest)?;
        let kinds = self.related(&[thread.latest])?.of(thread.latest);
        let relations = self.bundle(kinds, &latest, form, false)?;
        self.push_event(&mut json, (&latest.0, &latest.1), form, &relations)?;
        let (replies, participated) = (thread.replies, thread.participated);
        // Writing into a string cannot fail.
        write!(
            json,
            ",\"count\":{replies},\"current_user_participated\":{participated}}}"
        )
        .ok();
        Ok(json)
    }
}
