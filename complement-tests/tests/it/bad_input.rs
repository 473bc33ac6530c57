//! Bad input at every route that the server says it has.

use heliograph_complement::{Answer, Client, Route, TestServer, path, routes};
use serde_json::json;

/// Ends sessions, and is left alone where the token must go on working.
fn ends_the_session(route: &Route) -> bool {
    route.path.contains("/logout")
}

/// A whole world: a user, a room and an event that exist.
struct World {
    server: TestServer,
    alice: Client,
    room: String,
    event: String,
}

impl World {
    async fn new() -> Self {
        let server = TestServer::usual().await;
        let alice = server.user("alice").await;
        let room = alice.create_public_room().await;
        let event = alice.say(&room, "here").await;
        Self {
            server,
            alice,
            room,
            event,
        }
    }

    fn good(&self, parameter: &str) -> String {
        match parameter {
            "roomId" | "roomIdOrAlias" => self.room.clone(),
            "roomAlias" => "#test:heliograph.test".to_owned(),
            "eventId" => self.event.clone(),
            "kind" => "underride".to_owned(),
            "userId" => self.alice.user_id.clone(),
            "deviceId" => self.alice.device_id.clone(),
            "receiptType" => "m.read".to_owned(),
            "keyName" => "displayname".to_owned(),
            "filterId" => "0".to_owned(),
            _ => "test.value".to_owned(),
        }
    }

    /// Demands an error of the client's, in the standard form.
    fn assert_refused(&self, answer: &Answer, what: &str) {
        assert!(
            (400..500).contains(&answer.status),
            "{what}: {} {}",
            answer.status,
            answer.text
        );
        self.assert_standard(answer, what);
    }

    /// Demands that an answer is none of the server's failures.
    fn assert_standard(&self, answer: &Answer, what: &str) {
        assert!(
            answer.status < 500,
            "{what}: {} {}",
            answer.status,
            answer.text
        );
        // Interactive authentication asks in a form of its own.
        let asks = answer.status == 401 && answer.body["flows"].is_array();
        if answer.status >= 400 && !asks {
            let both = answer.body["errcode"].is_string() && answer.body["error"].is_string();
            assert!(both, "API-02: {what}: {}", answer.text);
        }
    }

    /// The server still works, and nothing panicked.
    async fn end(mut self) {
        assert!(self.server.is_alive(), "the server ended");
        self.server.assert_no_panic();
        self.alice.say(&self.room, "still here").await;
    }
}

