//! Knocks, and joins that membership of another room allows.

use heliograph_complement::{Client, TestServer, path};
use serde_json::{Value, json};

/// A room with a join rule.
async fn room_with(creator: &Client, version: &str, rule: Value) -> String {
    let state = json!([{ "type": "m.room.join_rules", "content": rule }]);
    creator
        .create_room(json!({ "room_version": version, "initial_state": state, "name": "Inside" }))
        .await
}

fn knock(room: &str) -> String {
    path(&["knock", room])
}

#[tokio::test]
async fn a_knock_is_told_to_both_sides_and_can_be_answered() {
    let server = TestServer::usual().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let name = path(&["profile", &bob.user_id, "displayname"]);
    bob.put(&name, json!({ "displayname": "Bob" }))
        .await
        .ok("PRF-02");
    let room = room_with(&alice, "7", json!({ "join_rule": "knock" })).await;
    let (inside, outside) = (alice.sync_token().await, bob.sync_token().await);
    let asked = bob
        .post(&knock(&room), json!({ "reason": "let me in" }))
        .await;
    assert_eq!(asked.ok("ROM-22")["room_id"], room, "ROM-22");
    let news = alice.sync_since(&inside).await;
    let event = &news["rooms"]["join"][&room]["timeline"]["events"][0];
    assert_eq!(event["content"]["membership"], "knock", "ROM-22");
    assert_eq!(event["content"]["reason"], "let me in", "ROM-22");
    assert_eq!(event["content"]["displayname"], "Bob", "ROM-29");
    let news = bob.sync_since(&outside).await;
    let told = &news["rooms"]["knock"][&room]["knock_state"]["events"];
    let types: Vec<&str> = told
        .as_array()
        .expect("SYN-21: stripped state")
        .iter()
        .filter_map(|event| event["type"].as_str())
        .collect();
    assert!(
        types.contains(&"m.room.name") && types.contains(&"m.room.member"),
        "SYN-16: {types:?}"
    );
    let history = bob
        .get(&(path(&["rooms", &room, "messages"]) + "?dir=b"))
        .await;
    history.refused(403, "M_FORBIDDEN", "ROM-22: a knock opens nothing");
    bob.leave(&room).await;
    bob.post(&knock(&room), json!({})).await.ok("ROM-22: again");
    alice.act_on("kick", &room, &bob.user_id).await;
    let member = alice.state(&room, "m.room.member", &bob.user_id).await;
    assert_eq!(member["membership"], "leave", "ROM-23: refused by a kick");
    bob.post(&knock(&room), json!({}))
        .await
        .ok("ROM-22: and again");
    alice.invite(&room, &bob.user_id).await;
    bob.join(&room).await;
    for (who, what) in [(&alice, "a member"), (&bob, "a new member")] {
        let answer = who.post(&knock(&room), json!({})).await;
        answer.refused(403, "M_FORBIDDEN", &format!("ROM-22: {what}"));
    }
}

#[tokio::test]
async fn knocks_need_a_rule_that_allows_them() {
    let server = TestServer::usual().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    for (version, rule, status) in [
        ("7", "invite", 403),
        ("7", "public", 403),
        ("6", "knock", 403),
        ("9", "knock", 200),
        ("9", "knock_restricted", 403),
        ("10", "knock_restricted", 200),
        ("12", "knock", 200),
    ] {
        let room = room_with(&alice, version, json!({ "join_rule": rule, "allow": [] })).await;
        let answer = bob.post(&knock(&room), json!({})).await;
        assert_eq!(
            answer.status, status,
            "ROM-22: {rule} in {version}: {}",
            answer.text
        );
    }
    let banned = room_with(&alice, "10", json!({ "join_rule": "knock" })).await;
    alice.act_on("ban", &banned, &bob.user_id).await;
    let answer = bob.post(&knock(&banned), json!({})).await;
    answer.refused(403, "M_FORBIDDEN", "ROM-22: banned");
    let nowhere = bob.post(&knock("#none:heliograph.test"), json!({})).await;
    nowhere.refused(404, "M_NOT_FOUND", "ROM-22: an unknown alias");
    let odd = bob.post(&knock("neither"), json!({})).await;
    odd.refused(400, "M_INVALID_PARAM", "ROM-22: no room");
}

#[tokio::test]
async fn members_of_an_allowed_room_may_join_in_the_name_of_one_who_may_invite() {
    let server = TestServer::usual().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    for (version, rule) in [
        ("8", "restricted"),
        ("9", "restricted"),
        ("10", "knock_restricted"),
        ("11", "restricted"),
        ("12", "restricted"),
    ] {
        let what = format!("ROM-18: {rule} in {version}");
        let club = alice.create_public_room().await;
        let allow = json!([
            { "type": "m.unknown", "room_id": 7 },
            { "type": "m.room_membership", "room_id": "!unknown:elsewhere.test" },
            { "type": "m.room_membership", "room_id": club },
        ]);
        let rule = json!({ "join_rule": rule, "allow": allow });
        let room = room_with(&alice, version, rule).await;
        let join = path(&["join", &room]);
        let outside = bob.post(&join, json!({})).await;
        outside.refused(403, "M_FORBIDDEN", &what);
        bob.join(&club).await;
        bob.post(&join, json!({ "reason": "as a member" }))
            .await
            .ok(&what);
        let member = alice.state(&room, "m.room.member", &bob.user_id).await;
        assert_eq!(member["membership"], "join", "{what}");
        assert_eq!(
            member["join_authorised_via_users_server"], alice.user_id,
            "{what}"
        );
        // Who has left the club may stay, and not come again.
        bob.leave(&club).await;
        bob.say(&room, "still here").await;
        bob.leave(&room).await;
        let again = bob.post(&join, json!({})).await;
        again.refused(403, "M_FORBIDDEN", &what);
        // An invite needs no other room.
        alice.invite(&room, &bob.user_id).await;
        bob.join(&room).await;
    }
}

#[tokio::test]
async fn a_restricted_room_in_which_nobody_may_invite_lets_nobody_in() {
    let server = TestServer::usual().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let carol = server.user("carol").await;
    let club = alice.create_public_room().await;
    bob.join(&club).await;
    let allow = json!([{ "type": "m.room_membership", "room_id": club }]);
    let rule = json!({ "join_rule": "restricted", "allow": allow });
    let room = room_with(&alice, "11", rule).await;
    alice.invite(&room, &carol.user_id).await;
    carol.join(&room).await;
    let levels = |invite: i64| json!({ "users": { &alice.user_id: 100 }, "users_default": 0, "invite": invite });
    alice
        .set_state(&room, "m.room.power_levels", "", levels(50))
        .await;
    alice.leave(&room).await;
    let join = path(&["join", &room]);
    let refused = bob.post(&join, json!({})).await;
    refused.refused(403, "M_FORBIDDEN", "RMV-12: nobody here may invite");
    carol.leave(&room).await;

    let rule = json!({ "join_rule": "restricted",
        "allow": [{ "type": "m.room_membership", "room_id": club }] });
    let room = room_with(&alice, "11", rule).await;
    alice.invite(&room, &carol.user_id).await;
    carol.join(&room).await;
    alice
        .set_state(&room, "m.room.power_levels", "", levels(0))
        .await;
    alice.leave(&room).await;
    bob.join(&room).await;
    let member = bob.state(&room, "m.room.member", &bob.user_id).await;
    let by = &member["join_authorised_via_users_server"];
    assert_eq!(
        by,
        &json!(carol.user_id),
        "RMV-12: any member, where all may"
    );
}
