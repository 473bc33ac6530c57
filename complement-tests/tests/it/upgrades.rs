//! Rooms that are replaced by rooms of another version.

use heliograph_complement::{Client, TestServer, path};
use serde_json::{Value, json};

async fn upgrade(client: &Client, room: &str, body: Value) -> String {
    let to = path(&["rooms", room, "upgrade"]);
    let answer = client.post(&to, body).await.ok("MOD-06");
    answer["replacement_room"].as_str().unwrap().to_owned()
}

/// A state event's content; `null` where there is none.
async fn content(client: &Client, room: &str, kind: &str) -> Value {
    let answer = client.get(&path(&["rooms", room, "state", kind, ""])).await;
    match answer.status {
        200 => answer.body,
        _ => Value::Null,
    }
}

#[tokio::test]
async fn what_belongs_to_a_room_goes_to_the_one_that_replaces_it() {
    let server = TestServer::usual().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let body = json!({
        "room_version": "9", "preset": "public_chat", "visibility": "public", "name": "Hall",
        "topic": "Talk", "room_alias_name": "hall",
        "creation_content": { "type": "m.space", "m.federate": false, "x": 1 },
        "initial_state": [
            { "type": "m.room.avatar", "content": { "url": "mxc://x/y" } },
            { "type": "test.not_transferred", "content": {} },
        ],
    });
    let old = alice.create_room(body).await;
    bob.join(&old).await;
    let since = bob.sync_token().await;
    let new = upgrade(&alice, &old, json!({ "new_version": "11" })).await;
    let create = content(&alice, &new, "m.room.create").await;
    assert_eq!(create["room_version"], "11", "MOD-06");
    assert_eq!(create["predecessor"]["room_id"], old, "MOD-06");
    assert!(create["predecessor"]["event_id"].is_string(), "MOD-06");
    let kept = (&create["type"], &create["m.federate"], &create["x"]);
    assert_eq!(
        kept,
        (&json!("m.space"), &json!(false), &json!(1)),
        "MOD-06"
    );
    for kind in [
        "name",
        "topic",
        "avatar",
        "join_rules",
        "history_visibility",
        "guest_access",
    ] {
        let kind = format!("m.room.{kind}");
        let both = (
            content(&alice, &old, &kind).await,
            content(&alice, &new, &kind).await,
        );
        assert!(both.0.is_object(), "MOD-06: {kind}");
        assert_eq!(both.0, both.1, "MOD-06: {kind}");
    }
    let other = content(&alice, &new, "test.not_transferred").await;
    assert!(other.is_null(), "MOD-06: what is not transferred");
    let news = bob.sync_until(&since, |news| {
        let events = &news["rooms"]["join"][&old]["timeline"]["events"];
        let mut events = events.as_array().into_iter().flatten();
        events.any(|event| event["content"]["replacement_room"] == new)
    });
    news.await;
    let late = path(&["rooms", &old, "send", "m.room.message", "late"]);
    let late = bob.put(&late, json!({ "body": "too late" })).await;
    late.refused(403, "M_FORBIDDEN", "MOD-06: the old room is closed");
    let alias = "#hall:heliograph.test";
    let found = alice
        .get(&path(&["directory", "room", alias]))
        .await
        .ok("MOD-10");
    assert_eq!(
        found["room_id"], new,
        "MOD-10: aliases lead to the new room"
    );
    let main = content(&alice, &new, "m.room.canonical_alias").await;
    assert_eq!(main["alias"], alias, "MOD-10");
    let main = content(&alice, &old, "m.room.canonical_alias").await;
    assert_eq!(main, json!({}), "MOD-10: and no longer the old one");
    let listed = alice.get(&path(&["publicRooms"])).await.ok("MOD-10");
    assert_eq!(listed["chunk"][0]["room_id"], new, "MOD-10: the directory");
    assert_eq!(listed["chunk"].as_array().unwrap().len(), 1, "MOD-10");
    bob.join(alias).await;
    bob.say(&new, "here").await;
}

#[tokio::test]
async fn replacing_a_room_takes_the_power_to_say_so() {
    let server = TestServer::usual().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let room = alice.create_public_room().await;
    let to = path(&["rooms", &room, "upgrade"]);
    let outside = bob.post(&to, json!({ "new_version": "11" })).await;
    outside.refused(403, "M_FORBIDDEN", "MOD-07: from outside");
    bob.join(&room).await;
    let weak = bob.post(&to, json!({ "new_version": "11" })).await;
    weak.refused(403, "M_FORBIDDEN", "MOD-07: without power");
    for version in ["", "0", "99", "org.example"] {
        let unknown = alice.post(&to, json!({ "new_version": version })).await;
        unknown.refused(400, "M_UNSUPPORTED_ROOM_VERSION", "MOD-07");
    }
    let early = json!({ "new_version": "11", "additional_creators": [bob.user_id] });
    let early = alice.post(&to, early).await;
    early.refused(400, "M_INVALID_PARAM", "MOD-08: before version 12");
    assert!(
        content(&alice, &room, "m.room.tombstone").await.is_null(),
        "MOD-07"
    );
}

