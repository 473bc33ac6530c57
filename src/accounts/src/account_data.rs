//! Account data, global and of rooms.
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#client-config>
//!
//! There is one row for each (room, type), and a second one that orders a room's rows (and the
//! global ones) by the position at which they were set: a sync reads only what is newer. What was
//! deleted stays as a row without a content, so that other devices are told.

#[cfg(test)]
mod tests;

use bytes::Bytes;
use heliograph_core::ids::{Position, RoomNum, UserNum};
use heliograph_tables::{
    Batch, Corrupt, Direction, Op, Record, StoreError, View,
    batch::PRESENT,
    codec::{Plain, Tail, UNSTAMPED},
    schema::{self, AccountDatum, GLOBAL},
};

use serde_json::{Map, Value};

use crate::{AccountError, Accounts, change::Change, locks::Lock, own_push_rules};

/// Bytes of one content, at most.
pub const MAX_CONTENT_BYTES: usize = 64 * 1024;

/// Bytes of a type, at most.
const MAX_TYPE_BYTES: usize = 255;

/// What a row costs beside its type and its content.
const ROW_OVERHEAD_BYTES: u64 = 64;

/// The type that holds the push rules.
pub(crate) const PUSH_RULES: &str = "m.push_rules";

/// Types that the server keeps itself.
const NOT_SETTABLE: [&str; 2] = ["m.fully_read", PUSH_RULES];

/// One piece of account data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountDataRow {
    /// Its type.
    pub kind: Box<str>,
    /// Its content: the text of a JSON object.
    pub content: Box<str>,
}

impl Accounts {
    /// Sets account data, global without a room. `content` is the text of a JSON object; an empty
    /// one deletes what is there, and is told in any case.
    ///
    /// <https://spec.matrix.org/v1.19/client-server-api/#put_matrixclientv3useruseridaccount_datatype>
    /// <https://github.com/matrix-org/matrix-spec-proposals/pull/3391>
    ///
    /// # Errors
    /// [`AccountError::NotSettable`] for `m.fully_read` and `m.push_rules`;
    /// [`AccountError::Invalid`], [`AccountError::TooLarge`] and [`AccountError::TooMany`] by type
    /// and content; [`AccountError::UnknownUser`], [`AccountError::Deactivated`].
    pub async fn set_account_data(
        &self,
        user: UserNum,
        room: Option<RoomNum>,
        kind: &str,
        content: &str,
    ) -> Result<(), AccountError> {
        if NOT_SETTABLE.contains(&kind) {
            return Err(AccountError::NotSettable);
        }
        let content = match check(kind, content)? {
            Content::Empty => AccountDatum::DELETED,
            Content::Filled => Bytes::copy_from_slice(content.as_bytes()),
        };
        let kind = Tail::from(kind);
        self.inner
            .change(Op::UserData, vec![Lock::User(user)], move |change| {
                change.account(user)?;
                set(change, user, room, kind, content)
            })
            .await
    }

    /// Sets the fully-read marker of a room.
    ///
    /// <https://spec.matrix.org/v1.19/client-server-api/#fully-read-markers>
    ///
    /// # Errors
    /// [`AccountError::TooMany`]; [`AccountError::UnknownUser`], [`AccountError::Deactivated`].
    pub async fn set_fully_read(
        &self,
        user: UserNum,
        room: RoomNum,
        event_id: &str,
    ) -> Result<(), AccountError> {
        let content = serde_json::json!({ "event_id": event_id }).to_string();
        let (kind, content) = (Tail::from("m.fully_read"), Bytes::from(content));
        self.inner
            .change(Op::UserData, vec![Lock::User(user)], move |change| {
                change.account(user)?;
                set(change, user, Some(room), kind, content)
            })
            .await
    }

    /// Deletes account data, global without a room; whether there was any. Other devices are told
    /// that it is empty.
    ///
    /// <https://github.com/matrix-org/matrix-spec-proposals/pull/3391>
    ///
    /// # Errors
    /// As [`Accounts::set_account_data`].
    pub async fn delete_account_data(
        &self,
        user: UserNum,
        room: Option<RoomNum>,
        kind: &str,
    ) -> Result<bool, AccountError> {
        if NOT_SETTABLE.contains(&kind) {
            return Err(AccountError::NotSettable);
        }
        let kind = Tail::from(kind);
        self.inner
            .change(Op::UserData, vec![Lock::User(user)], move |change| {
                change.account(user)?;
                delete(change, user, room, kind)
            })
            .await
    }

