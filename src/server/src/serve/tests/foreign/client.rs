//! A device of a user of the server under test.

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::{Value, json};

/// A state: (type, state key) → event id.
pub(super) type State = BTreeMap<(String, String), String>;

#[derive(Clone)]
pub(super) struct Client {
    http: reqwest::Client,
    base: String,
    token: String,
    pub(super) user_id: String,
}

impl Client {
    /// Registers a user on the server at `base`.
    pub(super) async fn register(base: &str, localpart: &str) -> Self {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let mut client = Self {
            http,
            base: base.to_owned(),
            token: String::new(),
            user_id: String::new(),
        };
        let body = json!({
            "username": localpart,
            "password": "a long password",
            "auth": { "type": "m.login.dummy" },
        });
        let answer = client.call(Method::POST, "register", &[], Some(body)).await;
        client.token = text(&answer["access_token"]);
        client.user_id = text(&answer["user_id"]);
        client
    }

    /// The answer to a request, which must be granted.
    async fn call(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, String)],
        body: Option<Value>,
    ) -> Value {
        let url = format!("{}/_matrix/client/v3/{path}", self.base);
        let mut request = self.http.request(method, url).query(query);
        if !self.token.is_empty() {
            request = request.bearer_auth(&self.token);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        let body: Value = answer.json().await.unwrap();
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    pub(super) async fn post(&self, path: &str, body: Value) -> Value {
        self.call(Method::POST, path, &[], Some(body)).await
    }

    pub(super) async fn put(&self, path: &str, body: Value) -> Value {
        self.call(Method::PUT, path, &[], Some(body)).await
    }

    pub(super) async fn sync(&self, query: &[(&str, String)]) -> Value {
        self.call(Method::GET, "sync", query, None).await
    }

    /// The current state, as `GET /state` tells it.
    pub(super) async fn state(&self, room: &str) -> State {
        let path = format!("rooms/{room}/state");
        let answer = self.call(Method::GET, &path, &[], None).await;
        let events = answer.as_array().unwrap().iter();
        events.map(|event| state_entry(event).unwrap()).collect()
    }

    /// A page of `/messages`: the ids, and where the next page begins.
    pub(super) async fn page(
        &self,
        room: &str,
        dir: &str,
        from: Option<&str>,
        limit: usize,
    ) -> (Vec<String>, Option<String>) {
        let mut query = vec![("dir", dir.to_owned()), ("limit", limit.to_string())];
        query.extend(from.map(|from| ("from", from.to_owned())));
        let path = format!("rooms/{room}/messages");
        let answer = self.call(Method::GET, &path, &query, None).await;
        let end = answer["end"].as_str().map(str::to_owned);
        (ids(&answer["chunk"]), end)
    }

    /// The whole timeline by `/messages`, oldest first.
    pub(super) async fn all(&self, room: &str, dir: &str, limit: usize) -> Vec<String> {
        let (mut all, mut from) = (Vec::new(), None);
        loop {
            let (page, end) = self.page(room, dir, from.as_deref(), limit).await;
            all.extend(page);
            if end.is_none() {
                break;
            }
            from = end;
        }
        if dir == "b" {
            all.reverse();
        }
        all
    }
}

/// A string that must be there.
pub(super) fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// The ids of a list of events.
pub(super) fn ids(events: &Value) -> Vec<String> {
    let events = events.as_array().into_iter().flatten();
    events.map(|event| text(&event["event_id"])).collect()
}

/// What a state event sets.
pub(super) fn state_entry(event: &Value) -> Option<((String, String), String)> {
    let key = event["state_key"].as_str()?.to_owned();
    Some(((text(&event["type"]), key), text(&event["event_id"])))
}
