//! Sending messages, state and redactions.
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#sending-events-to-a-room>

use heliograph_accounts::transactions::{self, TransactionKey};
use heliograph_core::{
    ids::{DeviceNum, EventIdx, RoomNum, UserNum},
    json::Value,
};
use heliograph_tables::{
    Op,
    schema::{EventLocal, Standing},
};
use ruma_common::{EventId, OwnedEventId, OwnedUserId};

use crate::{Draft, RoomError, Rooms, work::RoomWork};

/// Who sends, and from where.
#[derive(Clone, Debug)]
pub struct Sender {
    /// The user's number.
    pub user: UserNum,
    /// The user's id.
    pub user_id: OwnedUserId,
    /// The device.
    pub device: DeviceNum,
}

/// A client's transaction id, with what it is unique within.
#[derive(Clone, Debug)]
pub struct Transaction {
    /// The endpoint and the parts of its path.
    pub scope: String,
    /// The id that the client chose.
    pub id: String,
}

impl Rooms {
    /// Sends a message-like event; a repeated transaction gives the first answer again.
    ///
    /// # Errors
    /// [`RoomError::Forbidden`] when the sender is not joined or has too little power.
    pub async fn send_message(
        &self,
        room: RoomNum,
        sender: Sender,
        event_type: String,
        content: Value,
        transaction: Transaction,
    ) -> Result<OwnedEventId, RoomError> {
        if event_type == "m.room.redaction" {
            return self
                .send_redaction_event(room, sender, content, transaction)
                .await;
        }
        self.change(room, Op::Send, move |work| {
            once(work, &sender, &transaction, |work, local| {
                let draft = Draft {
                    sender: sender.user_id.clone(),
                    event_type,
                    state_key: None,
                    content,
                    redacts: None,
                };
                work.send(draft, Some(local))
                    .map(|(idx, pdu)| (idx, pdu.event_id().to_owned()))
            })
        })
        .await
    }

    /// Sets a state entry. Setting what is already so gives the event that says it.
    ///
    /// # Errors
    /// [`RoomError::Forbidden`] when the room's state does not allow it.
    pub async fn send_state(
        &self,
        room: RoomNum,
        sender: Sender,
        event_type: String,
        state_key: String,
        mut content: Value,
    ) -> Result<OwnedEventId, RoomError> {
        let op = if event_type == "m.room.member" {
            Op::Membership
        } else {
            Op::State
        };
        crate::content::check_state(&event_type, &state_key, &content)?;
        self.change(room, op, move |work| {
            match event_type.as_str() {
                "m.room.canonical_alias" if state_key.is_empty() => {
                    work.check_canonical(&content)?;
                }
                "m.room.power_levels" if state_key.is_empty() => work.check_creators(&content)?,
                "m.room.member" => {
                    work.drop_authorising_user(&sender, &state_key, &mut content)?;
                }
                _ => {}
            }
            if let Some(same) = work.same_state(&sender, &event_type, &state_key, &content)? {
                return Ok(same);
            }
            work.set_state(&sender, &event_type, &state_key, content)
        })
        .await
    }

    /// Redacts an event.
    ///
    /// <https://spec.matrix.org/v1.19/client-server-api/#put_matrixclientv3roomsroomidredacteventidtxnid>
    pub async fn redact(
        &self,
        room: RoomNum,
        sender: Sender,
        target: OwnedEventId,
        content: Value,
        transaction: Transaction,
    ) -> Result<OwnedEventId, RoomError> {
        self.change(room, Op::Send, move |work| {
            once(work, &sender, &transaction, |work, local| {
                work.redact(&sender.user_id, target, content, Some(local))
            })
        })
        .await
    }

    /// `PUT /send/m.room.redaction`: the target stands in the content, in every room version.
    async fn send_redaction_event(
        &self,
        room: RoomNum,
        sender: Sender,
        mut content: Value,
        transaction: Transaction,
    ) -> Result<OwnedEventId, RoomError> {
        let target = content
            .remove("redacts")
            .and_then(|id| id.as_str().and_then(|id| EventId::parse(id).ok()))
            .ok_or_else(|| RoomError::BadContent("redacts must be an event id".to_owned()))?;
        self.redact(room, sender, target, content, transaction)
            .await
    }
}

/// Does what a transaction asks for once, and gives its first answer ever after.
pub(crate) fn once(
    work: &mut RoomWork<'_>,
    sender: &Sender,
    transaction: &Transaction,
    effect: impl FnOnce(&mut RoomWork<'_>, EventLocal) -> Result<(EventIdx, OwnedEventId), RoomError>,
) -> Result<OwnedEventId, RoomError> {
    let key = TransactionKey {
        user: sender.user,
        device: sender.device,
        scope: transaction.scope.as_str().into(),
        id: transaction.id.as_str().into(),
    };
    if let Some(answer) = transactions::find(&work.view, &key)? {
        let id = std::str::from_utf8(&answer)
            .ok()
            .and_then(|id| EventId::parse(id).ok());
        return id.ok_or(RoomError::Inconsistent("transaction"));
    }
    let local = EventLocal {
        user: sender.user,
        device: sender.device,
        transaction: Some(transaction.id.as_str().into()),
    };
    let (_, id) = effect(work, local)?;
    transactions::remember(&mut work.batch, &key, id.as_str().as_bytes());
    Ok(id)
}

impl RoomWork<'_> {
    /// The event that already says what a state event would say, if the sender is the same.
    fn same_state(
        &mut self,
        sender: &Sender,
        event_type: &str,
        state_key: &str,
        content: &Value,
    ) -> Result<Option<OwnedEventId>, RoomError> {
        let Some(idx) = self.state_at(self.live.head.state, event_type, state_key)? else {
            return Ok(None);
        };
        let pdu = self.pdu(idx)?;
        let status = self.status(idx)?;
        let same = pdu.sender() == sender.user_id
            && status.standing == Standing::Accepted
            && status.redacted_by.is_none()
            && pdu.content_json() == content.to_canonical_string();
        Ok(same.then(|| pdu.event_id().to_owned()))
    }
}
