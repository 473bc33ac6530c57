//! `POST /register`, `GET /register/available`,
//! `GET /register/m.login.registration_token/validity`
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#legacy-account-registration>

use std::sync::Arc;

use axum::extract::State;
use heliograph_accounts::{Accounts, NewDevice, Registered, Registration, Stage};
use heliograph_core::ids::UserNum;
use heliograph_http::{
    ApiError, AuthKind, ErrCode, Json, OptionalBody, Params, RateClass, Route, RouteTable,
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{login::session_json, terms};
use crate::{App, ClientSettings, RegistrationRule, errors::account_error, uia::Operation};

pub(super) fn routes() -> RouteTable<App> {
    let available = "/_matrix/client/v3/register/available";
    let validity = "/_matrix/client/v1/register/m.login.registration_token/validity";
    RouteTable::new()
        .route(
            Route::post("/_matrix/client/v3/register", AuthKind::None, register)
                .rate_limit(RateClass::Registration),
        )
        .route(
            Route::get(available, AuthKind::None, is_available).rate_limit(RateClass::Registration),
        )
        .route(Route::get(validity, AuthKind::None, is_valid).rate_limit(RateClass::Registration))
}

#[derive(Debug, Deserialize)]
struct RegisterParams {
    #[serde(default)]
    kind: Kind,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    #[default]
    User,
    Guest,
}

#[derive(Deserialize)]
struct RegisterBody {
    username: Option<String>,
    password: Option<String>,
    device_id: Option<String>,
    initial_device_display_name: Option<String>,
    #[serde(default)]
    inhibit_login: bool,
    #[serde(default)]
    refresh_token: bool,
    /// The access token of a guest who registers.
    guest_access_token: Option<String>,
}

impl RegisterBody {
    /// The guest who is to become the user, if that is what is wanted.
    ///
    /// <https://spec.matrix.org/v1.19/client-server-api/#guest-access>
    async fn guest(&self, accounts: &Accounts) -> Result<Option<UserNum>, ApiError> {
        let Some(token) = &self.guest_access_token else {
            return Ok(None);
        };
        let name = self.username.as_deref();
        let name = name.ok_or_else(|| ApiError::missing_param("username"))?;
        let guest = accounts.guest(token, name).await;
        guest.map(Some).map_err(account_error)
    }
}

/// The ways to authenticate a registration, if it is open.
fn flows(settings: &ClientSettings) -> Result<Vec<Vec<Stage>>, ApiError> {
    let has_terms = !settings.policies.is_empty();
    let flow = match settings.registration {
        RegistrationRule::Closed => return Err(ApiError::forbidden("Registration is closed")),
        RegistrationRule::ByToken if has_terms => vec![Stage::RegistrationToken, Stage::Terms],
        RegistrationRule::ByToken => vec![Stage::RegistrationToken],
        RegistrationRule::Open if has_terms => vec![Stage::Terms],
        RegistrationRule::Open => vec![Stage::Dummy],
    };
    Ok(vec![flow])
}

/// Makes an account.
async fn register(
    State(accounts): State<Arc<Accounts>>,
    State(settings): State<Arc<ClientSettings>>,
    Params(params): Params<RegisterParams>,
    OptionalBody(body): OptionalBody<Map<String, Value>>,
) -> Result<Json<Value>, ApiError> {
    if params.kind == Kind::Guest {
        return register_guest(&accounts, &settings, &body).await;
    }
    let flows = flows(&settings)?;
    let wanted = read(&body)?;
    if wanted.guest(&accounts).await?.is_none()
        && let Some(name) = &wanted.username
    {
        accounts
            .username_available(name)
            .await
            .map_err(account_error)?;
    }
    let operation = Operation {
        name: "POST /register",
        user: None,
        flows,
        params: terms::params(&settings.policies),
    };
    let completed = operation.authenticate(&accounts, body).await?;
    let wanted = read(&completed.parameters)?;
    let guest = wanted.guest(&accounts).await?;
    let device = NewDevice {
        device_id: wanted.device_id,
        initial_display_name: wanted.initial_device_display_name,
        refreshable: wanted.refresh_token,
    };
    let registration = Registration {
        localpart: wanted.username,
        password: wanted.password,
        registration_token: completed.registration_token,
        accepted_policies: terms::versions(&settings.policies),
        device: (!wanted.inhibit_login).then_some(device),
        ..Registration::default()
    };
    let registered = match guest {
        Some(guest) => accounts.upgrade_guest(guest, registration).await,
        None => accounts.register(registration).await,
    };
    let registered = registered.map_err(account_error)?;
    Ok(registered_json(&registered, &settings))
}

/// Makes a guest's account. Of what is asked for, only the device's name counts.
async fn register_guest(
    accounts: &Accounts,
    settings: &ClientSettings,
    body: &Map<String, Value>,
) -> Result<Json<Value>, ApiError> {
    if !settings.guests {
        let message = "Guests cannot register here";
        return Err(ApiError::new(ErrCode::M_GUEST_ACCESS_FORBIDDEN, message));
    }
    let name = body.get("initial_device_display_name");
    let device = NewDevice {
        initial_display_name: name.and_then(Value::as_str).map(str::to_owned),
        ..NewDevice::default()
    };
    let registration = Registration {
        guest: true,
        device: Some(device),
        ..Registration::default()
    };
    let registered = accounts.register(registration).await;
    Ok(registered_json(
        &registered.map_err(account_error)?,
        settings,
    ))
}

/// What a client is told of its new account.
fn registered_json(registered: &Registered, settings: &ClientSettings) -> Json<Value> {
    let user_id = registered.user_id.as_str();
    Json(match &registered.session {
        Some(session) => Value::Object(session_json(user_id, session, settings)),
        None => json!({ "user_id": user_id, "home_server": settings.server_name }),
    })
}

/// Reads the parameters of a registration.
fn read(parameters: &Map<String, Value>) -> Result<RegisterBody, ApiError> {
    RegisterBody::deserialize(parameters).map_err(|error| ApiError::bad_json(error.to_string()))
}

#[derive(Debug, Deserialize)]
struct AvailableParams {
    username: String,
}

/// Whether a user name could be registered.
async fn is_available(
    State(accounts): State<Arc<Accounts>>,
    State(settings): State<Arc<ClientSettings>>,
    Params(params): Params<AvailableParams>,
) -> Result<Json<Value>, ApiError> {
    flows(&settings)?;
    accounts
        .username_available(&params.username)
        .await
        .map_err(account_error)?;
    Ok(Json(json!({ "available": true })))
}

#[derive(Deserialize)]
struct ValidityParams {
    token: String,
}

/// Whether a registration token would be accepted.
async fn is_valid(
    State(accounts): State<Arc<Accounts>>,
    State(settings): State<Arc<ClientSettings>>,
    Params(params): Params<ValidityParams>,
) -> Result<Json<Value>, ApiError> {
    flows(&settings)?;
    let valid = accounts.is_registration_token_valid(&params.token).await;
    Ok(Json(json!({ "valid": valid.map_err(account_error)? })))
}
