//! `POST /rooms/{roomId}/receipt/{receiptType}/{eventId}` and `POST /rooms/{roomId}/read_markers`
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#receipts>
//! <https://spec.matrix.org/v1.19/client-server-api/#fully-read-markers>

use std::sync::Arc;

use axum::extract::State;
use heliograph_accounts::Accounts;
use heliograph_core::ids::RoomNum;
use heliograph_http::{
    ApiError, Auth, AuthKind, Body, Device, DeviceIdentity, Json, OptionalBody, PathParams,
    RateClass, Route, RouteTable,
};
use heliograph_rooms::{ReceiptPlace, ReceiptType};
use heliograph_tables::Op;
use ruma_common::{OwnedEventId, OwnedRoomId};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    App,
    errors::{account_error, room_error},
    reading::RoomsState,
};

/// The receipt type that is account data.
const FULLY_READ: &str = "m.fully_read";

pub(super) fn routes() -> RouteTable<App> {
    RouteTable::new()
        .route(
            Route::post(
                "/_matrix/client/v3/rooms/{roomId}/receipt/{receiptType}/{eventId}",
                AuthKind::Device,
                receipt,
            )
            .rate_limit(RateClass::Other),
        )
        .route(
            Route::post(
                "/_matrix/client/v3/rooms/{roomId}/read_markers",
                AuthKind::Device,
                read_markers,
            )
            .rate_limit(RateClass::Other),
        )
}

#[derive(Debug, Deserialize)]
struct ReceiptPath {
    #[serde(rename = "roomId")]
    room_id: OwnedRoomId,
    #[serde(rename = "receiptType")]
    receipt_type: String,
    #[serde(rename = "eventId")]
    event_id: OwnedEventId,
}

#[derive(Debug, Default, Deserialize)]
struct ReceiptBody {
    thread_id: Option<String>,
}

/// Moves one receipt.
async fn receipt(
    caller: Auth<Device>,
    State(rooms): State<RoomsState>,
    State(accounts): State<Arc<Accounts>>,
    PathParams(path): PathParams<ReceiptPath>,
    OptionalBody(body): OptionalBody<ReceiptBody>,
) -> Result<Json<Value>, ApiError> {
    let room = rooms.room_num(Op::UserData, &path.room_id).await?;
    if path.receipt_type == FULLY_READ {
        if body.thread_id.is_some() {
            return Err(ApiError::invalid_param("m.fully_read has no thread"));
        }
        set_fully_read(&rooms, &accounts, &caller, room, &path.event_id).await?;
        return Ok(Json(json!({})));
    }
    let kind = ReceiptType::parse(&path.receipt_type)
        .ok_or_else(|| ApiError::invalid_param("Unknown receipt type"))?;
    let thread = thread(body.thread_id)?;
    set(&rooms, &caller, room, kind, thread, path.event_id).await?;
    rooms.rooms.presence().active(caller.user, caller.device);
    Ok(Json(json!({})))
}

/// The thread that a receipt is for: empty for one that is not threaded.
fn thread(id: Option<String>) -> Result<Box<str>, ApiError> {
    match id {
        None => Ok(Box::from("")),
        Some(id) if id.is_empty() || id.len() > 255 => Err(ApiError::invalid_param(
            "thread_id must be main or an event id",
        )),
        Some(id) => Ok(id.into()),
    }
}

#[derive(Debug, Deserialize)]
struct MarkersPath {
    #[serde(rename = "roomId")]
    room_id: OwnedRoomId,
}

#[derive(Debug, Deserialize)]
struct MarkersBody {
    #[serde(rename = "m.fully_read")]
    fully_read: Option<OwnedEventId>,
    #[serde(rename = "m.read")]
    read: Option<OwnedEventId>,
    #[serde(rename = "m.read.private")]
    read_private: Option<OwnedEventId>,
}

/// Moves up to three markers.
async fn read_markers(
    caller: Auth<Device>,
    State(rooms): State<RoomsState>,
    State(accounts): State<Arc<Accounts>>,
    PathParams(path): PathParams<MarkersPath>,
    Body(body): Body<MarkersBody>,
) -> Result<Json<Value>, ApiError> {
    let room = rooms.room_num(Op::UserData, &path.room_id).await?;
    let receipts = [
        (ReceiptType::Read, body.read),
        (ReceiptType::ReadPrivate, body.read_private),
    ];
    for (kind, event) in receipts {
        if let Some(event) = event {
            set(&rooms, &caller, room, kind, Box::from(""), event).await?;
        }
    }
    if let Some(event) = body.fully_read {
        set_fully_read(&rooms, &accounts, &caller, room, &event).await?;
    }
    Ok(Json(json!({})))
}

async fn set(
    rooms: &RoomsState,
    caller: &DeviceIdentity,
    room: RoomNum,
    kind: ReceiptType,
    thread: Box<str>,
    event: OwnedEventId,
) -> Result<(), ApiError> {
    let place = ReceiptPlace {
        room,
        user: caller.user,
        kind,
        thread,
    };
    rooms
        .rooms
        .set_receipt(place, event)
        .await
        .map_err(room_error)
}

/// `m.fully_read` is account data of the room.
async fn set_fully_read(
    rooms: &RoomsState,
    accounts: &Accounts,
    caller: &DeviceIdentity,
    room: RoomNum,
    event: &OwnedEventId,
) -> Result<(), ApiError> {
    rooms
        .rooms
        .must_be_joined(room, caller.user)
        .await
        .map_err(room_error)?;
    accounts
        .set_fully_read(caller.user, room, event.as_str())
        .await
        .map_err(account_error)
}
