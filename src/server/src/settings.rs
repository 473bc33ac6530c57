//! The configuration as each crate's own settings.

use std::{collections::HashSet, num::NonZeroU32, path::PathBuf};

use heliograph_accounts::{HashCost, LoginLimit, PredefinedRules};
use heliograph_client_api::{ClientSettings, Contact, Policy, RegistrationRule, Role, Support};
use heliograph_conf::{ByteSize, Config, Durability, Period, RateLimit};
use heliograph_core::room_version::RoomVersion;
use heliograph_http::{ClassLimits, Rate, RateLimitSettings};
use heliograph_rooms::PresenceSettings;

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

/// A number of the configuration as a size.
fn count(number: NonZeroU32) -> usize {
    usize::try_from(number.get()).unwrap_or(usize::MAX)
}

/// A length of time of the configuration in milliseconds.
fn milliseconds(period: Period) -> u64 {
    u64::try_from(period.0.as_millis()).unwrap_or(u64::MAX)
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
        bcrypt_pepper: registration
            .bcrypt_pepper
            .as_ref()
            .map_or_else(String::new, |pepper| pepper.expose().to_owned()),
        hash_queue: config.limits.password_queue,
        access_token_life_ms: milliseconds(config.sessions.access_token_lifetime),
        refresh_token_life_ms: config.sessions.refresh_token_lifetime.map(milliseconds),
        login_token_life_ms: milliseconds(config.sessions.login_token_lifetime),
        max_devices: config.sessions.max_per_user.get(),
        failed_logins: match config.rate_limits.failed_logins_per_account {
            RateLimit::Limited { per_minute, burst } if config.rate_limits.enabled => {
                Some(LoginLimit { per_minute, burst })
            }
            _ => None,
        },
        predefined_rules: predefined_rules(config),
        ..heliograph_accounts::Settings::default()
    }
}

/// Which predefined push rules users have.
pub(crate) const fn predefined_rules(config: &Config) -> PredefinedRules {
    if config.push.names_in_texts {
        PredefinedRules::WithNamesInTexts
    } else {
        PredefinedRules::Current
    }
}

/// What rooms are told.
pub(crate) fn rooms(config: &Config) -> heliograph_rooms::Settings {
    heliograph_rooms::Settings {
        event_cache: entries(config.storage.event_cache, EVENT_BYTES * 2),
        client_event_cache: entries(config.storage.event_cache, EVENT_BYTES * 2),
        node_cache: entries(config.storage.state_cache, NODE_BYTES),
        presence: presence(&config.presence),
        quotas: heliograph_rooms::Quotas {
            joined_rooms: config.limits.max_joined_rooms.map(NonZeroU32::get),
            pending_invites: config.limits.max_pending_invites.map(NonZeroU32::get),
        },
    }
}

/// How presence is kept.
fn presence(presence: &heliograph_conf::Presence) -> PresenceSettings {
    PresenceSettings {
        enabled: presence.enabled,
        idle_after_ms: milliseconds(presence.idle_after),
        offline_after_ms: milliseconds(presence.offline_after),
        max_room_members: presence.max_room_members,
        ..PresenceSettings::default()
    }
}

/// What syncs are told.
pub(crate) fn sync(config: &Config) -> heliograph_sync::Settings {
    heliograph_sync::Settings {
        max_timeout_ms: milliseconds(config.sync.longest_wait),
        lazy_cache: entries(config.sync.lazy_members_cache, LAZY_BYTES),
        timeline_limit: count(config.sync.timeline_limit),
        max_timeline_limit: count(config.sync.max_timeline_limit),
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
        limits_info_uri: config.limits.info_uri.clone(),
        policies: registration.policies.iter().map(policy).collect(),
        guests: registration.guests,
        login_tokens: config.sessions.login_tokens,
        fixed_profile_fields: config.profiles.fixed_fields.clone(),
        support: support(&config.support),
    }
}

/// A policy as clients are told it.
fn policy(policy: &heliograph_conf::Policy) -> Policy {
    Policy {
        id: policy.id.clone(),
        version: policy.version.clone(),
        language: policy.language.clone(),
        name: policy.name.clone(),
        url: policy.url.clone(),
    }
}

