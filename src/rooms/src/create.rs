//! Making a room: all its first events are one batch.
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#creation>

use std::sync::{Arc, atomic::Ordering};

use heliograph_core::{
    auth,
    builder::EventBuilder,
    ids::{EventIdx, NodeNum, StateKeyNum},
    json::Value,
    pdu::Pdu,
    room_version::RoomVersion,
};
use heliograph_tables::{
    Batch, Op, Overlay, Record, View,
    batch::PRESENT,
    schema::{EventLocal, PUBLISHED_ROOMS, ROOMS, RoomHead, RoomInfo, Standing, StateRoot},
};
use ruma_common::{OwnedRoomAliasId, OwnedRoomId, OwnedUserId, RoomId};

use crate::{
    Draft, Inner, RoomError, Rooms, Sender,
    aliases::{check_local, name_view, put_alias, submit_names},
    append::{NewEvent, Place},
    live::LiveRoom,
    work::RoomWork,
};

/// The presets of the spec.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preset {
    /// Joined by invitation; guests may join.
    PrivateChat,
    /// The same, and all who are invited have the creator's power.
    TrustedPrivateChat,
    /// Anyone may join; guests may not.
    PublicChat,
}

/// A state event that a room is made with.
#[derive(Clone, Debug)]
pub struct InitialState {
    /// Its type.
    pub event_type: String,
    /// Its state key.
    pub state_key: String,
    /// Its content.
    pub content: Value,
}

/// What a room is to be.
#[derive(Clone, Debug)]
pub struct NewRoom {
    /// Its version.
    pub version: RoomVersion,
    /// What sets its first state.
    pub preset: Preset,
    /// Further keys of the create event's content.
    pub creation_content: Value,
    /// All state after the creator's join, instead of the preset's and what follows here.
    pub transferred: Option<Vec<InitialState>>,
    /// State set after the preset's.
    pub initial_state: Vec<InitialState>,
    /// Overrides keys of the default power levels.
    pub power_level_override: Option<Value>,
    /// Its name.
    pub name: Option<String>,
    /// Its topic.
    pub topic: Option<String>,
    /// Users of this server to invite.
    pub invite: Vec<OwnedUserId>,
    /// Whether the invites are to a direct chat.
    pub is_direct: bool,
    /// The alias of this server that leads to it, which becomes its main one.
    pub alias: Option<OwnedRoomAliasId>,
    /// Whether it is in the published directory.
    pub published: bool,
    /// The creator's profile, as it stands in the member event.
    pub creator_profile: Value,
}

impl Rooms {
    /// Makes a room and gives its id.
    ///
    /// # Errors
    /// [`RoomError::Invalid`] and [`RoomError::Forbidden`] when the room's own rules refuse what
    /// it is to be made with.
    pub async fn create(&self, sender: Sender, new: NewRoom) -> Result<OwnedRoomId, RoomError> {
        let permit = self.inner.store.reserve().await?;
        let inner = Arc::clone(&self.inner);
        let pool = &self.inner.pool;
        let (id, submitted) = if new.alias.is_some() {
            let made = self.inner.names.run(pool, move |overlay| {
                let view = name_view(&inner, overlay, Op::CreateRoom);
                let (id, batch) = build(&inner, &view, &sender, &new)?;
                Ok::<_, RoomError>((id, submit_names(&inner, overlay, permit, batch)?))
            });
            made.await??
        } else {
            let made = pool.run(move || {
                let view = inner.store.view(Op::CreateRoom);
                let (id, batch) = build(&inner, &view, &sender, &new)?;
                Ok::<_, RoomError>((id, inner.store.submit(permit, batch)?))
            });
            made.await??
        };
        submitted.completion.published().await?;
        Ok(id)
    }
}

/// A room nobody has heard of yet, with nothing in it.
fn blank(inner: &Inner, sender: &Sender, version: RoomVersion) -> Result<LiveRoom, RoomError> {
    let opaque = inner.random_letters(18);
    // In versions whose rooms are named by their create event, this name is replaced below.
    let id = RoomId::parse(format!("!{opaque}:{}", inner.server_name()))
        .map_err(|_| RoomError::Inconsistent("room id"))?;
    let head = RoomHead {
        next_event: EventIdx(1),
        next_node: NodeNum(1),
        next_state_key: StateKeyNum(1),
        ..RoomHead::default()
    };
    let info = RoomInfo {
        version: version.as_str().into(),
        creator: sender.user,
        create: EventIdx(1),
    };
    let overlay = Overlay::default();
    Ok(LiveRoom {
        id,
        info,
        version,
        head,
        tips: Vec::new(),
        power: None,
        overlay,
    })
}

