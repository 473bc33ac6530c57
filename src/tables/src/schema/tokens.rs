//! Tokens that let a client in: access tokens, refresh tokens, login tokens. Only hashes of them are
//! stored.

use bytes::Bytes;
use heliograph_core::ids::{DeviceNum, UserNum};

use crate::{
    codec::{Corrupt, Encoder, Field, Plain, Value, end, format, format_up_to},
    table::{AnyTable, Family, Table},
};

/// The SHA-256 of a token.
pub type TokenHash = [u8; 32];

/// What an access token stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessToken {
    /// The user.
    pub user: UserNum,
    /// The device.
    pub device: DeviceNum,
    /// When it was given out, in milliseconds since 1970.
    pub created_ts: u64,
    /// From when on it is not good any more, in milliseconds since 1970.
    pub expires_ts: Option<u64>,
    /// The refresh token that was given out with it.
    pub refresh: Option<TokenHash>,
}

impl Value for AccessToken {
    fn encode(&self, out: &mut Encoder) {
        out.field(&2u8)
            .field(&self.user)
            .field(&self.device)
            .field(&self.created_ts)
            .field(&self.expires_ts)
            .field(&self.refresh);
    }

    fn decode(mut from: Bytes) -> Result<Self, Corrupt> {
        let format = format_up_to(&mut from, 2)?;
        let from = &mut from;
        let mut token = Self {
            user: Field::take(from)?,
            device: Field::take(from)?,
            created_ts: Field::take(from)?,
            expires_ts: None,
            refresh: None,
        };
        // Before, no token ran out.
        if format >= 2 {
            token.expires_ts = Field::take(from)?;
            token.refresh = Field::take(from)?;
        }
        end(from)?;
        Ok(token)
    }
}

/// What a refresh token stands for, and its place in the row of those of one session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefreshToken {
    /// The user.
    pub user: UserNum,
    /// The device.
    pub device: DeviceNum,
    /// When it was given out, in milliseconds since 1970.
    pub created_ts: u64,
    /// From when on it is not good any more, in milliseconds since 1970.
    pub expires_ts: Option<u64>,
    /// The access token that was given out with it.
    pub access: TokenHash,
    /// The refresh token that it was given for, until it or its access token is used.
    pub replaces: Option<TokenHash>,
    /// The refresh token that was given for it last.
    pub successor: Option<TokenHash>,
}

impl Value for RefreshToken {
    fn encode(&self, out: &mut Encoder) {
        out.field(&1u8)
            .field(&self.user)
            .field(&self.device)
            .field(&self.created_ts)
            .field(&self.expires_ts)
            .field(&self.access)
            .field(&self.replaces)
            .field(&self.successor);
    }

    fn decode(mut from: Bytes) -> Result<Self, Corrupt> {
        format(&mut from, 1)?;
        let from = &mut from;
        let token = Self {
            user: Field::take(from)?,
            device: Field::take(from)?,
            created_ts: Field::take(from)?,
            expires_ts: Field::take(from)?,
            access: Field::take(from)?,
            replaces: Field::take(from)?,
            successor: Field::take(from)?,
        };
        end(from)?;
        Ok(token)
    }
}

/// Access token → what it stands for.
pub const ACCESS_TOKENS: Table<TokenHash, AccessToken> =
    Table::new("access_tokens", Family::Accounts, 0x0604);
/// (User, device, access token).
pub const DEVICE_TOKENS: Table<(UserNum, DeviceNum, TokenHash), Plain<()>> =
    Table::new("device_tokens", Family::Accounts, 0x0605);
/// Refresh token → what it stands for. It is there as long as its access token's row.
pub const REFRESH_TOKENS: Table<TokenHash, RefreshToken> =
    Table::new("refresh_tokens", Family::Accounts, 0x0611);
/// (User, login token) → from when on it is not good any more, in milliseconds since 1970.
pub const LOGIN_TOKENS: Table<(UserNum, TokenHash), Plain<u64>> =
    Table::new("login_tokens", Family::Accounts, 0x0612);

pub(super) const TOKEN_TABLES: &[&dyn AnyTable] = &[
    &ACCESS_TOKENS,
    &DEVICE_TOKENS,
    &REFRESH_TOKENS,
    &LOGIN_TOKENS,
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{batch::PRESENT, schema::testing::round_trip};

    proptest! {
        #[test]
        fn token_rows_round_trip(
            (user, device, created_ts) in any::<(u32, u32, u64)>(),
            expires_ts in any::<Option<u64>>(),
            (hash, access) in any::<([u8; 32], [u8; 32])>(),
            (refresh, replaces, successor) in
                any::<(Option<[u8; 32]>, Option<[u8; 32]>, Option<[u8; 32]>)>(),
        ) {
            let (user, device) = (UserNum(user), DeviceNum(device));
            let token = AccessToken { user, device, created_ts, expires_ts, refresh };
            round_trip(&ACCESS_TOKENS, &hash, &token);
            round_trip(&DEVICE_TOKENS, &(user, device, hash), &PRESENT);
            let token = RefreshToken {
                user, device, created_ts, expires_ts, access, replaces, successor,
            };
            round_trip(&REFRESH_TOKENS, &hash, &token);
            round_trip(&LOGIN_TOKENS, &(user, hash), &Plain(created_ts));
        }
    }

    #[test]
    fn access_tokens_of_the_first_format_never_run_out() {
        let mut out = Encoder::new();
        out.field(&1u8)
            .field(&UserNum(3))
            .field(&DeviceNum(4))
            .field(&5u64);
        let token = AccessToken::decode(out.into_bytes().into()).unwrap();
        let expected = AccessToken {
            user: UserNum(3),
            device: DeviceNum(4),
            created_ts: 5,
            expires_ts: None,
            refresh: None,
        };
        assert_eq!(token, expected);
    }
}
