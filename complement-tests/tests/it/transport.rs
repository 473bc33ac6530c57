//! API-01 to API-21 and discovery.

use heliograph_complement::{Options, TestServer, path};
use reqwest::Method;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

#[tokio::test]
async fn bodies_that_are_not_json_or_of_the_wrong_shape_are_told_apart() {
    let server = TestServer::usual().await;
    let alice = server.user("alice").await;
    let create = path(&["createRoom"]);
    let torn = alice
        .raw("POST", &create, Some(b"{\"name\":".to_vec()))
        .await;
    torn.refused(400, "M_NOT_JSON", "API-01: a torn body");
    let wrong = alice.post(&create, json!({ "name": 5 })).await;
    wrong.refused(400, "M_BAD_JSON", "API-01: a name that is a number");
    let array = alice.post(&create, json!([])).await;
    array.refused(400, "M_BAD_JSON", "API-01: an array");
    assert_eq!(array.header("content-type"), "application/json", "API-04");
    // No Content-Type is sent by these clients at all.
    alice.create_room(json!({ "no such property": 1 })).await;
    let logout = alice.raw("POST", &path(&["logout"]), None).await;
    logout.ok("API-05: logging out without a body");
}

#[tokio::test]
async fn a_body_that_is_required_must_be_there() {
    let server = TestServer::usual().await;
    let alice = server.user("alice").await;
    for needs in [path(&["login"]), path(&["createRoom"])] {
        let empty = alice.raw("POST", &needs, None).await;
        empty.refused(400, "M_NOT_JSON", &format!("API-01: no body for {needs}"));
    }
}

#[tokio::test]
async fn unknown_paths_and_methods_are_unrecognized() {
    let server = TestServer::usual().await;
    let nobody = server.client();
    for unknown in [
        "/_matrix/client/v3/nothing",
        "/_matrix/federation/v9/nothing",
        "/_matrix/nothing",
    ] {
        let answer = nobody.get(unknown).await;
        answer.refused(404, "M_UNRECOGNIZED", "API-06: an unknown path");
        assert_eq!(answer.header("access-control-allow-origin"), "*", "API-15");
    }
    for known in [path(&["sync"]), "/_matrix/client/versions".to_owned()] {
        let answer = nobody.request("DELETE", &known, None).await;
        answer.refused(405, "M_UNRECOGNIZED", "API-06: a wrong method");
    }
}

#[tokio::test]
async fn parameters_and_tokens_are_checked() {
    let server = TestServer::usual().await;
    let alice = server.user("alice").await;
    let room = alice.create_public_room().await;
    let messages = path(&["rooms", &room, "messages"]);
    let missing = alice.get(&messages).await;
    missing.refused(400, "M_MISSING_PARAM", "API-07: no dir");
    let bad = alice.get(&format!("{messages}?dir=sideways")).await;
    bad.refused(400, "M_INVALID_PARAM", "API-07: a bad dir");
    let whoami = path(&["account", "whoami"]);
    let without = server.client().get(&whoami).await;
    without.refused(401, "M_MISSING_TOKEN", "API-08: no token");
    let unknown = alice.with_token("nonsense").get(&whoami).await;
    unknown.refused(401, "M_UNKNOWN_TOKEN", "API-08: an unknown token");
    let query = format!("{whoami}?access_token={}", alice.token);
    let by_query = server.client().get(&query).await;
    by_query.ok("API-09: a token in the query");
}

#[tokio::test]
async fn browsers_are_let_in_and_options_runs_nothing() {
    let server = TestServer::usual().await;
    let alice = server.user("alice").await;
    for path in [path(&["logout"]), path(&["sync"]), path(&["no", "such"])] {
        let answer = alice.request("OPTIONS", &path, None).await;
        assert!(
            [200, 204].contains(&answer.status),
            "API-14: OPTIONS {path}"
        );
        assert_eq!(answer.header("access-control-allow-origin"), "*", "API-14");
        for header in ["X-Requested-With", "Content-Type", "Authorization"] {
            let allowed = answer.header("access-control-allow-headers");
            assert!(allowed.contains(header), "API-15: {header}");
        }
    }
    let still = alice.get(&path(&["account", "whoami"])).await;
    still.ok("API-14: OPTIONS of /logout does not log out");
}