/// Prepares the one batch of a new room.
fn build(
    inner: &Arc<Inner>,
    view: &View,
    sender: &Sender,
    new: &NewRoom,
) -> Result<(OwnedRoomId, Batch), RoomError> {
    let mut live = blank(inner, sender, new.version)?;
    let create = create_event(inner, sender, &live, create_content(sender, new))?;
    auth::check_state_independent(new.version, &create, |_| None)
        .map_err(|error| RoomError::Invalid(error.to_string()))?;
    if let Some(named) = create.room_id() {
        live.id = named.to_owned();
    }
    let known = inner.interner.rooms.find_any(view, live.id.as_str())?;
    if known.is_some() {
        return Err(RoomError::Inconsistent("a new room that is here already"));
    }
    let mut names = Batch::new(Op::CreateRoom);
    let room = inner
        .interner
        .rooms
        .intern(view, &mut names, live.id.as_str())?;
    let id = live.id.clone();
    let mut work = RoomWork::begin(inner, room, live, view.clone(), Op::CreateRoom);
    work.batch.append(names);
    let info = work.live.info.clone();
    work.batch.put(&ROOMS, &room, &info);
    let local = EventLocal {
        user: sender.user,
        device: sender.device,
        transaction: None,
    };
    work.append(&NewEvent {
        pdu: Arc::new(create),
        auth_events: Some(Vec::new()),
        standing: Standing::Accepted,
        state_before: StateRoot::EMPTY,
        local: Some(local.clone()),
        place: Place::Newest,
    })?;
    if let Some(alias) = &new.alias {
        check_local(inner, alias)?;
        put_alias(view, &mut work.batch, alias, (room, sender.user))?;
    }
    if new.published {
        work.batch.put(&PUBLISHED_ROOMS, &room, &PRESENT);
        work.batch.record(Record::Published { room });
    }
    fill(&mut work, sender, new, &local)?;
    let (batch, _) = work.finish().ok_or(RoomError::Inconsistent("empty room"))?;
    Ok((id, batch))
}

/// The content of the create event.
fn create_content(sender: &Sender, new: &NewRoom) -> Value {
    let mut content = new.creation_content.clone();
    let rules = &new.version.rules().authorization;
    content.insert(
        "room_version",
        Value::String(new.version.as_str().to_owned()),
    );
    if rules.use_room_create_sender {
        content.remove("creator");
    } else {
        content.insert("creator", Value::String(sender.user_id.to_string()));
    }
    if rules.additional_room_creators && new.preset == Preset::TrustedPrivateChat {
        add_creators(&mut content, &new.invite);
    }
    content
}

/// Those who are invited to a trusted chat have the creator's power: since version 12 as creators.
fn add_creators(content: &mut Value, invited: &[OwnedUserId]) {
    let mut creators: Vec<Value> = match content.remove("additional_creators") {
        Some(Value::Array(given)) => given,
        _ => Vec::new(),
    };
    for user in invited {
        let user = Value::String(user.to_string());
        if !creators.contains(&user) {
            creators.push(user);
        }
    }
    if !creators.is_empty() {
        content.insert("additional_creators", Value::Array(creators));
    }
}

/// The time for a create event, which is no other's of late: where the create event names the room,
/// two of one user that say the same at the same time would be one room.
fn time_of_create(inner: &Inner) -> u64 {
    /// A clock that is behind by more was set back.
    const MOST_AHEAD_MS: u64 = 10_000;
    let now = inner.clock.now_ms();
    let next = |last: u64| match last.checked_add(1) {
        Some(next) if next.saturating_sub(now) <= MOST_AHEAD_MS => next.max(now),
        _ => now,
    };
    let last = inner
        .last_create_ms
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| {
            Some(next(last))
        });
    // The update always gives a value, so it cannot fail; both ways hold the one before.
    next(last.unwrap_or_else(|last| last))
}

/// The create event; in versions whose rooms are named by it, it names no room.
fn create_event(
    inner: &Inner,
    sender: &Sender,
    live: &LiveRoom,
    content: Value,
) -> Result<Pdu, RoomError> {
    let names_room = live
        .version
        .rules()
        .event_format
        .require_room_create_room_id;
    let event = EventBuilder {
        room_id: names_room.then(|| live.id.clone()),
        sender: sender.user_id.clone(),
        event_type: "m.room.create".to_owned(),
        state_key: Some(String::new()),
        content,
        redacts: None,
        prev_events: Vec::new(),
        auth_events: Vec::new(),
        depth: 1,
        origin_server_ts: time_of_create(inner),
    };
    Ok(event.build(live.version, &*inner.signer)?)
}

