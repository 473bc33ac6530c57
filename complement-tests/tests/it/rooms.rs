//! Creating rooms, memberships, sending, state, redactions.

use heliograph_complement::{TestServer, path};
use serde_json::{Value, json};

#[tokio::test]
async fn a_room_is_created_as_its_preset_says() {
    let server = TestServer::usual().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    for (preset, rule, guests) in [
        ("private_chat", "invite", "can_join"),
        ("trusted_private_chat", "invite", "can_join"),
        ("public_chat", "public", "forbidden"),
    ] {
        let room = alice.create_room(json!({ "preset": preset })).await;
        let rules = alice.state(&room, "m.room.join_rules", "").await;
        assert_eq!(rules["join_rule"], rule, "ROM-02: {preset}");
        let visibility = alice.state(&room, "m.room.history_visibility", "").await;
        assert_eq!(
            visibility["history_visibility"], "shared",
            "ROM-02: {preset}"
        );
        let access = alice.state(&room, "m.room.guest_access", "").await;
        assert_eq!(access["guest_access"], guests, "ROM-02: {preset}");
    }
    let body = json!({
        "preset": "private_chat", "name": "A name", "topic": "A topic", "is_direct": true,
        "invite": [bob.user_id], "creation_content": { "type": "test.room", "m.federate": false },
        "initial_state": [
            { "type": "m.room.name", "content": { "name": "overridden" } },
            { "type": "m.room.join_rules", "content": { "join_rule": "public" } },
            { "type": "test.state", "state_key": "k", "content": { "x": 1 } },
        ],
        "power_level_content_override": { "events": { "test.state": 77 } },
    });
    let room = alice.create_room(body).await;
    let events = alice.whole_history(&room, "f", 100).await;
    let kinds: Vec<&str> = events
        .iter()
        .map(|event| event["type"].as_str().unwrap())
        .collect();
    assert_eq!(
        kinds[..3],
        ["m.room.create", "m.room.member", "m.room.power_levels"],
        "ROM-01"
    );
    assert_eq!(
        kinds.last(),
        Some(&"m.room.member"),
        "ROM-01: invites come last"
    );
    assert_eq!(
        alice.state(&room, "m.room.name", "").await["name"],
        "A name",
        "ROM-03"
    );
    assert_eq!(
        alice.state(&room, "m.room.topic", "").await["topic"],
        "A topic",
        "ROM-03"
    );
    assert_eq!(
        alice.state(&room, "test.state", "k").await["x"],
        1,
        "ROM-03"
    );
    let rules = alice.state(&room, "m.room.join_rules", "").await;
    assert_eq!(
        rules["join_rule"], "public",
        "ROM-03: initial_state goes before the preset"
    );
    let power = alice.state(&room, "m.room.power_levels", "").await;
    assert_eq!(power["events"]["test.state"], 77, "ROM-04");
    let create = alice.state(&room, "m.room.create", "").await;
    assert_eq!(create["type"], "test.room", "ROM-06");
    let invite = alice.state(&room, "m.room.member", &bob.user_id).await;
    assert_eq!(invite["is_direct"], true, "ROM-10");
    let odd = alice
        .post(&path(&["createRoom"]), json!({ "room_version": "99" }))
        .await;
    odd.refused(400, "M_UNSUPPORTED_ROOM_VERSION", "ROM-05");
}

async fn membership(client: &heliograph_complement::Client, room: &str, user: &str) -> Value {
    client.state(room, "m.room.member", user).await["membership"].clone()
}

