//! Accounts: users of this server, their devices, profiles, account data, filters, and
//! the answers to their transactions.

use bytes::Bytes;
use heliograph_core::ids::{DeviceNum, Position, RoomNum, UserNum};

use crate::{
    codec::{Corrupt, Encoder, Field, Plain, Tail, Value, end, format, format_up_to},
    schema::{Argon2idHash, PasswordHash},
    table::{AnyTable, Family, Table},
};

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
    /// Whether the user is a guest, without a password and with a limited API.
    pub guest: bool,
}

impl Value for Account {
    fn encode(&self, out: &mut Encoder) {
        out.field(&3u8)
            .field(&self.created_ts)
            .field(&self.admin)
            .field(&self.deactivated)
            .field(&self.password)
            .field(&self.next_device)
            .field(&self.devices)
            .field(&self.guest);
    }

    fn decode(mut from: Bytes) -> Result<Self, Corrupt> {
        let format = format_up_to(&mut from, 3)?;
        let from = &mut from;
        let account = Self {
            created_ts: Field::take(from)?,
            admin: Field::take(from)?,
            deactivated: Field::take(from)?,
            password: match format {
                // Before, there was one kind.
                1 => {
                    let hash: Option<Argon2idHash> = Field::take(from)?;
                    hash.map(PasswordHash::Argon2id)
                }
                _ => Field::take(from)?,
            },
            next_device: Field::take(from)?,
            devices: Field::take(from)?,
            guest: match format {
                // Before, there were none.
                1 | 2 => false,
                _ => Field::take(from)?,
            },
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
    /// The content: the text of a JSON object, or [`AccountDatum::DELETED`].
    pub content: Bytes,
}

impl AccountDatum {
    /// The content of what was deleted.
    pub const DELETED: Bytes = Bytes::new();

    /// Whether it was deleted.
    pub fn is_deleted(&self) -> bool {
        self.content.is_empty()
    }
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
/// When and from where devices were seen last.
pub const DEVICES_SEEN: Table<(UserNum, DeviceNum), LastSeen> =
    Table::new("devices_seen", Family::Accounts, 0x0606);
/// Profiles of this server's users.
pub const PROFILES: Table<UserNum, Profile> = Table::new("profiles", Family::Accounts, 0x0607);
/// (User, name) → another field of the profile, as JSON.
pub const PROFILE_FIELDS: Table<(UserNum, Tail), Plain<Bytes>> =
    Table::new("profile_fields", Family::Accounts, 0x0613);
/// Tokens that let people register.
pub const REGISTRATION_TOKENS: Table<Tail, RegistrationToken> =
    Table::new("registration_tokens", Family::Accounts, 0x0608);
/// (User, device, endpoint and its parameters, transaction id) → the first answer.
pub const TRANSACTIONS: Table<(UserNum, DeviceNum, Box<str>, Tail), Plain<Bytes>> =
    Table::new("transactions", Family::Accounts, 0x0609);
/// Users whose accounts were ended and who are still to leave their rooms.
pub const DEPARTURES: Table<UserNum, Plain<()>> =
    Table::new("departures", Family::Accounts, 0x0610);

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
    &DEVICES_SEEN,
    &PROFILES,
    &PROFILE_FIELDS,
    &REGISTRATION_TOKENS,
    &TRANSACTIONS,
    &DEPARTURES,
    &ACCOUNT_DATA,
    &ACCOUNT_DATA_BY_POSITION,
    &ACCOUNT_DATA_BYTES,
    &FILTERS,
    &FILTER_NUMS,
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        batch::PRESENT,
        schema::{ACCESS_TOKENS, BcryptHash, DEVICE_TOKENS, testing::round_trip},
    };

    fn ordered<K: Field + Ord, V: Value>(table: &Table<K, V>, a: &K, b: &K) {
        assert_eq!(table.key(a).0.cmp(&table.key(b).0), a.cmp(b));
    }

    /// Numbers that are often equal, and differ in each of their bytes.
    fn num() -> impl Strategy<Value = u32> {
        prop::sample::select(vec![0, 1, 255, 256, 65_536, 1 << 24, u32::MAX])
    }

    fn text() -> impl Strategy<Value = Box<str>> {
        ".{0,20}".prop_map(String::into_boxed_str)
    }

    fn bytes() -> impl Strategy<Value = Bytes> {
        prop::collection::vec(any::<u8>(), 0..40).prop_map(Bytes::from)
    }

    fn password() -> impl Strategy<Value = PasswordHash> {
        let argon2id = (
            any::<(u32, u32, u32)>(),
            any::<[u8; 16]>(),
            any::<[u8; 32]>(),
        );
        let argon2id = argon2id.prop_map(|((memory_kib, passes, lanes), salt, hash)| {
            PasswordHash::Argon2id(Argon2idHash {
                memory_kib,
                passes,
                lanes,
                salt,
                hash,
            })
        });
        let bcrypt = any::<(u8, [u8; 16], [u8; 23])>()
            .prop_map(|(cost, salt, hash)| PasswordHash::Bcrypt(BcryptHash { cost, salt, hash }));
        prop_oneof![argon2id, bcrypt]
    }

    #[test]
    fn accounts_of_the_first_format_have_passwords_of_one_kind() {
        let hash = Argon2idHash {
            memory_kib: 1,
            passes: 2,
            lanes: 3,
            salt: [4; 16],
            hash: [5; 32],
        };
        let account = Account {
            created_ts: 6,
            password: Some(PasswordHash::Argon2id(hash.clone())),
            ..Account::default()
        };
        let mut out = Encoder::new();
        out.field(&1u8)
            .field(&6u64)
            .field(&false)
            .field(&false)
            .field(&Some(hash))
            .field(&account.next_device)
            .field(&account.devices);
        assert_eq!(Account::decode(out.into_bytes().into()).unwrap(), account);
    }

    proptest! {
        #[test]
        fn account_rows_round_trip(
            user in any::<u32>(),
            (created_ts, admin, deactivated) in any::<(u64, bool, bool)>(),
            password in prop::option::of(password()),
            (next_device, devices, guest) in any::<(u32, u32, bool)>(),
        ) {
            let account = Account {
                created_ts,
                admin,
                deactivated,
                password,
                next_device: DeviceNum(next_device),
                devices,
                guest,
            };
            round_trip(&ACCOUNTS, &UserNum(user), &account);
            let departing = DEPARTURES.key(&UserNum(user)).0;
            prop_assert_eq!(DEPARTURES.decode_key(departing.into()).unwrap(), UserNum(user));
        }

        #[test]
        fn device_rows_round_trip(
            (user, device, ts) in any::<(u32, u32, u64)>(),
            id in text(),
            display_name in prop::option::of(text()),
        ) {
            let (user, device) = (UserNum(user), DeviceNum(device));
            let row = Device { device_id: id.clone(), display_name, created_ts: ts };
            round_trip(&DEVICES, &(user, device), &row);
            round_trip(&DEVICE_NUMS, &(user, Tail(id.clone())), &Plain(device));
            round_trip(&DEVICES_SEEN, &(user, device), &LastSeen { ts, ip: id });
        }

        #[test]
        fn other_account_rows_round_trip(
            (user, room, num, uses, position) in any::<(u32, u32, u32, u32, u64)>(),
            (name, other) in (text(), text()),
            (displayname, avatar_url) in (prop::option::of(text()), prop::option::of(text())),
            (uses_allowed, expires_ts) in any::<(Option<u32>, Option<u64>)>(),
            content in bytes(),
            hash in any::<[u8; 32]>(),
        ) {
            let (user, room, position) = (UserNum(user), RoomNum(room), Position(position));
            let kind = Tail(name);
            round_trip(&PROFILES, &user, &Profile { displayname, avatar_url });
            let token = RegistrationToken { uses_allowed, uses, expires_ts };
            round_trip(&REGISTRATION_TOKENS, &kind, &token);
            round_trip(&PROFILE_FIELDS, &(user, kind.clone()), &Plain(content.clone()));
            let transaction = (user, DeviceNum(num), other, kind.clone());
            round_trip(&TRANSACTIONS, &transaction, &Plain(content.clone()));
            let datum = AccountDatum { position, content: content.clone() };
            round_trip(&ACCOUNT_DATA, &(user, room, kind.clone()), &datum);
            round_trip(&ACCOUNT_DATA_BY_POSITION, &(user, room, position, kind), &PRESENT);
            round_trip(&ACCOUNT_DATA_BYTES, &user, &Plain(position.0));
            round_trip(&FILTERS, &(user, num), &Plain(content));
            round_trip(&FILTER_NUMS, &(user, hash), &Plain(num));
        }

        #[test]
        fn keys_sort_as_they_are_scanned(
            a in (num(), num(), num().prop_map(u64::from)),
            b in (num(), num(), num().prop_map(u64::from)),
            (x, y) in (text(), text()),
            (h, k) in any::<([u8; 32], [u8; 32])>(),
        ) {
            let (x, y) = (Tail(x), Tail(y));
            let user = |v: (u32, u32, u64)| UserNum(v.0);
            let device = |v: (u32, u32, u64)| (UserNum(v.0), DeviceNum(v.1));
            let room = |v: (u32, u32, u64)| (UserNum(v.0), RoomNum(v.1));
            ordered(&ACCOUNTS, &user(a), &user(b));
            ordered(&PROFILES, &user(a), &user(b));
            ordered(&ACCOUNT_DATA_BYTES, &user(a), &user(b));
            let field = |v: (u32, u32, u64), key: &Tail| (UserNum(v.0), key.clone());
            ordered(&PROFILE_FIELDS, &field(a, &x), &field(b, &y));
            ordered(&DEVICES, &device(a), &device(b));
            ordered(&DEVICES_SEEN, &device(a), &device(b));
            ordered(&DEVICE_NUMS, &(user(a), x.clone()), &(user(b), y.clone()));
            ordered(&ACCESS_TOKENS, &h, &k);
            ordered(&DEVICE_TOKENS, &(user(a), device(a).1, h), &(user(b), device(b).1, k));
            ordered(&REGISTRATION_TOKENS, &x, &y);
            ordered(&FILTERS, &(user(a), a.1), &(user(b), b.1));
            ordered(&FILTER_NUMS, &(user(a), h), &(user(b), k));
            let datum = |v, kind: &Tail| (user(v), room(v).1, kind.clone());
            ordered(&ACCOUNT_DATA, &datum(a, &x), &datum(b, &y));
            let at = |v: (u32, u32, u64), kind: &Tail| {
                (user(v), room(v).1, Position(v.2), kind.clone())
            };
            // The largest position is never given out: it marks where one is to be filled in.
            ordered(&ACCOUNT_DATA_BY_POSITION, &at(a, &x), &at(b, &y));
        }
    }
}
