//! Users of this server: registration, login, devices, access tokens, profiles, account data,
//! push rules, filters, and the answers to transactions.
//!
//! This crate must never know HTTP or errcodes, and never a room's rules: it logs what changed, and
//! consumers of the log react.
//!
//! Entry points: [`Accounts`] (changes and questions, async; reading functions for `sync` over a
//! [`heliograph_tables::View`]), [`transactions`] (rows that `rooms` puts beside their effects).

mod account_data;
mod bcrypt_hashes;
mod change;
mod departures;
mod devices;
mod error;
mod failed_logins;
mod filters;
mod guests;
mod ignoring;
mod interactive_auth;
mod invite_permission;
mod localpart;
mod locks;
mod login_tokens;
mod own_push_rules;
mod passwords;
mod policies;
mod privacy;
mod profile_fields;
mod profiles;
mod push_rules;
mod refresh;
mod registration_tokens;
mod sessions;
mod shared_secret;
mod successors;
mod tags;
pub mod transactions;
mod user_words;
mod users;

#[cfg(test)]
mod testing;

use std::sync::Arc;

use heliograph_core::ids::UserNum;
use heliograph_tables::{Op, Store, StoreError, View, interner::Interner, schema};
use heliograph_work::{Pool, SharedClock, SharedRandom};
use ruma_common::OwnedUserId;

pub use account_data::{AccountDataRow, MAX_CONTENT_BYTES};
pub use devices::{DeviceInfo, MAX_DEVICE_ID_BYTES, MAX_DEVICE_NAME_CHARS, NewDevice};
pub use error::AccountError;
pub use failed_logins::LoginLimit;
pub use filters::MAX_FILTER_BYTES;
pub use guests::is_guest;
pub use ignoring::ignored_users;
pub use interactive_auth::{
    AuthData, Challenge, Completed, Interacted, Interaction, Stage, StageFailure,
};
pub use invite_permission::blocks_invites;
pub use localpart::{InvalidLocalpart, MAX_USER_ID_BYTES};
pub use own_push_rules::{OwnRule, RuleKind, RulePlace, push_rule_changes, push_rules_with};
pub use passwords::{HashCost, MAX_PASSWORD_BYTES};
pub use policies::PolicyVersion;
pub use privacy::{PRIVACY, Privacy, privacy};
pub use profile_fields::{MAX_KEY_BYTES, MAX_PROFILE_BYTES, OtherFields};
pub use profiles::{MAX_AVATAR_URL_CHARS, MAX_DISPLAYNAME_CHARS, ProfileField};
pub use push_rules::{PredefinedRules, predefined as predefined_push_rules};
pub use registration_tokens::{TokenInfo, TokenLimits};
pub use sessions::{Identity, Session};
pub use shared_secret::SharedSecretRegistration;
pub use user_words::SearchTerm;
pub use users::{Registered, Registration, UserInfo};

use crate::{
    departures::Departures, failed_logins::FailedLogins, interactive_auth::InteractiveAuth,
    locks::Stripes, passwords::Passwords, sessions::Sessions, shared_secret::Nonces,
};

/// What of this crate is configured.
#[derive(Clone)]
pub struct Settings {
    /// The name of this server: what stands after the colon of its users' ids.
    pub server_name: String,
    /// Localparts that nobody can register.
    pub reserved_localparts: Vec<String>,
    /// Tokens that let any number of people register.
    pub registration_tokens: Vec<String>,
    /// The secret of `/_synapse/admin/v1/register`; without one that way is closed.
    pub shared_secret: Option<String>,
    /// Passwords with fewer characters are refused.
    pub min_password_chars: usize,
    /// How hard passwords are hashed.
    pub hash_cost: HashCost,
    /// What Synapse put behind the passwords whose hashes came from it.
    pub bcrypt_pepper: String,
    /// Passwords that wait to be hashed before more are refused.
    pub hash_queue: usize,
    /// Sessions, by access token, that are kept in memory.
    pub session_cache: usize,
    /// Sessions of user-interactive authentication that are kept at once.
    pub interactive_sessions: usize,
    /// How long an access token is good that can be refreshed, in milliseconds.
    pub access_token_life_ms: u64,
    /// How long a refresh token is good, in milliseconds; for ever without a value.
    pub refresh_token_life_ms: Option<u64>,
    /// How long a login token is good, in milliseconds.
    pub login_token_life_ms: u64,
    /// A device's "last seen" is written at most once in this time, in milliseconds.
    pub last_seen_every_ms: u64,
    /// Account data of one user, in bytes.
    pub account_data_bytes: u64,
    /// Devices of one user, at most.
    pub max_devices: u32,
    /// Which predefined push rules users have.
    pub predefined_rules: PredefinedRules,
    /// How many failed logins of one user name are allowed; any number without a value.
    pub failed_logins: Option<LoginLimit>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            server_name: "localhost".to_owned(),
            reserved_localparts: Vec::new(),
            registration_tokens: Vec::new(),
            shared_secret: None,
            min_password_chars: 8,
            hash_cost: HashCost::default(),
            bcrypt_pepper: String::new(),
            hash_queue: 64,
            session_cache: 10_000,
            interactive_sessions: 2_000,
            access_token_life_ms: 5 * 60 * 1000,
            refresh_token_life_ms: None,
            login_token_life_ms: 2 * 60 * 1000,
            last_seen_every_ms: 5 * 60 * 1000,
            account_data_bytes: 32 << 20,
            max_devices: 5_000,
            predefined_rules: PredefinedRules::default(),
            failed_logins: None,
        }
    }
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Settings")
            .field("server_name", &self.server_name)
            .finish_non_exhaustive()
    }
}

