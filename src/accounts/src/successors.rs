//! What of a user's own goes with a room to the one that replaces it.
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#room-upgrades>

use bytes::Bytes;
use heliograph_core::ids::{RoomNum, UserNum};
use heliograph_tables::{Op, codec::Tail};
use ruma_common::OwnedRoomId;
use serde_json::{Map, Value};

use crate::{AccountError, Accounts, account_data, locks::Lock};

/// The type of account data that lists direct chats, by the users they are with.
const DIRECT: &str = "m.direct";

impl Accounts {
    /// Gives a room the tags, the place among direct chats and the push rules that a user has for the
    /// room that it replaces. What the user has set for the new one already stays.
    ///
    /// # Errors
    /// Those of the store and of the pool; [`AccountError::TooMany`], [`AccountError::TooLarge`].
    pub async fn carry_over(
        &self,
        user: UserNum,
        old: (RoomNum, OwnedRoomId),
        new: (RoomNum, OwnedRoomId),
    ) -> Result<(), AccountError> {
        self.copy_tags(user, (old.0, new.0)).await?;
        let names = (old.1.to_string(), new.1.to_string());
        self.copy_direct(user, names.clone()).await?;
        self.copy_push_rules(user, names).await
    }

    /// Lists a room as a direct chat where another is listed.
    async fn copy_direct(
        &self,
        user: UserNum,
        (from, to): (String, String),
    ) -> Result<(), AccountError> {
        self.inner
            .change(Op::UserData, vec![Lock::User(user)], move |change| {
                let direct = account_data::global_object(&change.view, user, DIRECT)?;
                let Some(direct) = direct.and_then(|direct| with_room(direct, &from, to)) else {
                    return Ok(());
                };
                let content = Value::Object(direct).to_string();
                if content.len() > account_data::MAX_CONTENT_BYTES {
                    return Err(AccountError::TooLarge("the list of direct chats"));
                }
                let kind = Tail::from(DIRECT);
                account_data::set(change, user, None, kind, Bytes::from(content))
            })
            .await
    }
}

/// The lists with a room beside another; `None` when that changes nothing.
fn with_room(mut direct: Map<String, Value>, from: &str, to: String) -> Option<Map<String, Value>> {
    let to = Value::from(to);
    let mut changed = false;
    for rooms in direct.values_mut().filter_map(Value::as_array_mut) {
        if rooms.iter().any(|room| room == from) && !rooms.contains(&to) {
            rooms.push(to.clone());
            changed = true;
        }
    }
    changed.then_some(direct)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_room_is_listed_once_beside_the_one_that_it_replaces() {
        let direct = json!({ "@a:x": ["!1", "!2"], "@b:x": ["!2"], "@c:x": 1 });
        let direct = direct.as_object().unwrap().clone();
        let with = with_room(direct, "!1", "!3".to_owned()).unwrap();
        let expected = json!({ "@a:x": ["!1", "!2", "!3"], "@b:x": ["!2"], "@c:x": 1 });
        assert_eq!(Value::Object(with.clone()), expected);
        assert_eq!(with_room(with, "!1", "!3".to_owned()), None);
    }
}
