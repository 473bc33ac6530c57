//! A device of a user, or somebody without a token.

use std::{
    fmt::Write as _,
    sync::{
        Arc, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use reqwest::Method;
use serde_json::{Value, json};

use crate::Answer;

/// How long an answer may take, beyond what a long-poll asks for.
const PATIENCE: Duration = Duration::from_mins(2);

/// The path of a client endpoint: `/_matrix/client/v3`, and each segment percent-encoded.
pub fn path(segments: &[&str]) -> String {
    let mut path = String::from("/_matrix/client/v3");
    for segment in segments {
        path.push('/');
        path.push_str(&encoded(segment));
    }
    path
}

/// A text, percent-encoded for a path or a query.
pub(crate) fn encoded(text: &str) -> String {
    let mut encoded = String::new();
    for &byte in text.as_bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            write!(encoded, "%{byte:02X}").expect("writing to a string works");
        }
    }
    encoded
}

/// A client. Copies are the same device.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    base: Arc<RwLock<String>>,
    transactions: Arc<AtomicU64>,
    /// The access token; empty for somebody without.
    pub token: String,
    /// The user's full id.
    pub user_id: String,
    /// The device's id.
    pub device_id: String,
}

impl Client {
    pub(crate) fn new(base: Arc<RwLock<String>>) -> Self {
        let http = reqwest::Client::builder()
            .timeout(PATIENCE)
            .no_proxy()
            .build()
            .expect("a client of HTTP");
        Self {
            http,
            base,
            transactions: Arc::default(),
            token: String::new(),
            user_id: String::new(),
            device_id: String::new(),
        }
    }

    /// The same user with another token.
    #[must_use]
    pub fn with_token(&self, token: &str) -> Self {
        Self {
            token: token.to_owned(),
            ..self.clone()
        }
    }

    /// A request as it is, with an error if no answer came.
    pub async fn attempt(
        &self,
        method: &Method,
        path: &str,
        body: Option<Vec<u8>>,
        headers: &[(&str, &str)],
    ) -> Result<Answer, reqwest::Error> {
        let url = format!("{}{path}", self.base.read().expect("not poisoned"));
        let mut request = self.http.request(method.clone(), url);
        if !self.token.is_empty() {
            request = request.header("Authorization", format!("Bearer {}", self.token));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.body(body);
        }
        let response = request.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await?;
        let body = serde_json::from_str(&text).unwrap_or(Value::Null);
        Ok(Answer {
            status,
            headers,
            body,
            text,
        })
    }

    /// A request with any bytes as its body.
    pub async fn raw(&self, method: &str, path: &str, body: Option<Vec<u8>>) -> Answer {
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        let answer = self.attempt(&method, path, body, &[]).await;
        answer.unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }

    /// A request with or without a JSON body.
    pub async fn request(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        let body = body.map(|body| body.to_string().into_bytes());
        self.raw(method, path, body).await
    }

    /// `GET`
    pub async fn get(&self, path: &str) -> Answer {
        self.request("GET", path, None).await
    }

    /// `PUT`
    pub async fn put(&self, path: &str, body: Value) -> Answer {
        self.request("PUT", path, Some(body)).await
    }

    /// `POST`
    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.request("POST", path, Some(body)).await
    }

    /// The text at a whole address, which must be 200.
    pub async fn get_text(&self, url: &str) -> String {
        let answer = self.http.get(url).send().await.expect("an answer");
        assert_eq!(answer.status().as_u16(), 200, "{url}");
        answer.text().await.expect("a text")
    }

    /// A transaction id that this device has not used.
    pub fn transaction(&self) -> String {
        format!("t{}", self.transactions.fetch_add(1, Ordering::Relaxed))
    }

    /// Registers a user whose password is [`Self::password_of`].
    #[must_use]
    pub async fn register(&self, localpart: &str) -> Self {
        let body = json!({
            "username": localpart,
            "password": Self::password_of(localpart),
            "auth": { "type": "m.login.dummy" },
        });
        let answer = self.post(&path(&["register"]), body).await;
        self.logged_in(&answer.ok("AUT-24: registering"))
    }

    /// The password that [`Self::register`] gives.
    pub fn password_of(localpart: &str) -> String {
        format!("password of {localpart}")
    }

    /// Logs in on a new device.
    #[must_use]
    pub async fn login(&self, localpart: &str) -> Self {
        let answer = self
            .post(&path(&["login"]), Self::login_body(localpart))
            .await;
        self.logged_in(&answer.ok("AUT-06: logging in"))
    }

    /// The body of a login that must work.
    pub fn login_body(localpart: &str) -> Value {
        json!({
            "type": "m.login.password",
            "identifier": { "type": "m.id.user", "user": localpart },
            "password": Self::password_of(localpart),
        })
    }

    /// Comes in as a guest.
    #[must_use]
    pub async fn guest(&self) -> Self {
        let at = path(&["register"]) + "?kind=guest";
        let answer = self.post(&at, json!({})).await;
        self.logged_in(&answer.ok("AUT-47: coming in as a guest"))
    }

    /// The device that an answer to a registration or a login gives.
    #[must_use]
    pub fn logged_in(&self, answer: &Value) -> Self {
        let text = |key: &str| answer[key].as_str().expect(key).to_owned();
        Self {
            transactions: Arc::default(),
            token: text("access_token"),
            user_id: text("user_id"),
            device_id: text("device_id"),
            ..self.clone()
        }
    }
}
