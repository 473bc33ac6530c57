//! Accounts themselves: registration, passwords, deactivation, lists.
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#account-registration-and-management>

#[cfg(test)]
mod tests;

use heliograph_core::ids::{DeviceNum, UserNum};
use heliograph_tables::{
    Batch, Direction, Op, Record, View,
    codec::{Plain, UNSTAMPED},
    schema::{self, Account, PasswordHash, Profile},
};
use heliograph_work::RandomSourceExt as _;
use ruma_common::OwnedUserId;

use crate::{
    AccountError, Accounts, Inner, NewDevice, PolicyVersion, Session, account_data, bcrypt_hashes,
    change::Change, departures, devices, filters, localpart, locks::Lock, passwords, policies,
    profiles, registration_tokens, sessions,
};

/// Digits of a generated localpart.
const GENERATED_DIGITS: usize = 10;

/// How often a generated localpart may turn out to be taken.
const GENERATED_TRIES: usize = 8;

/// Users listed at once, at most.
const MAX_LIST: usize = 1_000;

/// What an account is made from.
#[derive(Clone, Default)]
pub struct Registration {
    /// The localpart; a number is made up without one.
    pub localpart: Option<String>,
    /// The password; without one nobody can log in by password.
    pub password: Option<String>,
    /// The password's hash under bcrypt, from another server, for want of the password.
    pub bcrypt_hash: Option<String>,
    /// Whether the user administers this server.
    pub admin: bool,
    /// Whether the user is a guest.
    pub guest: bool,
    /// The profile's display name.
    pub displayname: Option<String>,
    /// The registration token that lets the user in, whose uses are counted.
    pub registration_token: Option<String>,
    /// The policies that the user has accepted.
    pub accepted_policies: Vec<PolicyVersion>,
    /// The device to log in; none with `inhibit_login`.
    pub device: Option<NewDevice>,
}

impl std::fmt::Debug for Registration {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registration")
            .field("localpart", &self.localpart)
            .field("admin", &self.admin)
            .finish_non_exhaustive()
    }
}

/// A new account.
#[derive(Clone, Debug)]
pub struct Registered {
    /// The user's number.
    pub user: UserNum,
    /// The user's id.
    pub user_id: OwnedUserId,
    /// The device that was logged in, unless none was wanted.
    pub session: Option<Session>,
}

/// An account, as administrators see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserInfo {
    /// The user's number.
    pub user: UserNum,
    /// The user's id.
    pub user_id: OwnedUserId,
    /// Whether the user administers this server.
    pub admin: bool,
    /// Whether the account was ended.
    pub deactivated: bool,
    /// Whether the user has a password.
    pub has_password: bool,
    /// When the account was made, in milliseconds since 1970.
    pub created_ts: u64,
}

impl Accounts {
    /// Whether a localpart can be registered; gives the user id that it would make.
    ///
    /// <https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3registeravailable>
    ///
    /// # Errors
    /// [`AccountError::InvalidUsername`], [`AccountError::ReservedUsername`] and
    /// [`AccountError::UserInUse`] say why it cannot.
    pub async fn username_available(&self, localpart: &str) -> Result<String, AccountError> {
        let user_id = self.inner.registrable(localpart)?;
        self.inner
            .read(Op::Account, move |inner, view| {
                match inner.find_local(view, &user_id)? {
                    Some(_) => Err(AccountError::UserInUse),
                    None => Ok(user_id),
                }
            })
            .await
    }

    /// Makes an account, and logs a device in.
    ///
    /// <https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3register>
    ///
    /// # Errors
    /// As [`Accounts::username_available`]; [`AccountError::WeakPassword`];
    /// [`AccountError::BadRegistrationToken`] when the token's last use was taken meanwhile.
    pub async fn register(&self, registration: Registration) -> Result<Registered, AccountError> {
        let inner = &self.inner;
        if let Some(name) = &registration.displayname {
            profiles::check_displayname(name)?;
        }
        let wanted = match &registration.localpart {
            Some(localpart) => Some(self.username_available(localpart).await?),
            None => None,
        };
        let min_chars = inner.settings.min_password_chars;
        let password = match registration.password.clone() {
            Some(password) => Some(
                inner
                    .passwords
                    .hash(password, min_chars, &*inner.random)
                    .await?,
            ),
            None => match &registration.bcrypt_hash {
                Some(hash) => Some(bcrypt_hashes::parse(hash)?),
                None => None,
            },
        };
        if let Some(user_id) = wanted {
            return self.register_as(user_id, registration, password).await;
        }
        for _ in 0..GENERATED_TRIES {
            let localpart = inner.random.text(GENERATED_DIGITS, "0123456789");
            let user_id = inner.registrable(&localpart)?;
            let made = self
                .register_as(user_id, registration.clone(), password.clone())
                .await;
            match made {
                Err(AccountError::UserInUse) => {}
                other => return other,
            }
        }
        Err(AccountError::UserInUse)
    }

