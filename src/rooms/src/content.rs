//! What the client API refuses in state that users set, beyond the room's own rules.

use heliograph_core::json::Value;
use heliograph_tables::schema::Membership;

use crate::RoomError;

/// Checks a state event that a client wants to set.
///
/// # Errors
/// [`RoomError::Forbidden`] for `m.room.create` (there is one, made with the room);
/// [`RoomError::BadContent`] for power levels that are not integers
/// (<https://spec.matrix.org/v1.19/server-server-api/#definitions>) and for a member event
/// without a membership.
pub(crate) fn check_state(
    event_type: &str,
    state_key: &str,
    content: &Value,
) -> Result<(), RoomError> {
    match event_type {
        "m.room.create" => Err(RoomError::Forbidden(
            "a room has one create event".to_owned(),
        )),
        "m.room.member" => check_member(state_key, content),
        "m.room.power_levels" => check_power_levels(content),
        _ => Ok(()),
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
