//! A delta as `GET /sync` answers it.
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3sync>
//!
//! The JSON is written straight into one string: event bodies are copied, never parsed.

use std::fmt::Write;

use heliograph_accounts::AccountDataRow;
use heliograph_core::{
    ids::{EventIdx, RoomNum},
    tokens::PaginationToken,
};
use heliograph_rooms::{ReceiptRow, push_string};
use heliograph_tables::View;

use crate::{
    delta::{Delta, JoinedRoom, RoomDelta, Summary},
    engine::Ask,
    event_fields::keep_fields,
    filter::EventFormat,
    request::SyncError,
    room::RoomReader,
};

/// Writes a delta for the client that it was made for.
pub(crate) fn encode(ask: &Ask<'_>, delta: &Delta) -> Result<String, SyncError> {
    let mut out = String::with_capacity(1024);
    out.push_str("{\"next_batch\":");
    push_string(&mut out, &delta.next.encode());
    if !delta.account_data.is_empty() {
        out.push_str(",\"account_data\":");
        push_account_data(&mut out, &delta.account_data);
    }
    let mut rooms = String::new();
    push_rooms(
        &mut rooms,
        "join",
        &delta.joined,
        |out, joined| {
            push_joined(out, ask, joined)?;
            Ok(joined.events.room)
        },
        ask,
    )?;
    push_rooms(
        &mut rooms,
        "invite",
        &delta.invited,
        |out, (room, event)| {
            push_stripped(out, ask, *room, *event, "invite_state")?;
            Ok(*room)
        },
        ask,
    )?;
    push_rooms(
        &mut rooms,
        "knock",
        &delta.knocked,
        |out, (room, event)| {
            push_stripped(out, ask, *room, *event, "knock_state")?;
            Ok(*room)
        },
        ask,
    )?;
    push_rooms(
        &mut rooms,
        "leave",
        &delta.left,
        |out, left| {
            let reader = RoomReader::new(ask, left.room)?;
            out.push('{');
            push_events(out, ask, &reader, left)?;
            out.push('}');
            Ok(left.room)
        },
        ask,
    )?;
    if !rooms.is_empty() {
        out.push_str(",\"rooms\":{");
        out.push_str(&rooms);
        out.push('}');
    }
    out.push('}');
    Ok(out)
}

/// Writes one kind of rooms, if there are any, as a member of `rooms`.
fn push_rooms<T>(
    out: &mut String,
    kind: &str,
    rooms: &[T],
    mut body: impl FnMut(&mut String, &T) -> Result<RoomNum, SyncError>,
    ask: &Ask<'_>,
) -> Result<(), SyncError> {
    if rooms.is_empty() {
        return Ok(());
    }
    comma(out);
    push_string(out, kind);
    out.push_str(":{");
    for (i, room) in rooms.iter().enumerate() {
        let mut json = String::new();
        let num = body(&mut json, room)?;
        if i > 0 {
            out.push(',');
        }
        push_string(out, ask.rooms().room_id(num)?.as_str());
        out.push(':');
        out.push_str(&json);
    }
    out.push('}');
    Ok(())
}

/// Separates a member from the one before it.
fn comma(out: &mut String) {
    if !out.is_empty() && !out.ends_with('{') {
        out.push(',');
    }
}

fn push_joined(out: &mut String, ask: &Ask<'_>, joined: &JoinedRoom) -> Result<(), SyncError> {
    let reader = RoomReader::new(ask, joined.events.room)?;
    out.push('{');
    push_events(out, ask, &reader, &joined.events)?;
    push_ephemeral(out, ask, joined)?;
    if let Some(summary) = &joined.summary {
        push_summary(out, ask.view, ask, summary)?;
    }
    out.push('}');
    Ok(())
}

/// Writes `timeline`, `state` and `account_data`.
fn push_events(
    out: &mut String,
    ask: &Ask<'_>,
    reader: &RoomReader<'_>,
    room: &RoomDelta,
) -> Result<(), SyncError> {
    out.push_str("\"timeline\":{\"events\":");
    push_list(out, ask, reader, &room.timeline)?;
    write!(out, ",\"limited\":{}", room.limited).ok();
    out.push_str(",\"prev_batch\":");
    push_string(out, &PaginationToken(room.prev_batch).encode());
    out.push('}');
    let key = if ask.use_state_after {
        "state_after"
    } else {
        "state"
    };
    write!(out, ",\"{key}\":{{\"events\":").ok();
    push_list(out, ask, reader, &room.state)?;
    out.push('}');
    if !room.account_data.is_empty() {
        out.push_str(",\"account_data\":");
        push_account_data(out, &room.account_data);
    }
    Ok(())
}

