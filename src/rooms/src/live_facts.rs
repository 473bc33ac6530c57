//! What the index of live events tells of an event, so that it need not be read.

use heliograph_core::{
    ids::{EventIdx, Position, RoomNum, UserNum},
    pdu::Pdu,
};
use heliograph_tables::{
    Direction,
    codec::UNSTAMPED,
    schema::{EventStatus, LIVE_EVENTS, LiveEvent, LiveFacts, LiveMarks},
};

use crate::{RoomError, RoomsView, relations::RelatesTo, work::RoomWork};

/// What an event says of itself.
pub(crate) fn marks_of(pdu: &Pdu) -> LiveMarks {
    let content = pdu.content_json();
    LiveMarks::NONE
        .with_if(is_plain(pdu), LiveMarks::PLAIN)
        .with_if(RelatesTo::of(content).is_some(), LiveMarks::RELATES)
        .with_if(
            pdu.type_str() == "m.room.redaction" && pdu.redacts_id().is_some(),
            LiveMarks::REDACTION,
        )
}

/// Canonical JSON has one form for a key and for a text: it need not be parsed. A message that
/// speaks of these keys counts as one that has them.
fn is_plain(pdu: &Pdu) -> bool {
    const KEYS: [&str; 2] = ["m.mentions", "m.relates_to"];
    let content = pdu.content_json();
    pdu.type_str() == "m.room.message"
        && pdu.state_key().is_none()
        && !KEYS.iter().any(|key| content.contains(key))
        // Patterns are compared without regard to case.
        && !content.to_ascii_lowercase().contains("m.notice")
}

impl RoomWork<'_> {
    /// Notes at a live event's row that it is redacted.
    pub(crate) fn mark_redacted(
        &mut self,
        idx: EventIdx,
        status: &EventStatus,
    ) -> Result<(), RoomError> {
        let found = match (self.fresh_live.get(&idx), status.position) {
            (Some((at, live)), _) => Some((UNSTAMPED, *at, *live)),
            (None, Some(position)) => self.live_row(idx, position)?,
            (None, None) => None,
        };
        let Some((position, at, mut live)) = found else {
            return Ok(());
        };
        // A row without facts is as good: who reads it looks at the event's status.
        if let Some(facts) = &mut live.facts {
            facts.marks = facts.marks.with(LiveMarks::REDACTED);
            self.batch
                .put(&LIVE_EVENTS, &(self.room, position, at), &live);
        }
        Ok(())
    }

    fn live_row(
        &self,
        idx: EventIdx,
        position: Position,
    ) -> Result<Option<(Position, u16, LiveEvent)>, RoomError> {
        let start = (self.room, position);
        for row in self.view.scan(&LIVE_EVENTS, &start, Direction::Forward) {
            let ((.., at), live) = row?;
            if live.event == idx {
                return Ok(Some((position, at, live)));
            }
        }
        Ok(None)
    }
}

impl RoomsView<'_> {
    /// The facts of a live event, found by reading it where its row does not tell them.
    pub fn live_facts(&self, room: RoomNum, live: &LiveEvent) -> Result<LiveFacts, RoomError> {
        if let Some(facts) = live.facts {
            return Ok(facts);
        }
        let status = crate::history::status(self.view(), room, live.event)?;
        let pdu = self.pdu(room, live.event)?;
        let redacted = status.redacted_by.is_some();
        Ok(LiveFacts {
            sender: self.sender_num(pdu.sender().as_str())?,
            marks: marks_of(&pdu)
                .with(LiveMarks::APART)
                .with_if(redacted, LiveMarks::REDACTED),
        })
    }

    fn sender_num(&self, sender: &str) -> Result<UserNum, RoomError> {
        let num = self.user_num(sender)?;
        num.ok_or(RoomError::Inconsistent("a sender without a number"))
    }
}
