//! Tags: how users sort their rooms. They are the room's account data `m.tag`, so that a sync tells
//! them.
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#room-tagging>

use bytes::Bytes;
use heliograph_core::ids::{RoomNum, UserNum};
use heliograph_tables::{Op, View, codec::Tail, schema};
use serde_json::{Map, Value};

use crate::{AccountError, Accounts, account_data, change::Change, locks::Lock};

/// The type of account data that holds a room's tags.
const TAG_TYPE: &str = "m.tag";

/// The key of that content whose members are the tags.
const TAGS: &str = "tags";

/// Bytes of a tag's name, at most.
const MAX_TAG_BYTES: usize = 255;

impl Accounts {
    /// The tags of one user's room, by name.
    ///
    /// # Errors
    /// Those of the store and of the pool.
    pub async fn tags(
        &self,
        user: UserNum,
        room: RoomNum,
    ) -> Result<Map<String, Value>, AccountError> {
        self.inner
            .read(Op::UserData, move |_, view| {
                Ok(Tagged::read(view, user, room)?.tags)
            })
            .await
    }

    /// Puts a tag on a room, or changes what is told of it. Other tags stay, whoever changes them
    /// at the same time.
    ///
    /// # Errors
    /// [`AccountError::Invalid`] for an order that is not a number from 0 to 1 and for a name that
    /// is empty; those of [`Accounts::set_account_data`].
    pub async fn set_tag(
        &self,
        user: UserNum,
        room: RoomNum,
        tag: String,
        about: Map<String, Value>,
    ) -> Result<(), AccountError> {
        check(&tag, &about)?;
        self.inner
            .change(Op::UserData, vec![Lock::User(user)], move |change| {
                change.account(user)?;
                let mut tagged = Tagged::read(&change.view, user, room)?;
                let about = Value::Object(about);
                if tagged.tags.get(&tag) == Some(&about) {
                    return Ok(());
                }
                tagged.tags.insert(tag, about);
                tagged.write(change, user, room)
            })
            .await
    }

    /// Takes a tag off a room; one that is not there is none the less gone.
    ///
    /// # Errors
    /// [`AccountError::UnknownUser`], [`AccountError::Deactivated`].
    pub async fn remove_tag(
        &self,
        user: UserNum,
        room: RoomNum,
        tag: String,
    ) -> Result<(), AccountError> {
        self.inner
            .change(Op::UserData, vec![Lock::User(user)], move |change| {
                change.account(user)?;
                let mut tagged = Tagged::read(&change.view, user, room)?;
                if tagged.tags.remove(&tag).is_none() {
                    return Ok(());
                }
                tagged.write(change, user, room)
            })
            .await
    }
}

impl Accounts {
    /// Puts the tags of one room on another that has none, nor had any.
    pub(crate) async fn copy_tags(
        &self,
        user: UserNum,
        (from, to): (RoomNum, RoomNum),
    ) -> Result<(), AccountError> {
        self.inner
            .change(Op::UserData, vec![Lock::User(user)], move |change| {
                let tagged = Tagged::read(&change.view, user, from)?;
                let key = (user, to, Tail::from(TAG_TYPE));
                if tagged.tags.is_empty() || change.view.has(&schema::ACCOUNT_DATA, &key)? {
                    return Ok(());
                }
                tagged.write(change, user, to)
            })
            .await
    }
}

fn check(tag: &str, about: &Map<String, Value>) -> Result<(), AccountError> {
    if tag.is_empty() {
        return Err(AccountError::Invalid("the tag is empty"));
    }
    if tag.len() > MAX_TAG_BYTES {
        return Err(AccountError::TooLarge("the tag"));
    }
    let in_order = about.get("order").is_none_or(|order| {
        let order = order.as_f64();
        order.is_some_and(|order| (0.0..=1.0).contains(&order))
    });
    if in_order {
        Ok(())
    } else {
        Err(AccountError::Invalid("order is not a number from 0 to 1"))
    }
}

/// The content of `m.tag`: the tags, and whatever else a client has put there.
struct Tagged {
    content: Map<String, Value>,
    tags: Map<String, Value>,
}

impl Tagged {
    /// Reads it; what a client has set that is not tags counts as none.
    fn read(view: &View, user: UserNum, room: RoomNum) -> Result<Self, AccountError> {
        let key = (user, room, Tail::from(TAG_TYPE));
        let datum = view.get(&schema::ACCOUNT_DATA, &key)?;
        let content = datum.and_then(|datum| serde_json::from_slice(&datum.content).ok());
        let mut content: Map<String, Value> = content.unwrap_or_default();
        let tags = match content.remove(TAGS) {
            Some(Value::Object(tags)) => tags,
            _ => Map::new(),
        };
        Ok(Self { content, tags })
    }

    fn write(
        mut self,
        change: &mut Change<'_>,
        user: UserNum,
        room: RoomNum,
    ) -> Result<(), AccountError> {
        self.content
            .insert(TAGS.to_owned(), Value::Object(self.tags));
        let content = Value::Object(self.content).to_string();
        if content.len() > account_data::MAX_CONTENT_BYTES {
            return Err(AccountError::TooMany("tags on one room"));
        }
        let kind = Tail::from(TAG_TYPE);
        account_data::set(change, user, Some(room), kind, Bytes::from(content))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::accounts;

    fn about(value: &Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[tokio::test]
    async fn tags_changed_at_once_all_stay() {
        let f = accounts();
        let (user, room) = (f.register("alice").await.user, RoomNum(7));
        let mut all = tokio::task::JoinSet::new();
        for number in 0..20 {
            let accounts = f.accounts.clone();
            let about = about(&json!({ "order": 0.5 }));
            all.spawn(async move {
                let tag = format!("u.{number}");
                accounts.set_tag(user, room, tag, about).await
            });
        }
        assert!(all.join_all().await.iter().all(Result::is_ok));
        assert_eq!(f.accounts.tags(user, room).await.unwrap().len(), 20);
    }

    #[tokio::test]
    async fn what_else_is_in_the_content_stays_and_nonsense_is_no_tag() {
        let f = accounts();
        let (user, room) = (f.register("alice").await.user, RoomNum(7));
        let set = |text| {
            f.accounts
                .set_account_data(user, Some(room), TAG_TYPE, text)
        };
        set(r#"{"tags":5,"other":1}"#).await.unwrap();
        assert!(f.accounts.tags(user, room).await.unwrap().is_empty());
        let tag = || "m.favourite".to_owned();
        f.accounts
            .set_tag(user, room, tag(), Map::new())
            .await
            .unwrap();
        f.accounts.remove_tag(user, room, tag()).await.unwrap();
        let content = f.accounts.account_data(user, Some(room), TAG_TYPE).await;
        assert_eq!(
            content.unwrap().as_deref(),
            Some(r#"{"other":1,"tags":{}}"#)
        );
    }

    #[test]
    fn orders_are_from_0_to_1_and_names_are_bounded() {
        for order in [json!(0), json!(1), json!(0.25)] {
            assert!(check("a", &about(&json!({ "order": order }))).is_ok());
        }
        for order in [json!(-0.1), json!(1.1), json!("0.5"), json!(null)] {
            assert!(check("a", &about(&json!({ "order": order }))).is_err());
        }
        assert!(check("", &Map::new()).is_err());
        assert!(check(&"a".repeat(MAX_TAG_BYTES), &Map::new()).is_ok());
        assert!(check(&"a".repeat(MAX_TAG_BYTES + 1), &Map::new()).is_err());
    }
}
