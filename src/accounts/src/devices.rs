//! Devices: logging in, names, removal, when they were last seen.
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#device-management>

#[cfg(test)]
mod tests;

use heliograph_core::ids::{DeviceNum, UserNum};
use heliograph_tables::{
    Direction, Op, Record, StoreError, View,
    codec::{Plain, Tail},
    schema::{self, Account, Device, LastSeen, PasswordHash},
};
use heliograph_work::RandomSourceExt as _;

use crate::{
    AccountError, Accounts, Identity, Session, change::Change, localpart, locks::Lock, refresh,
    sessions,
};

/// Bytes of a device id, at most.
pub const MAX_DEVICE_ID_BYTES: usize = 255;

/// Characters of a device's display name, at most.
pub const MAX_DEVICE_NAME_CHARS: usize = 100;

/// Letters of a generated device id.
const GENERATED_LETTERS: usize = 10;

/// What a client says of the device that it logs in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewDevice {
    /// Its id; a new one is made up without one.
    pub device_id: Option<String>,
    /// Its name, if it is a new device.
    pub initial_display_name: Option<String>,
    /// Whether it wants a refresh token, and an access token that runs out.
    pub refreshable: bool,
}

/// A device as its user sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceInfo {
    /// Its number.
    pub device: DeviceNum,
    /// Its id.
    pub device_id: Box<str>,
    /// Its name.
    pub display_name: Option<Box<str>>,
    /// When and from where it was seen last; coarse.
    pub last_seen: Option<LastSeen>,
}

impl Accounts {
    /// Logs a device in by password. `user` is a user id or a localpart.
    ///
    /// <https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3login>
    ///
    /// # Errors
    /// [`AccountError::BadCredentials`], as late for unknown users as for wrong passwords;
    /// [`AccountError::Deactivated`]; [`AccountError::TooManyFailures`]; those of the device's id and
    /// name.
    pub async fn log_in_with_password(
        &self,
        user: &str,
        password: String,
        device: NewDevice,
    ) -> Result<(UserNum, Session), AccountError> {
        let candidates = localpart::meant(user, &self.inner.settings.server_name);
        let (name, failures) = (user, &self.inner.failed_logins);
        failures.attempt(name, self.inner.clock.now_ms())?;
        let found = self
            .inner
            .read(Op::Account, move |inner, view| {
                for user_id in candidates {
                    if let Some(user) = inner.find_local(view, &user_id)? {
                        return Ok(view.get(&schema::ACCOUNTS, &user)?.map(|row| (user, row)));
                    }
                }
                Ok(None)
            })
            .await?;
        let stored = found
            .as_ref()
            .and_then(|(_, account)| account.password.clone());
        let right = self
            .inner
            .passwords
            .verify(password.clone(), stored.clone())
            .await?;
        let Some((user, account)) = found else {
            return Err(AccountError::BadCredentials);
        };
        if account.deactivated {
            return Err(AccountError::Deactivated);
        }
        if !right {
            return Err(AccountError::BadCredentials);
        }
        failures.succeeded(name);
        let inner = &self.inner;
        // A hash that came from elsewhere becomes one of our own.
        let anew = match &stored {
            Some(PasswordHash::Bcrypt(_)) => {
                let hash = inner.passwords.hash_again(password, &*inner.random);
                Some(hash.await?)
            }
            _ => None,
        };
        let locks = vec![Lock::User(user)];
        let session = self
            .inner
            .change(Op::Account, locks, move |change| {
                let mut account = change.account(user)?;
                // The password may have been changed, and all devices ended, since it was checked.
                if account.password != stored {
                    return Err(AccountError::BadCredentials);
                }
                account.password = anew.or(account.password);
                let session = log_in(change, user, &mut account, device)?;
                change.batch.put(&schema::ACCOUNTS, &user, &account);
                Ok(session)
            })
            .await?;
        Ok((user, session))
    }

    /// Logs a device in for a user who was made sure of otherwise.
    ///
    /// # Errors
    /// [`AccountError::UnknownUser`], [`AccountError::Deactivated`]; those of the device's id and
    /// name.
    pub async fn log_in(&self, user: UserNum, device: NewDevice) -> Result<Session, AccountError> {
        let locks = vec![Lock::User(user)];
        self.inner
            .change(Op::Account, locks, move |change| {
                let mut account = change.account(user)?;
                let session = log_in(change, user, &mut account, device)?;
                change.batch.put(&schema::ACCOUNTS, &user, &account);
                Ok(session)
            })
            .await
    }

    /// A user's devices.
    ///
    /// # Errors
    /// Those of the store and of the pool.
    pub async fn devices(&self, user: UserNum) -> Result<Vec<DeviceInfo>, AccountError> {
        self.inner
            .read(Op::Account, move |_, view| {
                view.scan(&schema::DEVICES, &(user,), Direction::Forward)
                    .map(|row| {
                        let ((_, device), row) = row?;
                        Ok(describe(view, user, device, row)?)
                    })
                    .collect()
            })
            .await
    }

