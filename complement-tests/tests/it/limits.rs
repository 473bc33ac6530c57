//! Strings, events and lists at their limit, and one past it.
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#size-limits>

use heliograph_complement::{Client, TestServer, path};
use serde_json::{Value, json};

/// A request with something of a size in it.
type Request<'a> = Box<dyn Fn(usize) -> (&'static str, String, Value) + 'a>;

/// What the size counts, the largest that is taken, the request, and the answer to one more.
type Limit<'a> = (&'static str, usize, Request<'a>, (u16, &'static str));

const TOO_LARGE: (u16, &str) = (413, "M_TOO_LARGE");
const INVALID: (u16, &str) = (400, "M_INVALID_PARAM");

#[tokio::test]
async fn every_string_is_taken_at_its_limit_and_refused_one_past_it() {
    let server = TestServer::usual().await;
    let alice = server.user("alice").await;
    let room = alice.create_public_room().await;
    let event = alice.say(&room, "something to point at").await;
    let strings = of_events(&alice, &room, &event);
    for limit in strings.into_iter().chain(of_accounts(&alice, &room)) {
        check(&alice, &limit).await;
    }
}

/// Demands that the limit is taken and one more is not.
async fn check(client: &Client, (what, limit, request, past): &Limit<'_>) {
    let (method, to, body) = request(*limit);
    let taken = client.request(method, &to, Some(body)).await;
    taken.ok(&format!("{what} of {limit}"));
    let (method, to, body) = request(*limit + 1);
    let refused = client.request(method, &to, Some(body)).await;
    let what = format!("{what} of {limit} and one");
    refused.refused(past.0, past.1, &what);
}

fn of_events<'a>(alice: &'a Client, room: &'a str, event: &'a str) -> Vec<Limit<'a>> {
    let room = move |rest: &[&str]| path(&[&["rooms", room], rest].concat());
    vec![
        (
            "EVT-11: an event's type",
            255,
            Box::new(move |size| {
                let to = room(&["send", &"t".repeat(size), &alice.transaction()]);
                ("PUT", to, json!({}))
            }),
            TOO_LARGE,
        ),
        (
            "EVT-11: an event's type, in letters of three bytes",
            85,
            Box::new(move |size| {
                let to = room(&["send", &"日".repeat(size), &alice.transaction()]);
                ("PUT", to, json!({}))
            }),
            TOO_LARGE,
        ),
        (
            "EVT-11: a state key",
            255,
            Box::new(move |size| {
                let to = room(&["state", "test.key", &"k".repeat(size)]);
                ("PUT", to, json!({}))
            }),
            TOO_LARGE,
        ),
        (
            "a transaction id",
            255,
            Box::new(move |size| {
                let to = room(&["send", "test.transaction", &"x".repeat(size)]);
                ("PUT", to, json!({}))
            }),
            INVALID,
        ),
        (
            "a redaction's transaction id",
            255,
            Box::new(move |size| {
                let to = room(&["redact", event, &"x".repeat(size)]);
                ("PUT", to, json!({}))
            }),
            INVALID,
        ),
        (
            "the thread of a receipt",
            255,
            Box::new(move |size| {
                let thread = format!("${}", "t".repeat(size - 1));
                let to = room(&["receipt", "m.read", event]);
                ("POST", to, json!({ "thread_id": thread }))
            }),
            INVALID,
        ),
    ]
}

fn of_accounts<'a>(alice: &'a Client, room: &'a str) -> Vec<Limit<'a>> {
    let own = move |rest: &[&str]| path(&[&["user", &*alice.user_id], rest].concat());
    let profile = move |field: &str| path(&["profile", &alice.user_id, field]);
    let registration = |name: String, password: String| {
        let auth = json!({ "type": "m.login.dummy" });
        let body = json!({ "username": name, "password": password, "auth": auth });
        ("POST", path(&["register"]), body)
    };
    vec![
        (
            "a user id",
            255,
            Box::new(move |size| {
                let name = "u".repeat(size - "@:heliograph.test".len());
                registration(name, "a long password".to_owned())
            }),
            (400, "M_INVALID_USERNAME"),
        ),
        (
            "a password",
            512,
            Box::new(move |size| registration(format!("user{size}"), "p".repeat(size))),
            TOO_LARGE,
        ),
        (
            "a device id",
            255,
            Box::new(|size| {
                let mut body = Client::login_body("alice");
                body["device_id"] = json!("d".repeat(size));
                ("POST", path(&["login"]), body)
            }),
            TOO_LARGE,
        ),
        (
            "a device's name, in characters",
            100,
            Box::new(|size| {
                let to = path(&["devices", &alice.device_id]);
                ("PUT", to, json!({ "display_name": "é".repeat(size) }))
            }),
            TOO_LARGE,
        ),
        (
            "a display name, in characters",
            256,
            Box::new(move |size| {
                let body = json!({ "displayname": "é".repeat(size) });
                ("PUT", profile("displayname"), body)
            }),
            TOO_LARGE,
        ),
        (
            "an avatar's URL",
            1000,
            Box::new(move |size| {
                let url = format!("mxc://x/{}", "a".repeat(size - "mxc://x/".len()));
                ("PUT", profile("avatar_url"), json!({ "avatar_url": url }))
            }),
            TOO_LARGE,
        ),
        (
            "a type of account data",
            255,
            Box::new(move |size| ("PUT", own(&["account_data", &"t".repeat(size)]), json!({}))),
            TOO_LARGE,
        ),
        (
            "a type of a room's account data",
            255,
            Box::new(move |size| {
                let to = own(&["rooms", room, "account_data", &"t".repeat(size)]);
                ("PUT", to, json!({}))
            }),
            TOO_LARGE,
        ),
        (
            "account data, in bytes of JSON",
            65_536,
            Box::new(move |size| {
                let content = json!({ "x": "x".repeat(size - "{\"x\":\"\"}".len()) });
                ("PUT", own(&["account_data", "test.large"]), content)
            }),
            TOO_LARGE,
        ),
        (
            "a filter, in bytes of JSON",
            16_384,
            Box::new(move |size| {
                let filter = json!({ "x": "x".repeat(size - "{\"x\":\"\"}".len()) });
                ("POST", own(&["filter"]), filter)
            }),
            TOO_LARGE,
        ),
    ]
}

