//! Relations between events: what an event says that it relates to, and the rows that follow.
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#forming-relationships-between-events>
//!
//! Rows are written when an event gets its place in the timeline, whether its target is here or
//! not, and deleted when it is redacted. An event without a relation has none of them.

use std::collections::{BTreeMap, HashMap};

use heliograph_core::{
    ids::{EventIdx, TimelineKey, UserNum},
    pdu::Pdu,
};
use heliograph_tables::{
    Direction,
    batch::PRESENT,
    codec::{Plain, Tail},
    schema::{
        ANNOTATIONS, EDITS, RELATED, RELATIONS, Relation, RelationKind, RelationKinds,
        THREAD_SENDERS, THREADS, THREADS_BY_LATEST, Thread,
    },
};
use ruma_common::{EventId, OwnedEventId};
use serde::Deserialize;

use crate::{RoomError, work::RoomWork};

/// Bytes of a `rel_type` or of an annotation's key that is indexed, at most.
const MAX_TEXT_BYTES: usize = 255;

/// What the content of an event says that it relates to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct RelatesTo {
    pub(crate) target: OwnedEventId,
    pub(crate) rel_type: Box<str>,
    /// The key of an annotation.
    key: Option<Box<str>>,
    /// Whether there is an `m.new_content`.
    has_new_content: bool,
}

impl RelatesTo {
    /// Reads a content, as JSON; `None` when it says nothing, or nothing that can be read.
    pub(crate) fn of(content: &str) -> Option<Self> {
        #[derive(Deserialize)]
        struct Content {
            #[serde(rename = "m.relates_to")]
            relates_to: serde_json::Value,
            #[serde(rename = "m.new_content")]
            new_content: Option<serde_json::Value>,
        }
        // Canonical JSON has one form for the key: most events are not parsed.
        if !content.contains("\"m.relates_to\"") {
            return None;
        }
        let content: Content = serde_json::from_str(content).ok()?;
        let text = |key| content.relates_to.get(key).and_then(|value| value.as_str());
        let rel_type = text("rel_type").filter(|text| text.len() <= MAX_TEXT_BYTES)?;
        Some(Self {
            target: EventId::parse(text("event_id")?).ok()?,
            rel_type: rel_type.into(),
            key: text("key").map(Into::into),
            has_new_content: content.new_content.is_some_and(|new| new.is_object()),
        })
    }

    pub(crate) fn kind(&self) -> RelationKind {
        RelationKind::of(&self.rel_type)
    }

    /// What makes two annotations of one sender the same.
    ///
    /// <https://spec.matrix.org/v1.19/client-server-api/#avoiding-duplicate-annotations>
    fn annotation(&self, event_type: &str) -> Option<Box<str>> {
        let key = self.key.as_deref()?;
        let is_short = key.len() <= MAX_TEXT_BYTES && event_type.len() <= MAX_TEXT_BYTES;
        is_short.then(|| format!("{event_type}\0{key}").into())
    }

    /// Whether the event has what a replacement needs, its target left aside.
    ///
    /// <https://spec.matrix.org/v1.19/client-server-api/#validity-of-replacement-events>
    fn may_replace(&self, pdu: &Pdu) -> bool {
        let has_content = self.has_new_content || pdu.type_str() == "m.room.encrypted";
        has_content && pdu.state_key().is_none()
    }
}

/// Rows about relations that a change has touched: no view shows them yet.
#[derive(Debug, Default)]
pub(crate) struct FreshRelations {
    /// By target.
    kinds: HashMap<[u8; 32], RelationKinds>,
    threads: HashMap<[u8; 32], Thread>,
    senders: HashMap<([u8; 32], UserNum), u32>,
    /// Replies that came and went, by root and place.
    replies: HashMap<[u8; 32], BTreeMap<TimelineKey, bool>>,
}