#[tokio::test]
async fn rate_limits_say_when_to_come_back() {
    let options = Options::new().set("rate_limits", "enabled", "true").set(
        "rate_limits",
        "send_per_user",
        "\"60 per minute, burst 3\"",
    );
    let server = TestServer::start(options).await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let room = alice.create_public_room().await;
    bob.join(&room).await;
    let mut refused = None;
    for number in 0..20 {
        let id = format!("many{number}");
        let path = path(&["rooms", &room, "send", "m.room.message", &id]);
        let answer = alice
            .put(&path, json!({ "msgtype": "m.text", "body": "x" }))
            .await;
        if answer.status != 200 {
            refused = Some(answer);
            break;
        }
    }
    let refused = refused.expect("API-11: 20 sends at a burst of 3 are too many");
    refused.refused(429, "M_LIMIT_EXCEEDED", "API-10");
    let seconds: u64 = refused
        .header("retry-after")
        .parse()
        .expect("API-10: Retry-After");
    assert!(seconds > 0, "API-10: Retry-After");
    assert!(
        refused.body["retry_after_ms"].is_u64(),
        "API-10: retry_after_ms"
    );
    bob.say(&room, "another user's limit is another").await;
}

#[tokio::test]
async fn a_repeated_transaction_gives_the_first_answer_also_at_once_and_after_a_restart() {
    let mut server = TestServer::usual().await;
    let alice = server.user("alice").await;
    let room = alice.create_public_room().await;
    let send = path(&["rooms", &room, "send", "m.room.message", "the same"]);
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..16 {
        let (alice, send) = (alice.clone(), send.clone());
        let body = json!({ "msgtype": "m.text", "body": format!("attempt {number}") });
        tasks.spawn(async move { alice.put(&send, body).await.ok("API-16: at once") });
    }
    let answers = tasks.join_all().await;
    assert!(
        answers.iter().all(|answer| *answer == answers[0]),
        "API-16: {answers:?}"
    );
    server.restart().await;
    let again = alice
        .put(&send, json!({ "msgtype": "m.text", "body": "later" }))
        .await;
    assert_eq!(again.ok("API-16"), answers[0], "API-16: after a restart");
    let sent = alice.whole_history(&room, "f", 100).await;
    let messages = sent
        .iter()
        .filter(|event| event["type"] == "m.room.message")
        .count();
    assert_eq!(messages, 1, "API-16: no second event");
    let second = server.client().login("alice").await;
    let other = second
        .put(&send, json!({ "msgtype": "m.text", "body": "other" }))
        .await;
    assert_ne!(other.ok("API-17"), answers[0], "API-17: another device");
    let target = answers[0]["event_id"].as_str().unwrap();
    let redact = path(&["rooms", &room, "redact", target, "the same"]);
    let redaction = alice.put(&redact, json!({})).await;
    assert_ne!(
        redaction.ok("API-17"),
        answers[0],
        "API-17: another endpoint"
    );
}

#[tokio::test]
async fn path_segments_are_decoded_once() {
    let server = TestServer::usual().await;
    let alice = server.user("alice").await;
    let room = alice.create_public_room().await;
    for key in ["a/b", "50%25", "a+b", "#x", "ключ", "%2F", " ", "?&="] {
        alice
            .set_state(&room, "test.key", key, json!({ "key": key }))
            .await;
        let content = alice.state(&room, "test.key", key).await;
        assert_eq!(content["key"], key, "API-18: the state key {key:?}");
    }
    alice
        .set_state(&room, "test.key", "", json!({ "key": "" }))
        .await;
    let bare = path(&["rooms", &room, "state", "test.key"]);
    for path in [bare.clone(), format!("{bare}/")] {
        let content = alice.get(&path).await.ok("API-19: the empty state key");
        assert_eq!(content["key"], "", "API-19: {path}");
    }
    let ignored = alice.get(&format!("{bare}?no_such_parameter=1")).await;
    ignored.ok("API-20: an unknown parameter");
}

