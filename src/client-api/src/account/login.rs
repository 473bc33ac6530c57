//! `GET` and `POST /login`, `POST /logout`, `POST /logout/all`
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#legacy-login>

use std::sync::Arc;

use axum::extract::State;
use heliograph_accounts::{Accounts, NewDevice, Session};
use heliograph_core::ids::UserNum;
use heliograph_http::{
    ApiError, Auth, AuthKind, Body, Device, ErrCode, Json, OptionalBody, RateClass, Route,
    RouteTable,
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::{
    App, ClientSettings,
    errors::{account_error, login_error},
};

/// To log in by a password.
const PASSWORD: &str = "m.login.password";
/// To log in by a token that another client was given for it.
const TOKEN: &str = "m.login.token";

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
async fn flows(State(settings): State<Arc<ClientSettings>>) -> Json<Value> {
    let mut flows = vec![json!({ "type": PASSWORD })];
    if settings.login_tokens {
        flows.push(json!({ "type": TOKEN, "get_login_token": true }));
    }
    Json(json!({ "flows": flows }))
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
    token: Option<String>,
    device_id: Option<String>,
    initial_device_display_name: Option<String>,
    #[serde(default)]
    refresh_token: bool,
}

impl LoginBody {
    /// The device that is to be logged in.
    fn device(&mut self) -> NewDevice {
        NewDevice {
            device_id: self.device_id.take(),
            initial_display_name: self.initial_device_display_name.take(),
            refreshable: self.refresh_token,
        }
    }
}

/// Logs a device in.
async fn login(
    State(accounts): State<Arc<Accounts>>,
    State(settings): State<Arc<ClientSettings>>,
    Body(mut body): Body<LoginBody>,
) -> Result<Json<Value>, ApiError> {
    let device = body.device();
    let (user, session) = match body.kind.as_str() {
        PASSWORD => by_password(&accounts, &settings, body, device).await?,
        TOKEN if settings.login_tokens => {
            let token = body.token.ok_or_else(|| ApiError::missing_param("token"))?;
            let login = accounts.log_in_with_token(&token, device).await;
            login.map_err(|error| login_error(error, &settings))?
        }
        _ => {
            return Err(ApiError::new(ErrCode::M_UNKNOWN, "Unknown type of login")
                .with_status(http::StatusCode::BAD_REQUEST));
        }
    };
    let info = accounts.user(user).await.map_err(account_error)?;
    let info = info.ok_or_else(|| ApiError::forbidden("Wrong user name or password"))?;
    let mut answer = session_json(info.user_id.as_str(), &session, &settings);
    if let Some(url) = &settings.public_base_url {
        let well_known = json!({ "m.homeserver": { "base_url": url } });
        answer.insert("well_known".to_owned(), well_known);
    }
    Ok(Json(Value::Object(answer)))
}

async fn by_password(
    accounts: &Accounts,
    settings: &ClientSettings,
    body: LoginBody,
    device: NewDevice,
) -> Result<(UserNum, Session), ApiError> {
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
    let login = accounts.log_in_with_password(&user, password, device).await;
    login.map_err(|error| login_error(error, settings))
}

/// What a client is told of its new session.
pub(super) fn session_json(
    user_id: &str,
    session: &Session,
    settings: &ClientSettings,
) -> Map<String, Value> {
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
    add_refresh(&mut answer, session);
    answer
}

/// Tells how the access token is refreshed, if it is.
pub(super) fn add_refresh(answer: &mut Map<String, Value>, session: &Session) {
    if let Some(token) = &session.refresh_token {
        answer.insert("refresh_token".to_owned(), Value::from(token.as_str()));
    }
    if let Some(expires_in_ms) = session.expires_in_ms {
        answer.insert("expires_in_ms".to_owned(), Value::from(expires_in_ms));
    }
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
