//! Fields of a profile besides the display name and the avatar: any JSON under any name. They go into
//! no event.
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#profiles>

use bytes::Bytes;
use heliograph_core::ids::UserNum;
use heliograph_tables::{
    Direction, Op, StoreError, View,
    codec::{Plain, Tail},
    schema::{self, Profile},
};
use serde_json::value::RawValue;

use crate::{AccountError, Accounts, ProfileField, locks::Lock};

/// Bytes of a field's name, at most.
pub const MAX_KEY_BYTES: usize = 255;

/// Bytes of a whole profile as JSON, at most.
pub const MAX_PROFILE_BYTES: usize = 65_536;

/// Bytes of JSON around a name and its value: quotation marks, colon and comma.
const BYTES_AROUND: usize = 4;

/// Fields of a profile, by name.
pub type OtherFields = Vec<(Box<str>, Bytes)>;

impl Accounts {
    /// A whole profile: what events carry, and the other fields as JSON, sorted by name.
    ///
    /// # Errors
    /// [`AccountError::UnknownUser`], also for deactivated users.
    pub async fn whole_profile(
        &self,
        user_id: &str,
    ) -> Result<(Profile, OtherFields), AccountError> {
        let (user, profile) = self.profile_of(user_id).await?;
        let others = self
            .inner
            .read(Op::UserData, move |_, view| Ok(other_fields(view, user)?));
        Ok((profile, others.await?))
    }

    /// Another field of a profile as JSON, if it is set.
    ///
    /// # Errors
    /// [`AccountError::UnknownUser`], also for deactivated users.
    pub async fn other_profile_field(
        &self,
        user_id: &str,
        key: &str,
    ) -> Result<Option<Bytes>, AccountError> {
        let (user, _) = self.profile_of(user_id).await?;
        let key = Tail(key.into());
        self.inner
            .read(Op::UserData, move |_, view| {
                let value = view.get(&schema::PROFILE_FIELDS, &(user, key))?;
                Ok(value.map(|Plain(json)| json))
            })
            .await
    }

    /// Sets or removes another field.
    ///
    /// # Errors
    /// [`AccountError::KeyTooLarge`], [`AccountError::ProfileTooLarge`], [`AccountError::Invalid`]
    /// for a name that is empty, [`AccountError::UnknownUser`], [`AccountError::Deactivated`].
    pub async fn set_other_profile_field(
        &self,
        user: UserNum,
        key: String,
        value: Option<Box<RawValue>>,
    ) -> Result<(), AccountError> {
        if key.is_empty() {
            return Err(AccountError::Invalid("the field has no name"));
        }
        if key.len() > MAX_KEY_BYTES {
            return Err(AccountError::KeyTooLarge);
        }
        self.inner
            .change(Op::UserData, vec![Lock::User(user)], move |change| {
                change.account(user)?;
                let row = (user, Tail(key.into()));
                let Some(value) = value else {
                    change.batch.delete(&schema::PROFILE_FIELDS, &row);
                    return Ok(());
                };
                let json = Bytes::copy_from_slice(value.get().as_bytes());
                let others = size_besides(&change.view, user, &row.1.0)?;
                if others + size_of(&row.1.0, json.len()) > MAX_PROFILE_BYTES {
                    return Err(AccountError::ProfileTooLarge);
                }
                change
                    .batch
                    .put(&schema::PROFILE_FIELDS, &row, &Plain(json));
                Ok(())
            })
            .await
    }
}

fn other_fields(view: &View, user: UserNum) -> Result<OtherFields, StoreError> {
    let rows = view.scan(&schema::PROFILE_FIELDS, &(user,), Direction::Forward);
    rows.map(|row| row.map(|((_, Tail(key)), Plain(json))| (key, json)))
        .collect()
}

fn size_of(key: &str, value: usize) -> usize {
    key.len() + value + BYTES_AROUND
}

/// The same of a field that is a text.
pub(crate) fn size_of_text(key: &str, text: &str) -> usize {
    size_of(key, text.len() + "\"\"".len())
}

/// Bytes of a profile without one of its fields.
pub(crate) fn size_besides(view: &View, user: UserNum, key: &str) -> Result<usize, StoreError> {
    let profile = view.get(&schema::PROFILES, &user)?.unwrap_or_default();
    let own = [ProfileField::Displayname, ProfileField::AvatarUrl].into_iter();
    let own = own
        .filter(|field| field.as_str() != key)
        .filter_map(|field| Some(size_of_text(field.as_str(), field.of(&profile)?)));
    let others = other_fields(view, user)?;
    let others = others.iter().filter(|(name, _)| **name != *key);
    let others = others.map(|(name, json)| size_of(name, json.len()));
    Ok(own.chain(others).sum())
}

#[cfg(test)]
mod tests {
    use heliograph_tables::Store as _;
    use serde_json::value::to_raw_value;

    use super::*;
    use crate::testing::accounts;

    #[tokio::test]
    async fn a_profile_holds_any_fields_up_to_its_limit() {
        let f = accounts();
        let user = f.register("alice").await.user;
        let set = async |key: &str, value: &str| {
            let value = to_raw_value(value).unwrap();
            let key = key.to_owned();
            f.accounts
                .set_other_profile_field(user, key, Some(value))
                .await
        };
        set("m.tz", "Europe/Paris").await.unwrap();
        let long = "k".repeat(MAX_KEY_BYTES);
        set(&long, "v").await.unwrap();
        let longer = set(&format!("{long}k"), "v").await;
        assert!(matches!(longer, Err(AccountError::KeyTooLarge)));
        assert!(matches!(set("", "v").await, Err(AccountError::Invalid(_))));
        f.accounts
            .set_other_profile_field(user, long, None)
            .await
            .unwrap();
        let view = f.store.view(Op::Other);
        let rest = MAX_PROFILE_BYTES - size_besides(&view, user, "big").unwrap();
        let room = rest - size_of("big", 2);
        set("big", &"x".repeat(room)).await.unwrap();
        let more = set("big", &"x".repeat(room + 1)).await;
        assert!(matches!(more, Err(AccountError::ProfileTooLarge)));
        let more = set("c", "x").await;
        assert!(matches!(more, Err(AccountError::ProfileTooLarge)));
        let name = Some("Alice".to_owned());
        let named = f
            .accounts
            .set_profile_field(user, ProfileField::Displayname, name);
        assert!(matches!(named.await, Err(AccountError::ProfileTooLarge)));
        let (_, others) = f
            .accounts
            .whole_profile("@alice:example.org")
            .await
            .unwrap();
        let keys: Vec<_> = others.iter().map(|(key, _)| &**key).collect();
        assert_eq!(keys, ["big", "m.tz"]);
    }
}
