//! Guests: a limited API, rooms that let them in, and becoming a user.

use heliograph_complement::{Client, Options, TestServer, path, routes};
use serde_json::{Value, json};

/// What guests may call, as the module lists it, of what may be served; `state` without its key, and
/// with a slash, is the same endpoint.
///
/// Joining by `/join` is not in that list, but what client libraries call.
const FOR_GUESTS: [(&str, &str); 31] = [
    ("POST", "/v3/join/{roomIdOrAlias}"),
    ("GET", "/v3/rooms/{roomId}/state"),
    ("GET", "/v3/rooms/{roomId}/context/{eventId}"),
    ("GET", "/v3/rooms/{roomId}/event/{eventId}"),
    ("GET", "/v3/rooms/{roomId}/state/{eventType}/{stateKey}"),
    ("GET", "/v3/rooms/{roomId}/state/{eventType}"),
    ("GET", "/v3/rooms/{roomId}/state/{eventType}/"),
    ("GET", "/v3/rooms/{roomId}/messages"),
    ("GET", "/v3/rooms/{roomId}/members"),
    ("GET", "/v3/rooms/{roomId}/initialSync"),
    ("GET", "/v3/sync"),
    ("GET", "/v3/events"),
    ("GET", "/v1/media/download/{serverName}/{mediaId}"),
    (
        "GET",
        "/v1/media/download/{serverName}/{mediaId}/{fileName}",
    ),
    ("GET", "/v1/media/thumbnail/{serverName}/{mediaId}"),
    ("POST", "/v3/rooms/{roomId}/join"),
    ("POST", "/v3/rooms/{roomId}/leave"),
    ("PUT", "/v3/rooms/{roomId}/send/{eventType}/{txnId}"),
    ("PUT", "/v3/rooms/{roomId}/state/{eventType}/{stateKey}"),
    ("PUT", "/v3/rooms/{roomId}/state/{eventType}"),
    ("PUT", "/v3/rooms/{roomId}/state/{eventType}/"),
    ("PUT", "/v3/sendToDevice/{eventType}/{txnId}"),
    ("PUT", "/v3/profile/{userId}/{keyName}"),
    ("DELETE", "/v3/profile/{userId}/{keyName}"),
    ("GET", "/v3/devices"),
    ("GET", "/v3/devices/{deviceId}"),
    ("PUT", "/v3/devices/{deviceId}"),
    ("GET", "/v3/account/whoami"),
    ("POST", "/v3/keys/upload"),
    ("POST", "/v3/keys/query"),
    ("POST", "/v3/keys/claim"),
];

/// A server that takes guests in.
async fn hospitable() -> TestServer {
    TestServer::start(Options::new().set("registration", "guests", "true")).await
}

/// A room that everybody may join, guests too.
async fn open_room(owner: &Client) -> String {
    let access =
        json!({ "type": "m.room.guest_access", "content": { "guest_access": "can_join" } });
    let body = json!({ "preset": "public_chat", "initial_state": [access] });
    owner.create_room(body).await
}

/// Whether a member event says that a user has left.
fn says_left(answer: &Value, room: &str, user: &str) -> bool {
    let events = &answer["rooms"]["join"][room]["timeline"]["events"];
    events.as_array().is_some_and(|events| {
        events
            .iter()
            .any(|event| event["state_key"] == user && event["content"]["membership"] == "leave")
    })
}

#[tokio::test]
async fn guests_come_in_only_where_the_configuration_lets_them() {
    let server = TestServer::usual().await;
    let at = path(&["register"]) + "?kind=guest";
    let refused = server.client().post(&at, json!({})).await;
    refused.refused(403, "M_GUEST_ACCESS_FORBIDDEN", "AUT-47: off by default");

    let server = hospitable().await;
    let body = json!({ "username": "alice", "password": "p", "device_id": "D",
        "initial_device_display_name": "a browser", "auth": 1 });
    let answer = server.client().post(&at, body).await.ok("AUT-47: a guest");
    assert!(answer["access_token"].is_string(), "AUT-47: {answer}");
    assert_ne!(
        answer["device_id"], "D",
        "AUT-47: the server picks the device"
    );
    let guest = server.client().logged_in(&answer);
    assert_ne!(
        guest.user_id, "@alice:heliograph.test",
        "AUT-47: the name is ignored"
    );
    let device = guest.get(&path(&["devices", &guest.device_id])).await;
    let device = device.ok("AUT-47: a guest's device");
    assert_eq!(
        device["display_name"], "a browser",
        "AUT-47: the device's name"
    );
    let whoami = guest.get(&path(&["account", "whoami"])).await.ok("AUT-05");
    assert_eq!(whoami["is_guest"], true, "AUT-47: whoami");
    let alice = server.user("alice").await;
    let whoami = alice.get(&path(&["account", "whoami"])).await.ok("AUT-05");
    assert_eq!(whoami["is_guest"], false, "AUT-47: whoami of a user");
}