impl RoomWork<'_> {
    fn target_hash(&self, target: &EventId) -> [u8; 32] {
        crate::events::id_hash(&self.live.id, target, self.version())
    }

    /// Writes the rows of an event that got its place in the timeline.
    pub(crate) fn note_relation(
        &mut self,
        pdu: &Pdu,
        idx: EventIdx,
        place: TimelineKey,
    ) -> Result<(), RoomError> {
        let Some(relates) = RelatesTo::of(pdu.content_json()) else {
            return Ok(());
        };
        let (hash, kind) = (self.target_hash(&relates.target), relates.kind());
        let sender = self.user_num(pdu.sender().as_str())?;
        let row = Relation {
            event: idx,
            sender,
            rel_type: relates.rel_type.clone(),
            event_type: pdu.type_str().into(),
        };
        self.batch
            .put(&RELATIONS, &(self.room, hash, kind, place), &row);
        self.note_kind(&relates.target, hash, kind)?;
        match kind {
            RelationKind::Annotation => {
                if let Some(what) = relates.annotation(pdu.type_str()) {
                    let key = (self.room, hash, sender, what, idx);
                    self.batch.put(&ANNOTATIONS, &key, &PRESENT);
                }
            }
            RelationKind::Replace if relates.may_replace(pdu) => {
                let id = Tail::from(pdu.event_id().as_str());
                let key = (self.room, hash, sender, pdu.origin_server_ts(), id);
                self.batch.put(&EDITS, &key, &Plain(idx));
            }
            RelationKind::Thread => self.count_reply(hash, sender, place, true)?,
            RelationKind::Replace | RelationKind::Reference | RelationKind::Other => {}
        }
        Ok(())
    }

    /// Deletes the rows of an event that is redacted; `pdu` is the event as it was.
    pub(crate) fn forget_relation(
        &mut self,
        pdu: &Pdu,
        idx: EventIdx,
        place: TimelineKey,
    ) -> Result<(), RoomError> {
        let Some(relates) = RelatesTo::of(pdu.content_json()) else {
            return Ok(());
        };
        let (hash, kind) = (self.target_hash(&relates.target), relates.kind());
        let sender = self.user_num(pdu.sender().as_str())?;
        self.batch
            .delete(&RELATIONS, &(self.room, hash, kind, place));
        match kind {
            RelationKind::Annotation => {
                if let Some(what) = relates.annotation(pdu.type_str()) {
                    let key = (self.room, hash, sender, what, idx);
                    self.batch.delete(&ANNOTATIONS, &key);
                }
            }
            RelationKind::Replace if relates.may_replace(pdu) => {
                let id = Tail::from(pdu.event_id().as_str());
                let key = (self.room, hash, sender, pdu.origin_server_ts(), id);
                self.batch.delete(&EDITS, &key);
            }
            RelationKind::Thread => self.count_reply(hash, sender, place, false)?,
            RelationKind::Replace | RelationKind::Reference | RelationKind::Other => {}
        }
        Ok(())
    }

    /// Notes at a target, if it is here, that a kind of relation leads to it.
    fn note_kind(
        &mut self,
        target: &EventId,
        hash: [u8; 32],
        kind: RelationKind,
    ) -> Result<(), RoomError> {
        let fresh = self.relations.kinds.get(&hash).copied();
        let fresh = fresh.unwrap_or_default();
        let Some(idx) = self.find(target)? else {
            self.relations.kinds.insert(hash, fresh.with(kind));
            return Ok(());
        };
        let key = (self.room, idx);
        let known = self.view.get(&RELATED, &key)?.unwrap_or_default();
        if !known.has(kind) && !fresh.has(kind) {
            let mut kinds = known.with(kind);
            for other in RelationKind::ALL {
                if fresh.has(other) {
                    kinds = kinds.with(other);
                }
            }
            self.batch.put(&RELATED, &key, &kinds);
            self.relations.kinds.insert(hash, kinds);
        }
        Ok(())
    }

    /// Notes at an event that has just come what kinds of relations lead to it: of events that came
    /// before it.
    pub(crate) fn adopt_relations(&mut self, idx: EventIdx, pdu: &Pdu) -> Result<(), RoomError> {
        let hash = self.target_hash(pdu.event_id());
        let mut kinds = self.relations.kinds.get(&hash).copied();
        let start = (self.room, hash);
        if self
            .view
            .end(&RELATIONS, &start, Direction::Forward)?
            .is_some()
        {
            for kind in RelationKind::ALL {
                let start = (self.room, hash, kind);
                let first = self.view.end(&RELATIONS, &start, Direction::Forward)?;
                if first.is_some() {
                    kinds = Some(kinds.unwrap_or_default().with(kind));
                }
            }
        }
        if let Some(kinds) = kinds {
            self.batch.put(&RELATED, &(self.room, idx), &kinds);
            self.relations.kinds.insert(hash, kinds);
        }
        Ok(())
    }

    /// Counts a reply of a thread that comes or goes.
    fn count_reply(
        &mut self,
        root: [u8; 32],
        sender: UserNum,
        place: TimelineKey,
        comes: bool,
    ) -> Result<(), RoomError> {
        let key = (self.room, root, sender);
        let by_sender = match self.relations.senders.get(&(root, sender)) {
            Some(count) => *count,
            None => self.view.get(&THREAD_SENDERS, &key)?.map_or(0, |row| row.0),
        };
        let mut thread = self.thread(root)?;
        let before = thread;
        let replies = self.relations.replies.entry(root).or_default();
        replies.insert(place, comes);
        let by_sender = if comes {
            thread.replies = thread.replies.saturating_add(1);
            thread.latest = thread.latest.max(place);
            by_sender.saturating_add(1)
        } else {
            thread.replies = thread.replies.saturating_sub(1);
            if place == thread.latest {
                thread.latest = self.latest_reply(root)?.unwrap_or_default();
            }
            by_sender.saturating_sub(1)
        };
        self.relations.senders.insert((root, sender), by_sender);
        self.relations.threads.insert(root, thread);
        if by_sender == 0 {
            self.batch.delete(&THREAD_SENDERS, &key);
        } else {
            self.batch.put(&THREAD_SENDERS, &key, &Plain(by_sender));
        }
        self.write_thread(root, before, thread);
        Ok(())
    }

    fn write_thread(&mut self, root: [u8; 32], before: Thread, thread: Thread) {
        if before.replies > 0 && (before.latest != thread.latest || thread.replies == 0) {
            self.batch
                .delete(&THREADS_BY_LATEST, &(self.room, before.latest));
        }
        if thread.replies == 0 {
            self.batch.delete(&THREADS, &(self.room, root));
            return;
        }
        self.batch.put(&THREADS, &(self.room, root), &thread);
        if before.replies == 0 || before.latest != thread.latest {
            self.batch.put(
                &THREADS_BY_LATEST,
                &(self.room, thread.latest),
                &Plain(root),
            );
        }
    }

    fn thread(&self, root: [u8; 32]) -> Result<Thread, RoomError> {
        if let Some(thread) = self.relations.threads.get(&root) {
            return Ok(*thread);
        }
        let row = self.view.get(&THREADS, &(self.room, root))?;
        Ok(row.unwrap_or_default())
    }

    /// The place of the latest reply that is left: of those that the view shows, without what this
    /// change took, and of those that it brought.
    fn latest_reply(&self, root: [u8; 32]) -> Result<Option<TimelineKey>, RoomError> {
        let none = BTreeMap::new();
        let fresh = self.relations.replies.get(&root).unwrap_or(&none);
        let came = fresh.iter().rev().find(|(_, comes)| **comes);
        let came = came.map(|(place, _)| *place);
        let start = (self.room, root, RelationKind::Thread);
        for row in self.view.scan(&RELATIONS, &start, Direction::Backward) {
            let ((.., place), _) = row?;
            if fresh.get(&place) != Some(&false) {
                return Ok(came.max(Some(place)));
            }
        }
        Ok(came)
    }

    /// Refuses a relation that a user of this server may not make: a second same annotation, and a
    /// thread off an event that is itself part of a relation.
    ///
    /// <https://spec.matrix.org/v1.19/client-server-api/#avoiding-duplicate-annotations>
    /// <https://spec.matrix.org/v1.19/client-server-api/#validation-of-mthread-relationships>
    pub(crate) fn check_relation(&mut self, pdu: &Pdu) -> Result<(), RoomError> {
        let Some(relates) = RelatesTo::of(pdu.content_json()) else {
            return Ok(());
        };
        match relates.kind() {
            RelationKind::Annotation => self.check_annotation(pdu, &relates),
            RelationKind::Thread => self.check_root(&relates.target),
            RelationKind::Replace | RelationKind::Reference | RelationKind::Other => Ok(()),
        }
    }

    fn check_annotation(&mut self, pdu: &Pdu, relates: &RelatesTo) -> Result<(), RoomError> {
        let Some(what) = relates.annotation(pdu.type_str()) else {
            return Ok(());
        };
        let sender = self.user_num(pdu.sender().as_str())?;
        let start = (self.room, self.target_hash(&relates.target), sender, what);
        match self.view.end(&ANNOTATIONS, &start, Direction::Forward)? {
            Some(_) => Err(RoomError::DuplicateAnnotation),
            None => Ok(()),
        }
    }

    fn check_root(&self, root: &EventId) -> Result<(), RoomError> {
        let Some(idx) = self.find(root)? else {
            return Ok(());
        };
        let redacted = self.status(idx)?.redacted_by.is_some();
        if !redacted && RelatesTo::of(self.pdu(idx)?.content_json()).is_some() {
            return Err(RoomError::Invalid(
                "a thread cannot begin at an event with a relation".to_owned(),
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_relation_is_one() {
        let reads = |content: &str| RelatesTo::of(content).map(|r| r.rel_type);
        let whole = r#"{"m.relates_to":{"event_id":"$a:b","rel_type":"m.thread"}}"#;
        assert_eq!(reads(whole).as_deref(), Some("m.thread"));
        for content in [
            "{}",
            r#"{"m.relates_to":{}}"#,
            r#"{"m.relates_to":[]}"#,
            r#"{"m.relates_to":1}"#,
            r#"{"m.relates_to":{"event_id":"$a:b"}}"#,
            r#"{"m.relates_to":{"event_id":"a","rel_type":"m.thread"}}"#,
            r#"{"m.relates_to":{"event_id":"$a:b","rel_type":1}}"#,
            r#"{"m.relates_to":{"m.in_reply_to":{"event_id":"$a:b"}}}"#,
            r#"{"body":"\"m.relates_to\""}"#,
        ] {
            assert_eq!(reads(content), None, "{content}");
        }
        let long = "x".repeat(MAX_TEXT_BYTES + 1);
        let long = format!(r#"{{"m.relates_to":{{"event_id":"$a:b","rel_type":"{long}"}}}}"#);
        assert_eq!(reads(&long), None);
    }
}