/// What the crate is built from.
pub struct Parts {
    /// The database.
    pub store: Arc<dyn Store>,
    /// The names of the process.
    pub interner: Arc<Interner>,
    /// Where synchronous code runs; passwords are hashed on threads of their own.
    pub pool: Pool,
    /// The time.
    pub clock: SharedClock,
    /// Randomness, for tokens and ids.
    pub random: SharedRandom,
}

/// All accounts of this server. Clones are the same accounts.
#[derive(Clone)]
pub struct Accounts {
    pub(crate) inner: Arc<Inner>,
}

/// What all changes and all readers share.
pub(crate) struct Inner {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) interner: Arc<Interner>,
    pub(crate) pool: Pool,
    pub(crate) clock: SharedClock,
    pub(crate) random: SharedRandom,
    pub(crate) settings: Settings,
    pub(crate) stripes: Stripes,
    pub(crate) passwords: Passwords,
    pub(crate) sessions: Sessions,
    pub(crate) failed_logins: FailedLogins,
    pub(crate) interactive_auth: InteractiveAuth,
    pub(crate) nonces: Nonces,
    pub(crate) departures: Departures,
}

impl Accounts {
    /// Accounts over a store.
    pub fn new(parts: Parts, settings: Settings) -> Self {
        let Parts {
            store,
            interner,
            pool,
            clock,
            random,
        } = parts;
        Self {
            inner: Arc::new(Inner {
                store,
                interner,
                pool,
                clock,
                random,
                stripes: Stripes::default(),
                passwords: Passwords::new(
                    settings.hash_cost,
                    settings.bcrypt_pepper.clone(),
                    settings.hash_queue,
                ),
                sessions: Sessions::new(settings.session_cache),
                failed_logins: FailedLogins::new(settings.failed_logins),
                interactive_auth: InteractiveAuth::new(settings.interactive_sessions),
                nonces: Nonces::default(),
                departures: Departures::default(),
                settings,
            }),
        }
    }

    /// The number of a user of this server, deactivated or not, by the whole user id.
    pub fn find_local(&self, view: &View, user_id: &str) -> Result<Option<UserNum>, StoreError> {
        self.inner.find_local(view, user_id)
    }

    /// The number of a user of this server, deactivated or not; off the async threads.
    ///
    /// # Errors
    /// Those of the store and of the pool.
    pub async fn local_user(&self, user_id: &str) -> Result<Option<UserNum>, AccountError> {
        let user_id = user_id.to_owned();
        self.inner
            .read(Op::Account, move |inner, view| {
                Ok(inner.find_local(view, &user_id)?)
            })
            .await
    }
}

impl Inner {
    pub(crate) fn find_local(
        &self,
        view: &View,
        user_id: &str,
    ) -> Result<Option<UserNum>, StoreError> {
        let Some(user) = self.interner.users.find(view, user_id)? else {
            return Ok(None);
        };
        Ok(view.has(&schema::ACCOUNTS, &user)?.then_some(user))
    }

    /// The id of a user that has a number.
    pub(crate) fn user_id(&self, view: &View, user: UserNum) -> Result<OwnedUserId, AccountError> {
        let name = self.interner.users.name(view, user)?;
        name.and_then(|name| OwnedUserId::try_from(&*name).ok())
            .ok_or(AccountError::Inconsistent("user number without a name"))
    }
}