    /// One device, by its id.
    ///
    /// # Errors
    /// [`AccountError::UnknownDevice`].
    pub async fn device_by_id(
        &self,
        user: UserNum,
        device_id: &str,
    ) -> Result<DeviceInfo, AccountError> {
        let device_id = Tail::from(device_id);
        self.inner
            .read(Op::Account, move |_, view| {
                let device = find(view, user, &device_id)?;
                let row = view.get(&schema::DEVICES, &(user, device))?;
                let row = row.ok_or(AccountError::Inconsistent("device id without a device"))?;
                Ok(describe(view, user, device, row)?)
            })
            .await
    }

    /// One device, by its number; for those who hold a view.
    pub fn device(
        &self,
        view: &View,
        user: UserNum,
        device: DeviceNum,
    ) -> Result<Option<DeviceInfo>, StoreError> {
        let row = view.get(&schema::DEVICES, &(user, device))?;
        row.map(|row| describe(view, user, device, row)).transpose()
    }

    /// Gives a device another name, or none.
    ///
    /// # Errors
    /// [`AccountError::UnknownDevice`], [`AccountError::TooLarge`].
    pub async fn rename_device(
        &self,
        user: UserNum,
        device_id: &str,
        display_name: Option<String>,
    ) -> Result<(), AccountError> {
        check_name(display_name.as_deref())?;
        let device_id = Tail::from(device_id);
        self.inner
            .change(Op::Account, vec![Lock::User(user)], move |change| {
                let device = find(&change.view, user, &device_id)?;
                let row = change.view.get(&schema::DEVICES, &(user, device))?;
                let mut row = row.ok_or(AccountError::Inconsistent("device without a row"))?;
                row.display_name = display_name.map(String::into_boxed_str);
                change.batch.put(&schema::DEVICES, &(user, device), &row);
                change.batch.record(Record::DevicesChanged { user });
                Ok(())
            })
            .await
    }

    /// Removes devices with their tokens; ids that the user does not have are passed over.
    ///
    /// # Errors
    /// Those of the store and of the pool.
    pub async fn delete_devices(
        &self,
        user: UserNum,
        device_ids: Vec<String>,
    ) -> Result<(), AccountError> {
        self.inner
            .change(Op::Account, vec![Lock::User(user)], move |change| {
                let mut devices = Vec::new();
                for device_id in device_ids {
                    let key = (user, Tail::from(device_id.as_str()));
                    devices.extend(
                        change
                            .view
                            .get(&schema::DEVICE_NUMS, &key)?
                            .map(|row| row.0),
                    );
                }
                devices.sort_unstable();
                devices.dedup();
                remove_from_account(change, user, &devices)
            })
            .await
    }

    /// Ends a session: its device goes, with its tokens.
    ///
    /// <https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3logout>
    ///
    /// # Errors
    /// Those of the store and of the pool.
    pub async fn log_out(&self, user: UserNum, device: DeviceNum) -> Result<(), AccountError> {
        self.inner
            .change(Op::Account, vec![Lock::User(user)], move |change| {
                remove_from_account(change, user, &[device])
            })
            .await
    }

    /// Ends all sessions of a user.
    ///
    /// <https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3logoutall>
    ///
    /// # Errors
    /// Those of the store and of the pool.
    pub async fn log_out_everywhere(&self, user: UserNum) -> Result<(), AccountError> {
        self.inner
            .change(Op::Account, vec![Lock::User(user)], move |change| {
                let mut account = change.account(user)?;
                remove_all(change, user, &mut account, None)?;
                change.batch.put(&schema::ACCOUNTS, &user, &account);
                Ok(())
            })
            .await
    }

    /// Notes that a device was seen; written only once in [`crate::Settings::last_seen_every_ms`],
    /// and not worth an error to the request that it came with.
    ///
    /// # Errors
    /// Those of the store and of the pool.
    pub async fn seen(&self, identity: &Identity, ip: &str) -> Result<(), AccountError> {
        let inner = &self.inner;
        let (user, device) = (identity.user, identity.device);
        let every_ms = inner.settings.last_seen_every_ms;
        if !inner
            .sessions
            .is_seen_due(user, device, inner.clock.now_ms(), every_ms)
        {
            return Ok(());
        }
        let ip = Box::from(ip);
        inner
            .change(Op::Account, vec![Lock::User(user)], move |change| {
                if change.view.has(&schema::DEVICES, &(user, device))? {
                    let seen = LastSeen {
                        ts: change.now_ms,
                        ip,
                    };
                    change
                        .batch
                        .put(&schema::DEVICES_SEEN, &(user, device), &seen);
                }
                Ok(())
            })
            .await
    }
}

fn find(view: &View, user: UserNum, device_id: &Tail) -> Result<DeviceNum, AccountError> {
    let row = view.get(&schema::DEVICE_NUMS, &(user, device_id.clone()))?;
    row.map(|row| row.0).ok_or(AccountError::UnknownDevice)
}

