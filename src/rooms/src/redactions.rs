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

    /// Whether a redaction of `target` by `sender` takes effect: it is the sender's own event, or
    /// the sender's power reaches the `redact` level.
    fn may_redact(&mut self, sender: &UserId, target: &Pdu) -> Result<bool, RoomError> {
        if target.sender() == sender {
            return Ok(true);
        }
        let levels = self.power_levels()?;
        Ok(levels.user_can_redact(sender))
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
        if self.may_redact(pdu.sender(), &target)? {
            self.strip(idx, &target, redaction)?;
        }
        Ok(())
    }

    /// Applies the redactions that waited for an event that has come.
    pub(crate) fn apply_waiting(&mut self, idx: EventIdx, pdu: &Arc<Pdu>) -> Result<(), RoomError> {
        let hash = crate::events::id_hash(&self.live.id, pdu.event_id(), self.version());
        let waiting: Vec<_> = self
            .view
            .scan(&WAITING_REDACTIONS, &(self.room, hash), Direction::Forward)
            .collect::<Result<_, _>>()?;
        for (key, _) in waiting {
            let redaction = self.pdu(key.2)?;
            let accepted = self.status(key.2)?.standing == Standing::Accepted;
            if accepted && self.may_redact(redaction.sender(), pdu)? {
                self.strip(idx, pdu, key.2)?;
            }
            self.batch.delete(&WAITING_REDACTIONS, &key);
        }
        Ok(())
    }

    /// Overwrites an event with its redacted form.
    fn strip(&mut self, idx: EventIdx, pdu: &Pdu, by: EventIdx) -> Result<(), RoomError> {
        let mut status = self.status(idx)?;
        if status.redacted_by.is_some() {
            return Ok(());
        }
        status.redacted_by = Some(by);
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
