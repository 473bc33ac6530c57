//! Profiles of this server's users.
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#profiles>

use heliograph_core::ids::UserNum;
use heliograph_tables::{
    Op, Record, StoreError, View,
    schema::{self, Profile},
};

use crate::{AccountError, Accounts, locks::Lock, profile_fields};

/// Characters of a display name, at most.
pub const MAX_DISPLAYNAME_CHARS: usize = 256;

/// Characters of an avatar's URL, at most.
pub const MAX_AVATAR_URL_CHARS: usize = 1000;

/// A field of a profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProfileField {
    /// `displayname`
    Displayname,
    /// `avatar_url`
    AvatarUrl,
}

impl ProfileField {
    /// The field with the spec's name.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "displayname" => Some(Self::Displayname),
            "avatar_url" => Some(Self::AvatarUrl),
            _ => None,
        }
    }

    /// The spec's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Displayname => "displayname",
            Self::AvatarUrl => "avatar_url",
        }
    }

    /// The field's value in a profile.
    pub fn of(self, profile: &Profile) -> Option<&str> {
        match self {
            Self::Displayname => profile.displayname.as_deref(),
            Self::AvatarUrl => profile.avatar_url.as_deref(),
        }
    }

    fn of_mut(self, profile: &mut Profile) -> &mut Option<Box<str>> {
        match self {
            Self::Displayname => &mut profile.displayname,
            Self::AvatarUrl => &mut profile.avatar_url,
        }
    }

    fn check(self, value: &str) -> Result<(), AccountError> {
        match self {
            Self::Displayname => check_displayname(value),
            Self::AvatarUrl => check_avatar_url(value),
        }
    }
}

pub(crate) fn check_displayname(name: &str) -> Result<(), AccountError> {
    if name.chars().count() > MAX_DISPLAYNAME_CHARS {
        return Err(AccountError::TooLarge("the display name"));
    }
    Ok(())
}

/// It ought to be an `mxc` URI, and clients show nothing else. But Complement sets other text, as
/// anybody can in a member event, and Synapse takes it.
fn check_avatar_url(url: &str) -> Result<(), AccountError> {
    if url.chars().count() > MAX_AVATAR_URL_CHARS {
        return Err(AccountError::TooLarge("the avatar URL"));
    }
    Ok(())
}

impl Accounts {
    /// The profile of a user of this server; `None` when there is no such user, or no more.
    pub fn profile(&self, view: &View, user: UserNum) -> Result<Option<Profile>, StoreError> {
        match view.get(&schema::ACCOUNTS, &user)? {
            Some(account) if !account.deactivated => {
                let profile = view.get(&schema::PROFILES, &user)?;
                Ok(Some(profile.unwrap_or_default()))
            }
            _ => Ok(None),
        }
    }

    /// The profile of a user of this server, by user id; off the async threads.
    ///
    /// # Errors
    /// [`AccountError::UnknownUser`], also for deactivated users.
    pub async fn profile_of(&self, user_id: &str) -> Result<(UserNum, Profile), AccountError> {
        let accounts = self.clone();
        let user_id = user_id.to_owned();
        self.inner
            .read(Op::UserData, move |inner, view| {
                let user = inner.find_local(view, &user_id)?;
                let user = user.ok_or(AccountError::UnknownUser)?;
                let profile = accounts.profile(view, user)?;
                Ok((user, profile.ok_or(AccountError::UnknownUser)?))
            })
            .await
    }

    /// Sets a field of a profile; `None` and the empty string clear it. Gives the profile as it
    /// is then, and whether it changed: those who know rooms carry it there.
    ///
    /// # Errors
    /// [`AccountError::TooLarge`], [`AccountError::Invalid`], [`AccountError::ProfileTooLarge`],
    /// [`AccountError::UnknownUser`], [`AccountError::Deactivated`].
    pub async fn set_profile_field(
        &self,
        user: UserNum,
        field: ProfileField,
        value: Option<String>,
    ) -> Result<(Profile, bool), AccountError> {
        let value = value.filter(|value| !value.is_empty());
        if let Some(value) = &value {
            field.check(value)?;
        }
        self.inner
            .change(Op::UserData, vec![Lock::User(user)], move |change| {
                let account = change.account(user)?;
                let mut profile = change
                    .view
                    .get(&schema::PROFILES, &user)?
                    .unwrap_or_default();
                let before = profile.clone();
                let place = field.of_mut(&mut profile);
                let value = value.map(String::into_boxed_str);
                if *place == value {
                    return Ok((profile, false));
                }
                *place = value;
                let size = profile_fields::size_besides(&change.view, user, field.as_str())?;
                let own = field.of(&profile);
                let own = own.map_or(0, |text| profile_fields::size_of_text(field.as_str(), text));
                if size + own > profile_fields::MAX_PROFILE_BYTES {
                    return Err(AccountError::ProfileTooLarge);
                }
                change.batch.put(&schema::PROFILES, &user, &profile);
                change.batch.record(Record::ProfileChanged { user });
                let user_id = change.inner.user_id(&change.view, user)?;
                let (before, after) = (Some(&before), Some(&profile));
                change.index_words((user, user_id.as_str()), &account, before, after);
                Ok((profile, true))
            })
            .await
    }
}