fn describe(
    view: &View,
    user: UserNum,
    device: DeviceNum,
    row: Device,
) -> Result<DeviceInfo, StoreError> {
    Ok(DeviceInfo {
        device,
        device_id: row.device_id,
        display_name: row.display_name,
        last_seen: view.get(&schema::DEVICES_SEEN, &(user, device))?,
    })
}

fn check_name(name: Option<&str>) -> Result<(), AccountError> {
    if name.is_some_and(|name| name.chars().count() > MAX_DEVICE_NAME_CHARS) {
        return Err(AccountError::TooLarge("the device's display name"));
    }
    Ok(())
}

fn check_id(device_id: &str) -> Result<(), AccountError> {
    if device_id.is_empty() || device_id.contains(char::is_control) {
        return Err(AccountError::Invalid(
            "the device id is empty or has control characters",
        ));
    }
    if device_id.len() > MAX_DEVICE_ID_BYTES {
        return Err(AccountError::TooLarge("the device id"));
    }
    Ok(())
}

/// Logs a device in. A known device stays what it is, and its earlier tokens end; the caller puts
/// the account's row.
///
/// <https://spec.matrix.org/v1.19/client-server-api/#relationship-between-access-tokens-and-devices>
pub(crate) fn log_in(
    change: &mut Change<'_>,
    user: UserNum,
    account: &mut Account,
    wanted: NewDevice,
) -> Result<Session, AccountError> {
    check_name(wanted.initial_display_name.as_deref())?;
    if let Some(device_id) = &wanted.device_id {
        check_id(device_id)?;
    }
    let device_id: Box<str> = match wanted.device_id {
        Some(device_id) => device_id.into(),
        None => {
            let letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
            change.inner.random.text(GENERATED_LETTERS, letters).into()
        }
    };
    let key = (user, Tail::from(&*device_id));
    let device = if let Some(known) = change.view.get(&schema::DEVICE_NUMS, &key)? {
        sessions::end_tokens(change, user, known.0)?;
        known.0
    } else {
        let device = open(account, change.inner.settings.max_devices)?;
        let row = Device {
            device_id: device_id.clone(),
            display_name: wanted.initial_display_name.map(String::into_boxed_str),
            created_ts: change.now_ms,
        };
        change.batch.put(&schema::DEVICES, &(user, device), &row);
        change.batch.put(&schema::DEVICE_NUMS, &key, &Plain(device));
        change.batch.record(Record::DevicesChanged { user });
        device
    };
    let (tokens, _) = if wanted.refreshable {
        refresh::issue_pair(change, user, device, None)
    } else {
        sessions::issue(change, user, device, None)
    };
    Ok(Session::new(device, device_id, tokens))
}

/// Takes the next number of a user's devices.
fn open(account: &mut Account, most: u32) -> Result<DeviceNum, AccountError> {
    if account.devices >= most {
        return Err(AccountError::TooManyDevices);
    }
    let device = account.next_device;
    account.next_device = device.next().ok_or(AccountError::TooMany("devices"))?;
    account.devices = account.devices.saturating_add(1);
    Ok(device)
}

/// Removes devices, and counts them out of the account's row.
fn remove_from_account(
    change: &mut Change<'_>,
    user: UserNum,
    devices: &[DeviceNum],
) -> Result<(), AccountError> {
    let mut account = change.account(user)?;
    let before = account.devices;
    remove(change, user, &mut account, devices)?;
    if account.devices != before {
        change.batch.put(&schema::ACCOUNTS, &user, &account);
    }
    Ok(())
}

/// Removes all devices of a user but one, and the login tokens; the caller puts the account's row.
pub(crate) fn remove_all(
    change: &mut Change<'_>,
    user: UserNum,
    account: &mut Account,
    keep: Option<DeviceNum>,
) -> Result<(), AccountError> {
    let devices: Result<Vec<_>, _> = change
        .view
        .scan(&schema::DEVICES, &(user,), Direction::Forward)
        .map(|row| row.map(|((_, device), _)| device))
        .collect();
    let mut devices = devices?;
    devices.retain(|device| Some(*device) != keep);
    change.batch.delete_prefix(&schema::LOGIN_TOKENS, &(user,));
    remove(change, user, account, &devices)
}

/// Removes devices with all that is theirs; the caller puts the account's row.
fn remove(
    change: &mut Change<'_>,
    user: UserNum,
    account: &mut Account,
    devices: &[DeviceNum],
) -> Result<(), AccountError> {
    let mut any = false;
    for &device in devices {
        let Some(row) = change.view.get(&schema::DEVICES, &(user, device))? else {
            continue;
        };
        any = true;
        sessions::end_tokens(change, user, device)?;
        let batch = &mut change.batch;
        batch.delete(&schema::DEVICES, &(user, device));
        batch.delete(&schema::DEVICE_NUMS, &(user, Tail(row.device_id)));
        batch.delete(&schema::DEVICES_SEEN, &(user, device));
        batch.delete_prefix(&schema::TRANSACTIONS, &(user, device));
        batch.record(Record::DeviceRemoved { user, device });
        account.devices = account.devices.saturating_sub(1);
    }
    if any {
        change.batch.record(Record::DevicesChanged { user });
    }
    Ok(())
}
