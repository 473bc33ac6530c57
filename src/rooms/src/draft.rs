//! Events that users of this server send: made, checked and taken in.

use std::{cell::RefCell, sync::Arc};

use heliograph_accounts::blocks_invites;
use heliograph_core::{
    auth::{self, PowerLevels},
    builder::EventBuilder,
    ids::EventIdx,
    json::Value,
    pdu::Pdu,
};
use heliograph_tables::schema::{EventLocal, Membership, Standing, StateRoot};
use ruma_common::{OwnedEventId, OwnedUserId, UserId};

use crate::{
    RoomError, Sender,
    append::{NewEvent, Place},
    reading::membership_of,
    work::RoomWork,
};

/// Forward extremities that a new event joins, at most; the format allows twenty.
const MAX_PARENTS: usize = 10;

/// An event as a user wants it, without its place in the graph.
#[derive(Clone, Debug)]
pub struct Draft {
    /// Who sends it.
    pub sender: OwnedUserId,
    /// Its type.
    pub event_type: String,
    /// Its state key, if it is a state event.
    pub state_key: Option<String>,
    /// Its content.
    pub content: Value,
    /// What it redacts.
    pub redacts: Option<OwnedEventId>,
}

impl RoomWork<'_> {
    /// Makes an event of a draft on top of the room as it stands, checks it against the current
    /// state, and takes it in.
    ///
    /// # Errors
    /// [`RoomError::Forbidden`] when the room's state does not allow it,
    /// [`RoomError::BadContent`] and [`RoomError::TooLarge`] when no event can be made of it.
    pub(crate) fn send(
        &mut self,
        draft: Draft,
        local: Option<EventLocal>,
    ) -> Result<(EventIdx, Arc<Pdu>), RoomError> {
        let (parents, state_before) = self.parents()?;
        let (builder, auth_events) = self.place(draft, parents, state_before)?;
        let pdu = builder.build(self.version(), &*self.inner.signer)?;
        self.check_current(&pdu)?;
        self.check_guest(&pdu)?;
        self.check_invite(&pdu)?;
        self.check_quota(&pdu)?;
        self.check_relation(&pdu)?;
        let pdu = Arc::new(pdu);
        let new = NewEvent {
            pdu: Arc::clone(&pdu),
            auth_events: Some(auth_events),
            standing: Standing::Accepted,
            state_before,
            local,
            place: Place::Newest,
        };
        let idx = self.append(&new)?;
        Ok((idx, pdu))
    }

    /// Sets a state entry for a user of this server, and gives the event's id.
    ///
    /// # Errors
    /// Those of [`RoomWork::send`].
    pub(crate) fn set_state(
        &mut self,
        sender: &Sender,
        event_type: &str,
        state_key: &str,
        content: Value,
    ) -> Result<OwnedEventId, RoomError> {
        let draft = Draft {
            sender: sender.user_id.clone(),
            event_type: event_type.to_owned(),
            state_key: Some(state_key.to_owned()),
            content,
            redacts: None,
        };
        let local = EventLocal {
            user: sender.user,
            device: sender.device,
            transaction: None,
        };
        let (_, pdu) = self.send(draft, Some(local))?;
        Ok(pdu.event_id().to_owned())
    }

    /// The forward extremities that a new event joins, and the state after them: all, or the newest
    /// where there are too many.
    fn parents(&mut self) -> Result<(Vec<OwnedEventId>, StateRoot), RoomError> {
        let surplus = self.live.tips.len().saturating_sub(MAX_PARENTS);
        let newest = self.live.tips.get(surplus..).unwrap_or_default();
        let ids = newest.iter().map(|(_, id)| id.clone()).collect();
        if surplus == 0 {
            return Ok((ids, self.live.head.state));
        }
        let tips: Vec<EventIdx> = newest.iter().map(|(idx, _)| *idx).collect();
        Ok((ids, self.state_over(&tips)?))
    }

    /// Gives a draft its parents, its auth events, as numbers too, and its time.
    fn place(
        &mut self,
        draft: Draft,
        prev_events: Vec<OwnedEventId>,
        state: StateRoot,
    ) -> Result<(EventBuilder, Vec<EventIdx>), RoomError> {
        let types = auth::auth_types(
            &draft.event_type,
            &draft.sender,
            draft.state_key.as_deref(),
            &draft.content,
            self.version(),
        )
        .map_err(|error| RoomError::BadContent(error.to_string()))?;
        let (mut auth_events, mut found) = (Vec::with_capacity(types.len()), Vec::new());
        for (event_type, key) in types {
            if let Some(idx) = self.state_at(state, &event_type, &key)? {
                auth_events.push(self.pdu(idx)?.event_id().to_owned());
                found.push(idx);
            }
        }
        let is_create = draft.event_type == "m.room.create";
        let names_room = !is_create
            || self
                .version()
                .rules()
                .event_format
                .require_room_create_room_id;
        let builder = EventBuilder {
            room_id: names_room.then(|| self.live.id.clone()),
            sender: draft.sender,
            event_type: draft.event_type,
            state_key: draft.state_key,
            content: draft.content,
            redacts: draft.redacts,
            prev_events,
            auth_events,
            depth: self.live.head.depth.saturating_add(1),
            origin_server_ts: self.inner.clock.now_ms(),
        };
        Ok((builder, found))
    }

    /// Checks an event against the room's current state.
    fn check_current(&mut self, pdu: &Pdu) -> Result<(), RoomError> {
        let state = self.live.head.state;
        if pdu.state_key().is_none() && pdu.type_str() != "m.room.redaction" {
            let sender = self.user_num(pdu.sender().as_str())?;
            let membership = self.member_at(state, sender)?.map(|m| m.membership);
            let power = self.power_levels()?;
            let joined = membership == Some(Membership::Join);
            return auth::message_allowed(joined, &power, pdu.sender(), pdu.type_str())
                .map_err(|error| RoomError::Forbidden(error.to_string()));
        }
        self.check_by_rules(pdu, state)
    }

    /// Checks that an event does not invite a user of this server who does not want it.
    ///
    /// <https://spec.matrix.org/v1.19/client-server-api/#invite-permission>
    fn check_invite(&mut self, pdu: &Pdu) -> Result<(), RoomError> {
        let invites = pdu.type_str() == "m.room.member" && membership_of(pdu) == Membership::Invite;
        let Some(invited) = pdu.state_key().filter(|_| invites) else {
            return Ok(());
        };
        let invited = self.user_num(invited)?;
        if blocks_invites(&self.view, invited)? {
            return Err(RoomError::InviteBlocked);
        }
        Ok(())
    }

    /// Checks an event against a state by the whole rules.
    pub(crate) fn check_by_rules(&self, pdu: &Pdu, state: StateRoot) -> Result<(), RoomError> {
        let failed = RefCell::new(None);
        let fetch = |event_type: &str, key: &str| {
            let found = self
                .state_at(state, event_type, key)
                .and_then(|idx| idx.map(|idx| self.pdu(idx)).transpose());
            found.unwrap_or_else(|error| {
                failed.replace(Some(error));
                None
            })
        };
        let verdict = auth::check_state_dependent(self.version(), pdu, fetch);
        if let Some(error) = failed.into_inner() {
            return Err(error);
        }
        verdict.map_err(|error| RoomError::Forbidden(error.to_string()))
    }

    /// The power levels in the current state, parsed once for each event that sets them.
    pub(crate) fn power_levels(&mut self) -> Result<Arc<PowerLevels>, RoomError> {
        let state = self.live.head.state;
        let idx = self.state_at(state, "m.room.power_levels", "")?;
        if let Some((known, levels)) = &self.live.power
            && *known == idx
        {
            return Ok(Arc::clone(levels));
        }
        let event = idx.map(|idx| self.pdu(idx)).transpose()?;
        let create = self.pdu(self.live.info.create)?;
        let levels = PowerLevels::new(self.version(), event.as_deref(), &create)
            .map_err(|error| RoomError::Forbidden(error.to_string()))?;
        let levels = Arc::new(levels);
        self.live.power = Some((idx, Arc::clone(&levels)));
        Ok(levels)
    }

    /// A user's membership in the current state.
    pub(crate) fn membership(&mut self, user: &UserId) -> Result<Option<Membership>, RoomError> {
        let num = self.user_num(user.as_str())?;
        Ok(self
            .member_at(self.live.head.state, num)?
            .map(|m| m.membership))
    }
}
