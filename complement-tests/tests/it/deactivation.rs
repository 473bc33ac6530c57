//! Ending an account.

use heliograph_complement::{Answer, Client, TestServer, path};
use serde_json::{Value, json};

/// Ends an account by its password.
async fn deactivate(client: &Client, localpart: &str) -> Answer {
    end(client, localpart, json!({})).await
}

/// Ends an account by its password, with other parameters.
async fn end(client: &Client, localpart: &str, mut body: Value) -> Answer {
    let at = path(&["account", "deactivate"]);
    let asked = client.post(&at, body.clone()).await;
    assert_eq!(asked.status, 401, "AUT-40: {}", asked.text);
    let auth = json!({ "type": "m.login.password", "session": asked.body["session"],
        "identifier": { "type": "m.id.user", "user": localpart },
        "password": Client::password_of(localpart) });
    body["auth"] = auth;
    client.post(&at, body).await
}

/// Waits until a user is in a room no more.
async fn left(observer: &Client, room: &str, user: &str) {
    let member = path(&["rooms", room, "state", "m.room.member", user]);
    let mut since = String::new();
    for _ in 0..100 {
        let state = observer.get(&member).await.ok("AUT-44: a member event");
        if state["membership"] == "leave" {
            return;
        }
        let query = format!("timeout=10000{since}");
        let news = observer.sync(&query).await;
        let next = news["next_batch"].as_str().expect("SYN-10: a token");
        since = format!("&since={next}");
    }
    panic!("AUT-44: {user} is in {room} after 100 syncs");
}

#[tokio::test]
async fn an_ended_account_is_closed_and_its_name_stays_taken() {
    let server = TestServer::usual().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let phone = server.client().login("alice").await;
    let name = path(&["profile", &alice.user_id, "displayname"]);
    alice
        .put(&name, json!({ "displayname": "Alice" }))
        .await
        .ok("PRO-02");
    let at = path(&["account", "deactivate"]);
    let wrong = json!({ "auth": { "type": "m.login.password", "password": "wrong",
        "identifier": { "type": "m.id.user", "user": "alice" } } });
    let wrong = alice.post(&at, wrong).await;
    wrong.refused(401, "M_FORBIDDEN", "AUT-44: the wrong password");
    let nobody = server.client();
    let without = nobody.post(&at, json!({})).await;
    without.refused(401, "M_MISSING_TOKEN", "AUT-44: without a token");

    let done = deactivate(&alice, "alice").await.ok("AUT-44");
    assert_eq!(done["id_server_unbind_result"], "success", "AUT-44");
    for device in [&alice, &phone] {
        let dead = device.get(&path(&["account", "whoami"])).await;
        dead.refused(401, "M_UNKNOWN_TOKEN", "AUT-44: all tokens end");
    }
    let login = nobody
        .post(&path(&["login"]), Client::login_body("alice"))
        .await;
    login.refused(403, "M_USER_DEACTIVATED", "AUT-04: logging in afterwards");
    let profile = bob.get(&path(&["profile", &alice.user_id])).await;
    profile.refused(404, "M_NOT_FOUND", "AUT-46: the profile is gone");
    let again = json!({ "username": "alice", "auth": { "type": "m.login.dummy" } });
    let again = nobody.post(&path(&["register"]), again).await;
    again.refused(400, "M_USER_IN_USE", "AUT-45: registering the name again");
    let free = format!("{}?username=alice", path(&["register", "available"]));
    let free = nobody.get(&free).await;
    free.refused(400, "M_USER_IN_USE", "AUT-45: the name is not available");
}

#[tokio::test]
async fn an_ended_account_leaves_its_rooms_and_rejects_its_invites_also_over_a_crash() {
    let mut server = TestServer::usual().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let mut rooms = Vec::new();
    for number in 0..40 {
        let room = bob.create_public_room().await;
        if number % 2 == 0 {
            alice.join(&room).await;
        } else {
            bob.invite(&room, &alice.user_id).await;
        }
        rooms.push(room);
    }
    let banned = bob.create_public_room().await;
    bob.act_on("ban", &banned, &alice.user_id).await;
    deactivate(&alice, "alice").await.ok("AUT-44");
    // Wherever it is with that now, it goes on after the next start.
    server.kill();
    server.start_again().await;
    for room in &rooms {
        left(&bob, room, &alice.user_id).await;
    }
    let member = bob.state(&banned, "m.room.member", &alice.user_id).await;
    assert_eq!(member["membership"], "ban", "AUT-44: a ban stays");
    server.assert_no_panic();
}

/// The contents of the messages that a user sees in a room, oldest first.
async fn messages(client: &Client, room: &str) -> Vec<Value> {
    let history = client.whole_history(room, "f", 50).await;
    let messages = history.into_iter();
    let messages = messages.filter(|event| event["type"] == "m.room.message");
    messages.map(|event| event["content"].clone()).collect()
}

#[tokio::test]
async fn messages_of_who_was_erased_are_empty_for_who_comes_later() {
    let server = TestServer::usual().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let (carol, dan) = (server.user("carol").await, server.user("dan").await);
    let room = bob.create_public_room().await;
    alice.join(&room).await;
    carol.join(&room).await;
    let said = alice.say(&room, "of alice").await;
    bob.say(&room, "of bob").await;
    carol.leave(&room).await;
    let bad = json!({ "erase": "yes" });
    let bad = alice.post(&path(&["account", "deactivate"]), bad).await;
    bad.refused(400, "M_BAD_JSON", "AUT-44: erase that is no boolean");
    end(&alice, "alice", json!({ "erase": true }))
        .await
        .ok("AUT-44");
    left(&bob, &room, &alice.user_id).await;
    dan.join(&room).await;
    let text = |body: &str| json!({ "msgtype": "m.text", "body": body });
    let (whole, pruned) = (
        vec![text("of alice"), text("of bob")],
        vec![json!({}), text("of bob")],
    );
    for there in [&bob, &carol] {
        let seen = messages(there, &room).await;
        assert_eq!(seen, whole, "AUT-44: erase, for who was there");
    }
    let seen = messages(&dan, &room).await;
    assert_eq!(seen, pruned, "AUT-44: erase, for who comes later");
    let event = dan.event(&room, &said).await;
    assert_eq!(event["content"], json!({}), "AUT-44: erase, one event");
    assert_eq!(event["sender"], alice.user_id.as_str(), "AUT-44: erase");
    let first = dan.sync("timeout=0&full_state=true").await;
    assert!(
        !first.to_string().contains("of alice"),
        "AUT-44: erase, in a sync"
    );
    let again = messages(&bob, &room).await;
    assert_eq!(
        again, whole,
        "AUT-44: what one reads changes nothing for others"
    );
}