    /// One piece of account data; the push rules are those of the spec unless they were changed.
    ///
    /// # Errors
    /// Those of the store and of the pool.
    pub async fn account_data(
        &self,
        user: UserNum,
        room: Option<RoomNum>,
        kind: &str,
    ) -> Result<Option<Box<str>>, AccountError> {
        let kind = Tail::from(kind);
        self.inner
            .read(Op::UserData, move |inner, view| {
                if room.is_none() && &*kind.0 == PUSH_RULES {
                    return Ok(own_push_rules::of_user(inner, view, user)?);
                }
                let key = (user, room.unwrap_or(GLOBAL), kind);
                let datum = view.get(&schema::ACCOUNT_DATA, &key)?;
                let datum = datum.filter(|datum| !datum.is_deleted());
                Ok(datum.map(|datum| text(&datum.content)).transpose()?)
            })
            .await
    }

    /// All account data of a user: global without a room, else of that room.
    pub fn all_account_data(
        &self,
        view: &View,
        user: UserNum,
        room: Option<RoomNum>,
    ) -> Result<Vec<AccountDataRow>, StoreError> {
        let place = room.unwrap_or(GLOBAL);
        let mut rows = Vec::new();
        for row in view.scan(&schema::ACCOUNT_DATA, &(user, place), Direction::Forward) {
            let ((_, _, kind), datum) = row?;
            if datum.is_deleted() || (room.is_none() && &*kind.0 == PUSH_RULES) {
                continue;
            }
            rows.push(AccountDataRow {
                kind: kind.0,
                content: text(&datum.content)?,
            });
        }
        if room.is_none()
            && let Some(content) = own_push_rules::of_user(&self.inner, view, user)?
        {
            rows.push(AccountDataRow {
                kind: PUSH_RULES.into(),
                content,
            });
        }
        Ok(rows)
    }

    /// The account data of a user that was set after a position, in that order: global without a
    /// room, else of that room.
    pub fn account_data_since(
        &self,
        view: &View,
        user: UserNum,
        room: Option<RoomNum>,
        after: Position,
    ) -> Result<Vec<AccountDataRow>, StoreError> {
        let place = room.unwrap_or(GLOBAL);
        let Some(from) = after.next() else {
            return Ok(Vec::new());
        };
        let mut keys = Vec::new();
        let (from, to) = ((user, place, from), (user, place, UNSTAMPED));
        for row in view.range(
            &schema::ACCOUNT_DATA_BY_POSITION,
            &from,
            &to,
            Direction::Forward,
        ) {
            let ((_, _, _, kind), _) = row?;
            keys.push((user, place, kind));
        }
        let data = view.multi_get(&schema::ACCOUNT_DATA, &keys)?;
        let mut rows = Vec::new();
        for ((_, _, kind), datum) in keys.into_iter().zip(data) {
            let content = if room.is_none() && &*kind.0 == PUSH_RULES {
                own_push_rules::of_user(&self.inner, view, user)?
            } else {
                match datum {
                    Some(datum) if datum.is_deleted() => Some("{}".into()),
                    datum => datum.map(|datum| text(&datum.content)).transpose()?,
                }
            };
            rows.extend(content.map(|content| AccountDataRow {
                kind: kind.0,
                content,
            }));
        }
        Ok(rows)
    }

    /// A user's push rules, as `m.push_rules` holds them.
    ///
    /// <https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3pushrules>
    ///
    /// # Errors
    /// [`AccountError::UnknownUser`].
    pub async fn push_rules(&self, user: UserNum) -> Result<Box<str>, AccountError> {
        let rules = self.account_data(user, None, PUSH_RULES).await?;
        rules.ok_or(AccountError::UnknownUser)
    }
}

/// A piece of global account data as the object that it is; one of another shape is none.
pub(crate) fn global_object(
    view: &View,
    user: UserNum,
    kind: &str,
) -> Result<Option<Map<String, Value>>, StoreError> {
    let datum = view.get(&schema::ACCOUNT_DATA, &(user, GLOBAL, Tail::from(kind)))?;
    Ok(datum.and_then(|datum| serde_json::from_slice(&datum.content).ok()))
}

