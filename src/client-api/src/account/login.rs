//! `GET` and `POST /login`, `POST /logout`, `POST /logout/all`
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#legacy-login>

use std::sync::Arc;

use axum::extract::State;
use heliograph_accounts::{Accounts, NewDevice, Session};
use heliograph_http::{
    ApiError, Auth, AuthKind, Body, Device, ErrCode, Json, OptionalBody, RateClass, Route,
    RouteTable,
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::{App, ClientSettings, errors::account_error};

/// The way to log in that is offered.
const PASSWORD: &str = "m.login.password";

pub(super) fn routes() -> RouteTable<App> {
    let path = "/_matrix/client/v3/login";
    RouteTable::new()
        .route(Route::get(path, AuthKind::None, flows).rate_limit(RateClass::Other))
        .route(Route::post(path, AuthKind::None, login).rate_limit(RateClass::Login))
        .route(Route::post(
            "/_matrix/client/v3/logout",
            AuthKind::Device,
            logout,
        ))
        .route(Route::post(
            "/_matrix/client/v3/logout/all",
            AuthKind::Device,
            logout_all,
        ))
}

/// The ways to log in.
async fn flows() -> Json<Value> {
    Json(json!({ "flows": [{ "type": PASSWORD }] }))
}

#[derive(Debug, Deserialize)]
struct Identifier {
    #[serde(rename = "type")]
    kind: String,
    user: Option<String>,
}

#[derive(Deserialize)]
struct LoginBody {
    #[serde(rename = "type")]
    kind: String,
    identifier: Option<Identifier>,
    user: Option<String>,
    password: Option<String>,
    device_id: Option<String>,
    initial_device_display_name: Option<String>,
}

/// Logs a device in.
async fn login(
    State(accounts): State<Arc<Accounts>>,
    State(settings): State<Arc<ClientSettings>>,
    Body(body): Body<LoginBody>,
) -> Result<Json<Value>, ApiError> {
    if body.kind != PASSWORD {
        return Err(ApiError::new(ErrCode::M_UNKNOWN, "Unknown type of login")
            .with_status(http::StatusCode::BAD_REQUEST));
    }
    let user = match body.identifier {
        Some(Identifier { kind, user }) if kind == "m.id.user" => user,
        // Other kinds of identifiers name nobody here.
        Some(_) => return Err(ApiError::forbidden("Wrong user name or password")),
        None => body.user,
    };
    let user = user.ok_or_else(|| ApiError::missing_param("identifier.user"))?;
    let password = body
        .password
        .ok_or_else(|| ApiError::missing_param("password"))?;
    let device = NewDevice {
        device_id: body.device_id,
        initial_display_name: body.initial_device_display_name,
    };
    let (user, session) = accounts
        .log_in_with_password(&user, password, device)
        .await
        .map_err(account_error)?;
    let info = accounts.user(user).await.map_err(account_error)?;
    let info = info.ok_or_else(|| ApiError::forbidden("Wrong user name or password"))?;
    Ok(Json(session_json(
        info.user_id.as_str(),
        &session,
        &settings,
    )))
}

/// What a client is told of its new session.
pub(super) fn session_json(user_id: &str, session: &Session, settings: &ClientSettings) -> Value {
    let mut answer = Map::from_iter([
        ("user_id".to_owned(), Value::from(user_id)),
        (
            "access_token".to_owned(),
            Value::from(session.access_token.as_str()),
        ),
        ("device_id".to_owned(), Value::from(&*session.device_id)),
        (
            "home_server".to_owned(),
            Value::from(settings.server_name.as_str()),
        ),
    ]);
    if let Some(url) = &settings.public_base_url {
        let well_known = json!({ "m.homeserver": { "base_url": url } });
        answer.insert("well_known".to_owned(), well_known);
    }
    Value::Object(answer)
}

#[derive(Debug, Default, Deserialize)]
struct Nothing {}

/// Ends the session of the token, and its device.
async fn logout(
    caller: Auth<Device>,
    State(accounts): State<Arc<Accounts>>,
    OptionalBody(Nothing {}): OptionalBody<Nothing>,
) -> Result<Json<Value>, ApiError> {
    accounts
        .log_out(caller.user, caller.device)
        .await
        .map_err(account_error)?;
    Ok(Json(json!({})))
}

/// Ends all sessions of the user.
async fn logout_all(
    caller: Auth<Device>,
    State(accounts): State<Arc<Accounts>>,
    OptionalBody(Nothing {}): OptionalBody<Nothing>,
) -> Result<Json<Value>, ApiError> {
    accounts
        .log_out_everywhere(caller.user)
        .await
        .map_err(account_error)?;
    Ok(Json(json!({})))
}
