//! Guests: users without a password, whose API is limited, until they register with it.
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#guest-access>

use heliograph_core::ids::UserNum;
use heliograph_tables::{Op, StoreError, View, schema};

use crate::{
    AccountError, Accounts, Registered, Registration, devices, localpart, locks::Lock, policies,
    registration_tokens, sessions,
};

/// Whether a user is a guest of this server.
pub fn is_guest(view: &View, user: UserNum) -> Result<bool, StoreError> {
    let account = view.get(&schema::ACCOUNTS, &user)?;
    Ok(account.is_some_and(|account| account.guest))
}

impl Accounts {
    /// The guest with an access token, who has to be the one with a localpart.
    ///
    /// # Errors
    /// [`AccountError::BadGuestToken`] when they are not.
    pub async fn guest(
        &self,
        access_token: &str,
        localpart: &str,
    ) -> Result<UserNum, AccountError> {
        let found = match self.authenticate(access_token).await {
            Ok(found) => found,
            Err(AccountError::TokenExpired) => None,
            Err(error) => return Err(error),
        };
        let user_id = localpart::user_id(localpart, &self.inner.settings.server_name)?;
        let guest = found.filter(|found| found.is_guest && found.user_id == user_id);
        guest
            .map(|found| found.user)
            .ok_or(AccountError::BadGuestToken)
    }

    /// Makes a guest's account an ordinary one, under the id that it has: what is in `registration`
    /// beside the localpart counts. The guest's device stays.
    ///
    /// # Errors
    /// [`AccountError::BadGuestToken`] when the user is no guest; those of [`Accounts::register`].
    pub async fn upgrade_guest(
        &self,
        guest: UserNum,
        registration: Registration,
    ) -> Result<Registered, AccountError> {
        let inner = &self.inner;
        let min_chars = inner.settings.min_password_chars;
        let password = match registration.password {
            Some(password) => {
                let hash = inner.passwords.hash(password, min_chars, &*inner.random);
                Some(hash.await?)
            }
            None => None,
        };
        let (token, device) = (registration.registration_token, registration.device);
        let accepted = registration.accepted_policies;
        let mut locks = vec![Lock::User(guest)];
        locks.extend(token.as_deref().map(|token| Lock::Token(token.into())));
        let session = inner
            .change(Op::Account, locks, move |change| {
                let mut account = change.account(guest)?;
                if !account.guest {
                    return Err(AccountError::BadGuestToken);
                }
                if let Some(token) = &token {
                    registration_tokens::take_use(change, token)?;
                }
                account.guest = false;
                account.password = password;
                policies::accept(change, guest, &accepted);
                sessions::revoke_cached(change, guest)?;
                let session = match device {
                    Some(device) => Some(devices::log_in(change, guest, &mut account, device)?),
                    None => None,
                };
                change.batch.put(&schema::ACCOUNTS, &guest, &account);
                let profile = change.view.get(&schema::PROFILES, &guest)?;
                let profile = profile.unwrap_or_default();
                let user_id = change.inner.user_id(&change.view, guest)?;
                change.index_words((guest, user_id.as_str()), &account, None, Some(&profile));
                Ok(session)
            })
            .await?;
        let user_id = inner
            .read(Op::Account, move |inner, view| inner.user_id(view, guest))
            .await?;
        Ok(Registered {
            user: guest,
            user_id,
            session,
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        AccountError, NewDevice, Registration,
        testing::{PASSWORD, accounts},
    };

    #[tokio::test]
    async fn a_guest_becomes_a_user_once_and_by_their_own_token_only() {
        let f = accounts();
        let new = || Registration {
            guest: true,
            device: Some(NewDevice::default()),
            ..Registration::default()
        };
        let guest = f.accounts.register(new()).await.unwrap();
        let other = f.accounts.register(new()).await.unwrap();
        let (token, others) = (
            guest.session.clone().unwrap().access_token,
            other.session.unwrap().access_token,
        );
        let name = guest.user_id.localpart();
        for (token, name) in [(&others, name), (&token, "alice"), (&"x".to_owned(), name)] {
            let refused = f.accounts.guest(token, name).await;
            assert!(matches!(refused, Err(AccountError::BadGuestToken)));
        }
        assert_eq!(f.accounts.guest(&token, name).await.unwrap(), guest.user);
        let registration = Registration {
            password: Some(PASSWORD.to_owned()),
            ..Registration::default()
        };
        let upgraded = f.accounts.upgrade_guest(guest.user, registration.clone());
        assert_eq!(upgraded.await.unwrap().user_id, guest.user_id);
        let identity = f.accounts.authenticate(&token).await.unwrap().unwrap();
        assert!(!identity.is_guest, "also for a session in the cache");
        let again = f.accounts.upgrade_guest(guest.user, registration).await;
        assert!(matches!(again, Err(AccountError::BadGuestToken)));
        let login =
            f.accounts
                .log_in_with_password(name, PASSWORD.to_owned(), NewDevice::default());
        assert_eq!(login.await.unwrap().0, guest.user);
    }
}
