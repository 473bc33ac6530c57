//! Access tokens: random, stored only as hashes, and looked up in memory first.
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#client-authentication>

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use heliograph_core::ids::{DeviceNum, Position, UserNum};
use heliograph_tables::{
    Direction, Op, View,
    batch::PRESENT,
    schema::{self, AccessToken, TokenHash},
};
use heliograph_work::{RandomSource, RandomSourceExt as _};
use quick_cache::sync::Cache;
use ruma_common::{OwnedDeviceId, OwnedUserId};

use crate::{AccountError, Accounts, Inner, change::Change, locks::Lock, refresh};

/// What access tokens begin with, so that they are found where they should not be.
const ACCESS_PREFIX: &str = "hlg_";

/// What refresh tokens begin with.
pub(crate) const REFRESH_PREFIX: &str = "hlr_";

/// Random bytes of an access or a refresh token.
const TOKEN_BYTES: usize = 32;

/// A device that was logged in.
#[derive(Clone, PartialEq, Eq)]
pub struct Session {
    /// The device's number.
    pub device: DeviceNum,
    /// The device's id.
    pub device_id: Box<str>,
    /// The access token: told this once, and kept only as a hash.
    pub access_token: String,
    /// The refresh token, if the client wanted one: told this once, too.
    pub refresh_token: Option<String>,
    /// For how long the access token is good, in milliseconds; until it is ended without a value.
    pub expires_in_ms: Option<u64>,
}

/// Tokens that were given out to a device.
pub(crate) struct Tokens {
    pub(crate) access_token: String,
    pub(crate) refresh_token: Option<String>,
    pub(crate) expires_in_ms: Option<u64>,
}

impl Session {
    pub(crate) fn new(device: DeviceNum, device_id: Box<str>, tokens: Tokens) -> Self {
        Self {
            device,
            device_id,
            access_token: tokens.access_token,
            refresh_token: tokens.refresh_token,
            expires_in_ms: tokens.expires_in_ms,
        }
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("device_id", &self.device_id)
            .finish_non_exhaustive()
    }
}

/// Who an access token belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The user's number.
    pub user: UserNum,
    /// The user's id.
    pub user_id: OwnedUserId,
    /// The device's number, among this user's.
    pub device: DeviceNum,
    /// The device's id.
    pub device_id: OwnedDeviceId,
    /// Whether the user administers this server.
    pub is_admin: bool,
    /// Whether the user is a guest.
    pub is_guest: bool,
    /// SHA-256 of the access token, by which the session is stored.
    pub token_hash: TokenHash,
    /// From when on the access token is not good any more, in milliseconds since 1970.
    pub expires_ts: Option<u64>,
}

impl Identity {
    /// The same while the access token is good.
    fn unless_expired(self: Arc<Self>, now_ms: u64) -> Result<Arc<Self>, AccountError> {
        match self.expires_ts {
            Some(ends) if ends <= now_ms => Err(AccountError::TokenExpired),
            _ => Ok(self),
        }
    }
}

/// What a look at a stored token finds.
enum Found {
    /// Who it belongs to.
    Identity(Arc<Identity>),
    /// It is used for the first time: what it was given for is to end before it counts.
    FirstUse { user: UserNum, refresh: TokenHash },
}

/// Sessions in memory.
pub(crate) struct Sessions {
    by_token: Cache<[u8; 32], Arc<Identity>>,
    /// The position of the last batch that changed what a token stands for.
    revoked_at: AtomicU64,
    /// When a device's "last seen" was last written by this process.
    seen: Cache<(UserNum, DeviceNum), u64>,
}

impl Sessions {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            by_token: Cache::new(capacity),
            revoked_at: AtomicU64::new(0),
            seen: Cache::new(capacity),
        }
    }

    /// Forgets tokens that a batch at `position` changes.
    ///
    /// Whoever looks one up meanwhile in an older view may put it back after this, and takes it
    /// out again when it then finds `revoked_at` past its view.
    pub(crate) fn revoke(&self, position: Position, tokens: &[[u8; 32]]) {
        if tokens.is_empty() {
            return;
        }
        self.revoked_at.fetch_max(position.0, Ordering::SeqCst);
        for token in tokens {
            self.by_token.remove(token);
        }
    }

    /// Keeps what was found in a view at `position`, unless that may be out of date.
    fn keep(&self, position: Position, identity: &Arc<Identity>) {
        let token = identity.token_hash;
        self.by_token.insert(token, Arc::clone(identity));
        if self.revoked_at.load(Ordering::SeqCst) > position.0 {
            self.by_token.remove(&token);
        }
    }

    #[cfg(test)]
    pub(crate) fn revoked_at(&self) -> u64 {
        self.revoked_at.load(Ordering::SeqCst)
    }

    /// Whether it is time to write when a device was seen; if so, the next time is later.
    pub(crate) fn is_seen_due(
        &self,
        user: UserNum,
        device: DeviceNum,
        now_ms: u64,
        every_ms: u64,
    ) -> bool {
        let key = (user, device);
        let written = self.seen.get(&key);
        // A clock that was set back must not stop the writing for good.
        if written.is_some_and(|at| at <= now_ms && now_ms.saturating_sub(at) < every_ms) {
            return false;
        }
        self.seen.insert(key, now_ms);
        true
    }
}