#[tokio::test]
async fn power_goes_along_as_the_new_version_has_it() {
    let server = TestServer::usual().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let carol = server.user("carol").await;
    let old = alice
        .create_room(json!({ "room_version": "8", "preset": "public_chat" }))
        .await;
    bob.join(&old).await;
    let mut levels = content(&alice, &old, "m.room.power_levels").await;
    levels["users"] = json!({ &alice.user_id: 100, &bob.user_id: 60, &carol.user_id: 70 });
    levels["events"]["m.room.tombstone"] = json!(60);
    let to = path(&["rooms", &old, "state", "m.room.power_levels", ""]);
    alice.put(&to, levels.clone()).await.ok("EVT-13");
    // Bob may replace the room, but has not the power to set all of its state.
    let body = json!({ "new_version": "12", "additional_creators": [carol.user_id] });
    let new = upgrade(&bob, &old, body).await;
    let create = content(&bob, &new, "m.room.create").await;
    assert_eq!(
        create["additional_creators"],
        json!([carol.user_id]),
        "MOD-08"
    );
    assert!(create["predecessor"]["event_id"].is_null(), "MOD-08");
    let moved = content(&bob, &new, "m.room.power_levels").await;
    assert_eq!(
        moved["users"],
        json!({ &alice.user_id: 100 }),
        "MOD-08: creators are out"
    );
    let closed = content(&alice, &old, "m.room.power_levels").await;
    assert_eq!(closed["events_default"], 0, "MOD-06: beyond Bob's power");
    // And back: who stood above all levels has one again.
    let back = upgrade(&bob, &new, json!({ "new_version": "10" })).await;
    let levels = content(&bob, &back, "m.room.power_levels").await;
    let expected = json!({ &alice.user_id: 100, &bob.user_id: 100 });
    assert_eq!(levels["users"], expected, "MOD-06");
    let closed = content(&bob, &new, "m.room.power_levels").await;
    let got = (&closed["events_default"], &closed["invite"]);
    assert_eq!(got, (&json!(50), &json!(50)), "MOD-06: closed");
}

/// Whether a sync says that push rules name a room: of what goes with it, they are the last.
fn has_rules(answer: &Value, room: &str) -> bool {
    let data = answer["account_data"]["events"].as_array();
    let rules = data.and_then(|data| data.iter().find(|e| e["type"] == "m.push_rules"));
    rules.is_some_and(|rules| rules.to_string().contains(room))
}

#[tokio::test]
async fn who_comes_into_the_new_room_takes_along_what_they_have_set_for_the_old_one() {
    let server = TestServer::usual().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let old = alice.create_public_room().await;
    bob.join(&old).await;
    let direct = json!({ (alice.user_id.clone()): [old, "!other:x"], "@x:x": ["!other:x"] });
    for user in [&alice, &bob] {
        let tag = path(&["user", &user.user_id, "rooms", &old, "tags", "m.favourite"]);
        user.put(&tag, json!({ "order": 0.25 })).await.ok("ACC-03");
        let at = user.account_data_path("m.direct");
        user.put(&at, direct.clone()).await.ok("ACC-01");
        for (kind, id, rule) in [
            ("room", old.as_str(), json!({ "actions": ["notify"] })),
            (
                "override",
                &old,
                json!({ "actions": [], "conditions": [
                { "kind": "event_match", "key": "room_id", "pattern": old }] }),
            ),
            (
                "override",
                "another",
                json!({ "actions": [], "conditions": [] }),
            ),
        ] {
            let at = path(&["pushrules", "global", kind, id]);
            user.put(&at, rule).await.ok("PSH-05");
        }
    }
    let tokens = (alice.sync_token().await, bob.sync_token().await);
    let new = upgrade(&alice, &old, json!({ "new_version": "11" })).await;
    bob.join(&new).await;
    for (user, since) in [(&alice, tokens.0), (&bob, tokens.1)] {
        user.sync_until(&since, |answer| has_rules(answer, &new))
            .await;
        let tags = path(&["user", &user.user_id, "rooms", &new, "tags"]);
        let tags = user.get(&tags).await.ok("ACC-03");
        let order = &tags["tags"]["m.favourite"]["order"];
        assert_eq!(order, 0.25, "MOD-09, ACC-05: tags: {tags}");
        let at = user.account_data_path("m.direct");
        let expected = json!({ (alice.user_id.clone()): [old, "!other:x", new],
            "@x:x": ["!other:x"] });
        let rule = path(&["pushrules", "global", "override", &new]);
        let rule = user.get(&rule).await.ok("MOD-09: push rules");
        assert_eq!(rule["conditions"][0]["pattern"], new, "MOD-09: {rule}");
        assert_eq!(rule["enabled"], true, "MOD-09: {rule}");
        let of_room = path(&["pushrules", "global", "room", &new]);
        user.get(&of_room)
            .await
            .ok("MOD-09: push rules of the room");
        let direct = user.get(&at).await.ok("ACC-01");
        assert_eq!(direct, expected, "MOD-09: direct chats");
    }

    // Whoever claims to replace a room that says nothing of it gets nothing.
    let false_one = bob
        .create_room(json!({ "preset": "public_chat",
            "creation_content": { "predecessor": { "room_id": old, "event_id": "$x" } } }))
        .await;
    let since = alice.sync_token().await;
    alice.join(&false_one).await;
    let tag = path(&[
        "user",
        &alice.user_id,
        "rooms",
        &false_one,
        "tags",
        "u.mine",
    ]);
    alice.put(&tag, json!({})).await.ok("ACC-03");
    alice.sync_since(&since).await;
    let tags = path(&["user", &alice.user_id, "rooms", &false_one, "tags"]);
    let tags = alice.get(&tags).await.ok("ACC-03");
    assert_eq!(
        tags,
        json!({ "tags": { "u.mine": {} } }),
        "MOD-09: a false claim"
    );
    server.assert_no_panic();
}
