//! Pages for clients that do not know a stage, or how to log in.

use heliograph_complement::{Answer, Client, Options, TestServer, path};
use serde_json::{Value, json};

/// Markup that a page would run if it took it from its query.
const MARKUP: &str = "%22%3E%3Cscript%3Ealert(1)%3C%2Fscript%3E";

fn page_of(stage: &str, session: &str) -> String {
    let page = path(&["auth", stage, "fallback", "web"]);
    format!("{page}?session={session}")
}

/// Demands a page that runs nothing but its own script.
#[track_caller]
fn is_page(answer: &Answer, what: &str) {
    assert_eq!(answer.status, 200, "{what}: {}", answer.text);
    let kind = answer.header("content-type");
    assert!(kind.starts_with("text/html"), "{what}: {kind}");
    let policy = answer.header("content-security-policy");
    for part in [
        "default-src 'none'",
        "script-src 'sha256-",
        "frame-ancestors 'none'",
    ] {
        assert!(policy.contains(part), "{what}: {part} in {policy}");
    }
    assert!(!policy.contains("unsafe"), "{what}: {policy}");
    for outside in ["http://", "https://", "src=", "alert(1)"] {
        assert!(!answer.text.contains(outside), "{what}: {outside}");
    }
}

/// Begins an operation and gives its session.
fn session(asked: &Answer) -> &str {
    assert_eq!(asked.status, 401, "AUT-36: {}", asked.text);
    asked.body["session"].as_str().expect("AUT-36: a session")
}

#[tokio::test]
async fn a_registration_is_finished_after_a_page_did_its_stage() {
    let options = Options::new()
        .set("registration", "open_to_everyone", "false")
        .set("registration", "token", "\"open sesame\"");
    let server = TestServer::start(options).await;
    let (nobody, register) = (server.client(), path(&["register"]));
    let wanted = json!({ "username": "alice", "password": "a long one" });
    let asked = nobody.post(&register, wanted).await;
    let session = session(&asked);
    let page = page_of("m.login.registration_token", session);
    let shown = nobody.get(&page).await;
    is_page(&shown, "AUT-39: the page of a registration token");
    for call in ["window.onAuthDone()", "postMessage(\"authDone\", \"*\")"] {
        assert!(shown.text.contains(call), "AUT-39: {call}");
    }
    let with_token = |token: &str| json!({ "session": session, "token": token });
    let wrong = nobody.post(&page, with_token("guess")).await;
    wrong.refused(403, "M_FORBIDDEN", "AUT-39: a wrong token");
    let none = nobody.post(&page, json!({ "session": session })).await;
    none.refused(400, "M_MISSING_PARAM", "AUT-39: no token");
    let only = json!({ "auth": { "session": session } });
    let early = nobody.post(&register, only.clone()).await;
    assert_eq!(early.status, 401, "AUT-36: before the stage is done");
    let done = nobody.post(&page, with_token("open sesame")).await;
    assert_eq!(done.ok("AUT-39"), json!({}), "AUT-39");
    let made = nobody.post(&register, only).await.ok("AUT-36");
    assert_eq!(made["user_id"], "@alice:heliograph.test", "AUT-36");
    let over = nobody.post(&page, with_token("open sesame")).await;
    over.refused(400, "M_UNKNOWN", "AUT-39: a session that is over");
}

#[tokio::test]
async fn the_password_can_be_given_on_a_page() {
    let server = TestServer::usual().await;
    let alice = server.user("alice").await;
    let phone = server.client().login("alice").await;
    let device = path(&["devices", &phone.device_id]);
    let asked = alice.request("DELETE", &device, None).await;
    let session = session(&asked);
    let page = page_of("m.login.password", session);
    let nobody = server.client();
    is_page(&nobody.get(&page).await, "AUT-39: the page of a password");
    let wrong = nobody
        .post(&page, json!({ "session": session, "password": "wrong" }))
        .await;
    wrong.refused(403, "M_FORBIDDEN", "AUT-39: a wrong password");
    let right = json!({ "session": session, "password": Client::password_of("alice") });
    nobody.post(&page, right).await.ok("AUT-39");
    let only = json!({ "auth": { "session": session } });
    let removed = alice.request("DELETE", &device, Some(only)).await;
    removed.ok("AUT-36: with the session only");
}

#[tokio::test]
async fn pages_take_nothing_from_their_query() {
    let server = TestServer::usual().await;
    let nobody = server.client();
    let odd = nobody.get(&page_of("m.login.dummy", MARKUP)).await;
    is_page(&odd, "AUT-39: markup for a session");
    let page = path(&["auth", "m.login.dummy", "fallback", "web"]);
    let lost = nobody.post(&page, json!({ "session": "lost" })).await;
    lost.refused(400, "M_UNKNOWN", "AUT-39: an unknown session");
    let unknown = nobody.get(&page_of("m.login.odd", "x")).await;
    unknown.refused(404, "M_UNRECOGNIZED", "AUT-39: an unknown stage");
    for none in [nobody.get(&page).await, nobody.post(&page, json!({})).await] {
        none.refused(400, "M_MISSING_PARAM", "AUT-39: no session");
    }
    let asked = nobody.post(&path(&["register"]), json!({})).await;
    let with_session = json!({ "session": session(&asked) });
    let done = nobody.post(&page, with_session).await;
    done.ok("AUT-39: dummy");

    let login = format!("/_matrix/static/client/login/?device_id={MARKUP}");
    let login = nobody.get(&login).await;
    is_page(&login, "AUT-13: the page that logs in");
    for part in [
        "window.onLogin(",
        "device_id",
        "initial_device_display_name",
    ] {
        assert!(login.text.contains(part), "AUT-13: {part}");
    }
    assert_eq!(login.body, Value::Null, "AUT-13: it is no JSON");
}