/// What is stored is text; anything else was damaged.
fn text(content: &[u8]) -> Result<Box<str>, StoreError> {
    std::str::from_utf8(content)
        .map(Box::from)
        .map_err(|_| StoreError::Corrupt {
            table: schema::ACCOUNT_DATA.name,
            source: Corrupt("text"),
        })
}

/// Whether a content says anything.
enum Content {
    Empty,
    Filled,
}

fn check(kind: &str, content: &str) -> Result<Content, AccountError> {
    if kind.is_empty() {
        return Err(AccountError::Invalid("the type is empty"));
    }
    if kind.len() > MAX_TYPE_BYTES {
        return Err(AccountError::TooLarge("the type"));
    }
    if content.len() > MAX_CONTENT_BYTES {
        return Err(AccountError::TooLarge("the content"));
    }
    // Parsed whole: it is put into answers as it is.
    match serde_json::from_str(content) {
        Ok(Value::Object(content)) if content.is_empty() => Ok(Content::Empty),
        Ok(Value::Object(_)) => Ok(Content::Filled),
        _ => Err(AccountError::Invalid("the content is not a JSON object")),
    }
}

fn cost(kind: &Tail, content: &Bytes) -> u64 {
    let bytes = kind.0.len().saturating_add(content.len());
    u64::try_from(bytes)
        .unwrap_or(u64::MAX)
        .saturating_add(ROW_OVERHEAD_BYTES)
}

/// Sets account data, of the global ones without a room; the content was checked.
pub(crate) fn set(
    change: &mut Change<'_>,
    user: UserNum,
    room: Option<RoomNum>,
    kind: Tail,
    content: Bytes,
) -> Result<(), AccountError> {
    let place = room.unwrap_or(GLOBAL);
    let freed = take_out(change, user, place, &kind)?.unwrap_or_default();
    let used = change.view.get(&schema::ACCOUNT_DATA_BYTES, &user)?;
    let used = used.unwrap_or_default().0.saturating_sub(freed);
    let used = used.saturating_add(cost(&kind, &content));
    if used > change.inner.settings.account_data_bytes {
        return Err(AccountError::TooMany("bytes of account data"));
    }
    let batch = &mut change.batch;
    batch.put(&schema::ACCOUNT_DATA_BYTES, &user, &Plain(used));
    let key = (user, place, UNSTAMPED, kind.clone());
    batch.put(&schema::ACCOUNT_DATA_BY_POSITION, &key, &PRESENT);
    let datum = AccountDatum {
        position: UNSTAMPED,
        content,
    };
    batch.put(&schema::ACCOUNT_DATA, &(user, place, kind), &datum);
    batch.record(Record::AccountData { user, room });
    Ok(())
}

fn delete(
    change: &mut Change<'_>,
    user: UserNum,
    room: Option<RoomNum>,
    kind: Tail,
) -> Result<bool, AccountError> {
    let key = (user, room.unwrap_or(GLOBAL), kind.clone());
    let before = change.view.get(&schema::ACCOUNT_DATA, &key)?;
    if before.is_none_or(|datum| datum.is_deleted()) {
        return Ok(false);
    }
    set(change, user, room, kind, AccountDatum::DELETED)?;
    Ok(true)
}

/// Takes what is there out of the order; gives the bytes that it cost.
fn take_out(
    change: &mut Change<'_>,
    user: UserNum,
    place: RoomNum,
    kind: &Tail,
) -> Result<Option<u64>, AccountError> {
    let key = (user, place, kind.clone());
    let Some(before) = change.view.get(&schema::ACCOUNT_DATA, &key)? else {
        return Ok(None);
    };
    let at = (user, place, before.position, kind.clone());
    change.batch.delete(&schema::ACCOUNT_DATA_BY_POSITION, &at);
    Ok(Some(cost(kind, &before.content)))
}

/// Removes all account data of a user.
pub(crate) fn remove_all(batch: &mut Batch, user: UserNum) {
    batch.delete_prefix(&schema::ACCOUNT_DATA, &(user,));
    batch.delete_prefix(&schema::ACCOUNT_DATA_BY_POSITION, &(user,));
    batch.delete(&schema::ACCOUNT_DATA_BYTES, &user);
    batch.record(Record::AccountData { user, room: None });
}
