//! Access tokens that run out, and refresh tokens.

use std::time::{Duration, Instant};

use heliograph_complement::{Answer, Client, Options, TestServer, path};
use serde_json::{Value, json};

/// Long enough for every test that is not about waiting.
const LONG: &str = "\"10 min\"";

async fn server(lifetime: &str) -> TestServer {
    let options = Options::new().set("sessions", "access_token_lifetime", lifetime);
    TestServer::start(options).await
}

async fn log_in(server: &TestServer, device_id: &str) -> Value {
    let mut body = Client::login_body("alice");
    (body["refresh_token"], body["device_id"]) = (json!(true), json!(device_id));
    let answer = server.client().post(&path(&["login"]), body).await;
    answer.ok("AUT-06: logging in with refresh_token")
}

async fn refresh(server: &TestServer, of: &Value) -> Answer {
    let body = json!({ "refresh_token": of["refresh_token"] });
    server.client().post(&path(&["refresh"]), body).await
}

async fn whoami(server: &TestServer, of: &Value) -> Answer {
    let token = of["access_token"].as_str().expect("an access token");
    let client = server.client().with_token(token);
    client.get(&path(&["account", "whoami"])).await
}

#[tokio::test]
async fn refresh_tokens_are_given_to_who_asks_for_them() {
    let server = server(LONG).await;
    let body = json!({ "username": "alice", "password": Client::password_of("alice"),
        "auth": { "type": "m.login.dummy" } });
    let plain = server.client().post(&path(&["register"]), body).await;
    let plain = plain.ok("AUT-25: without refresh_token");
    assert!(
        plain["refresh_token"].is_null() && plain["expires_in_ms"].is_null(),
        "AUT-25: nobody asked for it: {plain}"
    );
    let login = log_in(&server, "PHONE").await;
    assert!(login["refresh_token"].is_string(), "AUT-06: {login}");
    assert_eq!(login["expires_in_ms"], 600_000, "AUT-06");
    let body = json!({ "username": "bob", "refresh_token": true,
        "auth": { "type": "m.login.dummy" } });
    let made = server.client().post(&path(&["register"]), body).await;
    let made = made.ok("AUT-25");
    assert!(made["refresh_token"].is_string(), "AUT-25: {made}");
    assert_eq!(made["expires_in_ms"], 600_000, "AUT-25");
    let next = refresh(&server, &made).await.ok("AUT-14");
    whoami(&server, &next).await.ok("AUT-25: it is good");
}

#[tokio::test]
async fn a_refresh_token_is_good_until_the_next_pair_is_used() {
    let server = server(LONG).await;
    let _first_device = server.user("alice").await;
    let first = log_in(&server, "PHONE").await;
    // The answer is lost, and the client asks again, also after a restart.
    refresh(&server, &first).await.ok("AUT-14: a lost answer");
    let mut server = server;
    server.restart().await;
    let second = refresh(&server, &first).await.ok("AUT-14: asking again");
    for key in ["access_token", "refresh_token"] {
        assert!(second[key].is_string(), "AUT-14: {key}");
        assert_ne!(second[key], first[key], "AUT-14: {key} is new");
    }
    assert_eq!(second["expires_in_ms"], 600_000, "AUT-14");
    whoami(&server, &first)
        .await
        .ok("AUT-14: the new pair is not used yet");
    let me = whoami(&server, &second).await.ok("AUT-14");
    assert_eq!(me["device_id"], "PHONE", "AUT-14: the same device");
    let used = refresh(&server, &first).await;
    used.refused(
        401,
        "M_UNKNOWN_TOKEN",
        "AUT-17: after its successor was used",
    );
    let old = whoami(&server, &first).await;
    old.refused(401, "M_UNKNOWN_TOKEN", "AUT-14: the old access token");

    let third = refresh(&server, &second).await.ok("AUT-14");
    let fourth = refresh(&server, &third).await.ok("AUT-14");
    let used = refresh(&server, &second).await;
    used.refused(
        401,
        "M_UNKNOWN_TOKEN",
        "AUT-17: its successor was refreshed",
    );
    whoami(&server, &fourth).await.ok("AUT-14");

    let client = server.client();
    let body = json!({ "refresh_token": "nonsense" });
    let unknown = client.post(&path(&["refresh"]), body).await;
    unknown.refused(401, "M_UNKNOWN_TOKEN", "AUT-14: an unknown token");
    let none = client.post(&path(&["refresh"]), json!({})).await;
    none.refused(400, "M_MISSING_PARAM", "AUT-14: no token");
    let phone = client.with_token(fourth["access_token"].as_str().unwrap());
    phone.post(&path(&["logout"]), json!({})).await.ok("AUT-18");
    let gone = refresh(&server, &fourth).await;
    gone.refused(
        401,
        "M_UNKNOWN_TOKEN",
        "AUT-18: refresh tokens end with the device",
    );
}

#[tokio::test]
async fn transaction_ids_go_on_working_over_a_refresh() {
    let server = server(LONG).await;
    let alice = server.user("alice").await;
    let room = alice.create_public_room().await;
    let first = log_in(&server, "PHONE").await;
    let send = async |of: &Value| {
        let phone = alice.with_token(of["access_token"].as_str().unwrap());
        let at = path(&["rooms", &room, "send", "m.room.message", "one"]);
        let content = json!({ "msgtype": "m.text", "body": "once" });
        phone.put(&at, content).await.ok("EVT-01")["event_id"].clone()
    };
    let before = send(&first).await;
    let second = refresh(&server, &first).await.ok("AUT-14");
    assert_eq!(send(&second).await, before, "AUT-14: the same transaction");
}

#[tokio::test]
async fn an_access_token_that_ran_out_is_a_soft_logout() {
    let server = server("\"300 ms\"").await;
    let alice = server.user("alice").await;
    let first = log_in(&server, "PHONE").await;
    let began = Instant::now();
    let late = loop {
        let answer = whoami(&server, &first).await;
        if answer.status != 200 {
            break answer;
        }
        let waited = began.elapsed();
        assert!(waited < Duration::from_secs(30), "AUT-15: it never ends");
    };
    late.refused(401, "M_UNKNOWN_TOKEN", "AUT-15: an expired access token");
    assert_eq!(late.body["soft_logout"], true, "AUT-15");
    let device = path(&["devices", "PHONE"]);
    alice.get(&device).await.ok("AUT-15: the device is kept");
    refresh(&server, &first)
        .await
        .ok("AUT-15: it can be refreshed");
    let again = log_in(&server, "PHONE").await;
    assert_eq!(again["device_id"], "PHONE", "AUT-16: the same device");
    let ended = refresh(&server, &first).await;
    ended.refused(401, "M_UNKNOWN_TOKEN", "AUT-07: earlier tokens end");
    alice
        .get(&path(&["account", "whoami"]))
        .await
        .ok("AUT-15: tokens that cannot be refreshed do not run out");
}
