//! Events as clients get them.
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#room-event-format>
//!
//! An event's own part is made once and shared; `unsigned` is made for each reader and spliced in.

use std::{cell::OnceCell, collections::HashSet, fmt::Write, sync::Arc};

use heliograph_core::{
    ids::{DeviceNum, EventIdx, RoomNum, UserNum},
    pdu::StoredPdu,
};
use heliograph_tables::{
    View,
    schema::{EVENT_LOCAL, EventLocal, EventStatus},
};
use quick_cache::sync::Cache;
use ruma_common::{OwnedRoomId, RoomId};

use crate::{
    Inner, RoomError, RoomsView, erasures::Erasures, relations::RelatesTo, visibility::Visibility,
};

/// The shared part of an event: a JSON object without `room_id`, `unsigned` and closing brace.
#[derive(Debug)]
pub struct SharedEvent {
    /// The JSON so far.
    pub open_json: Box<str>,
    /// The event's id.
    pub event_id: Box<str>,
    /// Who sent it.
    pub sender: Box<str>,
    /// Its type.
    pub event_type: Box<str>,
    /// Its state key.
    pub state_key: Option<Box<str>>,
    /// When it was sent by its server's clock, milliseconds since the Unix epoch.
    pub origin_server_ts: u64,
    /// Whether the content has a `url` that is a string.
    pub has_url: bool,
    /// How it relates to another event, if it does.
    pub rel_type: Option<Box<str>>,
    /// How a client of this server sent it.
    local: Option<EventLocal>,
}

/// Shared parts, by event and by whether it is redacted.
#[derive(Debug)]
pub(crate) struct SharedEvents(Cache<(RoomNum, EventIdx, bool), Arc<SharedEvent>>);

impl SharedEvents {
    /// A cache of `capacity` events.
    pub(crate) fn new(capacity: usize) -> Self {
        Self(Cache::new(capacity))
    }

    /// The shared part of an event.
    pub(crate) fn get(
        &self,
        inner: &Inner,
        view: &View,
        (room, idx): (RoomNum, EventIdx),
        redacted: bool,
    ) -> Result<Arc<SharedEvent>, RoomError> {
        if let Some(shared) = self.0.get(&(room, idx, redacted)) {
            return Ok(shared);
        }
        let stored = inner.events.stored(view, room, idx)?;
        self.make(inner, view, (room, idx, redacted), &stored)
    }

    /// The shared part of an event as a redaction would leave it.
    fn pruned(
        &self,
        inner: &Inner,
        view: &View,
        (room, idx): (RoomNum, EventIdx),
        room_id: &RoomId,
    ) -> Result<Arc<SharedEvent>, RoomError> {
        if let Some(shared) = self.0.get(&(room, idx, true)) {
            return Ok(shared);
        }
        let version = inner.events.version(view, room)?;
        let pdu = inner
            .events
            .pdu(view, room, idx)?
            .redacted(version)
            .map_err(|_| RoomError::Inconsistent("event cannot be redacted"))?;
        let hash = crate::events::id_hash(room_id, pdu.event_id(), version);
        let stored = StoredPdu::decode(StoredPdu::encode(&pdu, hash).into())
            .map_err(|_| RoomError::Inconsistent("redacted event"))?;
        self.make(inner, view, (room, idx, true), &stored)
    }

    /// Makes the shared part of an event, and keeps it.
    fn make(
        &self,
        inner: &Inner,
        view: &View,
        (room, idx, redacted): (RoomNum, EventIdx, bool),
        stored: &StoredPdu,
    ) -> Result<Arc<SharedEvent>, RoomError> {
        let version = inner.events.version(view, room)?;
        let mut json = String::new();
        stored
            .client_json(version, &mut json)
            .map_err(|_| RoomError::Inconsistent("event"))?;
        let corrupt = |_| RoomError::Inconsistent("event");
        let shared = Arc::new(SharedEvent {
            open_json: json.into(),
            event_id: stored.event_id(version).map_err(corrupt)?.as_str().into(),
            sender: stored.sender().map_err(corrupt)?.into(),
            event_type: stored.event_type().map_err(corrupt)?.into(),
            state_key: stored.state_key().map_err(corrupt)?.map(Into::into),
            origin_server_ts: stored.origin_server_ts(),
            has_url: has_url(stored.content_json()),
            rel_type: RelatesTo::of(stored.content_json()).map(|relates| relates.rel_type),
            local: view.get(&EVENT_LOCAL, &(room, idx))?,
        });
        self.0.insert((room, idx, redacted), Arc::clone(&shared));
        Ok(shared)
    }
}

/// What is known of each event, by event and by the room's count of rewrites: a row that is held
/// is right for every view that shows that count.
#[derive(Debug)]
pub(crate) struct Statuses(Cache<(RoomNum, EventIdx, u32), Arc<EventStatus>>);

impl Statuses {
    /// A cache of `capacity` events.
    pub(crate) fn new(capacity: usize) -> Self {
        Self(Cache::new(capacity))
    }

