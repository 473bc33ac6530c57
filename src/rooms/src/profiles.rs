//! A user's profile in the member events of the rooms that they are in.
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#events-on-change-of-profile-information>

use heliograph_core::{
    ids::{RoomNum, UserNum},
    json::{Numbers, Value, parse},
};
use heliograph_tables::{Op, View, schema::Membership};
use ruma_common::OwnedUserId;

use crate::{Draft, RoomError, Rooms, work::RoomWork};

/// The keys of a member event that come from the profile.
const PROFILE_KEYS: [&str; 2] = ["displayname", "avatar_url"];

impl Rooms {
    /// The rooms that a user is in, at the moment of `view`.
    pub fn joined_rooms(&self, view: &View, user: UserNum) -> Result<Vec<RoomNum>, RoomError> {
        let mut joined = Vec::new();
        for row in self.at(view).rooms_of(user) {
            let (room, standing) = row?;
            if standing.membership == Membership::Join {
                joined.push(room);
            }
        }
        Ok(joined)
    }

    /// Makes a joined user's member event say what the profile says; nothing where it does.
    ///
    /// # Errors
    /// Those of the store; [`RoomError::Forbidden`] where the room does not allow it.
    pub async fn refresh_profile(
        &self,
        room: RoomNum,
        user: OwnedUserId,
        profile: Value,
    ) -> Result<(), RoomError> {
        self.change(room, Op::Membership, move |work| {
            work.refresh_profile(&user, &profile)
        })
        .await
    }
}

impl RoomWork<'_> {
    fn refresh_profile(&mut self, user: &OwnedUserId, profile: &Value) -> Result<(), RoomError> {
        if self.membership(user)? != Some(Membership::Join) {
            return Ok(());
        }
        let state = self.live.head.state;
        let Some(idx) = self.state_at(state, "m.room.member", user.as_str())? else {
            return Ok(());
        };
        let before = parse(self.pdu(idx)?.content_json().as_bytes(), Numbers::Loose)
            .map_err(|_| RoomError::Inconsistent("member event"))?;
        let mut content = before.clone();
        for key in PROFILE_KEYS {
            content.remove(key);
            if let Some(value) = profile.get(key) {
                content.insert(key, value.clone());
            }
        }
        if content == before {
            return Ok(());
        }
        // They speak of how the user came in, not of who the user is.
        content.remove("reason");
        content.remove("join_authorised_via_users_server");
        let draft = Draft {
            sender: user.clone(),
            event_type: "m.room.member".to_owned(),
            state_key: Some(user.to_string()),
            content,
            redacts: None,
        };
        self.send(draft, None).map(|_| ())
    }
}