impl Accounts {
    /// Who an access token belongs to, or `None` when it is not, or no longer, a token of this
    /// server. Known tokens are answered from memory, at once.
    ///
    /// # Errors
    /// [`AccountError::TokenExpired`]; those of the store and of the pool.
    pub async fn authenticate(&self, token: &str) -> Result<Option<Arc<Identity>>, AccountError> {
        let Some(hash) = well_formed_hash(ACCESS_PREFIX, token) else {
            return Ok(None);
        };
        let inner = &self.inner;
        if let Some(identity) = inner.sessions.by_token.get(&hash) {
            return identity.unless_expired(inner.clock.now_ms()).map(Some);
        }
        loop {
            let found = inner.read(Op::Authenticate, move |inner, view| {
                look_up(inner, view, hash)
            });
            match found.await? {
                None => return Ok(None),
                Some(Found::Identity(identity)) => {
                    return identity.unless_expired(inner.clock.now_ms()).map(Some);
                }
                // Only the first look finds this: the next one's view shows that it was used.
                Some(Found::FirstUse { user, refresh }) => {
                    let locks = vec![Lock::User(user)];
                    let confirm = move |change: &mut Change<'_>| refresh::confirm(change, refresh);
                    inner.change(Op::Account, locks, confirm).await?;
                }
            }
        }
    }
}

fn look_up(inner: &Inner, view: &View, hash: TokenHash) -> Result<Option<Found>, AccountError> {
    let Some(token) = view.get(&schema::ACCESS_TOKENS, &hash)? else {
        return Ok(None);
    };
    let (user, device) = (token.user, token.device);
    let is_expired = token
        .expires_ts
        .is_some_and(|ends| ends <= inner.clock.now_ms());
    if let Some(refresh) = token.refresh
        && !is_expired
    {
        let pair = view.get(&schema::REFRESH_TOKENS, &refresh)?;
        if pair.is_some_and(|pair| pair.replaces.is_some()) {
            return Ok(Some(Found::FirstUse { user, refresh }));
        }
    }
    let row = view.get(&schema::DEVICES, &(user, device))?;
    let row = row.ok_or(AccountError::Inconsistent("access token without a device"))?;
    let account = view.get(&schema::ACCOUNTS, &user)?;
    let account = account.ok_or(AccountError::Inconsistent("access token without a user"))?;
    let identity = Arc::new(Identity {
        user,
        user_id: inner.user_id(view, user)?,
        device,
        device_id: (&*row.device_id).into(),
        is_admin: account.admin,
        is_guest: account.guest,
        token_hash: hash,
        expires_ts: token.expires_ts,
    });
    inner.sessions.keep(view.position(), &identity);
    Ok(Some(Found::Identity(identity)))
}

/// The hash of what looks like a token of this server with a prefix.
pub(crate) fn well_formed_hash(prefix: &str, token: &str) -> Option<TokenHash> {
    let secret = token.strip_prefix(prefix)?;
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(secret).ok()?;
    (bytes.len() == TOKEN_BYTES).then(|| sha256(token.as_bytes()))
}

/// A new token, and its hash.
pub(crate) fn new_token(random: &dyn RandomSource, prefix: &str) -> (String, TokenHash) {
    let secret: [u8; TOKEN_BYTES] = random.bytes();
    let token = format!("{prefix}{}", BASE64_URL_SAFE_NO_PAD.encode(secret));
    let hash = sha256(token.as_bytes());
    (token, hash)
}

pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
    let mut hash = [0; 32];
    hash.copy_from_slice(digest.as_ref());
    hash
}

/// Makes a new access token for a device, of which only the hash is stored and which is also given.
/// It runs out if it comes with a refresh token.
pub(crate) fn issue(
    change: &mut Change<'_>,
    user: UserNum,
    device: DeviceNum,
    refresh: Option<TokenHash>,
) -> (Tokens, TokenHash) {
    let (access_token, hash) = new_token(&*change.inner.random, ACCESS_PREFIX);
    let life_ms = change.inner.settings.access_token_life_ms;
    let expires_in_ms = refresh.map(|_| life_ms);
    let row = AccessToken {
        user,
        device,
        created_ts: change.now_ms,
        expires_ts: expires_in_ms.map(|life_ms| change.now_ms.saturating_add(life_ms)),
        refresh,
    };
    change.batch.put(&schema::ACCESS_TOKENS, &hash, &row);
    let key = (user, device, hash);
    change.batch.put(&schema::DEVICE_TOKENS, &key, &PRESENT);
    let tokens = Tokens {
        access_token,
        refresh_token: None,
        expires_in_ms,
    };
    (tokens, hash)
}

/// Ends all tokens of a device.
pub(crate) fn end_tokens(
    change: &mut Change<'_>,
    user: UserNum,
    device: DeviceNum,
) -> Result<(), AccountError> {
    let rows = change
        .view
        .scan(&schema::DEVICE_TOKENS, &(user, device), Direction::Forward);
    let keys: Result<Vec<_>, _> = rows.map(|row| row.map(|(key, _)| key)).collect();
    for key in keys? {
        let token = change.view.get(&schema::ACCESS_TOKENS, &key.2)?;
        if let Some(refresh) = token.and_then(|token| token.refresh) {
            change.batch.delete(&schema::REFRESH_TOKENS, &refresh);
        }
        end_token(change, key);
    }
    Ok(())
}

/// Ends one access token.
pub(crate) fn end_token(change: &mut Change<'_>, key: (UserNum, DeviceNum, TokenHash)) {
    change.batch.delete(&schema::ACCESS_TOKENS, &key.2);
    change.batch.delete(&schema::DEVICE_TOKENS, &key);
    change.revoked.push(key.2);
}

/// Has all tokens of a user looked up anew: what they stand for changes.
pub(crate) fn revoke_cached(change: &mut Change<'_>, user: UserNum) -> Result<(), AccountError> {
    for row in change
        .view
        .scan(&schema::DEVICE_TOKENS, &(user,), Direction::Forward)
    {
        let (key, _) = row?;
        change.revoked.push(key.2);
    }
    Ok(())
}
