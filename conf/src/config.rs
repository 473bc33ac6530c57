//! The whole configuration, and the checks that go beyond one value's type.

use std::{
    net::{IpAddr, Ipv6Addr},
    path::Path,
};

use serde::{Deserialize, Serialize};

use crate::{
    ConfError, Federation, Limits, Listener, Logging, Metrics, Policy, Presence, Profiles, Push,
    RateLimits, Registration, Rooms, Server, Sessions, Storage, Support, Sync, Tls,
    introspect::keys_of,
    load::{Sources, read},
};

/// Everything that can be configured, one struct a section and consumer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct Config {
    /// The server as clients and other servers see it.
    pub server: Server,
    /// Certificates.
    pub tls: Tls,
    /// The database.
    pub storage: Storage,
    /// Who may make an account.
    pub registration: Registration,
    /// How long clients stay logged in.
    pub sessions: Sessions,
    /// What users can say of themselves.
    pub profiles: Profiles,
    /// How people reach those who run this server.
    pub support: Support,
    /// How often one may ask.
    pub rate_limits: RateLimits,
    /// Bounds on one request.
    pub limits: Limits,
    /// Rooms made here.
    pub rooms: Rooms,
    /// How clients are kept up to date.
    pub sync: Sync,
    /// Who is online.
    pub presence: Presence,
    /// What notifies.
    pub push: Push,
    /// This server among others.
    pub federation: Federation,
    /// The log for people.
    pub logging: Logging,
    /// Figures.
    pub metrics: Metrics,
}

