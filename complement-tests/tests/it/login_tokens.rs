//! Logging another client in by a token.

use std::time::{Duration, Instant};

use heliograph_complement::{Answer, Client, Options, TestServer, path};
use serde_json::{Value, json};

const GET_TOKEN: &str = "/_matrix/client/v1/login/get_token";

async fn server(lifetime: &str) -> TestServer {
    let options = Options::new().set("sessions", "login_tokens", "true").set(
        "sessions",
        "login_token_lifetime",
        lifetime,
    );
    TestServer::start(options).await
}

/// Asks for a token, and gives the password when asked for it.
async fn get_token(alice: &Client) -> Value {
    let asked = alice.post(GET_TOKEN, json!({})).await;
    assert_eq!(asked.status, 401, "AUT-40: {}", asked.text);
    let auth = json!({ "type": "m.login.password", "session": asked.body["session"],
        "identifier": { "type": "m.id.user", "user": "alice" },
        "password": Client::password_of("alice") });
    let made = alice.post(GET_TOKEN, json!({ "auth": auth })).await;
    made.ok("AUT-10")
}

async fn log_in(server: &TestServer, token: &Value) -> Answer {
    let body = json!({ "type": "m.login.token", "token": token, "device_id": "TABLET" });
    server.client().post(&path(&["login"]), body).await
}

#[tokio::test]
async fn a_client_logs_another_one_in_once() {
    let server = server("\"10 min\"").await;
    let alice = server.user("alice").await;
    let flows = server.client().get(&path(&["login"])).await.ok("AUT-01");
    let flow = json!({ "type": "m.login.token", "get_login_token": true });
    let flows = flows["flows"].as_array().expect("AUT-01: flows");
    assert!(flows.contains(&flow), "AUT-01: {flows:?}");
    let capabilities = alice.get(&path(&["capabilities"])).await.ok("CAP-01");
    let on = &capabilities["capabilities"]["m.get_login_token"]["enabled"];
    assert_eq!(on, &json!(true), "AUT-10: the capability");
    let nobody = server.client().post(GET_TOKEN, json!({})).await;
    nobody.refused(401, "M_MISSING_TOKEN", "AUT-10: without a token");

    let made = get_token(&alice).await;
    assert_eq!(made["expires_in_ms"], 600_000, "AUT-10");
    let tablet = log_in(&server, &made["login_token"]).await.ok("AUT-09");
    assert_eq!(tablet["user_id"], alice.user_id.as_str(), "AUT-09");
    assert_eq!(tablet["device_id"], "TABLET", "AUT-09");
    let twice = log_in(&server, &made["login_token"]).await;
    twice.refused(403, "M_FORBIDDEN", "AUT-09: used twice");
    for bad in [json!(""), json!("nonsense"), json!(alice.token)] {
        let refused = log_in(&server, &bad).await;
        refused.refused(403, "M_FORBIDDEN", "AUT-09: a bad token");
    }
    let none = json!({ "type": "m.login.token" });
    let none = server.client().post(&path(&["login"]), none).await;
    none.refused(400, "M_MISSING_PARAM", "AUT-09: no token");

    let made = get_token(&alice).await;
    let out = alice.post(&path(&["logout", "all"]), json!({})).await;
    out.ok("AUT-18");
    let ended = log_in(&server, &made["login_token"]).await;
    ended.refused(403, "M_FORBIDDEN", "AUT-09: it ends with all sessions");
}

#[tokio::test]
async fn a_login_token_runs_out() {
    let server = server("\"1 ms\"").await;
    let alice = server.user("alice").await;
    let made = get_token(&alice).await;
    let began = Instant::now();
    // A token is used up by a login: each try needs a new one, and comes too late at once or soon.
    let mut answer = log_in(&server, &made["login_token"]).await;
    while answer.status == 200 {
        let waited = began.elapsed();
        assert!(waited < Duration::from_secs(30), "AUT-09: it never ends");
        let made = get_token(&alice).await;
        answer = log_in(&server, &made["login_token"]).await;
    }
    answer.refused(403, "M_FORBIDDEN", "AUT-09: it is short-lived");
}

#[tokio::test]
async fn without_the_setting_nobody_is_let_in_by_a_token() {
    let server = TestServer::usual().await;
    let alice = server.user("alice").await;
    let flows = server.client().get(&path(&["login"])).await.ok("AUT-01");
    let only = json!([{ "type": "m.login.password" }]);
    assert_eq!(flows["flows"], only, "AUT-01: the flow is not offered");
    let capabilities = alice.get(&path(&["capabilities"])).await.ok("CAP-01");
    let on = &capabilities["capabilities"]["m.get_login_token"]["enabled"];
    assert_eq!(on, &json!(false), "AUT-10: the capability");
    let asked = alice.post(GET_TOKEN, json!({})).await;
    asked.refused(404, "M_UNRECOGNIZED", "AUT-10: not enabled");
    let login = log_in(&server, &json!("x")).await;
    login.refused(400, "M_UNKNOWN", "AUT-05: not enabled");
}
