//! Answers, and what is demanded of them.

use reqwest::header::HeaderMap;
use serde_json::Value;

/// An answer of the server, read whole.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body as JSON; `null` if it is none.
    pub body: Value,
    /// The body as it came.
    pub text: String,
}

impl Answer {
    /// The body of an answer that must be 200.
    #[track_caller]
    pub fn ok(self, what: &str) -> Value {
        assert_eq!(self.status, 200, "{what}: {}", self.text);
        self.body
    }

    /// Demands an error with this status and `errcode`.
    #[track_caller]
    pub fn refused(&self, status: u16, errcode: &str, what: &str) {
        let given = (self.status, self.body["errcode"].as_str());
        assert_eq!(given, (status, Some(errcode)), "{what}: {}", self.text);
        assert!(self.body["error"].is_string(), "API-02: {what} has no text");
    }

    /// A header as text; empty if it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or("")
    }
}

/// The ids of a list of events.
pub fn event_ids(events: &Value) -> Vec<String> {
    let events = events.as_array().map_or(&[][..], Vec::as_slice);
    events
        .iter()
        .map(|event| event["event_id"].as_str().expect("an event id").to_owned())
        .collect()
}
