//! Login tokens: with one, a client that is logged in lets another one in, once and soon.
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv1loginget_token>
//!
//! A token begins with its user's number, so that a user's tokens stand together: they are counted,
//! and go with the user's sessions.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use heliograph_core::ids::UserNum;
use heliograph_tables::{
    Direction, Op,
    codec::Plain,
    schema::{self, TokenHash},
};
use heliograph_work::RandomSourceExt as _;

use crate::{
    AccountError, Accounts, NewDevice, Session, change::Change, devices, locks::Lock,
    sessions::sha256,
};

/// What login tokens begin with.
const TOKEN_PREFIX: &str = "hll_";

/// Random bytes of a login token.
const TOKEN_BYTES: usize = 32;

/// Login tokens that one user may have at once.
const MAX_TOKENS: usize = 10;

impl Accounts {
    /// Gives out a login token; also gives for how long it is good, in milliseconds.
    ///
    /// # Errors
    /// [`AccountError::TooMany`]; [`AccountError::UnknownUser`], [`AccountError::Deactivated`].
    pub async fn new_login_token(&self, user: UserNum) -> Result<(String, u64), AccountError> {
        let life_ms = self.inner.settings.login_token_life_ms;
        let secret: [u8; TOKEN_BYTES] = self.inner.random.bytes();
        let bytes = [user.0.to_be_bytes().as_slice(), &secret].concat();
        let token = format!("{TOKEN_PREFIX}{}", BASE64_URL_SAFE_NO_PAD.encode(bytes));
        let hash = sha256(token.as_bytes());
        self.inner
            .change(Op::Account, vec![Lock::User(user)], move |change| {
                change.account(user)?;
                if clear_expired(change, user)? >= MAX_TOKENS {
                    return Err(AccountError::TooMany("login tokens"));
                }
                let ends = Plain(change.now_ms.saturating_add(life_ms));
                change
                    .batch
                    .put(&schema::LOGIN_TOKENS, &(user, hash), &ends);
                Ok(())
            })
            .await?;
        Ok((token, life_ms))
    }

    /// Logs a device in by a login token, which is used up by that.
    ///
    /// # Errors
    /// [`AccountError::BadLoginToken`] when it is not, or no longer, good;
    /// [`AccountError::Deactivated`]; those of the device's id and name.
    pub async fn log_in_with_token(
        &self,
        token: &str,
        device: NewDevice,
    ) -> Result<(UserNum, Session), AccountError> {
        let (user, hash) = parse(token).ok_or(AccountError::BadLoginToken)?;
        let session = self
            .inner
            .change(Op::Account, vec![Lock::User(user)], move |change| {
                let key = (user, hash);
                let ends = change.view.get(&schema::LOGIN_TOKENS, &key)?;
                if ends.is_none_or(|ends| ends.0 <= change.now_ms) {
                    return Err(AccountError::BadLoginToken);
                }
                let mut account = change.account(user)?;
                change.batch.delete(&schema::LOGIN_TOKENS, &key);
                let session = devices::log_in(change, user, &mut account, device)?;
                change.batch.put(&schema::ACCOUNTS, &user, &account);
                Ok(session)
            })
            .await?;
        Ok((user, session))
    }
}

/// The user and the hash of what looks like a login token.
fn parse(token: &str) -> Option<(UserNum, TokenHash)> {
    let text = token.strip_prefix(TOKEN_PREFIX)?;
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).ok()?;
    let (user, secret) = bytes.split_first_chunk::<4>()?;
    let user = UserNum(u32::from_be_bytes(*user));
    (secret.len() == TOKEN_BYTES).then(|| (user, sha256(token.as_bytes())))
}

/// Deletes a user's login tokens that have run out; gives how many are left.
fn clear_expired(change: &mut Change<'_>, user: UserNum) -> Result<usize, AccountError> {
    let mut left = 0usize;
    for row in change
        .view
        .scan(&schema::LOGIN_TOKENS, &(user,), Direction::Forward)
    {
        let (key, ends) = row?;
        if ends.0 <= change.now_ms {
            change.batch.delete(&schema::LOGIN_TOKENS, &key);
        } else {
            left = left.saturating_add(1);
        }
    }
    Ok(left)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Fixture, accounts};

    impl Fixture {
        async fn by_token(&self, token: &str) -> Result<UserNum, AccountError> {
            let login = self.accounts.log_in_with_token(token, NewDevice::default());
            login.await.map(|(user, _)| user)
        }
    }

    #[tokio::test]
    async fn a_login_token_is_good_once_and_not_for_long() {
        let f = accounts();
        let user = f.register("alice").await.user;
        let (token, life_ms) = f.accounts.new_login_token(user).await.unwrap();
        f.clock.advance(life_ms - 1);
        assert_eq!(f.by_token(&token).await.unwrap(), user);
        let twice = f.by_token(&token).await;
        assert!(matches!(twice, Err(AccountError::BadLoginToken)));
        let (token, _) = f.accounts.new_login_token(user).await.unwrap();
        f.clock.advance(life_ms);
        let late = f.by_token(&token).await;
        assert!(matches!(late, Err(AccountError::BadLoginToken)));
        let damaged = token.replace("hll_", "hlg_");
        for bad in ["", "hll_", "hll_AAAA", &damaged, &token[..token.len() - 1]] {
            let refused = f.by_token(bad).await;
            assert!(matches!(refused, Err(AccountError::BadLoginToken)), "{bad}");
        }
    }

    #[tokio::test]
    async fn login_tokens_are_bounded_and_end_with_all_sessions() {
        let f = accounts();
        let user = f.register("alice").await.user;
        for _ in 0..MAX_TOKENS {
            f.accounts.new_login_token(user).await.unwrap();
        }
        let more = f.accounts.new_login_token(user).await;
        assert!(matches!(more, Err(AccountError::TooMany(_))));
        f.clock
            .advance(f.accounts.inner.settings.login_token_life_ms);
        let (token, _) = f.accounts.new_login_token(user).await.unwrap();
        assert_eq!(f.rows_of(&schema::LOGIN_TOKENS).len(), 1);
        f.accounts.log_out_everywhere(user).await.unwrap();
        let refused = f.by_token(&token).await;
        assert!(matches!(refused, Err(AccountError::BadLoginToken)));
    }
}
