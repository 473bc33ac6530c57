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
    schema::{self, AccessToken},
};
use heliograph_work::RandomSourceExt as _;
use quick_cache::sync::Cache;
use ruma_common::{OwnedDeviceId, OwnedUserId};

use crate::{AccountError, Accounts, Inner, change::Change};

/// What access tokens begin with, so that they are found where they should not be.
const TOKEN_PREFIX: &str = "hlg_";

/// Random bytes of an access token.
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
    /// SHA-256 of the access token, by which the session is stored.
    pub token_hash: [u8; 32],
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
    /// Those of the store and of the pool.
    pub async fn authenticate(&self, token: &str) -> Result<Option<Arc<Identity>>, AccountError> {
        let Some(hash) = well_formed_hash(token) else {
            return Ok(None);
        };
        if let Some(identity) = self.inner.sessions.by_token.get(&hash) {
            return Ok(Some(identity));
        }
        self.inner
            .read(Op::Authenticate, move |inner, view| {
                look_up(inner, view, hash)
            })
            .await
    }
}

fn look_up(
    inner: &Inner,
    view: &View,
    hash: [u8; 32],
) -> Result<Option<Arc<Identity>>, AccountError> {
    let Some(token) = view.get(&schema::ACCESS_TOKENS, &hash)? else {
        return Ok(None);
    };
    let AccessToken { user, device, .. } = token;
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
        token_hash: hash,
    });
    inner.sessions.keep(view.position(), &identity);
    Ok(Some(identity))
}

/// The hash of what looks like an access token of this server.
fn well_formed_hash(token: &str) -> Option<[u8; 32]> {
    let secret = token.strip_prefix(TOKEN_PREFIX)?;
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(secret).ok()?;
    (bytes.len() == TOKEN_BYTES).then(|| sha256(token.as_bytes()))
}

pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
    let mut hash = [0; 32];
    hash.copy_from_slice(digest.as_ref());
    hash
}

/// Makes a new access token for a device; only its hash is stored.
pub(crate) fn issue_token(change: &mut Change<'_>, user: UserNum, device: DeviceNum) -> String {
    let secret: [u8; TOKEN_BYTES] = change.inner.random.bytes();
    let token = format!("{TOKEN_PREFIX}{}", BASE64_URL_SAFE_NO_PAD.encode(secret));
    let hash = sha256(token.as_bytes());
    let row = AccessToken {
        user,
        device,
        created_ts: change.now_ms,
    };
    change.batch.put(&schema::ACCESS_TOKENS, &hash, &row);
    let key = (user, device, hash);
    change.batch.put(&schema::DEVICE_TOKENS, &key, &PRESENT);
    token
}

/// Ends all tokens of a device.
pub(crate) fn end_tokens(
    change: &mut Change<'_>,
    user: UserNum,
    device: DeviceNum,
) -> Result<(), AccountError> {
    for row in change
        .view
        .scan(&schema::DEVICE_TOKENS, &(user, device), Direction::Forward)
    {
        let (key, _) = row?;
        change.batch.delete(&schema::ACCESS_TOKENS, &key.2);
        change.batch.delete(&schema::DEVICE_TOKENS, &key);
        change.revoked.push(key.2);
    }
    Ok(())
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