/// Whom to ask about this server.
fn support(support: &heliograph_conf::Support) -> Support {
    let contact = |role, matrix_id: &Option<String>, email: &Option<String>| {
        (matrix_id.is_some() || email.is_some()).then(|| Contact {
            role,
            matrix_id: matrix_id.clone(),
            email_address: email.clone(),
        })
    };
    let (admin, security) = (
        contact(Role::Admin, &support.admin_matrix_id, &support.admin_email),
        contact(
            Role::Security,
            &support.security_matrix_id,
            &support.security_email,
        ),
    );
    Support {
        contacts: admin.into_iter().chain(security).collect(),
        support_page: support.page.clone(),
    }
}

/// The users to whom limits by user do not apply.
pub(crate) fn exempt_users(config: &Config) -> HashSet<String> {
    config.rate_limits.exempt_users.iter().cloned().collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    fn number(number: u32) -> NonZeroU32 {
        number.try_into().unwrap()
    }

    #[test]
    fn rate_limits_go_to_their_classes() {
        let mut config = Config::default();
        let limit = |n| RateLimit::Limited {
            per_minute: number(n),
            burst: number(n + 100),
        };
        let limits = &mut config.rate_limits;
        limits.max_keys = 7;
        let mut next = 0;
        for field in [
            &mut limits.login_per_address,
            &mut limits.login_per_user,
            &mut limits.registration_per_address,
            &mut limits.send_per_user,
            &mut limits.send_per_address,
            &mut limits.join_per_user,
            &mut limits.join_per_address,
            &mut limits.invite_per_user,
            &mut limits.invite_per_address,
            &mut limits.other_per_user,
        ] {
            next += 1;
            *field = limit(next);
        }
        limits.other_per_address = RateLimit::Off;
        let got = rate_limits(&config);
        let rate = |n| {
            Some(Rate {
                per_minute: number(n),
                burst: number(n + 100),
            })
        };
        for (class, user, address) in [
            (got.login, rate(2), rate(1)),
            (got.registration, None, rate(3)),
            (got.send, rate(4), rate(5)),
            (got.join, rate(6), rate(7)),
            (got.invite, rate(8), rate(9)),
            (got.other, rate(10), None),
        ] {
            assert_eq!(class, ClassLimits { user, address });
        }
        assert_eq!(got.max_keys, 7);

        config.rate_limits.enabled = false;
        let off = rate_limits(&config);
        for class in [
            off.login,
            off.registration,
            off.send,
            off.join,
            off.invite,
            off.other,
        ] {
            assert_eq!(class, ClassLimits::default());
        }
    }

    #[test]
    fn registration_is_closed_unless_it_is_opened() {
        let mut config = Config::default();
        assert_eq!(client(&config).registration, RegistrationRule::Closed);
        config.registration.open_to_everyone = true;
        assert_eq!(client(&config).registration, RegistrationRule::Closed);
        config.registration.enabled = true;
        assert_eq!(client(&config).registration, RegistrationRule::Open);
        config.registration.open_to_everyone = false;
        assert_eq!(client(&config).registration, RegistrationRule::ByToken);
    }

    #[test]
    fn every_room_version_that_the_configuration_takes_is_known() {
        let mut config = Config::default();
        for version in 1..=12 {
            config.rooms.default_room_version = version.to_string();
            let used = client(&config).default_room_version;
            assert_eq!(used.as_str(), config.rooms.default_room_version);
        }
    }

    #[test]
    fn sizes_and_durability_reach_the_store() {
        let mut config = Config::default();
        config.storage.block_cache = ByteSize::mib(5);
        config.storage.write_buffers = ByteSize::mib(6);
        config.storage.max_wal = ByteSize::mib(7);
        config.storage.durability = Durability::Os;
        let got = storage(&config);
        let sizes = (
            got.cache_bytes,
            got.write_buffer_bytes,
            got.max_total_wal_bytes,
        );
        assert_eq!(sizes, (5 << 20, 6 << 20, 7 << 20));
        assert_eq!(got.durability, heliograph_storage::Durability::Os);
        config.limits.password_memory = ByteSize(8193);
        assert_eq!(accounts(&config).hash_cost.memory_kib, 9, "rounded up");
    }

    #[test]
    fn the_key_is_in_the_data_folder_unless_it_is_elsewhere() {
        let mut config = Config::default();
        config.storage.path = "d".into();
        assert_eq!(signing_key(&config), PathBuf::from("d/signing.key"));
        config.federation.signing_key = Some("k".into());
        assert_eq!(signing_key(&config), PathBuf::from("k"));
    }
}
