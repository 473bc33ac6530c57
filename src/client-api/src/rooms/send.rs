//! `PUT /rooms/{roomId}/send/{eventType}/{txnId}` and `PUT /rooms/{roomId}/redact/{eventId}/{txnId}`
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#sending-events-to-a-room>
//! <https://spec.matrix.org/v1.19/client-server-api/#redactions>

use axum::extract::State;
use heliograph_accounts::transactions::MAX_TRANSACTION_ID_BYTES;
use heliograph_core::json::Value;
use heliograph_http::{
    ApiError, Auth, AuthKind, Body, Device, Json, OptionalBody, PathParams, RateClass, Route,
    RouteTable,
};
use heliograph_rooms::Transaction;
use heliograph_tables::Op;
use ruma_common::{OwnedEventId, OwnedRoomId};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{
    App,
    content::event_content,
    errors::room_error,
    reading::{RoomsState, sender},
};

pub(super) fn routes() -> RouteTable<App> {
    RouteTable::new()
        .route(
            Route::put(
                "/_matrix/client/v3/rooms/{roomId}/send/{eventType}/{txnId}",
                AuthKind::Device,
                send,
            )
            .rate_limit(RateClass::Send)
            .for_guests(),
        )
        .route(
            Route::put(
                "/_matrix/client/v3/rooms/{roomId}/redact/{eventId}/{txnId}",
                AuthKind::Device,
                redact,
            )
            .rate_limit(RateClass::Send),
        )
}

/// The id of what was sent.
#[derive(Debug, Serialize)]
pub(super) struct Sent {
    pub(super) event_id: OwnedEventId,
}

#[derive(Debug, Deserialize)]
struct SendPath {
    #[serde(rename = "roomId")]
    room_id: OwnedRoomId,
    #[serde(rename = "eventType")]
    event_type: String,
    #[serde(rename = "txnId")]
    transaction_id: String,
}

/// What the id of a client's transaction is for.
///
/// # Errors
/// `M_INVALID_PARAM` for an id that is too long to be kept.
fn transaction(scope: String, id: String) -> Result<Transaction, ApiError> {
    if id.len() > MAX_TRANSACTION_ID_BYTES {
        return Err(ApiError::invalid_param("txnId is longer than 255 bytes"));
    }
    Ok(Transaction { scope, id })
}

/// Sends a message-like event.
async fn send(
    caller: Auth<Device>,
    State(rooms): State<RoomsState>,
    PathParams(path): PathParams<SendPath>,
    Body(body): Body<Box<RawValue>>,
) -> Result<Json<Sent>, ApiError> {
    let content = event_content(&body)?;
    let scope = format!("send/{}/{}", path.room_id, path.event_type);
    let transaction = transaction(scope, path.transaction_id)?;
    let room = rooms.room_num(Op::Send, &path.room_id).await?;
    let event_id = rooms
        .rooms
        .send_message(room, sender(&caller), path.event_type, content, transaction)
        .await
        .map_err(room_error)?;
    rooms.rooms.presence().active(caller.user, caller.device);
    Ok(Json(Sent { event_id }))
}

#[derive(Debug, Deserialize)]
struct RedactPath {
    #[serde(rename = "roomId")]
    room_id: OwnedRoomId,
    #[serde(rename = "eventId")]
    event: OwnedEventId,
    #[serde(rename = "txnId")]
    transaction_id: String,
}

#[derive(Debug, Default, Deserialize)]
struct RedactBody {
    reason: Option<String>,
}

/// Strips an event of its content.
async fn redact(
    caller: Auth<Device>,
    State(rooms): State<RoomsState>,
    PathParams(path): PathParams<RedactPath>,
    OptionalBody(body): OptionalBody<RedactBody>,
) -> Result<Json<Sent>, ApiError> {
    let reason = body
        .reason
        .map(|reason| ("reason", Value::from(reason.as_str())));
    let scope = format!("redact/{}/{}", path.room_id, path.event);
    let transaction = transaction(scope, path.transaction_id)?;
    let room = rooms.room_num(Op::Send, &path.room_id).await?;
    let event_id = rooms
        .rooms
        .redact(
            room,
            sender(&caller),
            path.event,
            Value::object(reason),
            transaction,
        )
        .await
        .map_err(room_error)?;
    rooms.rooms.presence().active(caller.user, caller.device);
    Ok(Json(Sent { event_id }))
}
