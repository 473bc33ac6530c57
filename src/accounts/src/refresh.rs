//! Refresh tokens: what a client gets its next access token with.
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#refreshing-access-tokens>
//!
//! An access token and a refresh token are given out as a pair and go as a pair. The pair that was
//! refreshed stays until a token of the next pair is used: a client that did not get the answer asks
//! again, and the pair that it was given then takes the place of the one that it never used.

use heliograph_core::ids::{DeviceNum, UserNum};
use heliograph_tables::{
    Op,
    schema::{self, RefreshToken, TokenHash},
};

use crate::{
    AccountError, Accounts, Session,
    change::Change,
    locks::Lock,
    sessions::{self, REFRESH_PREFIX, Tokens, new_token, well_formed_hash},
};

impl Accounts {
    /// Gives a new access token and a new refresh token for a refresh token.
    ///
    /// <https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3refresh>
    ///
    /// # Errors
    /// [`AccountError::BadRefreshToken`] when it is not, or no longer, one of this server;
    /// [`AccountError::TokenExpired`] when it has run out.
    pub async fn refresh(&self, token: &str) -> Result<Session, AccountError> {
        let hash = well_formed_hash(REFRESH_PREFIX, token);
        let hash = hash.ok_or(AccountError::BadRefreshToken)?;
        let found = self
            .inner
            .read(Op::Account, move |_, view| {
                Ok(view.get(&schema::REFRESH_TOKENS, &hash)?)
            })
            .await?;
        let user = found.ok_or(AccountError::BadRefreshToken)?.user;
        self.inner
            .change(Op::Account, vec![Lock::User(user)], move |change| {
                next_pair(change, hash)
            })
            .await
    }
}

/// Gives the pair that follows a refresh token.
fn next_pair(change: &mut Change<'_>, hash: TokenHash) -> Result<Session, AccountError> {
    let row = change.view.get(&schema::REFRESH_TOKENS, &hash)?;
    let mut row = row.ok_or(AccountError::BadRefreshToken)?;
    if row.expires_ts.is_some_and(|ends| ends <= change.now_ms) {
        return Err(AccountError::TokenExpired);
    }
    let (user, device) = (row.user, row.device);
    let known = change.view.get(&schema::DEVICES, &(user, device))?;
    let known = known.ok_or(AccountError::Inconsistent("refresh token without a device"))?;
    if let Some(before) = row.replaces.take() {
        end_pair(change, before)?;
    }
    if let Some(unused) = row.successor.take() {
        end_pair(change, unused)?;
    }
    let (tokens, next) = issue_pair(change, user, device, Some(hash));
    row.successor = Some(next);
    change.batch.put(&schema::REFRESH_TOKENS, &hash, &row);
    Ok(Session::new(device, known.device_id, tokens))
}

/// Gives out an access token with a refresh token; also gives the hash of the latter.
pub(crate) fn issue_pair(
    change: &mut Change<'_>,
    user: UserNum,
    device: DeviceNum,
    replaces: Option<TokenHash>,
) -> (Tokens, TokenHash) {
    let (refresh_token, hash) = new_token(&*change.inner.random, REFRESH_PREFIX);
    let (mut tokens, access) = sessions::issue(change, user, device, Some(hash));
    let life_ms = change.inner.settings.refresh_token_life_ms;
    let row = RefreshToken {
        user,
        device,
        created_ts: change.now_ms,
        expires_ts: life_ms.map(|life_ms| change.now_ms.saturating_add(life_ms)),
        access,
        replaces,
        successor: None,
    };
    change.batch.put(&schema::REFRESH_TOKENS, &hash, &row);
    tokens.refresh_token = Some(refresh_token);
    (tokens, hash)
}

/// Notes that a pair is used: the one before it ends.
pub(crate) fn confirm(change: &mut Change<'_>, hash: TokenHash) -> Result<(), AccountError> {
    let Some(mut row) = change.view.get(&schema::REFRESH_TOKENS, &hash)? else {
        return Ok(());
    };
    if let Some(before) = row.replaces.take() {
        end_pair(change, before)?;
        change.batch.put(&schema::REFRESH_TOKENS, &hash, &row);
    }
    Ok(())
}

