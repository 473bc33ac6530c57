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
use heliograph_push::Counts;
use heliograph_rooms::{Form, PresenceState, Related, push_string};
use heliograph_tables::{View, schema::Tally};

use crate::{
    delta::{Delta, JoinedRoom, RoomDelta, Summary},
    engine::Ask,
    event_fields::keep_fields,
    filter::EventFormat,
    presence::PresenceRow,
    receipts,
    request::SyncError,
    room::RoomReader,
};

/// What an event is taken to need until it is written, bytes.
const BYTES_AN_EVENT: usize = 512;

/// Writes a delta for the client that it was made for.
pub(crate) fn encode(ask: &Ask<'_>, delta: &Delta<'_>) -> Result<String, SyncError> {
    let joined = delta.joined.iter().map(|joined| &joined.events);
    let events = joined.chain(&delta.left);
    let events: usize = events.map(|r| r.timeline.len() + r.state.len()).sum();
    let mut out = String::with_capacity(1024 + events * BYTES_AN_EVENT);
    out.push_str("{\"next_batch\":");
    push_string(&mut out, &delta.next.encode());
    if !delta.account_data.is_empty() {
        out.push_str(",\"account_data\":");
        push_account_data(&mut out, &delta.account_data);
    }
    if !delta.presence.is_empty() {
        out.push_str(",\"presence\":");
        push_presence(&mut out, &delta.presence);
    }
    let told = delta.joined.len() + delta.invited.len() + delta.knocked.len() + delta.left.len();
    if told > 0 {
        out.push_str(",\"rooms\":{");
        push_all_rooms(&mut out, ask, delta)?;
        out.push('}');
    }
    out.push('}');
    Ok(out)
}

/// Writes the members of `rooms`, those that have any.
fn push_all_rooms(out: &mut String, ask: &Ask<'_>, delta: &Delta<'_>) -> Result<(), SyncError> {
    let joined = delta
        .joined
        .iter()
        .map(|joined| (joined.events.room, joined));
    push_rooms(out, ask, "join", joined, |out, joined| {
        push_joined(out, ask, joined)
    })?;
    let invited = delta
        .invited
        .iter()
        .map(|(room, event)| (*room, (*room, *event)));
    push_rooms(out, ask, "invite", invited, |out, place| {
        push_stripped(out, ask, place, "invite_state")
    })?;
    let knocked = delta
        .knocked
        .iter()
        .map(|(room, event)| (*room, (*room, *event)));
    push_rooms(out, ask, "knock", knocked, |out, place| {
        push_stripped(out, ask, place, "knock_state")
    })?;
    let left = delta.left.iter().map(|left| (left.room, left));
    push_rooms(out, ask, "leave", left, |out, left| {
        out.push('{');
        push_events(out, ask, left)?;
        out.push('}');
        Ok(())
    })
}

/// Writes one kind of rooms, if there are any, as a member of `rooms`.
fn push_rooms<T>(
    out: &mut String,
    ask: &Ask<'_>,
    kind: &str,
    rooms: impl ExactSizeIterator<Item = (RoomNum, T)>,
    mut push: impl FnMut(&mut String, T) -> Result<(), SyncError>,
) -> Result<(), SyncError> {
    if rooms.len() == 0 {
        return Ok(());
    }
    comma(out);
    push_string(out, kind);
    out.push_str(":{");
    for (room, told) in rooms {
        comma(out);
        push_string(out, ask.rooms().room_id(room)?.as_str());
        out.push(':');
        push(out, told)?;
    }
    out.push('}');
    Ok(())
}

/// Separates a member from the one before it.
fn comma(out: &mut String) {
    if !out.ends_with('{') {
        out.push(',');
    }
}

fn push_joined(out: &mut String, ask: &Ask<'_>, joined: &JoinedRoom<'_>) -> Result<(), SyncError> {
    out.push('{');
    push_events(out, ask, &joined.events)?;
    push_ephemeral(out, ask, joined)?;
    if let Some(summary) = &joined.summary {
        push_summary(out, ask.view, ask, summary)?;
    }
    if let Some(counts) = &joined.counts {
        push_counts(out, ask, counts);
    }
    out.push('}');
    Ok(())
}

