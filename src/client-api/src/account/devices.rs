//! `GET`, `PUT` and `DELETE /devices…`, `POST /delete_devices`
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#device-management>

use std::sync::Arc;

use axum::extract::State;
use heliograph_accounts::{Accounts, DeviceInfo};
use heliograph_http::{
    ApiError, Auth, AuthKind, Body, Device, Json, OptionalBody, PathParams, Route, RouteTable,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::{App, errors::account_error, uia::Operation};

pub(super) fn routes() -> RouteTable<App> {
    let one = "/_matrix/client/v3/devices/{deviceId}";
    RouteTable::new()
        .route(Route::get("/_matrix/client/v3/devices", AuthKind::Device, all).for_guests())
        .route(Route::get(one, AuthKind::Device, get).for_guests())
        .route(Route::put(one, AuthKind::Device, put).for_guests())
        .route(Route::delete(one, AuthKind::Device, delete))
        .route(Route::post(
            "/_matrix/client/v3/delete_devices",
            AuthKind::Device,
            delete_many,
        ))
}

#[derive(Debug, Deserialize)]
struct DevicePath {
    #[serde(rename = "deviceId")]
    device_id: String,
}

/// A device as clients get it. What is not known is null, as Synapse has it: matrix-nio reads no
/// list in which a key is missing.
#[derive(Debug, Serialize)]
struct DeviceJson<'a> {
    device_id: &'a str,
    display_name: Option<&'a str>,
    last_seen_ip: Option<&'a str>,
    last_seen_ts: Option<u64>,
}

impl<'a> From<&'a DeviceInfo> for DeviceJson<'a> {
    fn from(device: &'a DeviceInfo) -> Self {
        Self {
            device_id: &device.device_id,
            display_name: device.display_name.as_deref(),
            last_seen_ip: device.last_seen.as_ref().map(|seen| &*seen.ip),
            last_seen_ts: device.last_seen.as_ref().map(|seen| seen.ts),
        }
    }
}

/// The caller's devices.
async fn all(
    caller: Auth<Device>,
    State(accounts): State<Arc<Accounts>>,
) -> Result<Json<Value>, ApiError> {
    let devices = accounts.devices(caller.user).await.map_err(account_error)?;
    let devices: Vec<DeviceJson<'_>> = devices.iter().map(DeviceJson::from).collect();
    Ok(Json(json!({ "devices": devices })))
}

/// One device.
async fn get(
    caller: Auth<Device>,
    State(accounts): State<Arc<Accounts>>,
    PathParams(path): PathParams<DevicePath>,
) -> Result<Json<Value>, ApiError> {
    let device = accounts.device_by_id(caller.user, &path.device_id).await;
    let device = device.map_err(account_error)?;
    serde_json::to_value(DeviceJson::from(&device))
        .map(Json)
        .map_err(ApiError::internal)
}

#[derive(Debug, Deserialize)]
struct PutBody {
    display_name: Option<String>,
}

/// Names a device.
async fn put(
    caller: Auth<Device>,
    State(accounts): State<Arc<Accounts>>,
    PathParams(path): PathParams<DevicePath>,
    Body(body): Body<PutBody>,
) -> Result<Json<Value>, ApiError> {
    let renamed = accounts
        .rename_device(caller.user, &path.device_id, body.display_name)
        .await;
    renamed.map_err(account_error)?;
    Ok(Json(json!({})))
}

/// Removes a device, after the user has shown who they are.
async fn delete(
    caller: Auth<Device>,
    State(accounts): State<Arc<Accounts>>,
    PathParams(path): PathParams<DevicePath>,
    OptionalBody(body): OptionalBody<Map<String, Value>>,
) -> Result<Json<Value>, ApiError> {
    let name = format!("DELETE /devices/{}", path.device_id);
    Operation::by_password(&name, caller.user)
        .authenticate(&accounts, body)
        .await?;
    accounts
        .delete_devices(caller.user, vec![path.device_id])
        .await
        .map_err(account_error)?;
    Ok(Json(json!({})))
}

#[derive(Debug, Deserialize)]
struct DeleteBody {
    devices: Vec<String>,
}

/// Removes devices, after the user has shown who they are.
async fn delete_many(
    caller: Auth<Device>,
    State(accounts): State<Arc<Accounts>>,
    Body(body): Body<Map<String, Value>>,
) -> Result<Json<Value>, ApiError> {
    read(&body)?;
    let operation = Operation::by_password("POST /delete_devices", caller.user);
    let completed = operation.authenticate(&accounts, body).await?;
    let devices = read(&completed.parameters)?.devices;
    accounts
        .delete_devices(caller.user, devices)
        .await
        .map_err(account_error)?;
    Ok(Json(json!({})))
}

/// Reads the devices to remove.
fn read(body: &Map<String, Value>) -> Result<DeleteBody, ApiError> {
    if !body.contains_key("devices") {
        return Err(ApiError::missing_param("devices"));
    }
    DeleteBody::deserialize(body).map_err(|error| ApiError::bad_json(error.to_string()))
}