/// Ends a refresh token and its access token.
fn end_pair(change: &mut Change<'_>, hash: TokenHash) -> Result<(), AccountError> {
    let Some(row) = change.view.get(&schema::REFRESH_TOKENS, &hash)? else {
        return Ok(());
    };
    change.batch.delete(&schema::REFRESH_TOKENS, &hash);
    sessions::end_token(change, (row.user, row.device, row.access));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        NewDevice, Registration, Settings,
        testing::{Fixture, accounts_with, registration, settings},
    };

    const LIFE_MS: u64 = 1_000;

    async fn begin() -> (Fixture, Session) {
        let f = accounts_with(Settings {
            access_token_life_ms: LIFE_MS,
            refresh_token_life_ms: Some(10 * LIFE_MS),
            ..settings()
        });
        let device = NewDevice {
            refreshable: true,
            ..NewDevice::default()
        };
        let made = f.accounts.register(Registration {
            device: Some(device),
            ..registration("alice")
        });
        let session = made.await.unwrap().session.unwrap();
        (f, session)
    }

    impl Fixture {
        async fn again(&self, of: &Session) -> Result<Session, AccountError> {
            let token = of.refresh_token.as_deref().unwrap();
            self.accounts.refresh(token).await
        }

        async fn lets_in(&self, session: &Session) -> bool {
            let found = self.accounts.authenticate(&session.access_token).await;
            found.unwrap().is_some()
        }

        /// Rows of access tokens, of devices' tokens and of refresh tokens.
        fn token_rows(&self) -> [usize; 3] {
            [
                self.rows_of(&schema::ACCESS_TOKENS).len(),
                self.rows_of(&schema::DEVICE_TOKENS).len(),
                self.rows_of(&schema::REFRESH_TOKENS).len(),
            ]
        }
    }

    #[tokio::test]
    async fn the_old_pair_lives_until_the_new_access_token_is_used() {
        let (f, first) = begin().await;
        assert_eq!(first.expires_in_ms, Some(LIFE_MS));
        let lost = f.again(&first).await.unwrap();
        let second = f.again(&first).await.unwrap();
        assert_eq!(second.device, first.device);
        assert!(f.lets_in(&first).await, "nothing of the new pair was used");
        assert!(!f.lets_in(&lost).await, "another took its place");
        assert_eq!(f.token_rows(), [2; 3]);
        assert!(f.lets_in(&second).await);
        assert!(!f.lets_in(&first).await);
        let used = f.again(&first).await;
        assert!(matches!(used, Err(AccountError::BadRefreshToken)));
        assert_eq!(f.token_rows(), [1; 3]);
        assert!(f.lets_in(&second).await, "who tries it again harms nobody");
    }

    #[tokio::test]
    async fn the_old_pair_lives_until_the_new_refresh_token_is_used() {
        let (f, first) = begin().await;
        let second = f.again(&first).await.unwrap();
        let third = f.again(&second).await.unwrap();
        let used = f.again(&first).await;
        assert!(matches!(used, Err(AccountError::BadRefreshToken)));
        assert!(!f.lets_in(&first).await && f.lets_in(&second).await);
        assert!(f.lets_in(&third).await && !f.lets_in(&second).await);
        for _ in 0..5 {
            f.again(&third).await.unwrap();
        }
        assert_eq!(f.token_rows(), [2; 3], "unused pairs do not pile up");
    }

    #[tokio::test]
    async fn both_kinds_run_out() {
        let (f, first) = begin().await;
        assert!(f.lets_in(&first).await);
        f.clock.advance(LIFE_MS - 1);
        assert!(f.lets_in(&first).await);
        f.clock.advance(1);
        // In memory, and read anew.
        for _ in 0..2 {
            let late = f.accounts.authenticate(&first.access_token).await;
            assert!(matches!(late, Err(AccountError::TokenExpired)));
            f.accounts
                .set_admin(first_user(&f).await, true)
                .await
                .unwrap();
        }
        let second = f.again(&first).await.unwrap();
        assert!(f.lets_in(&second).await);
        f.clock.advance(10 * LIFE_MS);
        let late = f.again(&second).await;
        assert!(matches!(late, Err(AccountError::TokenExpired)));
    }

    async fn first_user(f: &Fixture) -> UserNum {
        let user = f.accounts.local_user("@alice:example.org").await;
        user.unwrap().unwrap()
    }

    #[tokio::test]
    async fn all_tokens_of_a_device_go_with_it() {
        let (f, first) = begin().await;
        f.again(&first).await.unwrap();
        assert_eq!(f.token_rows(), [2; 3]);
        let user = first_user(&f).await;
        f.accounts.log_out(user, first.device).await.unwrap();
        assert_eq!(f.token_rows(), [0; 3]);
        let gone = f.again(&first).await;
        assert!(matches!(gone, Err(AccountError::BadRefreshToken)));
        let never = f.accounts.refresh("hlr_x").await;
        assert!(matches!(never, Err(AccountError::BadRefreshToken)));
    }

    #[tokio::test]
    async fn a_token_is_of_one_kind() {
        let (f, first) = begin().await;
        let refresh = first.refresh_token.clone().unwrap();
        assert!(f.accounts.authenticate(&refresh).await.unwrap().is_none());
        let access = f.accounts.refresh(&first.access_token).await;
        assert!(matches!(access, Err(AccountError::BadRefreshToken)));
    }
}
