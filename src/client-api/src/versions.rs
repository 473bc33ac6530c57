//! `GET /versions`, `GET /.well-known/matrix/client`, `GET /capabilities`
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#api-versions>
//! <https://spec.matrix.org/v1.19/client-server-api/#well-known-uris>
//! <https://spec.matrix.org/v1.19/client-server-api/#capabilities-negotiation>

use std::{collections::BTreeMap, sync::Arc};

use axum::extract::State;
use heliograph_core::room_version::RoomVersion;
use heliograph_http::{ApiError, Auth, AuthKind, Device, Json, RateClass, Route, RouteTable};
use serde_json::{Value, json};

use crate::{App, ClientSettings};

/// The versions of the specification that are told to clients: those that matrix-js-sdk and
/// matrix-nio need to start, and to read threads. With `r0`, paths of that time are served too.
const VERSIONS: [&str; 4] = ["r0.6.1", "v1.1", "v1.4", "v1.5"];

pub(crate) fn routes() -> RouteTable<App> {
    RouteTable::new()
        .route(Route::get(
            "/_matrix/client/versions",
            AuthKind::None,
            versions,
        ))
        .route(Route::get(
            "/.well-known/matrix/client",
            AuthKind::None,
            well_known,
        ))
        .route(
            Route::get(
                "/_matrix/client/v3/capabilities",
                AuthKind::Device,
                capabilities,
            )
            .rate_limit(RateClass::Other),
        )
}

/// Which versions of the specification this server speaks.
async fn versions() -> Json<Value> {
    Json(json!({
        "versions": VERSIONS,
        "unstable_features": { "org.matrix.msc3391": true },
    }))
}

/// Where clients reach this server.
async fn well_known(State(settings): State<Arc<ClientSettings>>) -> Result<Json<Value>, ApiError> {
    let url = settings.public_base_url.as_deref();
    let url = url.ok_or_else(|| ApiError::not_found("No public address is configured"))?;
    Ok(Json(json!({ "m.homeserver": { "base_url": url } })))
}

/// What users of this server can do.
async fn capabilities(
    _caller: Auth<Device>,
    State(settings): State<Arc<ClientSettings>>,
) -> Json<Value> {
    let available: BTreeMap<&str, &str> = RoomVersion::ALL
        .iter()
        .map(|version| (version.as_str(), "stable"))
        .collect();
    let mut capabilities = json!({
        "m.change_password": { "enabled": true },
        "m.3pid_changes": { "enabled": false },
        "m.get_login_token": { "enabled": settings.login_tokens },
        "m.room_versions": {
            "default": settings.default_room_version.as_str(),
            "available": available,
        },
    });
    profile_capabilities(&settings.fixed_profile_fields, &mut capabilities);
    Json(json!({ "capabilities": capabilities }))
}

/// Which fields of their profiles users can change, in the new form and in the one before it.
///
/// <https://spec.matrix.org/v1.19/client-server-api/#mprofile_fields-capability>
fn profile_capabilities(fixed: &[String], capabilities: &mut Value) {
    let Some(capabilities) = capabilities.as_object_mut() else {
        return;
    };
    let mut fields = json!({ "enabled": true });
    if let (Some(fields), false) = (fields.as_object_mut(), fixed.is_empty()) {
        fields.insert("disallowed".to_owned(), json!(fixed));
    }
    capabilities.insert("m.profile_fields".to_owned(), fields);
    for (field, name) in [
        ("displayname", "m.set_displayname"),
        ("avatar_url", "m.set_avatar_url"),
    ] {
        let enabled = !fixed.iter().any(|fixed| fixed == field);
        capabilities.insert(name.to_owned(), json!({ "enabled": enabled }));
    }
}
