//! Clients that follow a room by `/sync` and fill the gaps by `/messages`.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, HashSet},
};

use serde_json::{Value, json};

use super::client::{Client, State, ids, state_entry, text};

/// Counts what is fed and what is asked: when something was read or came in.
#[derive(Debug, Default)]
pub(super) struct Clock(Cell<u64>);

impl Clock {
    pub(super) fn tick(&self) -> u64 {
        self.0.set(self.0.get() + 1);
        self.0.get()
    }
}

/// One reader of one room.
pub(super) struct Reader {
    client: Client,
    room: String,
    filter: String,
    /// Whether the state is asked for at the end of the timeline, instead of at its start.
    state_after: bool,
    since: Option<String>,
    /// What was told, in order: ids, and when they were asked for.
    seen: Vec<(String, u64)>,
    state: State,
    /// The ids of the last answer's timeline.
    news: HashSet<String>,
    /// Keys whose event cannot be told, with that event; see [`Self::follow`].
    untold: State,
}

impl Reader {
    pub(super) fn new(client: &Client, room: &str, limit: usize, state_after: bool) -> Self {
        let filter = json!({ "room": { "rooms": [room], "timeline": { "limit": limit } } });
        Self {
            client: client.clone(),
            room: room.to_owned(),
            filter: filter.to_string(),
            state_after,
            since: None,
            seen: Vec::new(),
            state: State::new(),
            news: HashSet::new(),
            untold: State::new(),
        }
    }

    /// Syncs once and fills the gap, if there is one.
    pub(super) async fn read(&mut self, clock: &Clock, timeout_ms: u32) {
        let mut query = vec![
            ("filter", self.filter.clone()),
            ("timeout", timeout_ms.to_string()),
            ("use_state_after", self.state_after.to_string()),
        ];
        query.extend(self.since.clone().map(|since| ("since", since)));
        let asked = clock.tick();
        let answer = self.client.sync(&query).await;
        self.since = Some(text(&answer["next_batch"]));
        let update = &answer["rooms"]["join"][&self.room];
        if !update.is_null() {
            self.take(update, asked).await;
        }
    }

    /// Syncs once while nothing changes; what was told of the state must then be the current one.
    ///
    /// Of a fork that went against the newer of two events of one timeline, `state` and the
    /// timeline, one after the other, cannot tell: those who must know ask for the state after the
    /// timeline.
    pub(super) async fn follow(&mut self, clock: &Clock) {
        self.news.clear();
        self.read(clock, 0).await;
        if self.state_after {
            return self.assert_state().await;
        }
        let current = self.client.state(&self.room).await;
        assert!(self.state.keys().eq(current.keys()));
        let mut untold = State::new();
        for (key, id) in current {
            let told = &self.state[&key];
            if *told == id {
                continue;
            }
            let known = self.news.contains(told) || self.untold.get(&key) == Some(&id);
            assert!(known, "{key:?} is {id}, and {told} was told");
            untold.insert(key, id);
        }
        self.untold = untold;
    }

    /// Asserts that the state that this reader was told is the current one.
    pub(super) async fn assert_state(&self) {
        assert_eq!(self.state, self.client.state(&self.room).await);
    }

    /// Reads by long-polls until an event has come.
    pub(super) async fn read_until(&mut self, clock: &Clock, last: &RefCell<Option<String>>) {
        loop {
            self.read(clock, 30_000).await;
            let last = last.borrow();
            let come = |id: &String| self.seen.iter().any(|(seen, _)| seen == id);
            if last.as_ref().is_some_and(come) {
                return;
            }
        }
    }

    async fn take(&mut self, update: &Value, asked: u64) {
        let timeline = &update["timeline"];
        if timeline["limited"] == true {
            let missed = self.fill(&text(&timeline["prev_batch"])).await;
            self.see(missed, asked);
        }
        let news = ids(&timeline["events"]);
        self.news.extend(news.iter().cloned());
        self.see(news, asked);
        let state = if self.state_after {
            "state_after"
        } else {
            "state"
        };
        let mut parts = vec![&update[state]["events"]];
        if !self.state_after {
            parts.push(&timeline["events"]);
        }
        for event in parts.into_iter().filter_map(Value::as_array).flatten() {
            if let Some((key, id)) = state_entry(event) {
                self.state.insert(key, id);
            }
        }
    }

    fn see(&mut self, events: Vec<String>, asked: u64) {
        self.seen.extend(events.into_iter().map(|id| (id, asked)));
    }

    /// What lies between `prev_batch` and the last event that this reader knows, oldest first.
    async fn fill(&self, prev_batch: &str) -> Vec<String> {
        let last = self.seen.last().map(|(id, _)| id);
        let (mut missed, mut from) = (Vec::new(), prev_batch.to_owned());
        loop {
            let (page, end) = self.client.page(&self.room, "b", Some(&from), 4).await;
            for id in page {
                if Some(&id) == last {
                    missed.reverse();
                    return missed;
                }
                missed.push(id);
            }
            match end {
                Some(end) => from = end,
                None => break,
            }
        }
        assert_eq!(last, None, "paging back leads to what was known");
        missed.reverse();
        missed
    }

    /// Asserts that this reader was told `order`, but for history that came in below what the
    /// reader knew already; `came` says when each event of that kind came.
    pub(super) fn assert_saw(&self, order: &[String], came: &BTreeMap<String, u64>, who: &str) {
        let seen: BTreeMap<&String, u64> = self.seen.iter().map(|(id, at)| (id, *at)).collect();
        assert_eq!(seen.len(), self.seen.len(), "{who}: no event twice");
        // When the reader first knew of anything from here on.
        let mut passed = u64::MAX;
        let mut expected = Vec::new();
        for id in order.iter().rev() {
            match seen.get(id) {
                Some(at) => passed = passed.min(*at),
                None => {
                    let later = came.get(id).is_some_and(|came| passed < *came);
                    assert!(later, "{who}: {id} was not told");
                    continue;
                }
            }
            expected.push(id);
        }
        expected.reverse();
        let told: Vec<&String> = self.seen.iter().map(|(id, _)| id).collect();
        assert_eq!(told, expected, "{who}: one order");
    }
}
