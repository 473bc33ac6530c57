//! Messages of users who asked to be erased: whoever comes into the room after that gets them as a
//! redaction would leave them.
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#account-deactivation>
//!
//! State events stay what they are: they are the room's more than the user's.

use std::{cell::RefCell, collections::HashMap};

use heliograph_core::ids::Position;
use heliograph_tables::{
    View,
    schema::{ERASURES, EventStatus, Membership},
};

use crate::{Inner, RoomError, serving::SharedEvent, visibility::Visibility};

/// When users of this server asked to be erased, as far as one reader has asked.
#[derive(Debug, Default)]
pub(crate) struct Erasures(RefCell<HashMap<Box<str>, Option<Position>>>);

impl Erasures {
    /// Whether what a reader gets of an event is what a redaction would leave.
    pub(crate) fn apply(
        &self,
        inner: &Inner,
        reader: (&View, &Visibility<'_>),
        status: &EventStatus,
        shared: &SharedEvent,
    ) -> Result<bool, RoomError> {
        let (view, visibility) = reader;
        if shared.state_key.is_some() || !inner.is_local(&shared.sender) {
            return Ok(false);
        }
        // Whoever was there has seen it: most events are decided by this, without a look.
        let was_there = !status.standing.is_outlier()
            && visibility.membership_at(status)? == Some(Membership::Join);
        if was_there {
            return Ok(false);
        }
        let Some(asked) = self.asked(inner, view, &shared.sender)? else {
            return Ok(false);
        };
        // Nor does it change anything for whoever was in the room, or had left it, by then.
        let standing = visibility.standing();
        Ok(standing.is_none_or(|standing| standing.position > asked))
    }

    /// When a user asked to be erased, if they did.
    fn asked(
        &self,
        inner: &Inner,
        view: &View,
        user_id: &str,
    ) -> Result<Option<Position>, RoomError> {
        if let Some(known) = self.0.borrow().get(user_id) {
            return Ok(*known);
        }
        let asked = match inner.interner.users.find(view, user_id)? {
            Some(user) => view.get(&ERASURES, &user)?.map(|row| row.0),
            None => None,
        };
        self.0.borrow_mut().insert(user_id.into(), asked);
        Ok(asked)
    }
}
