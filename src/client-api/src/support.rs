//! `GET /.well-known/matrix/support`
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#getwell-knownmatrixsupport>

use std::sync::Arc;

use axum::extract::State;
use heliograph_http::{ApiError, AuthKind, Json, Route, RouteTable};
use serde::Serialize;

use crate::{App, ClientSettings};

/// How the people behind this server are reached.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Support {
    /// People.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub contacts: Vec<Contact>,
    /// A page about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub support_page: Option<String>,
}

impl Support {
    /// How whoever administers this server is reached, as a URI.
    pub(crate) fn admin_contact(&self) -> Option<String> {
        let mut admins = self
            .contacts
            .iter()
            .filter(|contact| contact.role == Role::Admin);
        let of_admin = admins.next().and_then(|admin| {
            let mail = admin
                .email_address
                .as_ref()
                .map(|mail| format!("mailto:{mail}"));
            let id = admin.matrix_id.as_ref();
            mail.or_else(|| id.map(|id| format!("https://matrix.to/#/{id}")))
        });
        of_admin.or_else(|| self.support_page.clone())
    }
}

/// Somebody who can be reached, in at least one of the two ways.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Contact {
    /// What they are to be asked about.
    pub role: Role,
    /// A user id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub matrix_id: Option<String>,
    /// A mail address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email_address: Option<String>,
}

/// What a contact is to be asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Role {
    /// Whatever concerns this server.
    #[serde(rename = "m.role.admin")]
    Admin,
    /// Holes in its security.
    #[serde(rename = "m.role.security")]
    Security,
}

pub(crate) fn routes() -> RouteTable<App> {
    let path = "/.well-known/matrix/support";
    RouteTable::new().route(Route::get(path, AuthKind::None, support))
}

/// How the people behind this server are reached.
async fn support(State(settings): State<Arc<ClientSettings>>) -> Result<Json<Support>, ApiError> {
    let support = &settings.support;
    if *support == Support::default() {
        return Err(ApiError::not_found("No contact is configured"));
    }
    Ok(Json(support.clone()))
}
