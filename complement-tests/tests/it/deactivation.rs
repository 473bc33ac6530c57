//! Ending an account.

use heliograph_complement::{Answer, Client, TestServer, path};
use serde_json::json;

/// Ends an account by its password.
async fn deactivate(client: &Client, localpart: &str) -> Answer {
    let at = path(&["account", "deactivate"]);
    let asked = client.post(&at, json!({})).await;
    assert_eq!(asked.status, 401, "AUT-40: {}", asked.text);
    let auth = json!({ "type": "m.login.password", "session": asked.body["session"],
        "identifier": { "type": "m.id.user", "user": localpart },
        "password": Client::password_of(localpart) });
    client.post(&at, json!({ "auth": auth })).await
}

/// Waits until a user is in a room no more.
async fn left(observer: &Client, room: &str, user: &str) {
    let member = path(&["rooms", room, "state", "m.room.member", user]);
    let mut since = String::new();
    loop {
        let state = observer.get(&member).await.ok("AUT-44: a member event");
        if state["membership"] == "leave" {
            return;
        }
        let query = format!("timeout=10000{since}");
        let news = observer.sync(&query).await;
        let next = news["next_batch"].as_str().expect("SYN-10: a token");
        since = format!("&since={next}");
    }
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
