//! Filters that clients store and name by id.
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#filtering>
//!
//! What a filter means is for `sync` to know; here it is the text of a JSON object. The same text
//! gets the same id again.

use bytes::Bytes;
use heliograph_core::ids::UserNum;
use heliograph_tables::{Batch, Corrupt, Direction, Op, StoreError, View, codec::Plain, schema};

use crate::{AccountError, Accounts, locks::Lock, sessions::sha256};

/// Bytes of a filter, at most.
pub const MAX_FILTER_BYTES: usize = 16 * 1024;

/// Filters of one user, at most.
const MAX_FILTERS: u32 = 1_000;

impl Accounts {
    /// Stores a filter and gives its id.
    ///
    /// # Errors
    /// [`AccountError::Invalid`] when it is not a JSON object; [`AccountError::TooLarge`],
    /// [`AccountError::TooMany`]; [`AccountError::UnknownUser`], [`AccountError::Deactivated`].
    pub async fn add_filter(&self, user: UserNum, filter: &str) -> Result<String, AccountError> {
        if filter.len() > MAX_FILTER_BYTES {
            return Err(AccountError::TooLarge("the filter"));
        }
        let text = canonical(filter)?;
        self.inner
            .change(Op::UserData, vec![Lock::User(user)], move |change| {
                change.account(user)?;
                let by_content = (user, sha256(text.as_bytes()));
                if let Some(known) = change.view.get(&schema::FILTER_NUMS, &by_content)? {
                    return Ok(known.0.to_string());
                }
                let last = change
                    .view
                    .end(&schema::FILTERS, &(user,), Direction::Backward)?;
                let num = last.map_or(0, |((_, num), _)| num).saturating_add(1);
                if num > MAX_FILTERS {
                    return Err(AccountError::TooMany("filters"));
                }
                let row = Plain(Bytes::from(text));
                change.batch.put(&schema::FILTERS, &(user, num), &row);
                change
                    .batch
                    .put(&schema::FILTER_NUMS, &by_content, &Plain(num));
                Ok(num.to_string())
            })
            .await
    }

    /// The text of a stored filter; `None` when the user has none of that id.
    ///
    /// # Errors
    /// Those of the store and of the pool.
    pub async fn filter(
        &self,
        user: UserNum,
        filter_id: &str,
    ) -> Result<Option<String>, AccountError> {
        let Some(num) = parse_id(filter_id) else {
            return Ok(None);
        };
        self.inner
            .read(Op::UserData, move |_, view| Ok(stored(view, user, num)?))
            .await
    }
}

/// The number in a filter id, if it is one that this server could have given.
fn parse_id(filter_id: &str) -> Option<u32> {
    let num: u32 = filter_id.parse().ok()?;
    (num.to_string() == filter_id).then_some(num)
}

fn stored(view: &View, user: UserNum, num: u32) -> Result<Option<String>, StoreError> {
    let Some(row) = view.get(&schema::FILTERS, &(user, num))? else {
        return Ok(None);
    };
    let text = String::from_utf8(row.0.into()).map_err(|_| StoreError::Corrupt {
        table: schema::FILTERS.name,
        source: Corrupt("text"),
    })?;
    Ok(Some(text))
}

/// A filter without insignificant space, keys in order.
fn canonical(filter: &str) -> Result<String, AccountError> {
    let not_an_object = AccountError::Invalid("the filter is not a JSON object");
    match serde_json::from_str::<serde_json::Value>(filter) {
        Ok(mut value) if value.is_object() => {
            value.sort_all_objects();
            Ok(value.to_string())
        }
        _ => Err(not_an_object),
    }
}

/// Removes all filters of a user.
pub(crate) fn remove_all(batch: &mut Batch, user: UserNum) {
    batch.delete_prefix(&schema::FILTERS, &(user,));
    batch.delete_prefix(&schema::FILTER_NUMS, &(user,));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::accounts;

    #[tokio::test]
    async fn a_filter_is_given_back_and_the_same_one_has_the_same_id() {
        let f = accounts();
        let (alice, bob) = (f.register("alice").await.user, f.register("bob").await.user);
        let add = async |user, filter: &str| f.accounts.add_filter(user, filter).await.unwrap();
        let id = add(alice, r#"{"room": {"timeline": {"limit": 1}}, "a": 1}"#).await;
        assert_eq!(
            add(alice, r#"{"a":1,"room":{"timeline":{"limit":1}}}"#).await,
            id
        );
        let other = add(alice, "{}").await;
        assert_ne!(other, id);
        let stored = f.accounts.filter(alice, &id).await.unwrap();
        assert_eq!(
            stored.as_deref(),
            Some(r#"{"a":1,"room":{"timeline":{"limit":1}}}"#)
        );
        assert_eq!(f.accounts.filter(bob, &id).await.unwrap(), None);
        for unknown in ["", "99", "01", "+1", "-1", "x", "4294967296"] {
            assert_eq!(
                f.accounts.filter(alice, unknown).await.unwrap(),
                None,
                "{unknown}"
            );
        }
    }

    #[tokio::test]
    async fn filters_are_objects_and_bounded() {
        let f = accounts();
        let user = f.register("alice").await.user;
        for filter in ["", "[]", "1", "{", "{}x"] {
            let added = f.accounts.add_filter(user, filter).await;
            assert!(matches!(added, Err(AccountError::Invalid(_))), "{filter}");
        }
        let longest = format!("{{\"a\":\"{}\"}}", "x".repeat(MAX_FILTER_BYTES - 8));
        f.accounts.add_filter(user, &longest).await.unwrap();
        let longer = f.accounts.add_filter(user, &format!("{longest} ")).await;
        assert!(matches!(longer, Err(AccountError::TooLarge(_))));
        for i in 1..MAX_FILTERS {
            f.accounts
                .add_filter(user, &format!("{{\"i\":{i}}}"))
                .await
                .unwrap();
        }
        let one_more = f.accounts.add_filter(user, "{\"i\":0}").await;
        assert!(matches!(one_more, Err(AccountError::TooMany(_))));
        f.accounts.add_filter(user, "{\"i\":1}").await.unwrap();
    }
}