fn push_list(
    out: &mut String,
    ask: &Ask<'_>,
    reader: &RoomReader<'_>,
    events: &[EventIdx],
) -> Result<(), SyncError> {
    out.push('[');
    for (i, event) in events.iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        if ask.filter.event_format == EventFormat::Federation {
            out.push_str(&reader.presenter().federation_event(*event)?);
            continue;
        }
        let (status, shared) = reader.shared(*event)?;
        match &ask.filter.event_fields {
            None => reader
                .presenter()
                .push_sync_event(out, *event, &status, &shared)?,
            Some(fields) => {
                let mut whole = String::new();
                reader
                    .presenter()
                    .push_sync_event(&mut whole, *event, &status, &shared)?;
                out.push_str(&keep_fields(&whole, fields));
            }
        }
    }
    out.push(']');
    Ok(())
}

fn push_account_data(out: &mut String, rows: &[AccountDataRow]) {
    out.push_str("{\"events\":[");
    for (i, row) in rows.iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        out.push_str("{\"type\":");
        push_string(out, &row.kind);
        out.push_str(",\"content\":");
        out.push_str(&row.content);
        out.push('}');
    }
    out.push_str("]}");
}

fn push_ephemeral(out: &mut String, ask: &Ask<'_>, joined: &JoinedRoom) -> Result<(), SyncError> {
    if joined.receipts.is_empty() && joined.typing.is_none() {
        return Ok(());
    }
    out.push_str(",\"ephemeral\":{\"events\":[");
    if let Some(typing) = &joined.typing {
        out.push_str("{\"type\":\"m.typing\",\"content\":{\"user_ids\":[");
        for (i, user) in typing.iter().enumerate() {
            if i > 0 {
                out.push(',');
            }
            push_string(out, &ask.engine.user_id(ask.view, *user)?);
        }
        out.push_str("]}}");
    }
    if !joined.receipts.is_empty() {
        if joined.typing.is_some() {
            out.push(',');
        }
        let content = receipt_content(ask, &joined.receipts)?;
        write!(out, "{{\"type\":\"m.receipt\",\"content\":{content}}}").ok();
    }
    out.push_str("]}");
    Ok(())
}

/// `m.receipt` content: event → type → user → when and in which thread.
///
/// <https://spec.matrix.org/v1.19/client-server-api/#mreceipt>
fn receipt_content(ask: &Ask<'_>, rows: &[ReceiptRow]) -> Result<serde_json::Value, SyncError> {
    use serde_json::{Map, Value};
    let mut events: Map<String, Value> = Map::new();
    for row in rows {
        let user = ask.engine.user_id(ask.view, row.user)?;
        let mut receipt = Map::new();
        receipt.insert("ts".to_owned(), row.receipt.ts.into());
        if !row.thread.is_empty() {
            receipt.insert("thread_id".to_owned(), Value::from(&*row.thread));
        }
        let kinds = events
            .entry(&*row.receipt.event_id)
            .or_insert_with(|| Value::Object(Map::new()))
            .as_object_mut();
        let users = kinds.and_then(|kinds| {
            let users = kinds
                .entry(&*row.kind)
                .or_insert_with(|| Value::Object(Map::new()));
            users.as_object_mut()
        });
        if let Some(users) = users {
            users.insert(user, Value::Object(receipt));
        }
    }
    Ok(Value::Object(events))
}

fn push_summary(
    out: &mut String,
    view: &View,
    ask: &Ask<'_>,
    summary: &Summary,
) -> Result<(), SyncError> {
    write!(
        out,
        ",\"summary\":{{\"m.joined_member_count\":{},\"m.invited_member_count\":{}",
        summary.joined, summary.invited
    )
    .ok();
    if let Some(heroes) = &summary.heroes {
        out.push_str(",\"m.heroes\":[");
        for (i, user) in heroes.iter().enumerate() {
            if i > 0 {
                out.push(',');
            }
            push_string(out, &ask.engine.user_id(view, *user)?);
        }
        out.push(']');
    }
    out.push('}');
    Ok(())
}

/// Writes the stripped state of a room that the user is invited to or has knocked on.
///
/// <https://spec.matrix.org/v1.19/client-server-api/#stripped-state>
fn push_stripped(
    out: &mut String,
    ask: &Ask<'_>,
    room: RoomNum,
    event: EventIdx,
    key: &str,
) -> Result<(), SyncError> {
    write!(out, "{{\"{key}\":{{\"events\":[").ok();
    let stripped = ask.rooms().stripped_state(room, event)?;
    for (i, json) in stripped.iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        out.push_str(json);
    }
    out.push_str("]}}");
    Ok(())
}
