//! What a client knows from the syncs that it was given.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// All that a client keeps.
#[derive(Debug, Default)]
pub(super) struct View {
    /// Where the last sync ended.
    pub(super) since: Option<String>,
    rooms: BTreeMap<String, Room>,
    invites: BTreeSet<String>,
    account_data: BTreeMap<String, Value>,
}

/// What a client keeps of a room that it is in.
#[derive(Debug, Default)]
struct Room {
    /// Events since the last gap, oldest first.
    timeline: Vec<String>,
    /// (Type, state key) → event.
    state: BTreeMap<(String, String), String>,
    /// (User, type, thread) → event.
    receipts: BTreeMap<(String, String, String), String>,
    account_data: BTreeMap<String, Value>,
    /// What was told last of each of these.
    told: BTreeMap<&'static str, Value>,
}

/// Sections of a room of which the last one told holds, as paths.
const LAST: [&str; 4] = [
    "/unread_notifications",
    "/unread_thread_notifications",
    "/summary/m.joined_member_count",
    "/summary/m.invited_member_count",
];

fn list<'a>(value: &'a Value, path: &str) -> impl Iterator<Item = &'a Value> {
    let list = value.pointer(path).and_then(Value::as_array);
    list.into_iter().flatten()
}

fn entries<'a>(value: &'a Value, path: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    let object = value.pointer(path).and_then(Value::as_object);
    object.into_iter().flatten()
}

fn text(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_default().to_owned()
}

impl View {
    /// Takes in an answer of `/sync`.
    pub(super) fn take(&mut self, answer: &Value) {
        self.since = Some(text(answer, "next_batch"));
        for event in list(answer, "/account_data/events") {
            let content = event["content"].clone();
            self.account_data.insert(text(event, "type"), content);
        }
        for (room_id, _) in entries(answer, "/rooms/leave") {
            self.rooms.remove(room_id);
            self.invites.remove(room_id);
        }
        for (room_id, _) in entries(answer, "/rooms/invite") {
            self.rooms.remove(room_id);
            self.invites.insert(room_id.clone());
        }
        for (room_id, delta) in entries(answer, "/rooms/join") {
            self.invites.remove(room_id);
            self.rooms.entry(room_id.clone()).or_default().take(delta);
        }
    }

    /// What a first sync tells otherwise.
    pub(super) fn difference(&self, fresh: &Self) -> Option<String> {
        if self.invites != fresh.invites {
            return Some(format!("invites: {:?}, {:?}", self.invites, fresh.invites));
        }
        if let Some(what) = differing(&self.account_data, &fresh.account_data) {
            return Some(format!("account data: {what}"));
        }
        let rooms: BTreeSet<_> = self.rooms.keys().collect();
        let others: BTreeSet<_> = fresh.rooms.keys().collect();
        if rooms != others {
            return Some(format!("rooms: {rooms:?}, {others:?}"));
        }
        let mut both = self.rooms.iter().zip(fresh.rooms.values());
        both.find_map(|((id, room), fresh)| Some(format!("{id}: {}", room.difference(fresh)?)))
    }
}

impl Room {
    fn take(&mut self, delta: &Value) {
        if delta["timeline"]["limited"] == true {
            self.timeline.clear();
        }
        for event in list(delta, "/state/events") {
            self.take_state(event);
        }
        for event in list(delta, "/timeline/events") {
            self.timeline.push(text(event, "event_id"));
            self.take_state(event);
        }
        for event in list(delta, "/account_data/events") {
            let content = event["content"].clone();
            self.account_data.insert(text(event, "type"), content);
        }
        for event in list(delta, "/ephemeral/events") {
            if event["type"] == "m.receipt" {
                self.take_receipts(&event["content"]);
            }
        }
        // Counts come together; of threads there may be none that is unread.
        if delta.pointer(LAST[0]).is_some() {
            self.told.remove(LAST[1]);
        }
        for path in LAST {
            if let Some(value) = delta.pointer(path) {
                self.told.insert(path, value.clone());
            }
        }
    }

    fn take_state(&mut self, event: &Value) {
        if event["state_key"].is_string() {
            let key = (text(event, "type"), text(event, "state_key"));
            self.state.insert(key, text(event, "event_id"));
        }
    }

    fn take_receipts(&mut self, content: &Value) {
        for (event, kinds) in entries(content, "") {
            for (kind, users) in entries(kinds, "") {
                for (user, receipt) in entries(users, "") {
                    let key = (user.clone(), kind.clone(), text(receipt, "thread_id"));
                    self.receipts.insert(key, event.clone());
                }
            }
        }
    }

    fn difference(&self, fresh: &Self) -> Option<String> {
        let newest = self.timeline.iter().rev();
        let same = newest.zip(fresh.timeline.iter().rev()).all(|(a, b)| a == b);
        if !same || self.timeline.is_empty() != fresh.timeline.is_empty() {
            return Some(format!(
                "timeline: {:?}, {:?}",
                self.timeline, fresh.timeline
            ));
        }
        let state = differing(&self.state, &fresh.state).map(|what| format!("state: {what}"));
        let receipts = || {
            let what = differing(&self.receipts, &fresh.receipts)?;
            Some(format!("receipts: {what}"))
        };
        let data = || {
            let what = differing(&self.account_data, &fresh.account_data)?;
            Some(format!("account data: {what}"))
        };
        let told = || {
            let what = differing(&self.told, &fresh.told)?;
            Some(format!("counts: {what}"))
        };
        state.or_else(receipts).or_else(data).or_else(told)
    }
}

/// The first entries by which two maps differ.
fn differing<K, V>(ours: &BTreeMap<K, V>, fresh: &BTreeMap<K, V>) -> Option<String>
where
    K: Ord + std::fmt::Debug,
    V: PartialEq + std::fmt::Debug,
{
    let keys: BTreeSet<_> = ours.keys().chain(fresh.keys()).collect();
    let first = keys
        .into_iter()
        .find(|key| ours.get(key) != fresh.get(key))?;
    let (ours, fresh) = (ours.get(first), fresh.get(first));
    Some(format!("{first:?}: {ours:?}, a first sync: {fresh:?}"))
}