#[tokio::test]
async fn memberships_change_as_power_allows() {
    let server = TestServer::usual().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let carol = server.user("carol").await;
    let room = alice.create_room(json!({ "preset": "private_chat" })).await;
    let join = path(&["join", &room]);
    bob.post(&join, json!({}))
        .await
        .refused(403, "M_FORBIDDEN", "ROM-16: not invited");
    alice.invite(&room, &bob.user_id).await;
    bob.join(&room).await;
    bob.join(&room).await;
    assert_eq!(
        membership(&alice, &room, &bob.user_id).await,
        "join",
        "ROM-15"
    );
    let act = |action: &str| path(&["rooms", &room, action]);
    let on = |user: &str| json!({ "user_id": user });
    let again = alice.post(&act("invite"), on(&bob.user_id)).await;
    again.refused(403, "M_FORBIDDEN", "ROM-20: inviting a member");
    for action in ["kick", "ban"] {
        let weak = bob.post(&act(action), on(&alice.user_id)).await;
        weak.refused(
            403,
            "M_FORBIDDEN",
            &format!("ROM-26: {action} without power"),
        );
    }
    let absent = alice.post(&act("kick"), on(&carol.user_id)).await;
    assert_eq!(
        absent.status, 403,
        "ROM-26: kicking who is not there: {}",
        absent.text
    );
    alice.act_on("kick", &room, &bob.user_id).await;
    let kicked = alice.state(&room, "m.room.member", &bob.user_id).await;
    assert_eq!(kicked["membership"], "leave", "ROM-26");
    assert_eq!(kicked["reason"], "a reason to kick", "ROM-16: the reason");
    alice.act_on("ban", &room, &carol.user_id).await;
    assert_eq!(
        membership(&alice, &room, &carol.user_id).await,
        "ban",
        "ROM-26: never joined"
    );
    let banned = alice.post(&act("invite"), on(&carol.user_id)).await;
    banned.refused(403, "M_FORBIDDEN", "ROM-20: inviting who is banned");
    alice.act_on("unban", &room, &carol.user_id).await;
    assert_eq!(
        membership(&alice, &room, &carol.user_id).await,
        "leave",
        "ROM-26: unban"
    );
    let twice = alice.post(&act("unban"), on(&carol.user_id)).await;
    twice.refused(403, "M_BAD_STATE", "ROM-27: unban of who is not banned");
    alice.invite(&room, &carol.user_id).await;
    carol.leave(&room).await;
    assert_eq!(
        membership(&alice, &room, &carol.user_id).await,
        "leave",
        "ROM-24: rejecting"
    );
    let rooms = bob.get(&path(&["joined_rooms"])).await.ok("ROM-28");
    assert_eq!(rooms["joined_rooms"], json!([]), "ROM-28");
    let here = alice.post(&act("forget"), json!({})).await;
    assert_eq!(
        here.status, 400,
        "ROM-25: forgetting a room one is in: {}",
        here.text
    );
    bob.post(&act("forget"), json!({})).await.ok("ROM-25");
    let forgotten = bob.get(&format!("{}?dir=b", act("messages"))).await;
    forgotten.refused(403, "M_FORBIDDEN", "ROM-25: history of a forgotten room");
    let alias = bob
        .post(&path(&["join", "#none:heliograph.test"]), json!({}))
        .await;
    alias.refused(404, "M_NOT_FOUND", "ROM-16: an unknown alias");
}

#[tokio::test]
async fn member_state_acts_as_the_membership_endpoints_do() {
    let server = TestServer::usual().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let room = alice.create_room(json!({ "preset": "private_chat" })).await;
    alice
        .set_state(
            &room,
            "m.room.member",
            &bob.user_id,
            json!({ "membership": "invite" }),
        )
        .await;
    let own = path(&["rooms", &room, "state", "m.room.member", &bob.user_id]);
    bob.put(&own, json!({ "membership": "join" }))
        .await
        .ok("EVT-05: joining");
    assert_eq!(
        membership(&alice, &room, &bob.user_id).await,
        "join",
        "EVT-05"
    );
    let other = path(&["rooms", &room, "state", "m.room.member", &alice.user_id]);
    let kick = bob.put(&other, json!({ "membership": "leave" })).await;
    kick.refused(403, "M_FORBIDDEN", "EVT-05: kicking without power");
    let odd = bob.put(&own, json!({ "membership": "odd" })).await;
    assert!(
        (400..404).contains(&odd.status),
        "EVT-05: an odd membership: {}",
        odd.text
    );
}

#[tokio::test]
async fn sending_needs_power_and_membership() {
    let server = TestServer::usual().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let room = alice.create_public_room().await;
    let send = path(&["rooms", &room, "send", "m.room.message", "1"]);
    let text = json!({ "msgtype": "m.text", "body": "x" });
    let outside = bob.put(&send, text).await;
    outside.refused(403, "M_FORBIDDEN", "EVT-06: not joined");
    bob.join(&room).await;
    let name = path(&["rooms", &room, "state", "m.room.name", ""]);
    let weak = bob.put(&name, json!({ "name": "mine" })).await;
    weak.refused(403, "M_FORBIDDEN", "EVT-06: too little power");
    let create = path(&["rooms", &room, "state", "m.room.create", ""]);
    let create = alice.put(&create, json!({})).await;
    assert!(
        (400..404).contains(&create.status),
        "EVT-08: {}",
        create.text
    );
    alice
        .set_state(
            &room,
            "m.room.power_levels",
            "",
            json!({ "state_default": 0 }),
        )
        .await;
    let foreign = path(&["rooms", &room, "state", "test.own", &alice.user_id]);
    bob.put(&foreign, json!({}))
        .await
        .refused(403, "M_FORBIDDEN", "EVT-09: another's state key");
    bob.set_state(&room, "test.own", &bob.user_id, json!({}))
        .await;
    let power = path(&["rooms", &room, "state", "m.room.power_levels", ""]);
    let strings = alice.put(&power, json!({ "users_default": "0" })).await;
    assert_eq!(strings.status, 400, "EVT-13: {}", strings.text);
    let raise = json!({ "state_default": 0, "users": { &bob.user_id: 100 } });
    bob.put(&power, raise)
        .await
        .refused(403, "M_FORBIDDEN", "ROM-30: raising oneself");
}

