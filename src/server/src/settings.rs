//! The configuration as each crate's own settings.

use std::path::PathBuf;

use heliograph_accounts::HashCost;
use heliograph_client_api::{ClientSettings, RegistrationRule};
use heliograph_conf::{ByteSize, Config, Durability, RateLimit};
use heliograph_core::room_version::RoomVersion;
use heliograph_http::{ClassLimits, Rate, RateLimitSettings};

/// Bytes that a parsed event takes, about.
const EVENT_BYTES: usize = 2048;
/// Bytes that a node of a state tree takes, about.
const NODE_BYTES: usize = 512;
/// Bytes that the members sent to one client of one room take, about.
const LAZY_BYTES: usize = 1024;

/// The folder of the database.
pub(crate) fn database_folder(config: &Config) -> PathBuf {
    config.storage.path.join("database")
}

/// The file of the signing key.
pub(crate) fn signing_key(config: &Config) -> PathBuf {
    let default = || config.storage.path.join("signing.key");
    config
        .federation
        .signing_key
        .clone()
        .unwrap_or_else(default)
}

/// How many entries fit.
fn entries(size: ByteSize, entry_bytes: usize) -> usize {
    size.bytes().checked_div(entry_bytes).unwrap_or(0).max(16)
}

/// How the database is opened.
pub(crate) fn storage(config: &Config) -> heliograph_storage::Settings {
    let storage = &config.storage;
    heliograph_storage::Settings {
        durability: match storage.durability {
            Durability::Fsync => heliograph_storage::Durability::Fsync,
            Durability::Os => heliograph_storage::Durability::Os,
        },
        cache_bytes: storage.block_cache.bytes(),
        write_buffer_bytes: storage.write_buffers.bytes(),
        max_total_wal_bytes: storage.max_wal.0,
        max_open_files: u16::try_from(storage.max_open_files.get()).unwrap_or(u16::MAX),
        log_max_age: storage.log_max_age.0,
        log_max_bytes: storage.log_max_size.0,
        ..heliograph_storage::Settings::default()
    }
}

/// What accounts are told.
pub(crate) fn accounts(config: &Config) -> heliograph_accounts::Settings {
    let registration = &config.registration;
    let memory_kib = config.limits.password_memory.0.div_ceil(1024);
    heliograph_accounts::Settings {
        server_name: config.server.name.clone(),
        registration_tokens: registration
            .token
            .iter()
            .map(|t| t.expose().to_owned())
            .collect(),
        shared_secret: registration
            .shared_secret
            .as_ref()
            .map(|s| s.expose().to_owned()),
        hash_cost: HashCost {
            memory_kib: u32::try_from(memory_kib).unwrap_or(u32::MAX),
            ..HashCost::default()
        },
        hash_queue: config.limits.password_queue,
        ..heliograph_accounts::Settings::default()
    }
}

/// What rooms are told.
pub(crate) fn rooms(config: &Config) -> heliograph_rooms::Settings {
    heliograph_rooms::Settings {
        event_cache: entries(config.storage.event_cache, EVENT_BYTES * 2),
        client_event_cache: entries(config.storage.event_cache, EVENT_BYTES * 2),
        node_cache: entries(config.storage.state_cache, NODE_BYTES),
    }
}

/// What syncs are told.
pub(crate) fn sync(config: &Config) -> heliograph_sync::Settings {
    let wait = config.sync.longest_wait.0.as_millis();
    heliograph_sync::Settings {
        max_timeout_ms: u64::try_from(wait).unwrap_or(u64::MAX),
        lazy_cache: entries(config.sync.lazy_members_cache, LAZY_BYTES),
    }
}

/// What the client API is told.
pub(crate) fn client(config: &Config) -> ClientSettings {
    let registration = &config.registration;
    let version = RoomVersion::try_from(config.rooms.default_room_version.as_str());
    ClientSettings {
        server_name: config.server.name.clone(),
        public_base_url: config.server.public_base_url.clone(),
        // The configuration was checked for it.
        default_room_version: version.unwrap_or(RoomVersion::DEFAULT),
        registration: match (registration.enabled, registration.open_to_everyone) {
            (false, _) => RegistrationRule::Closed,
            (true, true) => RegistrationRule::Open,
            (true, false) => RegistrationRule::ByToken,
        },
    }
}

/// How often may be asked.
pub(crate) fn rate_limits(config: &Config) -> RateLimitSettings {
    let limits = &config.rate_limits;
    let rate = |limit: RateLimit| match limit {
        RateLimit::Limited { per_minute, burst } if limits.enabled => {
            Some(Rate { per_minute, burst })
        }
        _ => None,
    };
    let class = |user, address| ClassLimits {
        user: rate(user),
        address: rate(address),
    };
    RateLimitSettings {
        other: class(limits.other_per_user, limits.other_per_address),
        login: class(limits.login_per_user, limits.login_per_address),
        registration: class(RateLimit::Off, limits.registration_per_address),
        send: class(limits.send_per_user, limits.send_per_address),
        join: class(limits.join_per_user, limits.join_per_address),
        invite: class(limits.invite_per_user, limits.invite_per_address),
        max_keys: limits.max_keys,
    }
}
