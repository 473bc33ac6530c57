//! Requests to a server under measurement.

use std::{
    hash::{DefaultHasher, Hash as _, Hasher as _},
    time::Duration,
};

use reqwest::Method;
use serde_json::{Value, json};

use crate::Result;

/// No answer may take longer, on whatever machine.
const PATIENCE: Duration = Duration::from_mins(2);

/// Somebody with an account.
#[derive(Clone, Debug)]
pub(crate) struct User {
    /// The access token.
    pub(crate) token: String,
    /// The full user id.
    pub(crate) id: String,
}

impl User {
    /// The account that an answer to a registration tells of.
    pub(crate) fn of(answer: &Value) -> Result<Self> {
        Ok(Self {
            token: text(answer, "access_token")?,
            id: text(answer, "user_id")?,
        })
    }
}

/// Words of messages.
const WORDS: &str = "about after again always because before better between bring called change \
    come could every family first found friend going great group house important keep know large \
    later letter little long look maybe meeting minute money moment morning never night number \
    often other paper people perhaps place please point problem question really right school \
    should small something start station still street their there think thought today together \
    tomorrow tonight train understand until water week where which whole without word world \
    would write year yesterday young";

/// Sixteen words, about a hundred characters, other ones for each name: a store compresses texts
/// that repeat to nothing.
fn message(name: &str) -> String {
    let words: Vec<&str> = WORDS.split(' ').collect();
    let mut hasher = DefaultHasher::new();
    let mut text = String::new();
    for _ in 0..16 {
        name.hash(&mut hasher);
        let index = usize::try_from(hasher.finish() >> 33).unwrap_or_default() % words.len();
        text.push_str(words.get(index).copied().unwrap_or_default());
        text.push(' ');
    }
    text.trim_end().to_owned()
}

/// A text of a JSON object.
pub(crate) fn text(answer: &Value, key: &str) -> Result<String> {
    let found = answer.get(key).and_then(Value::as_str);
    Ok(found.ok_or_else(|| format!("no {key} in {answer}"))?.into())
}

/// Connections to one server.
#[derive(Clone, Debug)]
pub(crate) struct Http {
    client: reqwest::Client,
    base: String,
}

impl Http {
    /// For the server at `base`, such as `http://127.0.0.1:8008`.
    pub(crate) fn new(base: &str) -> Result<Self> {
        let client = reqwest::Client::builder().timeout(PATIENCE).no_proxy();
        Ok(Self {
            client: client.build()?,
            base: base.to_owned(),
        })
    }

    /// Sends a request, demands a 200, and gives the body as it is.
    pub(crate) async fn bytes(
        &self,
        method: Method,
        path: &str,
        token: &str,
        body: Option<Value>,
    ) -> Result<Vec<u8>> {
        let mut request = self
            .client
            .request(method.clone(), format!("{}{path}", self.base));
        if !token.is_empty() {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request
                .header("Content-Type", "application/json")
                .body(body.to_string());
        }
        let answer = request.send().await?;
        let status = answer.status();
        let body = answer.bytes().await?;
        if status != reqwest::StatusCode::OK {
            let body = String::from_utf8_lossy(&body);
            return Err(format!("{method} {path}: {status} {body}").into());
        }
        Ok(body.to_vec())
    }

    /// `GET`
    pub(crate) async fn get(&self, user: &User, path: &str) -> Result<Value> {
        let body = self.bytes(Method::GET, path, &user.token, None).await?;
        Ok(serde_json::from_slice(&body)?)
    }

    /// `POST`; without a token if it is empty.
    pub(crate) async fn post(&self, token: &str, path: &str, body: Value) -> Result<Value> {
        let body = self.bytes(Method::POST, path, token, Some(body)).await?;
        Ok(serde_json::from_slice(&body)?)
    }

    /// Makes a room that everybody may join, and gives its id.
    pub(crate) async fn create_room(&self, user: &User) -> Result<String> {
        let body = json!({ "preset": "public_chat", "name": "A room" });
        let answer = self
            .post(&user.token, "/_matrix/client/v3/createRoom", body)
            .await?;
        text(&answer, "room_id")
    }

    /// Joins a room.
    pub(crate) async fn join(&self, user: &User, room: &str) -> Result<()> {
        let path = format!("/_matrix/client/v3/rooms/{room}/join");
        self.post(&user.token, &path, json!({})).await?;
        Ok(())
    }

    /// Sends a message of about 100 characters and gives the event's id.
    pub(crate) async fn send(&self, user: &User, room: &str, transaction: &str) -> Result<String> {
        let path = format!("/_matrix/client/v3/rooms/{room}/send/m.room.message/{transaction}");
        let body = json!({ "msgtype": "m.text", "body": message(transaction) });
        let body = self
            .bytes(Method::PUT, &path, &user.token, Some(body))
            .await?;
        text(&serde_json::from_slice(&body)?, "event_id")
    }

    /// Syncs, from the beginning if there is no token.
    pub(crate) async fn sync(
        &self,
        user: &User,
        since: Option<&str>,
        timeout_ms: u32,
    ) -> Result<Value> {
        let since = since.map(|since| format!("&since={since}"));
        let since = since.unwrap_or_default();
        let path = format!("/_matrix/client/v3/sync?timeout={timeout_ms}{since}");
        self.get(user, &path).await
    }
}