#[cfg(test)]
mod tests {
    use heliograph_tables::Store;

    use super::*;
    use crate::testing::accounts;

    #[tokio::test]
    async fn fields_are_set_cleared_and_logged_when_they_change() {
        let f = accounts();
        let user = f.register("alice").await.user;
        let set = async |field, value: &str| {
            let before = f.store.view(Op::Other).position();
            let value = Some(value.to_owned());
            let (profile, changed) = f
                .accounts
                .set_profile_field(user, field, value)
                .await
                .unwrap();
            let moved = f.store.view(Op::Other).position() > before;
            assert_eq!(moved, changed, "what changes nothing writes nothing");
            (profile, changed)
        };
        let (_, changed) = set(ProfileField::Displayname, "Alice").await;
        assert!(changed);
        let (profile, changed) = set(ProfileField::AvatarUrl, "mxc://example.org/a").await;
        assert!(changed);
        assert_eq!(ProfileField::Displayname.of(&profile), Some("Alice"));
        assert_eq!(
            ProfileField::AvatarUrl.of(&profile),
            Some("mxc://example.org/a")
        );
        assert!(!set(ProfileField::Displayname, "Alice").await.1);
        let (profile, _) = set(ProfileField::Displayname, "").await;
        assert_eq!(profile.displayname, None);
        let view = f.store.view(Op::Other);
        assert_eq!(
            f.accounts.profile(&view, user).unwrap(),
            Some(profile.clone())
        );
        let found = f.accounts.profile_of("@alice:example.org").await.unwrap();
        assert_eq!(found, (user, profile));
    }

    #[tokio::test]
    async fn what_is_so_already_is_answered_only_once_it_is_safe() {
        let f = accounts();
        let user = f.register("alice").await.user;
        let set = || {
            let (accounts, value) = (f.accounts.clone(), Some("Alice".to_owned()));
            let field = ProfileField::Displayname;
            async move { accounts.set_profile_field(user, field, value).await }
        };
        f.store.hold();
        let mut both = tokio::task::JoinSet::new();
        both.spawn(set());
        both.spawn(set());
        let written = &f.store.counts().of(Op::UserData).keys_written;
        // The profile and two entries of the log.
        while written.load(std::sync::atomic::Ordering::SeqCst) < 3 {
            assert!(both.try_join_next().is_none(), "answered too early");
            tokio::task::yield_now().await;
        }
        assert!(both.try_join_next().is_none(), "answered too early");
        f.store.release();
        let mut changed = both.join_all().await.into_iter().map(|set| set.unwrap().1);
        assert_ne!(changed.next(), changed.next());
    }

    #[tokio::test]
    async fn fields_are_bounded_in_characters() {
        let f = accounts();
        let user = f.register("alice").await.user;
        let set = async |field, value: String| {
            f.accounts.set_profile_field(user, field, Some(value)).await
        };
        let name = "é".repeat(MAX_DISPLAYNAME_CHARS);
        set(ProfileField::Displayname, name.clone()).await.unwrap();
        let longer = set(ProfileField::Displayname, name + "a").await;
        assert!(matches!(longer, Err(AccountError::TooLarge(_))));
        let url = format!("mxc://x/{}", "a".repeat(MAX_AVATAR_URL_CHARS - 8));
        set(ProfileField::AvatarUrl, url.clone()).await.unwrap();
        let longer = set(ProfileField::AvatarUrl, url + "a").await;
        assert!(matches!(longer, Err(AccountError::TooLarge(_))));
    }

    #[test]
    fn fields_have_the_specs_names() {
        for field in [ProfileField::Displayname, ProfileField::AvatarUrl] {
            assert_eq!(ProfileField::parse(field.as_str()), Some(field));
        }
        assert_eq!(ProfileField::parse("m.tz"), None);
    }
}