    fn get(
        &self,
        view: &View,
        (room, rewrites): (RoomNum, u32),
        idx: EventIdx,
    ) -> Result<Arc<EventStatus>, RoomError> {
        let key = (room, idx, rewrites);
        if let Some(status) = self.0.get(&key) {
            return Ok(status);
        }
        let status = Arc::new(crate::history::status(view, room, idx)?);
        self.0.insert(key, Arc::clone(&status));
        Ok(status)
    }
}

/// Whether a content has a `url` that is a string: what `contains_url` filters by.
fn has_url(content: &str) -> bool {
    #[derive(serde::Deserialize)]
    struct Content {
        #[serde(default)]
        url: Option<serde_json::Value>,
    }
    content.contains("\"url\"")
        && serde_json::from_str::<Content>(content)
            .is_ok_and(|c| c.url.is_some_and(|url| url.is_string()))
}

/// Who reads, and from which device.
#[derive(Clone, Copy, Debug)]
pub struct Reader {
    /// The user.
    pub user: UserNum,
    /// The device.
    pub device: DeviceNum,
}

/// Where an event stands in an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Alone: it names its room.
    WithRoomId,
    /// Under its room, in `/sync`.
    Sync,
}

/// Makes the events of one room for one reader.
pub struct Presenter<'a> {
    pub(crate) inner: &'a Inner,
    view: &'a View,
    room: RoomNum,
    /// The count of rewrites in the room's head.
    rewrites: u32,
    pub(crate) room_id: OwnedRoomId,
    pub(crate) reader: Option<Reader>,
    visibility: Visibility<'a>,
    erasures: Erasures,
    now_ms: u64,
    /// Whom the reader ignores; read when it is first asked for.
    ignored: OnceCell<HashSet<UserNum>>,
}

impl<'a> Presenter<'a> {
    pub(crate) fn new(
        inner: &'a Inner,
        view: &'a View,
        (room, rewrites): (RoomNum, u32),
        reader: Option<Reader>,
    ) -> Result<Self, RoomError> {
        let room_id = RoomsView::new(inner, view).room_id(room)?;
        let visibility = Visibility::new(inner, view, room, reader.map(|r| r.user))?;
        let now_ms = inner.clock.now_ms();
        Ok(Self {
            inner,
            view,
            room,
            rewrites,
            room_id,
            reader,
            visibility,
            erasures: Erasures::default(),
            now_ms,
            ignored: OnceCell::new(),
        })
    }

