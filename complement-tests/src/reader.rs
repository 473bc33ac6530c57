//! A client that follows everything by `/sync` and fills the gaps.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::{Client, answer::event_ids, rooms::text};

/// What a user was told of each room's timeline, in order.
#[derive(Clone, Debug)]
pub struct Reader {
    /// Who reads.
    pub client: Client,
    /// Where the last sync ended.
    pub since: String,
    /// The ids of the events of each room, oldest first, since this reader began.
    pub seen: BTreeMap<String, Vec<String>>,
    filter: String,
}

impl Reader {
    /// A reader that begins now: what was before is not in [`Self::seen`].
    pub async fn begin(client: &Client, timeline_limit: usize) -> Self {
        let filter = json!({ "room": { "timeline": { "limit": timeline_limit } } });
        let filter = client.filter(filter).await;
        let since = client.sync_token().await;
        let client = client.clone();
        Self {
            client,
            since,
            seen: BTreeMap::new(),
            filter,
        }
    }

    /// The path of the next sync.
    pub fn next_path(&self, timeout: u32) -> String {
        let (since, filter) = (&self.since, &self.filter);
        let path = crate::path(&["sync"]);
        format!("{path}?since={since}&filter={filter}&timeout={timeout}")
    }

    /// Takes in an answer to [`Self::next_path`]; gives how many events were new. If a gap cannot
    /// be filled as the server is gone, nothing was taken in.
    pub async fn take(&mut self, answer: &Value) -> Option<usize> {
        let mut told = Vec::new();
        for (room, update) in answer["rooms"]["join"].as_object().into_iter().flatten() {
            let timeline = &update["timeline"];
            let mut events = Vec::new();
            if timeline["limited"] == true && self.seen.contains_key(room) {
                events = self.fill(room, &text(timeline, "prev_batch")).await?;
            }
            events.extend(event_ids(&timeline["events"]));
            told.push((room.clone(), events));
        }
        let mut new = 0;
        for (room, events) in told {
            new += events.len();
            self.seen.entry(room).or_default().extend(events);
        }
        self.since = text(answer, "next_batch");
        Some(new)
    }

    /// What lies between `prev_batch` and the last sync, oldest first.
    async fn fill(&self, room: &str, prev_batch: &str) -> Option<Vec<String>> {
        let mut events = Vec::new();
        let mut from = prev_batch.to_owned();
        loop {
            let base = crate::path(&["rooms", room, "messages"]);
            let to = &self.since;
            let path = format!("{base}?dir=b&limit=100&from={from}&to={to}");
            let page = self
                .client
                .attempt(&reqwest::Method::GET, &path, None, &[])
                .await;
            let page = page.ok()?.ok("SYN-13: filling a gap");
            events.extend(event_ids(&page["chunk"]));
            match page["end"].as_str() {
                Some(end) => end.clone_into(&mut from),
                None => break,
            }
        }
        events.reverse();
        Some(events)
    }

    /// Counts rooms as begun, so that their gaps are filled from here on.
    pub fn follow(&mut self, rooms: &[String]) {
        for room in rooms {
            self.seen.entry(room.clone()).or_default();
        }
    }

    /// Reads until there is nothing more.
    pub async fn catch_up(&mut self) {
        loop {
            let answer = self.client.get(&self.next_path(0)).await;
            let answer = answer.ok("SYN-19: a sync token goes on working");
            let before = self.since.clone();
            let new = self.take(&answer).await.expect("the server answers");
            if new == 0 && (self.since == before || answer["rooms"]["join"].is_null()) {
                return;
            }
        }
    }
}