fn nested(depth: usize) -> Vec<u8> {
    format!("{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth)).into_bytes()
}

#[tokio::test]
async fn every_route_refuses_bodies_that_are_not_what_they_should_be() {
    let world = World::new().await;
    let routes = routes();
    assert!(
        routes.len() > 40,
        "the route table is there: {}",
        routes.len()
    );
    for route in routes.iter().filter(|route| route.takes_a_body()) {
        let to = route.filled(|name| world.good(name));
        let not_json: [(&[u8], &str); 6] = [
            (b"{", "torn"),
            (b"{\"a\":1}x", "trailing"),
            (b"hello", "a word"),
            (b"{\"a\":\"\xff\xfe\"}", "not UTF-8"),
            (b"{\"a\":NaN}", "NaN"),
            (b"\0", "a NUL"),
        ];
        for (body, kind) in not_json {
            let what = format!("API-01: {} {to} with {kind}", route.method);
            let answer = world
                .alice
                .raw(&route.method, &to, Some(body.to_vec()))
                .await;
            world.assert_refused(&answer, &what);
            if answer.status == 400 {
                answer.refused(400, "M_NOT_JSON", &what);
            }
        }
        for body in ["[]", "null", "\"x\"", "7", "true"] {
            let what = format!("API-01: {} {to} with {body}", route.method);
            let answer = world.alice.raw(&route.method, &to, Some(body.into())).await;
            world.assert_refused(&answer, &what);
            if answer.status == 400 {
                answer.refused(400, "M_BAD_JSON", &what);
            }
        }
        for (depth, limit) in [(2_000, "deep"), (100_000, "very deep")] {
            let what = format!("APX-11: {} {to} with {limit} JSON", route.method);
            let answer = world
                .alice
                .raw(&route.method, &to, Some(nested(depth)))
                .await;
            world.assert_refused(&answer, &what);
        }
        for size in [1 << 20, 3 << 20] {
            let huge = format!("{{\"a\":\"{}\"}}", "x".repeat(size));
            // The server may end the connection rather than read all of it.
            let once = world.server.client().with_token(&world.alice.token);
            let what = format!("{} {to} with {size} bytes and more", route.method);
            let answer = once.raw(&route.method, &to, Some(huge.into_bytes())).await;
            answer.refused(413, "M_TOO_LARGE", &what);
        }
    }
    world.end().await;
}

#[tokio::test]
async fn every_route_survives_members_of_the_wrong_type() {
    let world = World::new().await;
    let names = [
        "username",
        "password",
        "auth",
        "identifier",
        "user",
        "type",
        "device_id",
        "user_id",
        "reason",
        "name",
        "topic",
        "preset",
        "invite",
        "initial_state",
        "power_level_content_override",
        "creation_content",
        "room_version",
        "is_direct",
        "displayname",
        "avatar_url",
        "display_name",
        "devices",
        "typing",
        "timeout",
        "m.fully_read",
        "m.read",
        "thread_id",
        "room",
        "event_fields",
        "membership",
        "users",
        "redacts",
        "nonce",
        "mac",
        "admin",
    ];
    let values = [
        json!(null),
        json!(true),
        json!(-1),
        json!(1.5),
        json!(9_007_199_254_740_993_i64),
        json!(""),
        json!("\u{0}"),
        json!("x".repeat(20_000)),
        json!([]),
        json!([null]),
        json!({}),
        json!({ "a": [{}] }),
        json!({ "type": 7 }),
    ];
    for route in routes()
        .iter()
        .filter(|route| route.takes_a_body() && !ends_the_session(route))
    {
        // These would change who alice is, or what her room is.
        if route.path.ends_with("/leave") || route.path.ends_with("/forget") {
            continue;
        }
        let to = route.filled(|name| world.good(name));
        for value in &values {
            let all = names.iter().map(|name| ((*name).to_owned(), value.clone()));
            let answer = world
                .alice
                .request(&route.method, &to, Some(all.collect()))
                .await;
            world.assert_standard(&answer, &format!("{} {to}, all {value:.60}", route.method));
            let who = world.alice.get(&path(&["account", "whoami"])).await;
            who.ok(&format!(
                "the session after {} {to} with {value:.60}",
                route.method
            ));
        }
    }
    world.end().await;
}

#[tokio::test]
async fn every_route_survives_ids_and_parameters_that_are_none() {
    let world = World::new().await;
    let odd = [
        "",
        "x",
        "!",
        "@",
        "$",
        "#",
        "!:",
        "@:",
        "@a:b:c:d",
        "!room",
        "\u{0}",
        "/",
        "%",
        "💥",
        "..",
        "-1",
        "99999999999999999999999",
        "@\u{202e}:heliograph.test",
    ];
    let mut odd: Vec<String> = odd.iter().map(|&text| text.to_owned()).collect();
    odd.extend([
        format!("!{}:heliograph.test", "r".repeat(300)),
        "x".repeat(5_000),
    ]);
    odd.extend(
        [
            "!unknown:heliograph.test",
            "@unknown:heliograph.test",
            "$unknown",
        ]
        .map(str::to_owned),
    );
    for route in routes().iter().filter(|route| !ends_the_session(route)) {
        let body = route.takes_a_body().then(|| json!({}));
        if route.path.contains('{') {
            for text in &odd {
                let to = route.filled(|_| text.clone());
                let answer = world.alice.request(&route.method, &to, body.clone()).await;
                world.assert_standard(&answer, &format!("{} {to:.200}", route.method));
            }
        }
        if route.method != "GET" {
            continue;
        }
        let to = route.filled(|name| world.good(name));
        for parameter in [
            "since",
            "from",
            "to",
            "limit",
            "timeout",
            "dir",
            "filter",
            "at",
            "membership",
            "username",
            "token",
            "format",
            "full_state",
        ] {
            for value in [
                "",
                "-1",
                "1.5",
                "99999999999999999999",
                "%00",
                "%FF",
                "null",
                "%7B",
                "%7B%22room%22%3A7%7D",
                "s1_AAAA",
                "%F0%9F%92%A5",
            ] {
                // A dir keeps /messages from refusing before it looks at the rest.
                let dir = if parameter == "dir" { "" } else { "dir=b&" };
                let to = format!("{to}?{dir}{parameter}={value}");
                let answer = world.alice.request("GET", &to, None).await;
                world.assert_standard(&answer, &to);
            }
        }
    }
    world.end().await;
}

#[tokio::test]
async fn every_route_that_needs_a_token_asks_for_one_of_its_own() {
    let world = World::new().await;
    let gone = world.server.client().login("alice").await;
    gone.post(&path(&["logout"]), json!({})).await.ok("AUT-18");
    let long = "x".repeat(4_000);
    for route in routes().iter().filter(|route| route.auth == "device") {
        let to = route.filled(|name| world.good(name));
        let body = route.takes_a_body().then(|| json!({}));
        let what = format!("API-08: {} {to}", route.method);
        let without = world
            .server
            .client()
            .request(&route.method, &to, body.clone())
            .await;
        without.refused(401, "M_MISSING_TOKEN", &what);
        for token in [&gone.token, "x", &long, "a.b.c", "💥"] {
            let client = world.alice.with_token(token);
            let answer = client.request(&route.method, &to, body.clone()).await;
            world.assert_refused(&answer, &what);
            assert_eq!(answer.status, 401, "{what}: {}", answer.text);
        }
    }
    world.end().await;
}
