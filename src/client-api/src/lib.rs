//! The client-server API as routes.
//!
//! No rule of the protocol lives here and no storage is touched: a handler authenticates,
//! validates, calls one domain crate and writes the answer.
//!
//! Entry points: [`routes`] (the whole table), [`App`] (what handlers are given parts of).

mod account;
mod content;
mod errors;
mod old_sync;
mod presence;
mod reading;
mod rooms;
mod support;
mod sync;
mod uia;
mod user_directory;
mod versions;

use std::sync::Arc;

use axum::extract::FromRef;
use heliograph_accounts::Accounts;
use heliograph_core::room_version::RoomVersion;
use heliograph_http::RouteTable;
use heliograph_sync::Sync;

pub use account::Authenticator;
pub use reading::RoomsState;
pub use support::{Contact, Role, Support};

/// Who may make an account through this API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegistrationRule {
    /// Nobody.
    Closed,
    /// Whoever has a registration token.
    ByToken,
    /// Everybody.
    Open,
}

/// A document of a policy that whoever registers accepts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Which policy; one may have documents in several languages.
    pub id: String,
    /// Its version.
    pub version: String,
    /// The language of the document.
    pub language: String,
    /// What the document is called.
    pub name: String,
    /// Where the document is.
    pub url: String,
}

/// What this API is told by the configuration.
#[derive(Clone, Debug)]
pub struct ClientSettings {
    /// This server's name.
    pub server_name: String,
    /// Where clients reach this server, as `/.well-known/matrix/client` tells it.
    pub public_base_url: Option<String>,
    /// The version that rooms are made with when nobody asks for another.
    pub default_room_version: RoomVersion,
    /// Who may make an account.
    pub registration: RegistrationRule,
    /// A page about the limits of accounts.
    pub limits_info_uri: Option<String>,
    /// The policies that whoever registers accepts.
    pub policies: Vec<Policy>,
    /// Whether people can look around as guests.
    pub guests: bool,
    /// Whether a client can log another one in by a token.
    pub login_tokens: bool,
    /// Fields of their profiles that users cannot change.
    pub fixed_profile_fields: Vec<String>,
    /// How the people behind this server are reached.
    pub support: Support,
}

/// Everything that handlers are given parts of.
#[derive(Clone)]
pub struct App {
    /// Accounts.
    pub accounts: Arc<Accounts>,
    /// Rooms, and what it takes to read them.
    pub rooms: RoomsState,
    /// Syncs.
    pub sync: Sync,
    /// Settings.
    pub settings: Arc<ClientSettings>,
}

impl FromRef<App> for Arc<Accounts> {
    fn from_ref(app: &App) -> Self {
        Self::clone(&app.accounts)
    }
}

impl FromRef<App> for RoomsState {
    fn from_ref(app: &App) -> Self {
        app.rooms.clone()
    }
}

impl FromRef<App> for Sync {
    fn from_ref(app: &App) -> Self {
        app.sync.clone()
    }
}

impl FromRef<App> for Arc<ClientSettings> {
    fn from_ref(app: &App) -> Self {
        Self::clone(&app.settings)
    }
}

/// Every route of the client-server API.
pub fn routes() -> RouteTable<App> {
    RouteTable::new()
        .merge(versions::routes())
        .merge(support::routes())
        .merge(account::routes())
        .merge(rooms::routes())
        .merge(presence::routes())
        .merge(user_directory::routes())
        .merge(sync::routes())
        .merge(old_sync::routes())
}
