//! Tokens that let people register.
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#token-authenticated-registration>
//!
//! A use is counted when the account is made; between the stage and that, the session of
//! user-interactive authentication holds it back from others.

use heliograph_tables::{
    Direction, Op, View,
    codec::Tail,
    schema::{self, RegistrationToken},
};
use heliograph_work::RandomSourceExt as _;

use crate::{AccountError, Accounts, Inner, change::Change, locks::Lock};

/// Characters of a token, at most.
const MAX_TOKEN_CHARS: usize = 64;

/// Characters of a token that is made up.
const GENERATED_CHARS: usize = 24;

/// Tokens listed at once, at most.
const MAX_LIST: usize = 1_000;

/// What a token is good for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TokenLimits {
    /// How many registrations; any number when absent.
    pub uses_allowed: Option<u32>,
    /// Until when, in milliseconds since 1970; for ever when absent.
    pub expires_ts: Option<u64>,
}

/// A token as administrators see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenInfo {
    /// The token.
    pub token: Box<str>,
    /// What it is good for.
    pub limits: TokenLimits,
    /// How many registrations it was used for.
    pub uses: u32,
    /// How many registrations that it let in are not yet finished.
    pub pending: u32,
}

impl Accounts {
    /// Whether a token would let one more person register.
    ///
    /// <https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv1registermloginregistration_tokenvalidity>
    ///
    /// # Errors
    /// Those of the store and of the pool.
    pub async fn is_registration_token_valid(&self, token: &str) -> Result<bool, AccountError> {
        self.inner.is_token_valid(token, None).await
    }

    /// Adds a token, or changes what one is good for; gives it, made up if none is given.
    ///
    /// # Errors
    /// [`AccountError::Invalid`] when the token does not have the form that the spec demands.
    pub async fn add_registration_token(
        &self,
        token: Option<String>,
        limits: TokenLimits,
    ) -> Result<String, AccountError> {
        let token = token.unwrap_or_else(|| self.inner.random.letters_and_digits(GENERATED_CHARS));
        if !is_well_formed(&token) {
            return Err(AccountError::Invalid(
                "a registration token has 1 to 64 characters out of A-Z, a-z, 0-9 and ._~-",
            ));
        }
        let locks = vec![Lock::Token(token.as_str().into())];
        let answer = token.clone();
        self.inner
            .change(Op::Account, locks, move |change| {
                let key = Tail::from(token.as_str());
                let known = change.view.get(&schema::REGISTRATION_TOKENS, &key)?;
                let row = RegistrationToken {
                    uses_allowed: limits.uses_allowed,
                    uses: known.map_or(0, |row| row.uses),
                    expires_ts: limits.expires_ts,
                };
                change.batch.put(&schema::REGISTRATION_TOKENS, &key, &row);
                Ok(())
            })
            .await?;
        Ok(answer)
    }

    /// Takes a token back.
    ///
    /// # Errors
    /// [`AccountError::UnknownToken`].
    pub async fn delete_registration_token(&self, token: &str) -> Result<(), AccountError> {
        let key = Tail::from(token);
        self.inner
            .change(
                Op::Account,
                vec![Lock::Token(token.into())],
                move |change| {
                    if !change.view.has(&schema::REGISTRATION_TOKENS, &key)? {
                        return Err(AccountError::UnknownToken);
                    }
                    change.batch.delete(&schema::REGISTRATION_TOKENS, &key);
                    Ok(())
                },
            )
            .await
    }

    /// The tokens that were added, in their order as text, at most 1,000 of them; those of the
    /// configuration are not among them.
    ///
    /// # Errors
    /// Those of the store and of the pool.
    pub async fn registration_tokens(&self) -> Result<Vec<TokenInfo>, AccountError> {
        self.inner
            .read(Op::Account, |inner, view| {
                view.scan(&schema::REGISTRATION_TOKENS, &(), Direction::Forward)
                    .take(MAX_LIST)
                    .map(|row| {
                        let (token, row) = row?;
                        let pending = inner.interactive_auth.pending(&token.0, None);
                        Ok(TokenInfo {
                            token: token.0,
                            limits: TokenLimits {
                                uses_allowed: row.uses_allowed,
                                expires_ts: row.expires_ts,
                            },
                            uses: row.uses,
                            pending,
                        })
                    })
                    .collect()
            })
            .await
    }
}

impl Inner {
    /// Whether a token would let one more person register, what the session `besides` holds back
    /// left aside.
    pub(crate) async fn is_token_valid(
        self: &std::sync::Arc<Self>,
        token: &str,
        besides: Option<&str>,
    ) -> Result<bool, AccountError> {
        if self.is_configured(token) {
            return Ok(true);
        }
        if !is_well_formed(token) {
            return Ok(false);
        }
        let pending = self.interactive_auth.pending(token, besides);
        let key = Tail::from(token);
        self.read(Op::Account, move |inner, view| {
            let now_ms = inner.clock.now_ms();
            Ok(stored(view, &key)?.is_some_and(|row| is_good(&row, pending, now_ms)))
        })
        .await
    }

    /// Whether a token is one of the configuration's. All are compared, none for longer than the
    /// others.
    fn is_configured(&self, token: &str) -> bool {
        use subtle::ConstantTimeEq as _;
        let tokens = &self.settings.registration_tokens;
        let equal = |known: &String| known.as_bytes().ct_eq(token.as_bytes());
        let found = tokens
            .iter()
            .fold(subtle::Choice::from(0), |found, known| found | equal(known));
        found.into()
    }
}

fn stored(view: &View, key: &Tail) -> Result<Option<RegistrationToken>, AccountError> {
    Ok(view.get(&schema::REGISTRATION_TOKENS, key)?)
}

fn is_good(row: &RegistrationToken, pending: u32, now_ms: u64) -> bool {
    let taken = row.uses.saturating_add(pending);
    row.uses_allowed.is_none_or(|allowed| taken < allowed)
        && row.expires_ts.is_none_or(|expires| now_ms < expires)
}

fn is_well_formed(token: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._~-".contains(c);
    !token.is_empty() && token.len() <= MAX_TOKEN_CHARS && token.chars().all(allowed)
}

/// Counts a use, in the batch that makes the account.
pub(crate) fn take_use(change: &mut Change<'_>, token: &str) -> Result<(), AccountError> {
    if change.inner.is_configured(token) {
        return Ok(());
    }
    let key = Tail::from(token);
    let row = stored(&change.view, &key)?.filter(|row| is_good(row, 0, change.now_ms));
    let mut row = row.ok_or(AccountError::BadRegistrationToken)?;
    row.uses = row.uses.saturating_add(1);
    change.batch.put(&schema::REGISTRATION_TOKENS, &key, &row);
    Ok(())
}
