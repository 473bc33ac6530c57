//! `GET /profile/{userId}`, `GET`, `PUT` and `DELETE /profile/{userId}/{keyName}`
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#profiles>

use std::{collections::HashMap, sync::Arc};

use axum::extract::State;
use heliograph_accounts::{Accounts, ProfileField};
use heliograph_http::{
    ApiError, Auth, AuthKind, Body, Device, DeviceIdentity, ErrCode, Json, PathParams, RateClass,
    Route, RouteTable,
};
use serde::Deserialize;
use serde_json::{Map, Value, json, value::RawValue};

use super::own;
use crate::{App, ClientSettings, errors::account_error};

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

/// Refuses a change of a field that the configuration forbids, or any to a guest but of the name.
fn allowed(settings: &ClientSettings, caller: &DeviceIdentity, key: &str) -> Result<(), ApiError> {
    let fixed = &settings.fixed_profile_fields;
    if fixed.iter().any(|fixed| fixed == key) {
        return Err(ApiError::forbidden("This field cannot be changed here"));
    }
    if caller.is_guest && ProfileField::parse(key) != Some(ProfileField::Displayname) {
        let message = "Guests have a displayname only";
        return Err(ApiError::new(ErrCode::M_GUEST_ACCESS_FORBIDDEN, message));
    }
    Ok(())
}

/// All fields.
async fn whole(
    State(accounts): State<Arc<Accounts>>,
    PathParams(path): PathParams<UserPath>,
) -> Result<Json<Value>, ApiError> {
    let (profile, others) = accounts
        .whole_profile(&path.user_id)
        .await
        .map_err(account_error)?;
    let mut json = Map::new();
    for field in [ProfileField::Displayname, ProfileField::AvatarUrl] {
        if let Some(value) = field.of(&profile) {
            json.insert(field.as_str().to_owned(), Value::from(value));
        }
    }
    for (key, value) in others {
        json.insert(key.into(), stored(&value)?);
    }
    Ok(Json(Value::Object(json)))
}

/// One field.
async fn get(
    State(accounts): State<Arc<Accounts>>,
    PathParams(path): PathParams<FieldPath>,
) -> Result<Json<Value>, ApiError> {
    let unset = || ApiError::not_found("The field is not set");
    let Some(field) = ProfileField::parse(&path.key) else {
        let value = accounts.other_profile_field(&path.user_id, &path.key).await;
        let value = value.map_err(account_error)?.ok_or_else(unset)?;
        return Ok(Json(json!({ path.key: stored(&value)? })));
    };
    let (_, profile) = accounts
        .profile_of(&path.user_id)
        .await
        .map_err(account_error)?;
    let value = field.of(&profile).ok_or_else(unset)?;
    Ok(Json(json!({ path.key: value })))
}

/// A field as it was stored.
fn stored(json: &[u8]) -> Result<Value, ApiError> {
    serde_json::from_slice(json).map_err(ApiError::internal)
}

/// Sets a field.
async fn put(
    caller: Auth<Device>,
    State(accounts): State<Arc<Accounts>>,
    State(settings): State<Arc<ClientSettings>>,
    PathParams(path): PathParams<FieldPath>,
    Body(mut body): Body<HashMap<String, Box<RawValue>>>,
) -> Result<Json<Value>, ApiError> {
    own(&caller, &path.user_id)?;
    allowed(&settings, &caller, &path.key)?;
    let value = body
        .remove(&path.key)
        .ok_or_else(|| ApiError::missing_param(&path.key))?;
    match ProfileField::parse(&path.key) {
        Some(field) => {
            // To set it to null is to delete it, as clients do.
            let value = serde_json::from_str::<Option<String>>(value.get());
            let value = value.map_err(|_| ApiError::bad_json("The value must be a string"))?;
            let set = accounts.set_profile_field(caller.user, field, value).await;
            set.map(|_| ())
        }
        None => {
            let set = accounts.set_other_profile_field(caller.user, path.key, Some(value));
            set.await
        }
    }
    .map_err(account_error)?;
    Ok(Json(json!({})))
}

/// Deletes a field.
async fn delete(
    caller: Auth<Device>,
    State(accounts): State<Arc<Accounts>>,
    State(settings): State<Arc<ClientSettings>>,
    PathParams(path): PathParams<FieldPath>,
) -> Result<Json<Value>, ApiError> {
    own(&caller, &path.user_id)?;
    allowed(&settings, &caller, &path.key)?;
    match ProfileField::parse(&path.key) {
        Some(field) => {
            let set = accounts.set_profile_field(caller.user, field, None).await;
            set.map(|_| ())
        }
        None => {
            let set = accounts.set_other_profile_field(caller.user, path.key, None);
            set.await
        }
    }
    .map_err(account_error)?;
    Ok(Json(json!({})))
}
