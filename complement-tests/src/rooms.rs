//! What clients do with rooms, in one call each; these must work.

use serde_json::{Value, json};

use crate::{Client, client::path};

impl Client {
    /// Creates a room and gives its id.
    pub async fn create_room(&self, body: Value) -> String {
        let answer = self.post(&path(&["createRoom"]), body).await;
        text(&answer.ok("ROM-01: creating a room"), "room_id")
    }

    /// Creates a room that everybody may join.
    pub async fn create_public_room(&self) -> String {
        self.create_room(json!({ "preset": "public_chat" })).await
    }

    /// Joins a room.
    pub async fn join(&self, room: &str) {
        let answer = self.post(&path(&["join", room]), json!({})).await;
        answer.ok("ROM-14: joining");
    }

    /// Leaves a room or refuses an invite.
    pub async fn leave(&self, room: &str) {
        let answer = self.post(&path(&["rooms", room, "leave"]), json!({})).await;
        answer.ok("ROM-24: leaving");
    }

    /// Invites, kicks, bans or unbans a user.
    pub async fn act_on(&self, action: &str, room: &str, user: &str) {
        let body = json!({ "user_id": user, "reason": format!("a reason to {action}") });
        let answer = self.post(&path(&["rooms", room, action]), body).await;
        answer.ok(&format!("ROM-26: {action}"));
    }

    /// Invites a user.
    pub async fn invite(&self, room: &str, user: &str) {
        self.act_on("invite", room, user).await;
    }

    /// Sends a text and gives the event's id.
    pub async fn say(&self, room: &str, body: &str) -> String {
        let content = json!({ "msgtype": "m.text", "body": body });
        self.send(room, "m.room.message", content).await
    }

    /// Sends an event and gives its id.
    pub async fn send(&self, room: &str, kind: &str, content: Value) -> String {
        let path = path(&["rooms", room, "send", kind, &self.transaction()]);
        let answer = self.put(&path, content).await;
        text(&answer.ok("EVT-01: sending"), "event_id")
    }

    /// Sets state and gives the event's id.
    pub async fn set_state(&self, room: &str, kind: &str, key: &str, content: Value) -> String {
        let path = path(&["rooms", room, "state", kind, key]);
        let answer = self.put(&path, content).await;
        text(&answer.ok("EVT-03: setting state"), "event_id")
    }

    /// The content of a state event.
    pub async fn state(&self, room: &str, kind: &str, key: &str) -> Value {
        let answer = self.get(&path(&["rooms", room, "state", kind, key])).await;
        answer.ok("EVT-16: reading state")
    }

    /// Redacts an event and gives the id of the redaction.
    pub async fn redact(&self, room: &str, event: &str) -> String {
        let path = path(&["rooms", room, "redact", event, &self.transaction()]);
        let answer = self.put(&path, json!({ "reason": "a reason" })).await;
        text(&answer.ok("EVT-23: redacting"), "event_id")
    }

    /// An event as this user sees it.
    pub async fn event(&self, room: &str, event: &str) -> Value {
        let answer = self.get(&path(&["rooms", room, "event", event])).await;
        answer.ok("EVT-14: reading an event")
    }

    /// A page of history. `rest` is the rest of the query, such as `&limit=5`.
    pub async fn messages(&self, room: &str, dir: &str, rest: &str) -> Value {
        let path = format!("{}?dir={dir}{rest}", path(&["rooms", room, "messages"]));
        self.get(&path).await.ok("EVT-18: reading history")
    }

    /// All history that this user sees, page by page, in one direction.
    pub async fn whole_history(&self, room: &str, dir: &str, limit: usize) -> Vec<Value> {
        let mut events = Vec::new();
        let mut from = String::new();
        loop {
            let page = self
                .messages(room, dir, &format!("&limit={limit}{from}"))
                .await;
            events.extend(page["chunk"].as_array().expect("a chunk").iter().cloned());
            match page["end"].as_str() {
                Some(end) => from = format!("&from={end}"),
                None => return events,
            }
        }
    }

    /// A sync. `rest` is the query, such as `since=…&timeout=0`.
    pub async fn sync(&self, rest: &str) -> Value {
        let path = format!("{}?{rest}", path(&["sync"]));
        self.get(&path).await.ok("SYN-10: syncing")
    }

    /// A sync that waits until it is woken.
    pub async fn sync_since(&self, since: &str) -> Value {
        self.sync(&format!("since={since}&timeout=30000")).await
    }

    /// The token of where this user's rooms stand now.
    pub async fn sync_token(&self) -> String {
        text(&self.sync("timeout=0").await, "next_batch")
    }

    /// Syncs from `since` until an answer satisfies `wanted`; gives that answer.
    pub async fn sync_until(&self, since: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let mut since = since.to_owned();
        for _ in 0..50 {
            let answer = self.sync(&format!("since={since}&timeout=10000")).await;
            if wanted(&answer) {
                return answer;
            }
            since = text(&answer, "next_batch");
        }
        panic!(
            "50 syncs of {} did not bring what was awaited",
            self.user_id
        );
    }

    /// Marks an event as read by a receipt.
    pub async fn receipt(&self, room: &str, kind: &str, event: &str) {
        let answer = self
            .post(&path(&["rooms", room, "receipt", kind, event]), json!({}))
            .await;
        answer.ok("EPH-07: a receipt");
    }

    /// Starts or stops typing.
    pub async fn typing(&self, room: &str, typing: bool) {
        let path = path(&["rooms", room, "typing", &self.user_id]);
        let answer = self
            .put(&path, json!({ "typing": typing, "timeout": 30000 }))
            .await;
        answer.ok("EPH-05: typing");
    }

    /// The path of global account data.
    pub fn account_data_path(&self, kind: &str) -> String {
        path(&["user", &self.user_id, "account_data", kind])
    }

    /// The path of a room's account data.
    pub fn room_account_data_path(&self, room: &str, kind: &str) -> String {
        path(&["user", &self.user_id, "rooms", room, "account_data", kind])
    }

    /// Stores a filter and gives its id.
    pub async fn filter(&self, filter: Value) -> String {
        let answer = self
            .post(&path(&["user", &self.user_id, "filter"]), filter)
            .await;
        text(&answer.ok("SYN-01: storing a filter"), "filter_id")
    }
}

/// A member of an object that must be a string.
#[track_caller]
pub(crate) fn text(object: &Value, key: &str) -> String {
    let value = object[key].as_str();
    value
        .unwrap_or_else(|| panic!("no {key} in {object}"))
        .to_owned()
}
