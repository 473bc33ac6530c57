//! Finding users of this server by name: those with whom the reader shares a room, and those in rooms
//! that everybody may come into or read.
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#user-directory>
//!
//! They are found by their profile, never by what they call themselves in a room.

use std::collections::HashSet;

use heliograph_accounts::SearchTerm;
use heliograph_core::ids::{RoomNum, UserNum};
use heliograph_tables::{
    Direction,
    batch::PRESENT,
    schema::{PROFILES, PUBLIC_ROOMS, Profile, StateRoot},
};

use crate::{
    HistoryVisibility, JoinRules, RoomError, RoomsView, sharing::first_common, work::RoomWork,
};

/// Users looked at for one search, whose first word is right.
const MAX_LOOKED_AT: usize = 5000;

/// What a search has found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserSearch {
    /// The users, with their profiles.
    pub found: Vec<(String, Profile)>,
    /// Whether there may be more.
    pub limited: bool,
}

impl RoomWork<'_> {
    /// Keeps the row that says whether everybody may come in or read.
    pub(crate) fn note_public(&mut self, from: StateRoot, to: StateRoot) -> Result<(), RoomError> {
        if from.rest == to.rest {
            return Ok(());
        }
        let events = [from, to].map(|root| {
            let rules = self.state_at(root, "m.room.join_rules", "")?;
            Ok::<_, RoomError>((rules, self.state_at(root, "m.room.history_visibility", "")?))
        });
        let [before, after] = events;
        let (rules, visibility) = after?;
        if before? == (rules, visibility) {
            return Ok(());
        }
        let rules = rules.map(|idx| self.pdu(idx)).transpose()?;
        let visibility = visibility.map(|idx| self.pdu(idx)).transpose()?;
        let visibility = visibility.map(|pdu| HistoryVisibility::of(pdu.content_json()));
        if JoinRules::of(rules.as_deref()).is_public()
            || visibility == Some(HistoryVisibility::WorldReadable)
        {
            self.batch.put(&PUBLIC_ROOMS, &self.room, &PRESENT);
        } else {
            self.batch.delete(&PUBLIC_ROOMS, &self.room);
        }
        Ok(())
    }
}

impl RoomsView<'_> {
    /// The users of this server whom a term finds and `reader` may find, at most `limit`; not the
    /// reader.
    pub fn search_users(
        &self,
        reader: UserNum,
        term: &SearchTerm,
        limit: usize,
    ) -> Result<UserSearch, RoomError> {
        let mut sharing = self.sharing(reader, u32::MAX);
        let (mut search, mut seen) = (UserSearch::default(), HashSet::from([reader]));
        for (looked_at, user) in term.candidates(self.view()).enumerate() {
            if looked_at == MAX_LOOKED_AT {
                search.limited = true;
                break;
            }
            let user = user?;
            if !seen.insert(user) {
                continue;
            }
            let (user_id, profile) = self.named(user)?;
            if !term.finds(&user_id, profile.displayname.as_deref())
                || !(self.is_in_public_room(user)? || sharing.with(user)?)
            {
                continue;
            }
            if search.found.len() == limit {
                search.limited = true;
                break;
            }
            search.found.push((user_id, profile));
        }
        Ok(search)
    }

    fn named(&self, user: UserNum) -> Result<(String, Profile), RoomError> {
        let name = self.inner().interner.users.name(self.view(), user)?;
        let name = name.ok_or(RoomError::Inconsistent("a user without a name"))?;
        let profile = self.view().get(&PROFILES, &user)?;
        Ok((name.to_string(), profile.unwrap_or_default()))
    }

    /// Whether a user is joined to a room that everybody may come into or read.
    fn is_in_public_room(&self, user: UserNum) -> Result<bool, RoomError> {
        let found = first_common(
            |from| self.first_room(user, from),
            |from| self.first_public_room(from),
            |room| self.is_joined(user, room),
        );
        Ok(found?.is_some())
    }

    fn first_public_room(&self, from: RoomNum) -> Result<Option<RoomNum>, RoomError> {
        let end = RoomNum(u32::MAX);
        let mut rows = self
            .view()
            .range(&PUBLIC_ROOMS, &from, &end, Direction::Forward);
        Ok(rows.next().transpose()?.map(|(room, _)| room))
    }
}
