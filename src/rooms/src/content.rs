//! What the client API refuses in state that users set, beyond the room's own rules.

use heliograph_core::json::Value;
use heliograph_tables::schema::Membership;

use crate::{RoomError, Sender, work::RoomWork};

/// Checks a state event that a client wants to set.
///
/// # Errors
/// [`RoomError::Invalid`] for `m.room.create` (there is one, made with the room);
/// [`RoomError::BadContent`] for power levels that are not integers
/// (<https://spec.matrix.org/v1.19/server-server-api/#definitions>) and for a member event
/// without a membership.
pub(crate) fn check_state(
    event_type: &str,
    state_key: &str,
    content: &Value,
) -> Result<(), RoomError> {
    match event_type {
        "m.room.create" => Err(RoomError::Invalid("a room has one create event".to_owned())),
        "m.room.member" => check_member(state_key, content),
        "m.room.power_levels" => check_power_levels(content),
        _ => Ok(()),
    }
}

impl RoomWork<'_> {
    /// Checks power levels that a client wants to set against the room's creators, who have no
    /// level where the room version sets them above all.
    ///
    /// <https://spec.matrix.org/v1.19/rooms/v12/#authorisation-rules>
    ///
    /// # Errors
    /// [`RoomError::BadContent`] when `users` names a creator: what the rules would refuse, but the
    /// fault is in the content, and not in the sender's power.
    pub(crate) fn check_creators(&mut self, content: &Value) -> Result<(), RoomError> {
        let Some(Value::Object(users)) = content.get("users") else {
            return Ok(());
        };
        let power = self.power_levels()?;
        match users.keys().find(|user| power.is_above_all(user)) {
            Some(user) => Err(RoomError::BadContent(format!(
                "{user} is a creator of the room and has no power level"
            ))),
            None => Ok(()),
        }
    }

    /// Takes out of the content of a member event who let the user in, where the user is in already.
    /// Clients send back the content they have, with another name in it.
    ///
    /// <https://spec.matrix.org/v1.19/client-server-api/#restricted-rooms>
    pub(crate) fn drop_authorising_user(
        &mut self,
        sender: &Sender,
        state_key: &str,
        content: &mut Value,
    ) -> Result<(), RoomError> {
        let joins = content.get("membership").and_then(Value::as_str) == Some("join");
        if joins
            && sender.user_id == state_key
            && content.get("join_authorised_via_users_server").is_some()
            && self.membership(&sender.user_id)? == Some(Membership::Join)
        {
            content.remove("join_authorised_via_users_server");
        }
        Ok(())
    }
}

fn check_member(state_key: &str, content: &Value) -> Result<(), RoomError> {
    let known = content
        .get("membership")
        .and_then(Value::as_str)
        .and_then(Membership::parse);
    if known.is_none() {
        return Err(RoomError::BadContent(
            "membership is missing or unknown".to_owned(),
        ));
    }
    if ruma_common::UserId::parse(state_key).is_err() {
        return Err(RoomError::BadContent(
            "state_key must be a user id".to_owned(),
        ));
    }
    Ok(())
}

fn check_power_levels(content: &Value) -> Result<(), RoomError> {
    let bad = |key: &str| Err(RoomError::BadContent(format!("{key} must be an integer")));
    let Value::Object(levels) = content else {
        return Err(RoomError::BadContent(
            "content must be an object".to_owned(),
        ));
    };
    for (key, value) in levels {
        match (key.as_str(), value) {
            ("events" | "users" | "notifications", Value::Object(entries))
                if entries.values().any(|v| !v.is_integer()) =>
            {
                return bad(key);
            }
            ("events" | "users" | "notifications", Value::Object(_)) => {}
            ("events" | "users" | "notifications", _) => {
                return Err(RoomError::BadContent(format!("{key} must be an object")));
            }
            (
                "ban" | "events_default" | "invite" | "kick" | "redact" | "state_default"
                | "users_default",
                value,
            ) if !value.is_integer() => return bad(key),
            _ => {}
        }
    }
    Ok(())
}