    /// What the reader may see.
    pub const fn visibility(&self) -> &Visibility<'a> {
        &self.visibility
    }

    /// The room's id.
    pub fn room_id(&self) -> &RoomId {
        &self.room_id
    }

    pub(crate) const fn view(&self) -> &'a View {
        self.view
    }

    pub(crate) const fn room(&self) -> RoomNum {
        self.room
    }

    /// An event's content alone.
    pub fn content(&self, idx: EventIdx) -> Result<String, RoomError> {
        let stored = self.inner.events.stored(self.view, self.room, idx)?;
        Ok(stored.content_json().to_owned())
    }

    /// An event as servers exchange it.
    pub fn federation_event(&self, idx: EventIdx) -> Result<String, RoomError> {
        let stored = self.inner.events.stored(self.view, self.room, idx)?;
        Ok(stored.json().to_owned())
    }

    /// An event as stripped state.
    ///
    /// <https://spec.matrix.org/v1.19/client-server-api/#stripped-state>
    pub fn stripped(&self, idx: EventIdx) -> Result<String, RoomError> {
        let stored = self.inner.events.stored(self.view, self.room, idx)?;
        let corrupt = |_| RoomError::Inconsistent("event");
        let mut json = String::from("{\"type\":");
        push_string(&mut json, &stored.event_type().map_err(corrupt)?);
        json.push_str(",\"state_key\":");
        let state_key = stored.state_key().map_err(corrupt)?;
        push_string(&mut json, state_key.as_deref().unwrap_or_default());
        json.push_str(",\"sender\":");
        push_string(&mut json, &stored.sender().map_err(corrupt)?);
        json.push_str(",\"content\":");
        json.push_str(stored.content_json());
        json.push('}');
        Ok(json)
    }

    /// Whom the reader ignores.
    pub(crate) fn ignored(&self) -> Result<&HashSet<UserNum>, RoomError> {
        if let Some(known) = self.ignored.get() {
            return Ok(known);
        }
        let mut ignored = HashSet::new();
        if let Some(reader) = &self.reader {
            for id in heliograph_accounts::ignored_users(self.view, reader.user)? {
                ignored.extend(self.inner.interner.users.find(self.view, &id)?);
            }
            ignored.remove(&reader.user);
        }
        Ok(self.ignored.get_or_init(|| ignored))
    }

    /// Whether the reader is not shown an event because of who sent it; state always is.
    ///
    /// <https://spec.matrix.org/v1.19/client-server-api/#ignoring-users>
    pub fn is_ignored(&self, event: &SharedEvent) -> Result<bool, RoomError> {
        if event.state_key.is_some() || self.ignored()?.is_empty() {
            return Ok(false);
        }
        let sender = self.inner.interner.users.find(self.view, &event.sender)?;
        Ok(sender.is_some_and(|sender| self.ignored.get().is_some_and(|i| i.contains(&sender))))
    }

    /// What is known of an event.
    pub fn status(&self, idx: EventIdx) -> Result<Arc<EventStatus>, RoomError> {
        let room = (self.room, self.rewrites);
        self.inner.statuses.get(self.view, room, idx)
    }

    /// The shared part of an event, as far as the reader may have it.
    pub fn shared(
        &self,
        idx: EventIdx,
        status: &EventStatus,
    ) -> Result<Arc<SharedEvent>, RoomError> {
        let redacted = status.redacted_by.is_some();
        let (all, key) = (&self.inner.shared, (self.room, idx));
        let shared = all.get(self.inner, self.view, key, redacted)?;
        let reader = (self.view, &self.visibility);
        if redacted || !self.erasures.apply(self.inner, reader, status, &shared)? {
            return Ok(shared);
        }
        all.pruned(self.inner, self.view, key, &self.room_id)
    }

    /// An event whole, with `room_id` and without what relates to it.
    pub fn event(&self, idx: EventIdx) -> Result<String, RoomError> {
        let status = self.status(idx)?;
        let shared = self.shared(idx, &status)?;
        let mut json = String::new();
        self.push_event(&mut json, (&status, &shared), Form::WithRoomId, "")?;
        Ok(json)
    }

    /// Appends an event; `relations` is what `m.relations` says, nothing if it is empty.
    pub(crate) fn push_event(
        &self,
        out: &mut String,
        (status, shared): (&EventStatus, &SharedEvent),
        form: Form,
        relations: &str,
    ) -> Result<(), RoomError> {
        out.push_str(&shared.open_json);
        if form == Form::WithRoomId {
            out.push_str(",\"room_id\":");
            push_string(out, self.room_id.as_str());
        }
        self.push_unsigned(out, status, shared, relations)
    }

    /// Appends `unsigned` and closes the event.
    fn push_unsigned(
        &self,
        out: &mut String,
        status: &EventStatus,
        shared: &SharedEvent,
        relations: &str,
    ) -> Result<(), RoomError> {
        let age = self.now_ms.saturating_sub(shared.origin_server_ts);
        // Writing into a string cannot fail.
        write!(out, ",\"unsigned\":{{\"age\":{age}").ok();
        if let Some(membership) = self.membership_at(status)? {
            write!(out, ",\"membership\":\"{membership}\"").ok();
        }
        self.push_transaction(out, shared);
        if let Some(replaced) = status.replaces {
            self.push_previous(out, replaced)?;
        }
        if let Some(redaction) = status.redacted_by {
            out.push_str(",\"redacted_because\":");
            out.push_str(&self.redaction(redaction)?);
        }
        if !relations.is_empty() {
            out.push_str(",\"m.relations\":");
            out.push_str(relations);
        }
        out.push_str("}}");
        Ok(())
    }

    fn membership_at(&self, status: &EventStatus) -> Result<Option<&'static str>, RoomError> {
        if self.reader.is_none() || status.standing.is_outlier() {
            return Ok(None);
        }
        let membership = self.visibility.membership_at(status)?;
        Ok(Some(membership.map_or(
            "leave",
            heliograph_tables::schema::Membership::as_str,
        )))
    }

    /// `transaction_id`, for the device that sent the event.
    fn push_transaction(&self, out: &mut String, shared: &SharedEvent) {
        let (Some(reader), Some(local)) = (&self.reader, &shared.local) else {
            return;
        };
        if (local.user, local.device) != (reader.user, reader.device) {
            return;
        }
        if let Some(transaction) = &local.transaction {
            out.push_str(",\"transaction_id\":");
            push_string(out, transaction);
        }
    }

    /// `prev_content`, `prev_sender` and `replaces_state`.
    fn push_previous(&self, out: &mut String, replaced: EventIdx) -> Result<(), RoomError> {
        let stored = self.inner.events.stored(self.view, self.room, replaced)?;
        let version = self.inner.events.version(self.view, self.room)?;
        let corrupt = |_| RoomError::Inconsistent("event");
        out.push_str(",\"prev_content\":");
        out.push_str(stored.content_json());
        out.push_str(",\"prev_sender\":");
        push_string(out, &stored.sender().map_err(corrupt)?);
        out.push_str(",\"replaces_state\":");
        push_string(out, stored.event_id(version).map_err(corrupt)?.as_str());
        Ok(())
    }

    /// The redaction event that stands in `redacted_because`.
    fn redaction(&self, idx: EventIdx) -> Result<String, RoomError> {
        let status = self.status(idx)?;
        let shared = self.shared(idx, &status)?;
        let mut json = String::from(&*shared.open_json);
        let age = self.now_ms.saturating_sub(shared.origin_server_ts);
        json.push_str(",\"room_id\":");
        push_string(&mut json, self.room_id.as_str());
        write!(json, ",\"unsigned\":{{\"age\":{age}}}}}").ok();
        Ok(json)
    }
}

/// Appends text as a JSON string.
pub fn push_string(out: &mut String, text: &str) {
    heliograph_core::json::push_string(out, text);
}
