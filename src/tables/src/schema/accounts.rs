//! Accounts: users of this server, their devices and tokens, profiles, account data, filters, and
//! the answers to their transactions.

use bytes::Bytes;
use heliograph_core::ids::{DeviceNum, Position, RoomNum, UserNum};

use crate::{
    codec::{Corrupt, Encoder, Field, Plain, Tail, Value, end, format},
    table::{AnyTable, Family, Table},
};

/// A password under argon2id, with the parameters it was hashed with.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash {
    /// Memory, in KiB.
    pub memory_kib: u32,
    /// Passes over the memory.
    pub passes: u32,
    /// Lanes.
    pub lanes: u32,
    /// The salt.
    pub salt: [u8; 16],
    /// The hash.
    pub hash: [u8; 32],
}

impl std::fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PasswordHash").finish_non_exhaustive()
    }
}

impl Field for PasswordHash {
    fn put(&self, out: &mut Encoder) {
        out.field(&self.memory_kib)
            .field(&self.passes)
            .field(&self.lanes)
            .field(&self.salt)
            .field(&self.hash);
    }

    fn take(from: &mut Bytes) -> Result<Self, Corrupt> {
        Ok(Self {
            memory_kib: Field::take(from)?,
            passes: Field::take(from)?,
            lanes: Field::take(from)?,
            salt: Field::take(from)?,
            hash: Field::take(from)?,
        })
    }
}

/// A user of this server. The row outlives the account, so that no id is given twice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// When it was made, in milliseconds since 1970.
    pub created_ts: u64,
    /// Whether the user administers this server.
    pub admin: bool,
    /// Whether the account was ended for good.
    pub deactivated: bool,
    /// The password; without one nobody can log in by password.
    pub password: Option<PasswordHash>,
    /// The number of the next device.
    pub next_device: DeviceNum,
    /// How many devices there are.
    pub devices: u32,
}

impl Value for Account {
    fn encode(&self, out: &mut Encoder) {
        out.field(&1u8)
            .field(&self.created_ts)
            .field(&self.admin)
            .field(&self.deactivated)
            .field(&self.password)
            .field(&self.next_device)
            .field(&self.devices);
    }

    fn decode(mut from: Bytes) -> Result<Self, Corrupt> {
        format(&mut from, 1)?;
        let from = &mut from;
        let account = Self {
            created_ts: Field::take(from)?,
            admin: Field::take(from)?,
            deactivated: Field::take(from)?,
            password: Field::take(from)?,
            next_device: Field::take(from)?,
            devices: Field::take(from)?,
        };
        end(from)?;
        Ok(account)
    }
}

/// A device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// The id by which clients know it.
    pub device_id: Box<str>,
    /// What its user calls it.
    pub display_name: Option<Box<str>>,
    /// When it was first logged in, in milliseconds since 1970.
    pub created_ts: u64,
}

impl Value for Device {
    fn encode(&self, out: &mut Encoder) {
        out.field(&1u8)
            .field(&self.device_id)
            .field(&self.display_name)
            .field(&self.created_ts);
    }

    fn decode(mut from: Bytes) -> Result<Self, Corrupt> {
        format(&mut from, 1)?;
        let from = &mut from;
        let device = Self {
            device_id: Field::take(from)?,
            display_name: Field::take(from)?,
            created_ts: Field::take(from)?,
        };
        end(from)?;
        Ok(device)
    }
}

/// When and from where a device was seen last; coarse.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastSeen {
    /// Milliseconds since 1970.
    pub ts: u64,
    /// The address, as text.
    pub ip: Box<str>,
}

impl Value for LastSeen {
    fn encode(&self, out: &mut Encoder) {
        out.field(&1u8).field(&self.ts).field(&self.ip);
    }

    fn decode(mut from: Bytes) -> Result<Self, Corrupt> {
        format(&mut from, 1)?;
        let from = &mut from;
        let seen = Self {
            ts: Field::take(from)?,
            ip: Field::take(from)?,
        };
        end(from)?;
        Ok(seen)
    }
}

/// What an access token stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessToken {
    /// The user.
    pub user: UserNum,
    /// The device.
    pub device: DeviceNum,
    /// When it was given out, in milliseconds since 1970.
    pub created_ts: u64,
}

impl Value for AccessToken {
    fn encode(&self, out: &mut Encoder) {
        out.field(&1u8)
            .field(&self.user)
            .field(&self.device)
            .field(&self.created_ts);
    }

    fn decode(mut from: Bytes) -> Result<Self, Corrupt> {
        format(&mut from, 1)?;
        let from = &mut from;
        let token = Self {
            user: Field::take(from)?,
            device: Field::take(from)?,
            created_ts: Field::take(from)?,
        };
        end(from)?;
        Ok(token)
    }
}

/// What others are shown of a user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    /// `displayname`
    pub displayname: Option<Box<str>>,
    /// `avatar_url`
    pub avatar_url: Option<Box<str>>,
}

impl Value for Profile {
    fn encode(&self, out: &mut Encoder) {
        out.field(&1u8)
            .field(&self.displayname)
            .field(&self.avatar_url);
    }

