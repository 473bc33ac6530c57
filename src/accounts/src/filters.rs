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
                let last = change.view.end(&schema::FILTERS, &(user,), Direction::Backward)?;
                let num = last.map_or(0, |((_, num), _)| num).saturating_add(1);
                if num > MAX_FILTERS {
                    return Err(AccountError::TooMany("filters"));
                }
                let row = Plain(Bytes::from(text));
                change.batch.put(&schema::FILTERS, &(user, num), &row);
                change.batch.put(&schema::FILTER_NUMS, &by_content, &Plain(num));
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