#[tokio::test]
async fn an_event_has_65536_bytes_as_servers_exchange_it_and_not_one_more() {
    let server = TestServer::usual().await;
    let alice = server.user("alice").await;
    let room = alice.create_public_room().await;
    // Depths of two digits from here on, so that all events are alike but for their content.
    for number in 0..10 {
        alice.say(&room, &number.to_string()).await;
    }
    let send = |size: usize| {
        let to = path(&["rooms", &room, "send", "test.large", &alice.transaction()]);
        let (alice, body) = (&alice, json!({ "x": "y".repeat(size) }));
        async move { alice.put(&to, body).await }
    };
    send(1).await.ok("EVT-10: a small event");
    let largest = 65_536 - (newest_of_federation(&alice, &room).await.len() - 1);
    send(largest).await.ok("EVT-10: an event of 65,536 bytes");
    let exchanged = newest_of_federation(&alice, &room).await;
    assert_eq!(exchanged.len(), 65_536, "EVT-10: as servers exchange it");
    let larger = send(largest + 1).await;
    larger.refused(413, "M_TOO_LARGE", "EVT-10: an event of 65,537 bytes");
}

/// The newest event of a room in canonical JSON, as servers exchange it.
async fn newest_of_federation(client: &Client, room: &str) -> String {
    let filter = "filter=%7B%22event_format%22%3A%22federation%22%7D";
    let synced = client.sync(filter).await;
    let timeline = &synced["rooms"]["join"][room]["timeline"]["events"];
    let mut event = timeline.as_array().unwrap().last().unwrap().clone();
    let members = event.as_object_mut().unwrap();
    // Neither is part of what is exchanged.
    members.remove("unsigned");
    members.remove("event_id");
    event.to_string()
}

#[tokio::test]
async fn lists_and_depths_are_taken_at_their_limit_and_refused_one_past_it() {
    let server = TestServer::usual().await;
    let alice = server.user("alice").await;
    let room = alice.create_public_room().await;
    let nested = |depth: usize| {
        let (open, close) = ("{\"a\":".repeat(depth - 1), "}".repeat(depth - 1));
        format!("{open}{{}}{close}").into_bytes()
    };
    let state = path(&["rooms", &room, "state", "test.deep"]);
    let data = path(&["user", &alice.user_id, "account_data", "test.deep"]);
    // The event around a content is one of its hundred levels.
    for (what, to, deepest) in [
        ("an event's content", state, 99),
        ("account data", data, 100),
    ] {
        let taken = alice.raw("PUT", &to, Some(nested(deepest))).await;
        taken.ok(&format!("APX-11: {what}, {deepest} deep"));
        let refused = alice.raw("PUT", &to, Some(nested(deepest + 1))).await;
        let what = format!("APX-11: {what}, deeper than {deepest}");
        refused.refused(400, "M_BAD_JSON", &what);
    }
    let with_state = |count: usize| {
        let state: Vec<Value> = (0..count)
            .map(|key| json!({ "type": "test.state", "state_key": key.to_string(), "content": {} }))
            .collect();
        json!({ "initial_state": state })
    };
    let create = path(&["createRoom"]);
    let taken = alice.post(&create, with_state(100)).await;
    taken.ok("a room with 100 state events");
    let refused = alice.post(&create, with_state(101)).await;
    assert_eq!(
        refused.status, 400,
        "a room with 101 state events: {}",
        refused.text
    );
}