    fn decode(mut from: Bytes) -> Result<Self, Corrupt> {
        format(&mut from, 1)?;
        let from = &mut from;
        let profile = Self {
            displayname: Field::take(from)?,
            avatar_url: Field::take(from)?,
        };
        end(from)?;
        Ok(profile)
    }
}

/// How often, and until when, a token lets someone register.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RegistrationToken {
    /// How many registrations it is good for; any number when absent.
    pub uses_allowed: Option<u32>,
    /// How many registrations it was used for.
    pub uses: u32,
    /// From when on it is not good any more, in milliseconds since 1970.
    pub expires_ts: Option<u64>,
}

impl Value for RegistrationToken {
    fn encode(&self, out: &mut Encoder) {
        out.field(&1u8)
            .field(&self.uses_allowed)
            .field(&self.uses)
            .field(&self.expires_ts);
    }

    fn decode(mut from: Bytes) -> Result<Self, Corrupt> {
        format(&mut from, 1)?;
        let from = &mut from;
        let token = Self {
            uses_allowed: Field::take(from)?,
            uses: Field::take(from)?,
            expires_ts: Field::take(from)?,
        };
        end(from)?;
        Ok(token)
    }
}

/// One piece of account data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountDatum {
    /// When it was set.
    pub position: Position,
    /// The content: the text of a JSON object.
    pub content: Bytes,
}

impl Value for AccountDatum {
    fn encode(&self, out: &mut Encoder) {
        out.field(&1u8).field(&self.position).field(&self.content);
    }

    fn decode(mut from: Bytes) -> Result<Self, Corrupt> {
        format(&mut from, 1)?;
        let from = &mut from;
        let datum = Self {
            position: Field::take(from)?,
            content: Field::take(from)?,
        };
        end(from)?;
        Ok(datum)
    }
}

/// The room that stands in the keys of global account data: none has this number.
pub const GLOBAL: RoomNum = RoomNum(0);

/// Users of this server.
pub const ACCOUNTS: Table<UserNum, Account> = Table::new("accounts", Family::Accounts, 0x0601);
/// Devices.
pub const DEVICES: Table<(UserNum, DeviceNum), Device> =
    Table::new("devices", Family::Accounts, 0x0602);
/// (User, device id) → device.
pub const DEVICE_NUMS: Table<(UserNum, Tail), Plain<DeviceNum>> =
    Table::new("device_nums", Family::Accounts, 0x0603);
/// SHA-256 of an access token → what it stands for.
pub const ACCESS_TOKENS: Table<[u8; 32], AccessToken> =
    Table::new("access_tokens", Family::Accounts, 0x0604);
/// (User, device, SHA-256 of an access token).
pub const DEVICE_TOKENS: Table<(UserNum, DeviceNum, [u8; 32]), Plain<()>> =
    Table::new("device_tokens", Family::Accounts, 0x0605);
/// When and from where devices were seen last.
pub const DEVICES_SEEN: Table<(UserNum, DeviceNum), LastSeen> =
    Table::new("devices_seen", Family::Accounts, 0x0606);
/// Profiles of this server's users.
pub const PROFILES: Table<UserNum, Profile> = Table::new("profiles", Family::Accounts, 0x0607);
/// Tokens that let people register.
pub const REGISTRATION_TOKENS: Table<Tail, RegistrationToken> =
    Table::new("registration_tokens", Family::Accounts, 0x0608);
/// (User, device, endpoint and its parameters, transaction id) → the first answer.
pub const TRANSACTIONS: Table<(UserNum, DeviceNum, Box<str>, Tail), Plain<Bytes>> =
    Table::new("transactions", Family::Accounts, 0x0609);

/// (User, room or [`GLOBAL`], type) → account data.
pub const ACCOUNT_DATA: Table<(UserNum, RoomNum, Tail), AccountDatum> =
    Table::new("account_data", Family::Accounts, 0x0701);
/// (User, room or [`GLOBAL`], position, type): account data in the order in which it was set.
pub const ACCOUNT_DATA_BY_POSITION: Table<(UserNum, RoomNum, Position, Tail), Plain<()>> =
    Table::new("account_data_by_position", Family::Accounts, 0x0702);
/// How many bytes of account data a user has.
pub const ACCOUNT_DATA_BYTES: Table<UserNum, Plain<u64>> =
    Table::new("account_data_bytes", Family::Accounts, 0x0705);
/// (User, filter number) → the text of the filter.
pub const FILTERS: Table<(UserNum, u32), Plain<Bytes>> =
    Table::new("filters", Family::Accounts, 0x0703);
/// (User, SHA-256 of a filter's text) → filter number.
pub const FILTER_NUMS: Table<(UserNum, [u8; 32]), Plain<u32>> =
    Table::new("filter_nums", Family::Accounts, 0x0704);

pub(super) const ACCOUNT_TABLES: &[&dyn AnyTable] = &[
    &ACCOUNTS,
    &DEVICES,
    &DEVICE_NUMS,
    &ACCESS_TOKENS,
    &DEVICE_TOKENS,
    &DEVICES_SEEN,
    &PROFILES,
    &REGISTRATION_TOKENS,
    &TRANSACTIONS,
    &ACCOUNT_DATA,
    &ACCOUNT_DATA_BY_POSITION,
    &ACCOUNT_DATA_BYTES,
    &FILTERS,
    &FILTER_NUMS,
];