/// Writes `timeline`, `state` and `account_data`.
fn push_events(out: &mut String, ask: &Ask<'_>, room: &RoomDelta<'_>) -> Result<(), SyncError> {
    out.push_str("\"timeline\":{\"events\":");
    // A timeline that is whole has all that relates to its events.
    let related = if room.limited {
        room.reader.presenter().related(&room.timeline)?
    } else {
        Related::default()
    };
    push_list(out, ask, &room.reader, &room.timeline, &related)?;
    write!(out, ",\"limited\":{}", room.limited).ok();
    out.push_str(",\"prev_batch\":");
    push_string(out, &PaginationToken(room.prev_batch).encode());
    out.push('}');
    write!(out, ",\"{}\":{{\"events\":", ask.state_key).ok();
    push_list(out, ask, &room.reader, &room.state, &Related::default())?;
    out.push('}');
    // Also without an event: Complement looks into it where there is none any more.
    out.push_str(",\"account_data\":");
    push_account_data(out, &room.account_data);
    Ok(())
}

fn push_list(
    out: &mut String,
    ask: &Ask<'_>,
    reader: &RoomReader<'_>,
    events: &[EventIdx],
    related: &Related,
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
        let presenter = reader.presenter();
        match &ask.filter.event_fields {
            None => presenter.push_bundled_event(out, *event, related, Form::Sync)?,
            Some(fields) => {
                let mut whole = String::new();
                presenter.push_bundled_event(&mut whole, *event, related, Form::Sync)?;
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

/// `m.presence` of users.
///
/// <https://spec.matrix.org/v1.19/client-server-api/#mpresence>
fn push_presence(out: &mut String, rows: &[PresenceRow]) {
    out.push_str("{\"events\":[");
    for (i, PresenceRow { user_id, shown }) in rows.iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        out.push_str("{\"type\":\"m.presence\",\"sender\":");
        push_string(out, user_id);
        write!(
            out,
            ",\"content\":{{\"presence\":\"{}\"",
            shown.state.as_str()
        )
        .ok();
        if let Some(ago_ms) = shown.last_active_ago_ms {
            write!(out, ",\"last_active_ago\":{ago_ms}").ok();
        }
        if shown.state == PresenceState::Online {
            write!(out, ",\"currently_active\":{}", shown.currently_active).ok();
        }
        if let Some(status) = &shown.status {
            out.push_str(",\"status_msg\":");
            push_string(out, status);
        }
        out.push_str("}}");
    }
    out.push_str("]}");
}

fn push_ephemeral(
    out: &mut String,
    ask: &Ask<'_>,
    joined: &JoinedRoom<'_>,
) -> Result<(), SyncError> {
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
    let mut more = joined.typing.is_some();
    for content in receipts::contents(ask, &joined.receipts)? {
        if more {
            out.push(',');
        }
        more = true;
        write!(out, "{{\"type\":\"m.receipt\",\"content\":{content}}}").ok();
    }
    out.push_str("]}");
    Ok(())
}

/// Writes `unread_notifications` and, for those who want threads by themselves and have unread ones,
/// `unread_thread_notifications`.
///
/// <https://spec.matrix.org/v1.19/client-server-api/#receiving-notifications>
fn push_counts(out: &mut String, ask: &Ask<'_>, counts: &Counts) {
    let by_thread = ask.filter.room.timeline.unread_thread_notifications;
    let room = if by_thread { counts.main } else { counts.all() };
    out.push_str(",\"unread_notifications\":");
    push_tally(out, room);
    if !by_thread || counts.threads.is_empty() {
        return;
    }
    out.push_str(",\"unread_thread_notifications\":{");
    for (root, tally) in &counts.threads {
        comma(out);
        push_string(out, root);
        out.push(':');
        push_tally(out, *tally);
    }
    out.push('}');
}

fn push_tally(out: &mut String, tally: Tally) {
    write!(
        out,
        "{{\"highlight_count\":{},\"notification_count\":{}}}",
        tally.highlights, tally.notifications
    )
    .ok();
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
    (room, event): (RoomNum, EventIdx),
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