    async fn register_as(
        &self,
        user_id: String,
        registration: Registration,
        password: Option<PasswordHash>,
    ) -> Result<Registered, AccountError> {
        let name = user_id.clone();
        // The lock goes by number, so the name gets its number first; the batch carries the row.
        let user = self
            .inner
            .read(Op::Account, move |inner, view| {
                let mut unused = Batch::new(Op::Account);
                Ok(inner.interner.users.intern(view, &mut unused, &name)?)
            })
            .await?;
        let mut locks = vec![Lock::User(user)];
        if let Some(token) = &registration.registration_token {
            locks.push(Lock::Token(token.as_str().into()));
        }
        let session = self
            .inner
            .change(Op::Account, locks, move |change| {
                make_account(change, &user_id, registration, password)
            })
            .await?;
        let user_id = self
            .inner
            .read(Op::Account, move |inner, view| inner.user_id(view, user))
            .await?;
        Ok(Registered {
            user,
            user_id,
            session,
        })
    }

    /// Whether a password is good enough for this server, before anything is done for it.
    ///
    /// # Errors
    /// [`AccountError::WeakPassword`], [`AccountError::TooLarge`].
    pub fn check_new_password(&self, password: &str) -> Result<(), AccountError> {
        passwords::check(password, self.inner.settings.min_password_chars)
    }

    /// Sets another password; ends the devices other than `keep`, unless `logout_devices` is false.
    ///
    /// <https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3accountpassword>
    ///
    /// # Errors
    /// [`AccountError::WeakPassword`], [`AccountError::UnknownUser`],
    /// [`AccountError::Deactivated`].
    pub async fn set_password(
        &self,
        user: UserNum,
        password: String,
        logout_devices: bool,
        keep: Option<DeviceNum>,
    ) -> Result<(), AccountError> {
        let inner = &self.inner;
        let min_chars = inner.settings.min_password_chars;
        let hash = inner
            .passwords
            .hash(password, min_chars, &*inner.random)
            .await?;
        let locks = vec![Lock::User(user)];
        inner
            .change(Op::Account, locks, move |change| {
                let mut account = change.account(user)?;
                account.password = Some(hash);
                if logout_devices {
                    devices::remove_all(change, user, &mut account, keep)?;
                }
                change.batch.put(&schema::ACCOUNTS, &user, &account);
                Ok(())
            })
            .await
    }

    /// Makes a user an administrator of this server, or an ordinary user again.
    ///
    /// # Errors
    /// [`AccountError::UnknownUser`], [`AccountError::Deactivated`].
    pub async fn set_admin(&self, user: UserNum, admin: bool) -> Result<(), AccountError> {
        let locks = vec![Lock::User(user)];
        self.inner
            .change(Op::Account, locks, move |change| {
                let mut account = change.account(user)?;
                if account.admin != admin {
                    account.admin = admin;
                    change.batch.put(&schema::ACCOUNTS, &user, &account);
                    sessions::revoke_cached(change, user)?;
                }
                Ok(())
            })
            .await
    }

    /// Ends an account for good: devices, tokens, profile, account data and filters go, the id
    /// stays taken. That the user leaves all rooms is noted for those who know rooms: see
    /// [`Accounts::next_departing`].
    ///
    /// <https://spec.matrix.org/v1.19/client-server-api/#account-deactivation>
    ///
    /// # Errors
    /// [`AccountError::UnknownUser`]; deactivating twice is no error.
    pub async fn deactivate(&self, user: UserNum) -> Result<(), AccountError> {
        self.end(user, false).await
    }

    /// The same, and notes that the user asked to be erased: whoever comes into a room after that
    /// gets the user's messages as a redaction would leave them.
    ///
    /// # Errors
    /// As [`Accounts::deactivate`].
    pub async fn deactivate_and_erase(&self, user: UserNum) -> Result<(), AccountError> {
        self.end(user, true).await
    }

    async fn end(&self, user: UserNum, erase: bool) -> Result<(), AccountError> {
        let locks = vec![Lock::User(user)];
        self.inner
            .change(Op::Account, locks, move |change| {
                match change.account(user) {
                    Ok(account) => end_account(change, user, account)?,
                    Err(AccountError::Deactivated) => {}
                    Err(error) => return Err(error),
                }
                if erase && !change.view.has(&schema::ERASURES, &user)? {
                    change
                        .batch
                        .put(&schema::ERASURES, &user, &Plain(UNSTAMPED));
                }
                Ok(())
            })
            .await?;
        self.inner.departures.tell();
        Ok(())
    }