#[tokio::test]
async fn guests_call_what_is_listed_and_nothing_else() {
    let server = hospitable().await;
    let alice = server.user("alice").await;
    let room = open_room(&alice).await;
    let event = alice.say(&room, "here").await;
    let guest = server.client().guest().await;
    let join = guest
        .post(&path(&["rooms", &room, "join"]), json!({}))
        .await;
    join.ok("VIS-10: joining");
    let fill = |name: &str| match name {
        "roomId" | "roomIdOrAlias" => room.clone(),
        "eventId" => event.clone(),
        "userId" => guest.user_id.clone(),
        "deviceId" => guest.device_id.clone(),
        "keyName" => "displayname".to_owned(),
        _ => "test.value".to_owned(),
    };
    let mut allowed = 0;
    for route in routes().iter().filter(|route| route.auth != "none") {
        let listed = FOR_GUESTS.iter().any(|(method, path)| {
            route.method == *method && route.path.strip_prefix("/_matrix/client") == Some(path)
        });
        let what = format!("{} {}", route.method, route.path);
        assert_eq!(
            route.for_guests, listed,
            "VIS-10: {what} is for guests if the module lists it: Route::for_guests"
        );
        let body = route.takes_a_body().then(|| json!({}));
        let answer = guest
            .request(&route.method, &route.filled(fill), body)
            .await;
        let forbidden = answer.body["errcode"] == "M_GUEST_ACCESS_FORBIDDEN";
        assert_eq!(forbidden, !listed, "AUT-47: {what}: {}", answer.text);
        assert_eq!(answer.status == 403 && forbidden, !listed, "AUT-47: {what}");
        allowed += usize::from(listed);
    }
    assert!(allowed > 20, "VIS-10: {allowed} routes for guests");
    let avatar = path(&["profile", &guest.user_id, "avatar_url"]);
    let refused = guest
        .put(&avatar, json!({ "avatar_url": "mxc://x/y" }))
        .await;
    refused.refused(403, "M_GUEST_ACCESS_FORBIDDEN", "VIS-10: another field");
    let refused = guest.request("DELETE", &avatar, None).await;
    refused.refused(403, "M_GUEST_ACCESS_FORBIDDEN", "VIS-10: another field");
    let name = path(&["profile", &guest.user_id, "displayname"]);
    let named = guest.put(&name, json!({ "displayname": "Visitor" })).await;
    named.ok("VIS-10: a guest's name");
    server.assert_no_panic();
}

#[tokio::test]
async fn guests_are_let_in_and_thrown_out_by_guest_access_also_over_a_crash() {
    let mut server = hospitable().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let (room, closed) = (open_room(&alice).await, alice.create_public_room().await);
    bob.join(&room).await;
    let guests = [server.client().guest().await, server.client().guest().await];
    for guest in &guests {
        let join = |room: &str| path(&["rooms", room, "join"]);
        let refused = guest.post(&join(&closed), json!({})).await;
        refused.refused(
            403,
            "M_GUEST_ACCESS_FORBIDDEN",
            "VIS-09: a room without guests",
        );
        let member = path(&["rooms", &closed, "state", "m.room.member", &guest.user_id]);
        let refused = guest.put(&member, json!({ "membership": "join" })).await;
        refused.refused(403, "M_GUEST_ACCESS_FORBIDDEN", "VIS-09: by a state event");
        guest
            .post(&join(&room), json!({}))
            .await
            .ok("VIS-09: a guest joins");
        guest.say(&room, "of a guest").await;
        guest.send(&room, "test.event", json!({ "x": 1 })).await;
    }
    let since = bob.sync_token().await;
    let forbidden = json!({ "guest_access": "forbidden" });
    alice
        .set_state(&room, "m.room.guest_access", "", forbidden)
        .await;
    // Wherever it is with that now, it goes on after the next start.
    server.kill();
    server.start_again().await;
    for guest in &guests {
        let mut seen = bob.sync(&format!("since={since}&timeout=0")).await;
        for _ in 0..10 {
            if says_left(&seen, &room, &guest.user_id) {
                break;
            }
            bob.sync_since(seen["next_batch"].as_str().unwrap()).await;
            seen = bob.sync(&format!("since={since}&timeout=0")).await;
        }
        let gone = says_left(&seen, &room, &guest.user_id);
        assert!(gone, "VIS-09: thrown out: {seen}");
        let again = guest
            .post(&path(&["rooms", &room, "join"]), json!({}))
            .await;
        again.refused(403, "M_GUEST_ACCESS_FORBIDDEN", "VIS-09: no way back");
        let to = path(&["rooms", &room, "send", "m.room.message", "t"]);
        let sent = guest.put(&to, json!({})).await;
        sent.refused(403, "M_FORBIDDEN", "VIS-09: no talking from outside");
    }
    let member = bob.state(&room, "m.room.member", &bob.user_id).await;
    assert_eq!(member["membership"], "join", "VIS-09: users stay");
    server.assert_no_panic();
}