/// Sends the first events after the create event, in the spec's order.
fn fill(
    work: &mut RoomWork<'_>,
    sender: &Sender,
    new: &NewRoom,
    local: &EventLocal,
) -> Result<(), RoomError> {
    let mut member = new.creator_profile.clone();
    member.insert("membership", Value::from("join"));
    let mut events = vec![state("m.room.member", sender.user_id.as_str(), member)];
    match &new.transferred {
        Some(transferred) => events.extend(transferred.iter().cloned()),
        None => events.extend(first_state(sender, new)),
    }
    for event in events {
        if event.event_type == "m.room.power_levels" && event.state_key.is_empty() {
            work.check_creators(&event.content)?;
        }
        let draft = Draft {
            sender: sender.user_id.clone(),
            event_type: event.event_type,
            state_key: Some(event.state_key),
            content: event.content,
            redacts: None,
        };
        work.send(draft, Some(local.clone()))?;
    }
    Ok(())
}

/// What follows the creator's join: power levels, main alias, what the preset sets, and what else
/// was asked for.
fn first_state(sender: &Sender, new: &NewRoom) -> Vec<InitialState> {
    let mut events = vec![state("m.room.power_levels", "", power_levels(sender, new))];
    if let Some(alias) = &new.alias {
        let content = Value::object([("alias", Value::from(alias.as_str()))]);
        events.push(state("m.room.canonical_alias", "", content));
    }
    events.extend(preset_state(new));
    events.extend(new.initial_state.iter().cloned());
    if let Some(name) = &new.name {
        events.push(state(
            "m.room.name",
            "",
            Value::object([("name", Value::from(&**name))]),
        ));
    }
    if let Some(topic) = &new.topic {
        events.push(state("m.room.topic", "", topic_content(topic)));
    }
    for user in &new.invite {
        let mut content = Value::object([("membership", Value::from("invite"))]);
        if new.is_direct {
            content.insert("is_direct", Value::Bool(true));
        }
        events.push(state("m.room.member", user.as_str(), content));
    }
    events
}

fn state(event_type: &str, state_key: &str, content: Value) -> InitialState {
    InitialState {
        event_type: event_type.to_owned(),
        state_key: state_key.to_owned(),
        content,
    }
}

/// `m.room.topic` with its plain-text representation.
///
/// <https://spec.matrix.org/v1.19/client-server-api/#mroomtopic>
fn topic_content(topic: &str) -> Value {
    let text = Value::object([("body", Value::from(topic))]);
    let block = Value::object([("m.text", Value::Array(vec![text]))]);
    Value::object([("topic", Value::from(topic)), ("m.topic", block)])
}

/// The power levels that a room begins with.
fn power_levels(sender: &Sender, new: &NewRoom) -> Value {
    let privileged = new
        .version
        .rules()
        .authorization
        .explicitly_privilege_room_creators;
    let mut users = Vec::new();
    if !privileged {
        users.push((sender.user_id.as_str(), Value::from(100)));
        if new.preset == Preset::TrustedPrivateChat {
            users.extend(new.invite.iter().map(|u| (u.as_str(), Value::from(100))));
        }
    }
    // Nobody but a creator should be able to replace a room whose creators stand above all levels.
    let tombstone = if privileged { 150 } else { 100 };
    let events = Value::object([
        ("m.room.name", Value::from(50)),
        ("m.room.avatar", Value::from(50)),
        ("m.room.canonical_alias", Value::from(50)),
        ("m.room.history_visibility", Value::from(100)),
        ("m.room.power_levels", Value::from(100)),
        ("m.room.server_acl", Value::from(100)),
        ("m.room.encryption", Value::from(100)),
        ("m.room.tombstone", Value::from(tombstone)),
    ]);
    let mut levels = Value::object([
        ("ban", Value::from(50)),
        ("events", events),
        ("events_default", Value::from(0)),
        ("historical", Value::from(100)),
        (
            "invite",
            Value::from(if new.preset == Preset::PublicChat {
                50
            } else {
                0
            }),
        ),
        ("kick", Value::from(50)),
        ("redact", Value::from(50)),
        ("state_default", Value::from(50)),
        ("users", Value::object(users)),
        ("users_default", Value::from(0)),
    ]);
    if let Some(Value::Object(over)) = &new.power_level_override {
        for (key, value) in over {
            levels.insert(key, value.clone());
        }
    }
    levels
}

/// What a preset sets, less what the initial state sets itself.
fn preset_state(new: &NewRoom) -> Vec<InitialState> {
    let (join_rule, guests) = match new.preset {
        Preset::PrivateChat | Preset::TrustedPrivateChat => ("invite", "can_join"),
        Preset::PublicChat => ("public", "forbidden"),
    };
    let set = [
        ("m.room.join_rules", "join_rule", join_rule),
        ("m.room.history_visibility", "history_visibility", "shared"),
        ("m.room.guest_access", "guest_access", guests),
    ];
    let given = |event_type: &str| {
        new.initial_state
            .iter()
            .any(|s| s.event_type == event_type && s.state_key.is_empty())
    };
    set.into_iter()
        .filter(|(event_type, ..)| !given(event_type))
        .map(|(event_type, key, value)| {
            state(event_type, "", Value::object([(key, Value::from(value))]))
        })
        .collect()
}