#[tokio::test]
async fn contents_come_back_as_they_were_and_no_other_numbers_than_integers() {
    let server = TestServer::usual().await;
    let alice = server.user("alice").await;
    let room = alice.create_public_room().await;
    let content = json!({
        "body": "日本 \u{1F600} \u{0000} \"\\", "nested": [1, { "a": null }, -9_007_199_254_740_991_i64],
        "unknown": { "é": true }, "": "an empty key",
    });
    let event = alice.send(&room, "test.custom", content.clone()).await;
    let read = alice.event(&room, &event).await;
    assert_eq!(read["content"], content, "EVT-27");
    assert_eq!(
        read["room_id"], room,
        "SYN-39: the room is named outside of syncs"
    );
    let send = |kind: &str| path(&["rooms", &room, "send", kind, &alice.transaction()]);
    for number in ["1.5", "9007199254740992", "-9007199254740992", "1e3"] {
        let body = format!("{{\"number\":{number}}}").into_bytes();
        let answer = alice.raw("PUT", &send("test.number"), Some(body)).await;
        answer.refused(400, "M_BAD_JSON", &format!("EVT-12: {number}"));
    }
}

#[tokio::test]
async fn an_event_that_was_read_before_is_redacted_wherever_it_is_read_again() {
    let server = TestServer::usual().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let room = alice.create_public_room().await;
    bob.join(&room).await;
    let before = alice.sync_token().await;
    let event = bob.say(&room, "a secret").await;
    // Every way of reading, so that whatever is kept of an event is kept.
    let read = async || {
        let (since, history) = (
            alice.sync(&format!("since={before}")).await,
            alice.whole_history(&room, "b", 50).await,
        );
        let timeline = &since["rooms"]["join"][&room]["timeline"]["events"];
        let whole = alice.sync("").await["rooms"]["join"][&room]["timeline"]["events"].clone();
        let mut found = vec![alice.event(&room, &event).await];
        for events in [timeline, &Value::Array(history), &whole] {
            let events = events.as_array().unwrap();
            let same = events.iter().find(|e| e["event_id"] == event);
            found.push(same.expect("the event is there").clone());
        }
        found
    };
    for event in read().await {
        assert_eq!(event["content"]["body"], "a secret", "EVT-23: before");
        assert!(event["unsigned"]["redacted_because"].is_null(), "SYN-42");
    }
    let redaction = bob.redact(&room, &event).await;
    for event in read().await {
        assert_eq!(event["content"], json!({}), "EVT-24: {event}");
        let because = &event["unsigned"]["redacted_because"];
        assert_eq!(because["event_id"], redaction, "SYN-42: {event}");
    }
}

#[tokio::test]
async fn redaction_prunes_an_event_for_everybody_at_once_and_for_good() {
    let mut server = TestServer::usual().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let room = alice.create_public_room().await;
    bob.join(&room).await;
    let event = bob.say(&room, "a secret").await;
    let others = alice.say(&room, "not bob's").await;
    let since = alice.sync_token().await;
    let refused = path(&["rooms", &room, "redact", &others, "r1"]);
    bob.put(&refused, json!({}))
        .await
        .refused(403, "M_FORBIDDEN", "EVT-23: another's event");
    let redaction = bob.redact(&room, &event).await;
    server.restart().await;
    let read = alice.event(&room, &event).await;
    assert_eq!(read["content"], json!({}), "EVT-24");
    let because = &read["unsigned"]["redacted_because"];
    assert_eq!(because["event_id"], redaction, "SYN-42");
    assert_eq!(because["content"]["reason"], "a reason", "EVT-23");
    let news = alice.sync(&format!("since={since}")).await;
    let timeline = &news["rooms"]["join"][&room]["timeline"]["events"];
    assert_eq!(timeline[0]["type"], "m.room.redaction", "SYN-42");
    let history = alice.whole_history(&room, "b", 50).await;
    assert!(
        !Value::Array(history).to_string().contains("a secret"),
        "EVT-24: in history"
    );
    let by_send = json!({ "redacts": others, "reason": "by sending" });
    alice.send(&room, "m.room.redaction", by_send).await;
    assert_eq!(
        alice.event(&room, &others).await["content"],
        json!({}),
        "EVT-02"
    );
}