/// Every table of the file and its keys.
pub(crate) fn known_keys() -> Vec<(&'static str, &'static [&'static str])> {
    vec![
        ("", keys_of::<Config>()),
        ("server", keys_of::<Server>()),
        ("server.listeners", keys_of::<Listener>()),
        ("tls", keys_of::<Tls>()),
        ("storage", keys_of::<Storage>()),
        ("registration", keys_of::<Registration>()),
        ("registration.policies", keys_of::<Policy>()),
        ("sessions", keys_of::<Sessions>()),
        ("profiles", keys_of::<Profiles>()),
        ("support", keys_of::<Support>()),
        ("rate_limits", keys_of::<RateLimits>()),
        ("limits", keys_of::<Limits>()),
        ("rooms", keys_of::<Rooms>()),
        ("sync", keys_of::<Sync>()),
        ("presence", keys_of::<Presence>()),
        ("push", keys_of::<Push>()),
        ("federation", keys_of::<Federation>()),
        ("logging", keys_of::<Logging>()),
        ("metrics", keys_of::<Metrics>()),
    ]
}

impl Config {
    /// Reads the file, if one is named, and the variables of the environment that begin with
    /// [`crate::ENV_PREFIX`]; fills in secrets from their files; checks everything.
    ///
    /// # Errors
    ///
    /// With file and line, or variable, and what to do: see [`ConfError`].
    pub fn load(
        path: Option<&Path>,
        env: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfError> {
        let (mut config, sources) = read(path, env)?;
        config.read_secrets(&sources)?;
        config.check(&sources)?;
        Ok(config)
    }

    /// The effective values as a file would hold them, with secrets redacted.
    pub fn show(&self) -> String {
        match toml::to_string(self) {
            Ok(text) => text,
            Err(error) => format!("# cannot be shown: {error}\n"),
        }
    }

    fn read_secrets(&mut self, sources: &Sources) -> Result<(), ConfError> {
        let registration = &mut self.registration;
        sources.fill_secret(
            "registration.token",
            &mut registration.token,
            registration.token_file.as_deref(),
        )?;
        sources.fill_secret(
            "registration.shared_secret",
            &mut registration.shared_secret,
            registration.shared_secret_file.as_deref(),
        )
    }

    /// What a type cannot say.
    fn check(&self, sources: &Sources) -> Result<(), ConfError> {
        let problem = self.check_server().or_else(|| self.check_access());
        let problem = problem.or_else(|| self.check_support());
        match problem.or_else(|| self.check_data()) {
            Some((key, message)) => Err(sources.invalid(key, message)),
            None => Ok(()),
        }
    }

    fn check_server(&self) -> Option<Problem> {
        let server = &self.server;
        if server.name.is_empty() {
            let message = "is required: set it in the file, or HELIOGRAPH__SERVER__NAME";
            return Some(("server.name", message.to_owned()));
        }
        if !is_server_name(&server.name) {
            let message = format!(
                "{:?} is not a host name or address with an optional port",
                server.name
            );
            return Some(("server.name", message));
        }
        if let Some(url) = &server.public_base_url
            && !(url.starts_with("https://") || url.starts_with("http://"))
        {
            let message = format!("{url:?} does not begin with https://");
            return Some(("server.public_base_url", message));
        }
        if server.listeners.is_empty() {
            return Some(("server.listeners", "there is none".to_owned()));
        }
        if let Some(proxy) = server
            .trusted_proxies
            .iter()
            .find(|proxy| !is_network(proxy))
        {
            let message = format!("{proxy:?} is neither an address nor a network as 10.0.0.0/8");
            return Some(("server.trusted_proxies", message));
        }
        let wants_tls = server.listeners.iter().any(|listener| listener.tls);
        match (&self.tls.certificate, &self.tls.key) {
            (Some(_), None) => Some(("tls.key", "is missing for tls.certificate".to_owned())),
            (None, Some(_)) => Some(("tls.certificate", "is missing for tls.key".to_owned())),
            (None, None) if wants_tls => {
                let message = "a listener has tls = true, and [tls] has no certificate";
                Some(("server.listeners", message.to_owned()))
            }
            _ => None,
        }
    }

    fn check_access(&self) -> Option<Problem> {
        let registration = &self.registration;
        let secrets = [
            ("registration.token", &registration.token),
            ("registration.shared_secret", &registration.shared_secret),
        ];
        for (key, secret) in secrets {
            if secret
                .as_ref()
                .is_some_and(|secret| secret.expose().is_empty())
            {
                return Some((key, "is empty".to_owned()));
            }
        }
        let enabled = registration.enabled;
        if enabled && registration.token.is_none() && !registration.open_to_everyone {
            let message = "needs registration.token, or registration.open_to_everyone = true";
            return Some(("registration.enabled", message.to_owned()));
        }
        if registration.token.is_some() && registration.open_to_everyone {
            let message = "contradicts registration.token: nobody would be asked for it";
            return Some(("registration.open_to_everyone", message.to_owned()));
        }
        if let Some(problem) = self.check_policies() {
            return Some(problem);
        }
        let sessions = &self.sessions;
        let lifetimes = [
            (
                "sessions.access_token_lifetime",
                Some(sessions.access_token_lifetime),
            ),
            (
                "sessions.refresh_token_lifetime",
                sessions.refresh_token_lifetime,
            ),
            (
                "sessions.login_token_lifetime",
                Some(sessions.login_token_lifetime),
            ),
        ];
        for (key, lifetime) in lifetimes {
            if lifetime.is_some_and(|lifetime| lifetime.0.is_zero()) {
                return Some((key, "is no time at all".to_owned()));
            }
        }
        let mut exempt = self.rate_limits.exempt_users.iter();
        if let Some(user) = exempt.find(|user| !(user.starts_with('@') && user.contains(':'))) {
            let message = format!("{user:?} is not a user id");
            return Some(("rate_limits.exempt_users", message));
        }
        (self.rate_limits.max_keys < 2)
            .then(|| ("rate_limits.max_keys", "is at least 2".to_owned()))
    }

    fn check_policies(&self) -> Option<Problem> {
        let policies = &self.registration.policies;
        let key = "registration.policies";
        for policy in policies {
            let is_url = policy.url.starts_with("https://") || policy.url.starts_with("http://");
            if !is_url {
                let message = format!("{:?} does not begin with https://", policy.url);
                return Some((key, message));
            }
            let texts = [&policy.id, &policy.version, &policy.language, &policy.name];
            if texts.iter().any(|text| text.is_empty()) || policy.language == "version" {
                let message = "each needs an id, a version, a language and a name";
                return Some((key, message.to_owned()));
            }
            let mut same = policies.iter().filter(|other| other.id == policy.id);
            if same.any(|other| other.version != policy.version) {
                return Some((key, format!("{:?} has two versions", policy.id)));
            }
        }
        None
    }

    fn check_support(&self) -> Option<Problem> {
        let support = &self.support;
        if let Some(page) = &support.page
            && !(page.starts_with("https://") || page.starts_with("http://"))
        {
            let message = format!("{page:?} does not begin with https://");
            return Some(("support.page", message));
        }
        let ids = [
            ("support.admin_matrix_id", &support.admin_matrix_id),
            ("support.security_matrix_id", &support.security_matrix_id),
        ];
        for (key, id) in ids {
            if let Some(id) = id
                && !(id.starts_with('@') && id.contains(':'))
            {
                return Some((key, format!("{id:?} is not a user id")));
            }
        }
        let addresses = [
            ("support.admin_email", &support.admin_email),
            ("support.security_email", &support.security_email),
        ];
        addresses.into_iter().find_map(|(key, address)| {
            let bad = address.as_ref().filter(|address| !address.contains('@'))?;
            Some((key, format!("{bad:?} is not a mail address")))
        })
    }

    fn check_data(&self) -> Option<Problem> {
        let version = &self.rooms.default_room_version;
        let known = version
            .parse::<u8>()
            .is_ok_and(|number| (1..=12).contains(&number) && number.to_string() == *version);
        if !known {
            let message = format!("{version:?} is not a room version from \"1\" to \"12\"");
            return Some(("rooms.default_room_version", message));
        }
        if self.storage.path.as_os_str().is_empty() {
            return Some(("storage.path", "is empty".to_owned()));
        }
        let presence = &self.presence;
        let times = [
            ("presence.idle_after", presence.idle_after),
            ("presence.offline_after", presence.offline_after),
        ];
        if let Some((key, _)) = times.into_iter().find(|(_, time)| time.0.is_zero()) {
            return Some((key, "is no time at all".to_owned()));
        }
        let (usual, most) = (self.sync.timeline_limit, self.sync.max_timeline_limit);
        (usual > most).then(|| {
            (
                "sync.timeline_limit",
                format!("is over sync.max_timeline_limit, {most}"),
            )
        })
    }
}

/// A key and what is wrong with its value.
type Problem = (&'static str, String);

/// Whether a text is a host name, an IPv4 address or an IPv6 address in brackets, with an optional
/// port.
///
/// <https://spec.matrix.org/v1.19/appendices/#server-name>
fn is_server_name(name: &str) -> bool {
    let (host, port) = if let Some(rest) = name.strip_prefix('[') {
        let Some((address, port)) = rest.split_once(']') else {
            return false;
        };
        if address.parse::<Ipv6Addr>().is_err() {
            return false;
        }
        (
            "",
            port.strip_prefix(':').or(port.is_empty().then_some("0")),
        )
    } else {
        let (host, port) = name.split_once(':').unwrap_or((name, "0"));
        (host, Some(port))
    };
    let is_port = |text: &str| text.len() <= 5 && text.parse::<u16>().is_ok();
    let is_host = |text: &str| {
        text.bytes()
            .all(|c| c.is_ascii_alphanumeric() || c == b'-' || c == b'.')
    };
    let has_host = !host.is_empty() || name.starts_with('[');
    name.len() <= 230 && has_host && is_host(host) && port.is_some_and(is_port)
}

/// Whether a text is an IP address, or one with the length of a prefix behind a slash.
fn is_network(text: &str) -> bool {
    let (address, prefix) = text.split_once('/').unwrap_or((text, "0"));
    let bits = match address.parse::<IpAddr>() {
        Ok(IpAddr::V4(_)) => 32,
        Ok(IpAddr::V6(_)) => 128,
        Err(_) => return false,
    };
    prefix.parse::<u8>().is_ok_and(|prefix| prefix <= bits)
}

#[cfg(test)]
mod tests;
