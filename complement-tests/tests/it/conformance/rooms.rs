//! Rooms.

use heliograph_complement::{TestServer, path};
use serde_json::{Value, json};

#[tokio::test]
async fn what_else_a_join_says_goes_into_the_member_event() {
    let server = TestServer::usual().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let name = path(&["profile", &bob.user_id, "displayname"]);
    bob.put(&name, json!({ "displayname": "Bob" }))
        .await
        .ok("PRO-02");
    for at in ["join", "rooms"] {
        let room = alice.create_public_room().await;
        let at = match at {
            "join" => path(&["join", &room]),
            _ => path(&["rooms", &room, "join"]),
        };
        let body = json!({
            "test.own": { "a": [1, null] },
            "reason": "because",
            "membership": "leave",
            "displayname": "Alice",
            "join_authorised_via_users_server": alice.user_id,
            "third_party_signed": { "x": 1 },
        });
        bob.post(&at, body).await.ok("ROM-14");
        let content = bob.state(&room, "m.room.member", &bob.user_id).await;
        let expected = json!({
            "membership": "join",
            "displayname": "Bob",
            "reason": "because",
            "test.own": { "a": [1, null] },
        });
        assert_eq!(content, expected, "ROM-16: {at}");
    }
    let room = alice.create_public_room().await;
    bob.post(&path(&["join", &room]), json!({ "float": 1.5 }))
        .await
        .refused(400, "M_BAD_JSON", "ROM-14: no JSON of events");
}

#[tokio::test]
async fn a_member_changes_the_name_in_a_restricted_room_whoever_let_it_in() {
    let server = TestServer::usual().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let allowed = alice.create_public_room().await;
    let allow = json!([{ "type": "m.room_membership", "room_id": allowed }]);
    let rule = json!({ "join_rule": "restricted", "allow": allow });
    let state = json!([{ "type": "m.room.join_rules", "content": rule }]);
    let room = alice.create_room(json!({ "initial_state": state })).await;
    bob.join(&allowed).await;
    bob.join(&room).await;
    let member = bob.state(&room, "m.room.member", &bob.user_id).await;
    let via = &member["join_authorised_via_users_server"];
    assert_eq!(*via, alice.user_id, "ROM-18");
    for via in [json!(alice.user_id), json!("unused"), json!(7)] {
        let content = json!({
            "membership": "join",
            "displayname": format!("Bob {via}"),
            "join_authorised_via_users_server": via,
        });
        bob.set_state(&room, "m.room.member", &bob.user_id, content)
            .await;
        let member = bob.state(&room, "m.room.member", &bob.user_id).await;
        assert_eq!(member["displayname"], format!("Bob {via}"), "ROM-18");
        let via = &member["join_authorised_via_users_server"];
        assert_eq!(*via, Value::Null, "ROM-18: {member}");
    }
}

#[tokio::test]
async fn creators_have_no_level_and_rooms_one_creation_which_is_the_contents_fault() {
    let server = TestServer::usual().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    for version in ["11", "12"] {
        let body = json!({
            "room_version": version,
            "creation_content": { "additional_creators": [bob.user_id] },
        });
        let mut named = body.clone();
        let levels = json!({ "users": { (alice.user_id.clone()): 100 } });
        named["power_level_content_override"] = levels;
        let made = alice.post(&path(&["createRoom"]), named).await;
        if version == "12" {
            made.refused(400, "M_BAD_JSON", "RMV-19: creators have no level");
        } else {
            made.ok("RMV-19: creators are as all others");
        }
        let room = alice.create_room(body).await;
        let create = path(&["rooms", &room, "state", "m.room.create", ""]);
        alice
            .put(&create, json!({ "room_version": version }))
            .await
            .refused(400, "M_UNKNOWN", &format!("EVT-08: in version {version}"));
        let power = path(&["rooms", &room, "state", "m.room.power_levels", ""]);
        for user in [&alice, &bob] {
            let mut levels = alice.state(&room, "m.room.power_levels", "").await;
            levels["users"][&user.user_id] = json!(100);
            let set = alice.put(&power, levels).await;
            if version == "12" {
                set.refused(400, "M_BAD_JSON", "RMV-19");
            } else {
                set.ok("RMV-19: creators are as all others");
            }
        }
    }
}

#[tokio::test]
async fn members_at_the_beginning_of_a_room_are_those_who_made_it() {
    let server = TestServer::usual().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let room = alice.create_public_room().await;
    alice.say(&room, "hello").await;
    let synced = alice.sync("timeout=0").await;
    let timeline = &synced["rooms"]["join"][&room]["timeline"];
    assert_eq!(timeline["limited"], false, "EVT-17: all of it");
    bob.join(&room).await;
    let members = async |at: &str| -> Vec<String> {
        let path = path(&["rooms", &room, "members"]);
        let answer = alice.get(&format!("{path}?at={at}")).await.ok("EVT-17");
        let events = answer["chunk"].as_array().unwrap().iter();
        let mut users: Vec<String> = events
            .map(|event| event["state_key"].as_str().unwrap().to_owned())
            .collect();
        users.sort();
        users
    };
    let at = timeline["prev_batch"].as_str().unwrap();
    assert_eq!(members(at).await, [&*alice.user_id], "EVT-17");
    let end = alice.messages(&room, "b", "").await;
    let now = end["start"].as_str().unwrap();
    assert_eq!(
        members(now).await,
        [&*alice.user_id, &*bob.user_id],
        "EVT-17"
    );
}

#[tokio::test]
async fn rooms_are_summed_up_under_the_old_names_too() {
    let server = TestServer::usual().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let room = alice
        .create_room(json!({ "preset": "public_chat", "name": "Summed up" }))
        .await;
    let now = path(&["room_summary", &room]).replacen("/v3/", "/v1/", 1);
    let old = "/unstable/im.nheko.summary/";
    for at in [
        path(&["summary", &room]),
        path(&["rooms", &room, "summary"]),
    ] {
        let told = bob.get(&at.replacen("/v3/", old, 1)).await.ok("UNS-21");
        assert_eq!(told["name"], "Summed up", "UNS-21");
        assert_eq!(told, bob.get(&now).await.ok("UNS-21"), "UNS-21");
    }
}

#[tokio::test]
async fn joined_members_have_all_keys_and_strangers_are_told_so_first() {
    let server = TestServer::usual().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let name = path(&["profile", &alice.user_id, "displayname"]);
    alice
        .put(&name, json!({ "displayname": "Alice" }))
        .await
        .ok("PRO-02");
    let room = alice.create_public_room().await;
    bob.join(&room).await;
    let at = path(&["rooms", &room, "joined_members"]);
    let joined = alice.get(&at).await.ok("EVT-17");
    let expected = json!({ "joined": {
        (alice.user_id.clone()): { "display_name": "Alice", "avatar_url": null },
        (bob.user_id.clone()): { "display_name": null, "avatar_url": null },
    } });
    assert_eq!(joined, expected, "EVT-17");
    bob.leave(&room).await;
    bob.get(&at).await.refused(403, "M_FORBIDDEN", "EVT-17");
    let messages = path(&["rooms", &room, "messages"]);
    bob.post(&path(&["rooms", &room, "forget"]), json!({}))
        .await
        .ok("ROM-25");
    let none = bob.get(&messages).await;
    none.refused(403, "M_FORBIDDEN", "ROM-25: before the parameters");
    let none = alice.get(&messages).await;
    none.refused(400, "M_MISSING_PARAM", "EVT-18: for whoever may");
}
