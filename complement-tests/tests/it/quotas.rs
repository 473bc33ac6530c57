//! What one user may have, and how often something may be tried.

use heliograph_complement::{Client, Options, TestServer, path};
use serde_json::json;

const INFO: &str = "https://heliograph.test/limits";

async fn login(server: &TestServer, user: &str, password: &str) -> heliograph_complement::Answer {
    let mut body = Client::login_body(user);
    body["password"] = password.into();
    server.client().post(&path(&["login"]), body).await
}

#[tokio::test]
async fn passwords_are_not_guessed_for_long() {
    let options = Options::new().set("rate_limits", "enabled", "true").set(
        "rate_limits",
        "failed_logins_per_account",
        "\"1 per minute, burst 3\"",
    );
    let server = TestServer::start(options).await;
    let (_alice, _bob) = (server.user("alice").await, server.user("bob").await);
    for user in ["alice", "nobody"] {
        for _ in 0..3 {
            let wrong = login(&server, user, "wrong").await;
            wrong.refused(403, "M_FORBIDDEN", "AUT-04: a wrong password");
        }
        let refused = login(&server, user, &Client::password_of(user)).await;
        refused.refused(429, "M_LIMIT_EXCEEDED", "API-11: too many failed logins");
        let ms = refused.body["retry_after_ms"]
            .as_u64()
            .expect("API-10: when to come back");
        assert!(ms > 0 && ms <= 60_000, "API-10: {ms}");
        let seconds: u64 = refused
            .header("retry-after")
            .parse()
            .expect("API-10: the header");
        assert!((1..=60).contains(&seconds), "API-10: {seconds}");
    }
    for _ in 0..5 {
        let right = login(&server, "bob", &Client::password_of("bob")).await;
        right.ok("API-11: logins that succeed are not counted");
    }
}

#[tokio::test]
async fn some_users_are_exempt_from_limits_by_user() {
    let options = Options::new()
        .set("rate_limits", "enabled", "true")
        .set("rate_limits", "send_per_user", "\"1 per minute, burst 1\"")
        .set("rate_limits", "exempt_users", "[\"@bot:heliograph.test\"]");
    let server = TestServer::start(options).await;
    let (alice, bot) = (server.user("alice").await, server.user("bot").await);
    let room = alice.create_public_room().await;
    bot.join(&room).await;
    let send = async |client: &Client| {
        let to = ["rooms", &room, "send", "test.event", &client.transaction()];
        client.put(&path(&to), json!({})).await
    };
    send(&alice).await.ok("API-11: the first");
    let refused = send(&alice).await;
    refused.refused(429, "M_LIMIT_EXCEEDED", "API-11: the second");
    for _ in 0..5 {
        send(&bot).await.ok("API-11: who is exempt");
    }
}

#[tokio::test]
async fn one_user_joins_so_many_rooms() {
    let limits = Options::new().set("limits", "max_joined_rooms", "2");
    let with_page = limits
        .clone()
        .set("limits", "info_uri", &format!("{INFO:?}"));
    let with_contact = limits.set("support", "admin_email", "\"admin@heliograph.test\"");
    for (options, id, errcode, key, value) in [
        (
            with_page,
            "API-13",
            "M_USER_LIMIT_EXCEEDED",
            "info_uri",
            INFO,
        ),
        (
            with_contact,
            "API-12",
            "M_RESOURCE_LIMIT_EXCEEDED",
            "admin_contact",
            "admin@heliograph.test",
        ),
    ] {
        let server = TestServer::start(options).await;
        let (alice, bob) = (server.user("alice").await, server.user("bob").await);
        let (own, other) = (
            alice.create_public_room().await,
            bob.create_public_room().await,
        );
        alice.create_public_room().await;
        let join = path(&["join", &other]);
        for refused in [
            alice.post(&join, json!({})).await,
            alice.post(&path(&["createRoom"]), json!({})).await,
        ] {
            refused.refused(403, errcode, &format!("{id}: one room too many"));
            let said = refused.body[key].as_str().unwrap_or_default();
            assert!(said.contains(value), "{id}: {}", refused.text);
        }
        let member = path(&["rooms", &other, "state", "m.room.member", &alice.user_id]);
        let refused = alice.put(&member, json!({ "membership": "join" })).await;
        assert_eq!(
            refused.status, 403,
            "{id}: by a state event: {}",
            refused.text
        );
        alice
            .post(&path(&["join", &own]), json!({}))
            .await
            .ok(&format!("{id}: where one is"));
        let read = alice.sync("").await;
        let joined = read["rooms"]["join"].as_object().map(serde_json::Map::len);
        assert_eq!(joined, Some(2), "{id}: reading goes on: {read}");
        alice.leave(&own).await;
        alice
            .post(&join, json!({}))
            .await
            .ok(&format!("{id}: after leaving one"));
        server.assert_no_panic();
    }
}

#[tokio::test]
async fn one_user_has_so_many_invites_without_an_answer() {
    let options = Options::new().set("limits", "max_pending_invites", "2");
    let server = TestServer::start(options).await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let mut rooms = Vec::new();
    for _ in 0..3 {
        rooms.push(alice.create_room(json!({})).await);
    }
    let invite = async |room: &str| {
        let invited = json!({ "user_id": bob.user_id });
        alice.post(&path(&["rooms", room, "invite"]), invited).await
    };
    for room in &rooms[..2] {
        invite(room).await.ok("ROM-20: an invite");
    }
    let refused = invite(&rooms[2]).await;
    refused.refused(403, "M_FORBIDDEN", "ROM-20: one invite too many");
    let with_room = json!({ "invite": [bob.user_id] });
    let refused = alice.post(&path(&["createRoom"]), with_room).await;
    refused.refused(403, "M_FORBIDDEN", "ROM-20: with a new room");
    invite(&rooms[0]).await.ok("ROM-20: who is invited already");
    bob.join(&rooms[0]).await;
    invite(&rooms[2]).await.ok("ROM-20: after an answer");
    bob.leave(&rooms[1]).await;
    let carol = json!({ "user_id": server.user("carol").await.user_id });
    let at = path(&["rooms", &rooms[1], "invite"]);
    let other = alice.post(&at, carol).await;
    other.ok("ROM-20: somebody else");
    server.assert_no_panic();
}

#[tokio::test]
async fn one_user_has_so_many_sessions() {
    let options = Options::new().set("sessions", "max_per_user", "2").set(
        "limits",
        "info_uri",
        &format!("{INFO:?}"),
    );
    let server = TestServer::start(options).await;
    let alice = server.user("alice").await;
    let phone = server.client().login("alice").await;
    let password = Client::password_of("alice");
    let refused = login(&server, "alice", &password).await;
    refused.refused(403, "M_USER_LIMIT_EXCEEDED", "API-13: one session too many");
    assert_eq!(refused.body["info_uri"], INFO, "API-13: {}", refused.text);
    let mut again = Client::login_body("alice");
    again["device_id"] = phone.device_id.clone().into();
    let again = server.client().post(&path(&["login"]), again).await;
    again.ok("API-13: a device that is known");
    alice.post(&path(&["logout"]), json!({})).await.ok("AUT-13");
    login(&server, "alice", &password)
        .await
        .ok("API-13: after logging out");
}