    /// Accounts in the order in which their ids came to be known here, at most `limit` (and at most
    /// 1,000) of them, beginning after one.
    ///
    /// # Errors
    /// Those of the store and of the pool.
    pub async fn list(
        &self,
        after: Option<UserNum>,
        limit: usize,
    ) -> Result<Vec<UserInfo>, AccountError> {
        let from = match after {
            Some(user) => user.next(),
            None => Some(UserNum(0)),
        };
        let Some(from) = from else {
            return Ok(Vec::new());
        };
        self.inner
            .read(Op::Account, move |inner, view| {
                view.range(
                    &schema::ACCOUNTS,
                    &from,
                    &UserNum(u32::MAX),
                    Direction::Forward,
                )
                .take(limit.min(MAX_LIST))
                .map(|row| row.map_err(AccountError::from))
                .map(|row| row.and_then(|(user, account)| info(inner, view, user, &account)))
                .collect()
            })
            .await
    }

    /// One account, deactivated or not.
    ///
    /// # Errors
    /// Those of the store and of the pool.
    pub async fn user(&self, user: UserNum) -> Result<Option<UserInfo>, AccountError> {
        self.inner
            .read(Op::Account, move |inner, view| {
                let account = view.get(&schema::ACCOUNTS, &user)?;
                account
                    .map(|account| info(inner, view, user, &account))
                    .transpose()
            })
            .await
    }
}

impl Inner {
    /// The user id that a localpart would make, as far as its text goes.
    fn registrable(&self, localpart: &str) -> Result<String, AccountError> {
        let user_id = localpart::user_id(localpart, &self.settings.server_name)?;
        let reserved = &self.settings.reserved_localparts;
        if reserved
            .iter()
            .any(|name| name.eq_ignore_ascii_case(localpart))
        {
            return Err(AccountError::ReservedUsername);
        }
        Ok(user_id)
    }
}

fn info(
    inner: &Inner,
    view: &View,
    user: UserNum,
    account: &Account,
) -> Result<UserInfo, AccountError> {
    Ok(UserInfo {
        user,
        user_id: inner.user_id(view, user)?,
        admin: account.admin,
        deactivated: account.deactivated,
        has_password: account.password.is_some(),
        created_ts: account.created_ts,
    })
}

/// The rule of registration, under the locks of the name and of the token.
fn make_account(
    change: &mut Change<'_>,
    user_id: &str,
    registration: Registration,
    password: Option<PasswordHash>,
) -> Result<Option<Session>, AccountError> {
    let users = &change.inner.interner.users;
    let user = users.intern(&change.view, &mut change.batch, user_id)?;
    if change.view.has(&schema::ACCOUNTS, &user)? {
        return Err(AccountError::UserInUse);
    }
    if let Some(token) = &registration.registration_token {
        registration_tokens::take_use(change, token)?;
    }
    let mut account = Account {
        created_ts: change.now_ms,
        admin: registration.admin,
        deactivated: false,
        password,
        next_device: DeviceNum(1),
        devices: 0,
        guest: registration.guest,
    };
    let name = registration.displayname.filter(|name| !name.is_empty());
    let profile = Profile {
        displayname: name.map(String::into_boxed_str),
        avatar_url: None,
    };
    if profile.displayname.is_some() {
        change.batch.put(&schema::PROFILES, &user, &profile);
        change.batch.record(Record::ProfileChanged { user });
    }
    change.index_words((user, user_id), &account, None, Some(&profile));
    let session = match registration.device {
        Some(device) => Some(devices::log_in(change, user, &mut account, device)?),
        None => None,
    };
    policies::accept(change, user, &registration.accepted_policies);
    change.batch.put(&schema::ACCOUNTS, &user, &account);
    Ok(session)
}

fn end_account(
    change: &mut Change<'_>,
    user: UserNum,
    mut account: Account,
) -> Result<(), AccountError> {
    account.deactivated = true;
    account.admin = false;
    account.password = None;
    devices::remove_all(change, user, &mut account, None)?;
    change.batch.put(&schema::ACCOUNTS, &user, &account);
    let profile = change.view.get(&schema::PROFILES, &user)?;
    let profile = profile.unwrap_or_default();
    let user_id = change.inner.user_id(&change.view, user)?;
    change.index_words((user, user_id.as_str()), &account, Some(&profile), None);
    change.batch.delete(&schema::PROFILES, &user);
    change
        .batch
        .delete_prefix(&schema::PROFILE_FIELDS, &(user,));
    change.batch.record(Record::ProfileChanged { user });
    account_data::remove_all(&mut change.batch, user);
    filters::remove_all(&mut change.batch, user);
    departures::note(&mut change.batch, user);
    Ok(())
}