#[tokio::test]
async fn the_directory_says_where_guests_may_join() {
    let server = hospitable().await;
    let alice = server.user("alice").await;
    let (open, closed) = (open_room(&alice).await, alice.create_public_room().await);
    for room in [&open, &closed] {
        let at = path(&["directory", "list", "room", room]);
        let listed = alice.put(&at, json!({ "visibility": "public" })).await;
        listed.ok("DIR-05");
    }
    let guest_can_join = async |room: &str| {
        let page = alice.get(&path(&["publicRooms"])).await.ok("DIR-06");
        let chunk = page["chunk"].as_array().expect("DIR-06: a chunk").clone();
        let found = chunk.into_iter().find(|entry| entry["room_id"] == room);
        found.expect("DIR-06: the room")["guest_can_join"].clone()
    };
    assert_eq!(guest_can_join(&open).await, true, "DIR-07: guest_can_join");
    assert_eq!(
        guest_can_join(&closed).await,
        false,
        "DIR-07: guest_can_join"
    );
    let access = json!({ "guest_access": "can_join" });
    alice
        .set_state(&closed, "m.room.guest_access", "", access)
        .await;
    assert_eq!(guest_can_join(&closed).await, true, "DIR-07: as it is now");
}

#[tokio::test]
async fn a_guest_becomes_a_user_with_the_same_id() {
    let server = hospitable().await;
    let alice = server.user("alice").await;
    let room = open_room(&alice).await;
    let guest = server.client().guest().await;
    let join = guest
        .post(&path(&["rooms", &room, "join"]), json!({}))
        .await;
    join.ok("VIS-09: a guest joins");
    let (localpart, _) = guest.user_id[1..].split_once(':').unwrap();
    let at = path(&["register"]);
    let body = |name: Option<&str>, token: &str| {
        let mut body = json!({ "password": "a long password", "guest_access_token": token,
            "auth": { "type": "m.login.dummy" } });
        if let Some(name) = name {
            body["username"] = name.into();
        }
        body
    };
    let nobody = server.client();
    let refused = nobody.post(&at, body(None, &guest.token)).await;
    refused.refused(400, "M_MISSING_PARAM", "AUT-48: without the user name");
    let (wrong, other) = ("hlg_wrong", server.client().guest().await);
    for (name, token) in [
        (localpart, wrong),
        (localpart, &other.token),
        (localpart, &alice.token),
        ("somebody", &guest.token),
        ("alice", &alice.token),
    ] {
        let refused = nobody.post(&at, body(Some(name), token)).await;
        refused.refused(403, "M_FORBIDDEN", "AUT-48: the wrong name or token");
    }
    let answer = nobody.post(&at, body(Some(localpart), &guest.token)).await;
    let user = nobody.logged_in(&answer.ok("AUT-48: becoming a user"));
    assert_eq!(user.user_id, guest.user_id, "AUT-48: the id is kept");
    for device in [&user, &guest] {
        let whoami = device.get(&path(&["account", "whoami"])).await.ok("AUT-05");
        assert_eq!(whoami["is_guest"], false, "AUT-48: no guest any more");
        device
            .get(&path(&["joined_rooms"]))
            .await
            .ok("AUT-48: the whole API");
    }
    let again = nobody.post(&at, body(Some(localpart), &guest.token)).await;
    again.refused(403, "M_FORBIDDEN", "AUT-48: only once");
    let login = json!({ "type": "m.login.password", "user": localpart,
        "password": "a long password" });
    nobody
        .post(&path(&["login"]), login)
        .await
        .ok("AUT-48: the password counts");

    // Who came as a guest and is none stays when guests have to go.
    let (since, still) = (alice.sync_token().await, &other);
    let join = still
        .post(&path(&["rooms", &room, "join"]), json!({}))
        .await;
    join.ok("VIS-09: another guest joins");
    let forbidden = json!({ "guest_access": "forbidden" });
    alice
        .set_state(&room, "m.room.guest_access", "", forbidden)
        .await;
    let left = |news: &Value| says_left(news, &room, &still.user_id);
    alice.sync_until(&since, left).await;
    let member = alice.state(&room, "m.room.member", &user.user_id).await;
    assert_eq!(member["membership"], "join", "VIS-09: no guest any more");
    server.assert_no_panic();
}
