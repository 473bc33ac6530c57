//! `GET /profile/{userId}`, `GET`, `PUT` and `DELETE /profile/{userId}/{keyName}`
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#profiles>

use std::sync::Arc;

use axum::extract::State;
use heliograph_accounts::{Accounts, ProfileField};
use heliograph_http::{
    ApiError, Auth, AuthKind, Body, Device, DeviceIdentity, ErrCode, Json, PathParams, RateClass,
    Route, RouteTable,
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::own;
use crate::{App, errors::account_error};

pub(super) fn routes() -> RouteTable<App> {
    let field = "/_matrix/client/v3/profile/{userId}/{keyName}";
    RouteTable::new()
        .route(Route::get(
            "/_matrix/client/v3/profile/{userId}",
            AuthKind::None,
            whole,
        ))
        .route(Route::get(field, AuthKind::None, get))
        .route(
            Route::put(field, AuthKind::Device, put)
                .rate_limit(RateClass::Other)
                .for_guests(),
        )
        .route(
            Route::delete(field, AuthKind::Device, delete)
                .rate_limit(RateClass::Other)
                .for_guests(),
        )
}

#[derive(Debug, Deserialize)]
struct UserPath {
    #[serde(rename = "userId")]
    user_id: String,
}

#[derive(Debug, Deserialize)]
struct FieldPath {
    #[serde(rename = "userId")]
    user_id: String,
    #[serde(rename = "keyName")]
    key: String,
}

impl FieldPath {
    /// The field that is named, of those that this server keeps.
    fn field(&self) -> Result<ProfileField, ApiError> {
        ProfileField::parse(&self.key)
            .ok_or_else(|| ApiError::not_found("This server keeps no such profile field"))
    }
}

impl FieldPath {
    /// The same, if the caller may set it: guests have no field but their name.
    fn settable_by(&self, caller: &DeviceIdentity) -> Result<ProfileField, ApiError> {
        let field = self.field()?;
        if caller.is_guest && field != ProfileField::Displayname {
            let message = "Guests have a displayname only";
            return Err(ApiError::new(ErrCode::M_GUEST_ACCESS_FORBIDDEN, message));
        }
        Ok(field)
    }
}

/// All fields.
async fn whole(
    State(accounts): State<Arc<Accounts>>,
    PathParams(path): PathParams<UserPath>,
) -> Result<Json<Value>, ApiError> {
    let (_, profile) = accounts
        .profile_of(&path.user_id)
        .await
        .map_err(account_error)?;
    let mut json = Map::new();
    for field in [ProfileField::Displayname, ProfileField::AvatarUrl] {
        if let Some(value) = field.of(&profile) {
            json.insert(field.as_str().to_owned(), Value::from(value));
        }
    }
    Ok(Json(Value::Object(json)))
}

/// One field.
async fn get(
    State(accounts): State<Arc<Accounts>>,
    PathParams(path): PathParams<FieldPath>,
) -> Result<Json<Value>, ApiError> {
    let field = path.field()?;
    let (_, profile) = accounts
        .profile_of(&path.user_id)
        .await
        .map_err(account_error)?;
    let value = field.of(&profile);
    let value = value.ok_or_else(|| ApiError::not_found("The field is not set"))?;
    Ok(Json(json!({ field.as_str(): value })))
}

/// Sets a field.
async fn put(
    caller: Auth<Device>,
    State(accounts): State<Arc<Accounts>>,
    PathParams(path): PathParams<FieldPath>,
    Body(mut body): Body<Map<String, Value>>,
) -> Result<Json<Value>, ApiError> {
    own(&caller, &path.user_id)?;
    let field = path.settable_by(&caller)?;
    let value = match body.remove(field.as_str()) {
        Some(Value::String(value)) => Some(value),
        // To set it to null is to delete it, as clients do.
        Some(Value::Null) => None,
        Some(_) => return Err(ApiError::bad_json("The value must be a string")),
        None => return Err(ApiError::missing_param(field.as_str())),
    };
    accounts
        .set_profile_field(caller.user, field, value)
        .await
        .map_err(account_error)?;
    Ok(Json(json!({})))
}

/// Deletes a field.
async fn delete(
    caller: Auth<Device>,
    State(accounts): State<Arc<Accounts>>,
    PathParams(path): PathParams<FieldPath>,
) -> Result<Json<Value>, ApiError> {
    own(&caller, &path.user_id)?;
    let field = path.settable_by(&caller)?;
    accounts
        .set_profile_field(caller.user, field, None)
        .await
        .map_err(account_error)?;
    Ok(Json(json!({})))
}
