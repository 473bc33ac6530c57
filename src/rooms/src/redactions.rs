//! Redactions: made, checked, applied now or when their target comes.
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#redactions>
//! <https://spec.matrix.org/v1.19/rooms/v11/#redactions>

use std::sync::Arc;

use heliograph_core::{
    ids::EventIdx,
    json::Value,
    pdu::{Pdu, StoredPdu},
};
use heliograph_tables::{
    Direction, Record,
    batch::PRESENT,
    schema::{EVENT_STATUS, EVENTS, EventLocal, Membership, Raw, Standing, WAITING_REDACTIONS},
};
use ruma_common::{OwnedEventId, OwnedUserId, UserId};

use crate::{Draft, RoomError, work::RoomWork};

impl RoomWork<'_> {
    /// Sends a redaction and applies it to its target.
    ///
    /// # Errors
    /// [`RoomError::UnknownEvent`] when the target is not an event of this room,
    /// [`RoomError::Forbidden`] when it is another's and the sender lacks the power to redact.
    pub(crate) fn redact(
        &mut self,
        sender: &OwnedUserId,
        target: OwnedEventId,
        mut content: Value,
        local: Option<EventLocal>,
    ) -> Result<(EventIdx, OwnedEventId), RoomError> {
        let target_idx = self.find(&target)?.ok_or(RoomError::UnknownEvent)?;
        if self.membership(sender)? != Some(Membership::Join) {
            return Err(RoomError::Forbidden(
                "sender is not joined to the room".to_owned(),
            ));
        }
        if !self.may_redact(sender, &*self.pdu(target_idx)?)? {
            return Err(RoomError::Forbidden(
                "sender may not redact this event".to_owned(),
            ));
        }
        let in_content = self.version().rules().redaction.content_field_redacts;
        if in_content {
            content.insert("redacts", Value::String(target.to_string()));
        }
        let draft = Draft {
            sender: sender.clone(),
            event_type: "m.room.redaction".to_owned(),
            state_key: None,
            content,
            redacts: (!in_content).then_some(target),
        };
        let (idx, pdu) = self.send(draft, local)?;
        self.apply_redaction(idx, &pdu)?;
        Ok((idx, pdu.event_id().to_owned()))
    }

    /// Whether a user of this server may redact `target`: it is the sender's own event, or the
    /// sender's power reaches the `redact` level.
    fn may_redact(&mut self, sender: &UserId, target: &Pdu) -> Result<bool, RoomError> {
        if target.sender() == sender {
            return Ok(true);
        }
        let levels = self.power_levels()?;
        Ok(levels.user_can_redact(sender))
    }

    /// Whether an accepted redaction takes effect: its sender is of the server of the target's
    /// sender, or has the power.
    ///
    /// <https://spec.matrix.org/v1.19/rooms/v3/#handling-redactions>
    fn takes_effect(&mut self, redaction: &Pdu, target: &Pdu) -> Result<bool, RoomError> {
        if redaction.sender().server_name() == target.sender().server_name() {
            return Ok(true);
        }
        Ok(self.power_levels()?.user_can_redact(redaction.sender()))
    }

    /// Lets an accepted redaction take effect, or wait for its target.
    pub(crate) fn apply_redaction(
        &mut self,
        redaction: EventIdx,
        pdu: &Arc<Pdu>,
    ) -> Result<(), RoomError> {
        let Some(target) = pdu.redacts_id() else {
            return Ok(());
        };
        let Some(idx) = self.find(target)? else {
            let hash = crate::events::id_hash(&self.live.id, target, self.version());
            self.batch
                .put(&WAITING_REDACTIONS, &(self.room, hash, redaction), &PRESENT);
            return Ok(());
        };
        let target = self.pdu(idx)?;
        if self.takes_effect(pdu, &target)? {
            self.strip(idx, &target, redaction)?;
        }
        Ok(())
    }

    /// Applies the redactions that waited for an event that has come.
    pub(crate) fn apply_waiting(&mut self, idx: EventIdx, pdu: &Arc<Pdu>) -> Result<(), RoomError> {
        let hash = crate::events::id_hash(&self.live.id, pdu.event_id(), self.version());
        let mut waiting = self.fresh_redactions(pdu);
        let stored = self
            .view
            .scan(&WAITING_REDACTIONS, &(self.room, hash), Direction::Forward);
        for row in stored {
            waiting.push(row?.0.2);
        }
        waiting.sort_unstable();
        for by in waiting {
            let redaction = self.pdu(by)?;
            let accepted = self.status(by)?.standing == Standing::Accepted;
            if accepted && self.takes_effect(&redaction, pdu)? {
                self.strip(idx, pdu, by)?;
            }
            self.batch
                .delete(&WAITING_REDACTIONS, &(self.room, hash, by));
        }
        Ok(())
    }

    /// Redactions of an event in this change, which no view shows yet.
    fn fresh_redactions(&self, target: &Pdu) -> Vec<EventIdx> {
        let redacts = |pdu: &Pdu| {
            pdu.type_str() == "m.room.redaction" && pdu.redacts_id() == Some(target.event_id())
        };
        let of_target = self.fresh.iter().filter(|(_, (pdu, _))| redacts(pdu));
        of_target.map(|(idx, _)| *idx).collect()
    }

    /// Overwrites an event with its redacted form.
    fn strip(&mut self, idx: EventIdx, pdu: &Pdu, by: EventIdx) -> Result<(), RoomError> {
        let mut status = self.status(idx)?;
        if status.redacted_by.is_some() {
            return Ok(());
        }
        status.redacted_by = Some(by);
        if let Some(place) = status.timeline {
            self.forget_relation(pdu, idx, place)?;
        }
        self.mark_redacted(idx, &status)?;
        let redacted = pdu
            .redacted(self.version())
            .map_err(|_| RoomError::Inconsistent("event cannot be redacted"))?;
        let hash = crate::events::id_hash(&self.live.id, pdu.event_id(), self.version());
        let key = (self.room, idx);
        self.batch.put(
            &EVENTS,
            &key,
            &Raw(StoredPdu::encode(&redacted, hash).into()),
        );
        self.batch.put(&EVENT_STATUS, &key, &status);
        self.note_rewrite();
        if let Some((fresh, known)) = self.fresh.get_mut(&idx) {
            *fresh = Arc::new(redacted);
            *known = status;
        }
        self.batch.record(Record::Redacted {
            room: self.room,
            event: idx,
        });
        Ok(())
    }
}