#[tokio::test]
async fn clients_find_out_what_the_server_speaks() {
    let server = TestServer::usual().await;
    let nobody = server.client();
    let versions = nobody.get("/_matrix/client/versions").await.ok("DIS-05");
    assert!(
        versions["versions"]
            .as_array()
            .is_some_and(|all| !all.is_empty()),
        "DIS-05"
    );
    let well_known = nobody.get("/.well-known/matrix/client").await.ok("DIS-01");
    let url = &well_known["m.homeserver"]["base_url"];
    assert_eq!(url, "https://heliograph.test", "DIS-01");
    let health = nobody.raw("GET", "/health", None).await;
    assert_eq!(
        health.status, 200,
        "a running server is healthy: {}",
        health.text
    );
    let page = nobody.raw("GET", "/", None).await;
    assert!(
        page.header("content-type").starts_with("text/html"),
        "a page that welcomes"
    );
    let keys = nobody
        .get("/_matrix/key/v2/server")
        .await
        .ok("the server's keys");
    assert_eq!(keys["server_name"], "heliograph.test");
    let alice = server.user("alice").await;
    let capabilities = alice.get(&path(&["capabilities"])).await.ok("CAP-01");
    let versions = &capabilities["capabilities"]["m.room_versions"];
    assert_eq!(versions["default"], "12", "CAP-04");
    for version in 1..=12 {
        assert_eq!(
            versions["available"][version.to_string()],
            "stable",
            "CAP-01: {version}"
        );
    }
}

#[tokio::test]
async fn http_2_is_spoken() {
    let server = TestServer::usual().await;
    let client = reqwest::Client::builder()
        .http2_prior_knowledge()
        .build()
        .unwrap();
    let url = format!("{}/_matrix/client/versions", server.base());
    let answer = client.request(Method::GET, url).send().await.unwrap();
    assert_eq!(answer.version(), reqwest::Version::HTTP_2);
    assert_eq!(answer.status().as_u16(), 200);
}

/// Sends a request on a connection and gives the head of its answer.
async fn exchange(stream: &mut TcpStream, head: &str, body: &[u8]) -> std::io::Result<String> {
    let length = body.len();
    let head = format!("{head} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n");
    stream.write_all(&[head.as_bytes(), body].concat()).await?;
    let mut answer = Vec::new();
    loop {
        if stream.read_buf(&mut answer).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let text = String::from_utf8_lossy(&answer).into_owned();
        let Some((head, rest)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("content-length")
                .then(|| value.parse().ok())?
        });
        if rest.len() >= length.unwrap_or(0) {
            return Ok(head.to_owned());
        }
    }
}

#[tokio::test]
async fn a_connection_goes_on_after_a_request_that_was_refused_unread() {
    let server = TestServer::usual().await;
    let address = server.base().replace("http://", "");
    let mut stream = TcpStream::connect(&address).await.unwrap();
    for (head, status) in [
        ("PUT /_matrix/client/v3/nothing", "404"),
        ("PUT /_matrix/client/versions", "405"),
        ("POST /_matrix/client/v3/createRoom", "401"),
        ("POST /_matrix/client/v3/login", "413"),
    ] {
        for size in [10, 70_000, 3 << 20] {
            for _ in 0..5 {
                let what = format!("API-01: {head} with {size} bytes");
                let refused = exchange(&mut stream, head, &vec![b'x'; size]).await;
                let refused = refused.unwrap_or_else(|error| panic!("{what}: {error}"));
                let expected = if status == "413" && size < 1 << 20 {
                    "400"
                } else {
                    status
                };
                assert!(refused.contains(expected), "{what}: {refused}");
                let next = exchange(&mut stream, "GET /_matrix/client/versions", b"").await;
                let next = next.unwrap_or_else(|error| panic!("{what}, and then: {error}"));
                assert!(next.contains("200 OK"), "{what}, and then: {next}");
            }
        }
    }
    let huge = "POST /_matrix/client/v3/nothing HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999";
    stream
        .write_all(format!("{huge}\r\n\r\n").as_bytes())
        .await
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.contains("connection: close"), "API-01: {answer}");
}
