//! Aliases of this server: setting and removing them, and what `m.room.canonical_alias` may name.
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#room-aliases>

use std::sync::Arc;

use heliograph_core::{
    ids::{RoomNum, UserNum},
    json::Value,
};
use heliograph_tables::{
    Batch, Direction, Op, Overlay, Permit, Submitted, View,
    batch::PRESENT,
    codec::Tail,
    schema::{ALIASES, Alias, Membership, ROOM_ALIASES, USER_ROOMS},
};
use heliograph_work::Line;
use ruma_common::{OwnedRoomAliasId, RoomAliasId};
use serde::Deserialize;

use crate::{Inner, RoomError, Rooms, RoomsView, Sender, work::RoomWork};

/// Aliases that a room has at most.
const MAX_ALIASES: usize = 500;

/// The one writer of names that lead to rooms, with what it has submitted and no view shows yet.
pub(crate) type Names = Arc<Line<Overlay>>;

impl Rooms {
    /// Lets an alias of this server lead to a room that the sender is in.
    ///
    /// # Errors
    /// [`RoomError::AliasTaken`] when it leads somewhere already; [`RoomError::Forbidden`] when the
    /// sender is not in the room; [`RoomError::InvalidAlias`] for one of another server.
    pub async fn set_alias(
        &self,
        room: RoomNum,
        sender: Sender,
        alias: OwnedRoomAliasId,
    ) -> Result<(), RoomError> {
        self.change_names(move |inner, view, batch| {
            check_local(inner, &alias)?;
            check_member(view, sender.user, room)?;
            let own = view.scan(&ROOM_ALIASES, &(room,), Direction::Forward);
            if own.take(MAX_ALIASES).count() == MAX_ALIASES {
                return Err(RoomError::Forbidden(
                    "the room has too many aliases".to_owned(),
                ));
            }
            put_alias(view, batch, &alias, (room, sender.user))
        })
        .await
    }

    /// Removes an alias of this server, from the room's `m.room.canonical_alias` too if the sender
    /// may set that.
    ///
    /// # Errors
    /// [`RoomError::UnknownAlias`]; [`RoomError::Forbidden`] when the sender neither made the alias
    /// nor has the power to say which is the main one.
    pub async fn remove_alias(
        &self,
        sender: Sender,
        alias: OwnedRoomAliasId,
    ) -> Result<(), RoomError> {
        let (by, name) = (sender.clone(), alias.clone());
        let room = self
            .change_names(move |inner, view, batch| {
                let key = Tail::from(name.as_str());
                let Alias { room, creator } =
                    view.get(&ALIASES, &key)?.ok_or(RoomError::UnknownAlias)?;
                let at = RoomsView::new(inner, view);
                if creator != by.user && !at.may_name(room, &by)? {
                    return Err(RoomError::Forbidden(
                        "neither your alias nor have you the power to remove it".to_owned(),
                    ));
                }
                batch.delete(&ALIASES, &key);
                batch.delete(&ROOM_ALIASES, &(room, key));
                Ok(room)
            })
            .await?;
        let forgotten = self.change(room, Op::State, move |work| {
            work.forget_canonical(&sender, &alias)
        });
        match forgotten.await {
            // Whoever made an alias may remove it without having a say in the room.
            Err(RoomError::Forbidden(_)) => Ok(()),
            other => other,
        }
    }

    /// Changes names that lead to rooms.
    pub(crate) async fn change_names<T, F>(&self, change: F) -> Result<T, RoomError>
    where
        T: Send + 'static,
        F: FnOnce(&Arc<Inner>, &View, &mut Batch) -> Result<T, RoomError> + Send + 'static,
    {
        let permit = self.inner.store.reserve().await?;
        let inner = Arc::clone(&self.inner);
        let changed = self.inner.names.run(&self.inner.pool, move |overlay| {
            let view = name_view(&inner, overlay, Op::State);
            let mut batch = Batch::new(Op::State);
            let answer = change(&inner, &view, &mut batch)?;
            let submitted = (!batch.is_empty())
                .then(|| submit_names(&inner, overlay, permit, batch))
                .transpose()?;
            Ok::<_, RoomError>((answer, submitted))
        });
        let (answer, submitted) = changed.await??;
        if let Some(submitted) = submitted {
            submitted.completion.published().await?;
        }
        Ok(answer)
    }
}

/// What the writer of names reads: everything that it has submitted.
pub(crate) fn name_view(inner: &Inner, overlay: &mut Overlay, op: Op) -> View {
    let view = inner.store.view(op);
    overlay.forget_up_to(view.position());
    view.under(overlay.clone())
}

/// Submits a batch of the writer of names.
pub(crate) fn submit_names(
    inner: &Inner,
    overlay: &mut Overlay,
    permit: Permit,
    batch: Batch,
) -> Result<Submitted, RoomError> {
    let submitted = inner.store.submit(permit, batch)?;
    overlay.push(Arc::clone(&submitted.layer));
    Ok(submitted)
}

/// The rows of an alias that nobody has yet.
pub(crate) fn put_alias(
    view: &View,
    batch: &mut Batch,
    alias: &RoomAliasId,
    (room, creator): (RoomNum, UserNum),
) -> Result<(), RoomError> {
    let key = Tail::from(alias.as_str());
    if view.has(&ALIASES, &key)? {
        return Err(RoomError::AliasTaken);
    }
    batch.put(&ALIASES, &key, &Alias { room, creator });
    batch.put(&ROOM_ALIASES, &(room, key), &PRESENT);
    Ok(())
}

