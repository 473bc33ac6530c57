//! Sections about who may come in, and how often.

use std::{num::NonZeroU32, path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{Period, RateLimit, Secret};

/// A document that whoever registers is shown.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Policy {
    /// What this server calls the policy; the same for the document in other languages.
    pub id: String,
    /// The version, as it is recorded of those who accept it.
    pub version: String,
    /// The language.
    pub language: String,
    /// What people are shown.
    pub name: String,
    /// Where people read it.
    pub url: String,
}

/// Who may make an account. The command `heliograph user create` always can.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct Registration {
    /// Whether clients can register accounts. It needs a token, or `open_to_everyone`.
    pub enabled: bool,
    /// A token that people must know to register.
    /// Example: `"a long random text"`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<Secret>,
    /// The same token, as the first line of a file.
    /// Example: `"/etc/heliograph/registration_token"`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_file: Option<PathBuf>,
    /// Registration without a token, for anybody who can reach the server. Spammers will.
    pub open_to_everyone: bool,
    /// Policies that whoever registers must accept. For example: `[{ id = "terms", version = "1.0",
    /// language = "en", name = "Terms of Service", url = "https://example.org/terms.html" }]`.
    pub policies: Vec<Policy>,
    /// Whether people can come in as guests, without an account: to read what everybody may read, and
    /// to talk in rooms that let guests in.
    pub guests: bool,
    /// A secret with which scripts register accounts through /_synapse/admin/v1/register, even where
    /// registration is not enabled.
    /// Example: `"another long random text"`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shared_secret: Option<Secret>,
    /// The same secret, as the first line of a file.
    /// Example: `"/etc/heliograph/registration_secret"`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shared_secret_file: Option<PathBuf>,
    /// The `pepper` of the Synapse from which hashes of passwords came, by
    /// `heliograph user create --bcrypt`, if it had one.
    /// Example: `"a text of its own"`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bcrypt_pepper: Option<Secret>,
}

/// How long clients stay logged in.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct Sessions {
    /// How long an access token is good that its client can refresh by itself. Clients that do not ask
    /// for this have access tokens that are good until they log out.
    pub access_token_lifetime: Period,
    /// How long a client that refreshes its access token may stay away before its user has to log in
    /// again. Without a value, for ever.
    /// Example: `"90 d"`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_token_lifetime: Option<Period>,
    /// Sessions of one user, at most; whoever has so many has to log out of one.
    pub max_per_user: NonZeroU32,
    /// Whether a client can log another one in, for instance by a code that the other one scans. Its
    /// user is asked for the password.
    pub login_tokens: bool,
    /// How long the token is good by which that is done.
    pub login_token_lifetime: Period,
}

impl Default for Sessions {
    fn default() -> Self {
        Self {
            access_token_lifetime: Period(Duration::from_mins(5)),
            refresh_token_lifetime: None,
            max_per_user: NonZeroU32::new(5000).unwrap_or(NonZeroU32::MIN),
            login_tokens: false,
            login_token_lifetime: Period(Duration::from_mins(2)),
        }
    }
}

/// What users can say of themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct Profiles {
    /// Fields of their profiles that users cannot change, for instance `displayname`.
    pub fixed_fields: Vec<String>,
}

/// How people reach those who run this server, told to them in /.well-known/matrix/support. Without
/// any of these, that document is not served.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct Support {
    /// A page about it.
    /// Example: `"https://example.org/support"`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page: Option<String>,
    /// The user id of whoever administers this server.
    /// Example: `"@admin:example.org"`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admin_matrix_id: Option<String>,
    /// Their mail address.
    /// Example: `"admin@example.org"`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admin_email: Option<String>,
    /// The user id of whoever is to be told of holes in this server's security.
    /// Example: `"@security:example.org"`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub security_matrix_id: Option<String>,
    /// Their mail address.
    /// Example: `"security@example.org"`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub security_email: Option<String>,
}

/// How often one user or one address may ask: "R per minute, burst B" allows B requests at once and R
/// a minute in the long run; "off" does not count.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct RateLimits {
    /// Whether requests are counted at all.
    pub enabled: bool,
    /// Users or addresses remembered by each limit; about 100 bytes each.
    pub max_keys: usize,
    /// Logging in, and other ways to guess a secret, for one address.
    pub login_per_address: RateLimit,
    /// The same, for one user.
    pub login_per_user: RateLimit,
    /// Logins that fail, for one user name, from wherever they come. Whoever is refused has to wait,
    /// with the right password too.
    pub failed_logins_per_account: RateLimit,
    /// Users, by their ids, to whom no limit for one user applies: bots, bridges. Limits for one
    /// address apply to them. For example: `["@bot:example.org"]`.
    pub exempt_users: Vec<String>,
    /// Making accounts, for one address.
    pub registration_per_address: RateLimit,
    /// Sending events, for one user.
    pub send_per_user: RateLimit,
    /// Sending events, for one address.
    pub send_per_address: RateLimit,
    /// Joining and making rooms, for one user.
    pub join_per_user: RateLimit,
    /// Joining and making rooms, for one address.
    pub join_per_address: RateLimit,
    /// Inviting others, for one user.
    pub invite_per_user: RateLimit,
    /// Inviting others, for one address.
    pub invite_per_address: RateLimit,
    /// Whatever else the protocol says is limited, for one user.
    pub other_per_user: RateLimit,
    /// Whatever else the protocol says is limited, for one address.
    pub other_per_address: RateLimit,
}

impl Default for RateLimits {
    fn default() -> Self {
        Self {
            enabled: true,
            max_keys: 100_000,
            login_per_address: RateLimit::limited(10, 20),
            login_per_user: RateLimit::limited(5, 10),
            failed_logins_per_account: RateLimit::limited(5, 30),
            exempt_users: Vec::new(),
            registration_per_address: RateLimit::limited(3, 10),
            send_per_user: RateLimit::limited(300, 60),
            send_per_address: RateLimit::limited(3000, 600),
            join_per_user: RateLimit::limited(20, 20),
            join_per_address: RateLimit::limited(100, 60),
            invite_per_user: RateLimit::limited(30, 30),
            invite_per_address: RateLimit::limited(150, 90),
            other_per_user: RateLimit::limited(600, 200),
            other_per_address: RateLimit::limited(6000, 2000),
        }
    }
}