#[tokio::test]
async fn state_is_read_whole_and_by_key() {
    let server = TestServer::usual().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let room = alice.create_public_room().await;
    alice
        .set_state(&room, "test.a", "1", json!({ "x": 1 }))
        .await;
    let state = path(&["rooms", &room, "state"]);
    let all = alice.get(&state).await.ok("EVT-15");
    let kinds: Vec<&Value> = all
        .as_array()
        .unwrap()
        .iter()
        .map(|event| &event["type"])
        .collect();
    for kind in [
        "m.room.create",
        "m.room.member",
        "m.room.power_levels",
        "test.a",
    ] {
        assert!(kinds.iter().any(|found| *found == kind), "EVT-15: {kind}");
    }
    bob.get(&state)
        .await
        .refused(403, "M_FORBIDDEN", "EVT-15: a stranger");
    let one = path(&["rooms", &room, "state", "test.a", "1"]);
    let event = alice.get(&format!("{one}?format=event")).await.ok("EVT-16");
    assert_eq!(
        (&event["content"]["x"], &event["state_key"]),
        (&json!(1), &json!("1")),
        "EVT-16"
    );
    let none = alice
        .get(&path(&["rooms", &room, "state", "test.a", "2"]))
        .await;
    none.refused(404, "M_NOT_FOUND", "EVT-16");
    bob.join(&room).await;
    bob.leave(&room).await;
    alice
        .set_state(&room, "test.a", "1", json!({ "x": 2 }))
        .await;
    assert_eq!(
        bob.state(&room, "test.a", "1").await["x"],
        1,
        "EVT-15: as when one left"
    );
    let members = path(&["rooms", &room, "members"]);
    let list = |answer: Value| answer["chunk"].as_array().unwrap().len();
    assert_eq!(list(alice.get(&members).await.ok("EVT-17")), 2, "EVT-17");
    let joined = format!("{members}?membership=join");
    assert_eq!(
        list(alice.get(&joined).await.ok("EVT-17")),
        1,
        "EVT-17: membership"
    );
    let others = format!("{members}?not_membership=join");
    assert_eq!(
        list(alice.get(&others).await.ok("EVT-17")),
        1,
        "EVT-17: not_membership"
    );
    let at = alice.sync_token().await;
    server.user("carol").await.join(&room).await;
    let then = format!("{members}?at={at}");
    assert_eq!(list(alice.get(&then).await.ok("EVT-17")), 2, "EVT-17: at");
    let short = path(&["rooms", &room, "joined_members"]);
    let short = alice.get(&short).await.ok("EVT-17");
    assert_eq!(
        short["joined"].as_object().map(serde_json::Map::len),
        Some(2),
        "EVT-17"
    );
}

#[tokio::test]
async fn rooms_that_set_the_same_keys_in_another_order_keep_them_apart() {
    let server = TestServer::usual().await;
    let alice = server.user("alice").await;
    let keys = ["a", "b", "c", "d"];
    let rooms = [
        alice.create_public_room().await,
        alice.create_public_room().await,
    ];
    for (number, room) in rooms.iter().enumerate() {
        for key in 0..keys.len() {
            // The second room numbers its keys from the other end.
            let key = keys[if number == 0 {
                key
            } else {
                keys.len() - 1 - key
            }];
            let content = json!({ "is": format!("{number}{key}") });
            alice.set_state(room, "test.key", key, content).await;
        }
    }
    for (number, room) in rooms.iter().enumerate() {
        for key in keys {
            let to = path(&["rooms", room, "state", "test.key", key]);
            let content = alice.get(&to).await.ok("EVT-16");
            assert_eq!(content["is"], format!("{number}{key}"), "EVT-16: {key}");
        }
        let all = path(&["rooms", room, "state"]);
        let all = alice.get(&all).await.ok("EVT-15");
        let set = |event: &&Value| event["type"] == "test.key";
        assert_eq!(all.as_array().unwrap().iter().filter(set).count(), 4);
    }
}