/// Demands that an alias is of this server, and of letters that people can write.
pub(crate) fn check_local(inner: &Inner, alias: &RoomAliasId) -> Result<(), RoomError> {
    let invalid = |text: &str| Err(RoomError::InvalidAlias(text.to_owned()));
    if alias.server_name().as_str() != inner.server_name() {
        return invalid("the alias is not of this server");
    }
    let odd = |c: char| c.is_whitespace() || c.is_control();
    if alias.alias().is_empty() || alias.alias().contains(odd) {
        return invalid("the alias is empty, or has white space in it");
    }
    Ok(())
}

/// Demands that a local user is joined to a room.
pub(crate) fn check_member(view: &View, user: UserNum, room: RoomNum) -> Result<(), RoomError> {
    let row = view.get(&USER_ROOMS, &(user, room))?;
    if row.is_some_and(|row| row.membership == Membership::Join) {
        return Ok(());
    }
    Err(RoomError::Forbidden("not a member of the room".to_owned()))
}

impl RoomsView<'_> {
    /// The room that an alias of this server leads to.
    pub fn alias(&self, alias: &RoomAliasId) -> Result<Option<RoomNum>, RoomError> {
        let row = self.view().get(&ALIASES, &Tail::from(alias.as_str()))?;
        Ok(row.map(|row| row.room))
    }

    /// The aliases of this server that lead to a room.
    pub fn aliases(&self, room: RoomNum) -> Result<Vec<String>, RoomError> {
        let rows = self
            .view()
            .scan(&ROOM_ALIASES, &(room,), Direction::Forward);
        rows.map(|row| Ok(row?.0.1.0.into_string())).collect()
    }

    /// Whether a user may say which alias is the main one, and whether the room is published.
    pub(crate) fn may_name(&self, room: RoomNum, user: &Sender) -> Result<bool, RoomError> {
        let levels = self.power_levels(room)?;
        Ok(check_member(self.view(), user.user, room).is_ok()
            && levels.user_can_set(&user.user_id, "m.room.canonical_alias"))
    }
}

/// The aliases that a content of `m.room.canonical_alias` names.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Canonical {
    alias: Option<String>,
    alt_aliases: Vec<String>,
}

impl Canonical {
    fn of(content: &str) -> Option<Self> {
        serde_json::from_str(content).ok()
    }

    fn names(&self) -> impl Iterator<Item = &String> {
        self.alias.iter().chain(&self.alt_aliases)
    }
}

impl RoomWork<'_> {
    /// Demands that the aliases that a new `m.room.canonical_alias` names, and the one before does
    /// not, lead to this room.
    ///
    /// <https://spec.matrix.org/v1.19/client-server-api/#mroomcanonical_alias>
    pub(crate) fn check_canonical(&self, content: &Value) -> Result<(), RoomError> {
        let invalid = |text: String| RoomError::InvalidAlias(text);
        let named = Canonical::of(&content.to_canonical_string())
            .ok_or_else(|| invalid("aliases must be texts".to_owned()))?;
        let before = self.canonical()?.map(|(_, before)| before);
        let known = |alias: &String| {
            let before = before.as_ref();
            before.is_some_and(|before| before.names().any(|name| name == alias))
        };
        for alias in named.names().filter(|alias| !known(alias)) {
            RoomAliasId::parse(alias).map_err(|_| invalid(format!("{alias} is no alias")))?;
            let row = self.view.get(&ALIASES, &Tail::from(alias.as_str()))?;
            if row.is_none_or(|row| row.room != self.room) {
                return Err(RoomError::BadAlias(format!(
                    "{alias} does not lead to this room"
                )));
            }
        }
        Ok(())
    }

    /// The room's `m.room.canonical_alias`.
    fn canonical(&self) -> Result<Option<(Value, Canonical)>, RoomError> {
        let state = self.live.head.state;
        let Some(idx) = self.state_at(state, "m.room.canonical_alias", "")? else {
            return Ok(None);
        };
        let pdu = self.pdu(idx)?;
        let content = heliograph_core::json::parse(
            pdu.content_json().as_bytes(),
            heliograph_core::json::Numbers::Loose,
        );
        let content = content.map_err(|_| RoomError::Inconsistent("event"))?;
        Ok(Canonical::of(pdu.content_json()).map(|canonical| (content, canonical)))
    }

    /// Takes an alias that is gone out of `m.room.canonical_alias`.
    fn forget_canonical(&mut self, sender: &Sender, alias: &RoomAliasId) -> Result<(), RoomError> {
        let Some((mut content, canonical)) = self.canonical()? else {
            return Ok(());
        };
        if !canonical.names().any(|name| name == alias.as_str()) {
            return Ok(());
        }
        if canonical.alias.as_deref() == Some(alias.as_str()) {
            content.remove("alias");
        }
        let others = canonical.alt_aliases.iter();
        let others: Vec<Value> = others
            .filter(|other| **other != alias.as_str())
            .map(|other| Value::from(&**other))
            .collect();
        content.remove("alt_aliases");
        if !others.is_empty() {
            content.insert("alt_aliases", Value::Array(others));
        }
        self.set_state(sender, "m.room.canonical_alias", "", content)
            .map(|_| ())
    }
}
