//! Summaries of rooms, and the rooms of spaces.

use heliograph_complement::{Client, TestServer, path};
use serde_json::{Value, json};

async fn space(creator: &Client, name: &str) -> String {
    let kind = json!({ "type": "m.space" });
    creator
        .create_room(json!({ "preset": "public_chat", "name": name, "creation_content": kind }))
        .await
}

async fn room(creator: &Client, name: &str) -> String {
    creator
        .create_room(json!({ "preset": "public_chat", "name": name }))
        .await
}

async fn adopt(parent: &Client, space: &str, child: &str, more: Value) {
    let mut content = json!({ "via": ["heliograph.test"] });
    for (key, value) in more.as_object().unwrap() {
        content[key] = value.clone();
    }
    parent
        .set_state(space, "m.space.child", child, content)
        .await;
}

/// A path of the endpoints that began with version 1.
fn v1(segments: &[&str]) -> String {
    path(segments).replacen("/v3/", "/v1/", 1)
}

/// The names of the rooms of a space, and the rest of the answer.
async fn walk(client: &Client, space: &str, query: &str) -> (Vec<String>, Value) {
    let to = format!("{}?{query}", v1(&["rooms", space, "hierarchy"]));
    let answer = client.get(&to).await.ok("MOD-01");
    let rooms = answer["rooms"].as_array().expect("MOD-01: rooms").iter();
    let names = rooms.map(|room| room["name"].as_str().unwrap_or("-").to_owned());
    (names.collect(), answer)
}

#[tokio::test]
async fn a_space_is_walked_depth_first_in_the_order_of_its_children() {
    let server = TestServer::usual().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let root = space(&alice, "root").await;
    let sub = space(&alice, "sub").await;
    let (a, b, c, d) = (
        room(&alice, "a").await,
        room(&alice, "b").await,
        room(&alice, "c").await,
        room(&alice, "d").await,
    );
    // By order, then by time; an order that is too long or of other letters counts for nothing.
    adopt(&alice, &root, &c, json!({ "order": "é" })).await;
    adopt(&alice, &root, &d, json!({ "order": "x".repeat(51) })).await;
    adopt(
        &alice,
        &root,
        &sub,
        json!({ "order": "1", "suggested": true }),
    )
    .await;
    adopt(&alice, &root, &a, json!({ "order": "0" })).await;
    adopt(&alice, &sub, &b, json!({ "order": "x" })).await;
    adopt(&alice, &sub, &c, json!({ "suggested": true })).await;
    // A way round, a room without servers, one that nobody knows.
    adopt(&alice, &sub, &root, json!({})).await;
    let lost = room(&alice, "lost").await;
    adopt(&alice, &root, &lost, json!({ "via": [] })).await;
    adopt(&alice, &root, "!unknown:elsewhere.test", json!({})).await;
    let (names, all) = walk(&bob, &root, "").await;
    assert_eq!(names, ["root", "a", "sub", "b", "c", "d"], "MOD-01, MOD-04");
    assert!(all["next_batch"].is_null(), "MOD-03: all of it");
    let children = all["rooms"][0]["children_state"].as_array().unwrap();
    assert_eq!(children.len(), 5, "MOD-02: those with servers only");
    assert_eq!(children[0]["state_key"], a, "MOD-05");
    assert_eq!(children[0]["content"]["order"], "0", "MOD-05");
    assert!(children[0]["origin_server_ts"].is_u64(), "MOD-05");
    assert_eq!(all["rooms"][1]["children_state"], json!([]), "MOD-05");
    assert_eq!(all["rooms"][1]["room_version"], "12", "MOD-05");
    let (names, _) = walk(&bob, &root, "suggested_only=true").await;
    assert_eq!(names, ["root", "sub", "c"], "MOD-01: suggested");
    // Without an order that counts the older comes first, and of two of one time the lower id.
    let key = |child: &Value| {
        let id = child["state_key"].as_str().unwrap().to_owned();
        (child["origin_server_ts"].as_u64().unwrap(), id)
    };
    let last: Vec<_> = children[2..].iter().map(key).collect();
    assert!(last.is_sorted(), "MOD-01: {last:?}");
    let named = last.iter().filter_map(|(_, id)| match id {
        id if *id == c => Some("c"),
        id if *id == d => Some("d"),
        _ => None,
    });
    let expected: Vec<&str> = ["root", "a", "sub"].into_iter().chain(named).collect();
    let (names, _) = walk(&bob, &root, "max_depth=1").await;
    assert_eq!(names, expected, "MOD-01: one step");
    let (mut seen, mut from) = (Vec::new(), String::new());
    loop {
        let (names, page) = walk(&bob, &root, &format!("limit=4{from}")).await;
        seen.extend(names);
        let Some(next) = page["next_batch"].as_str() else {
            break;
        };
        from = format!("&from={next}");
        let other = v1(&["rooms", &root, "hierarchy"]) + "?max_depth=1" + &from;
        let other = bob.get(&other).await;
        other.refused(400, "M_INVALID_PARAM", "MOD-03: another walk");
    }
    assert_eq!(seen, ["root", "a", "sub", "b", "c", "d"], "MOD-03: paged");
}

#[tokio::test]
async fn rooms_are_shown_to_those_who_could_come_in_or_read() {
    let server = TestServer::usual().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let root = space(&alice, "root").await;
    let ruled = async |name: &str, rule: Value| {
        let state = json!([{ "type": "m.room.join_rules", "content": rule }]);
        let body = json!({ "name": name, "initial_state": state });
        let room = alice.create_room(body).await;
        adopt(&alice, &root, &room, json!({ "order": name })).await;
        room
    };
    let allow = json!([{ "type": "m.room_membership", "room_id": root }]);
    let secret = ruled("1 secret", json!({ "join_rule": "invite" })).await;
    ruled("2 knock", json!({ "join_rule": "knock" })).await;
    let rule = json!({ "join_rule": "restricted", "allow": allow });
    let club = ruled("3 club", rule).await;
    let (names, _) = walk(&bob, &root, "").await;
    assert_eq!(names, ["root", "2 knock"], "MOD-02: from outside");
    bob.join(&root).await;
    let (names, all) = walk(&bob, &root, "").await;
    assert_eq!(names, ["root", "2 knock", "3 club"], "MOD-02: a member");
    assert_eq!(all["rooms"][2]["allowed_room_ids"], json!([root]), "MOD-05");
    assert_eq!(all["rooms"][2]["join_rule"], "restricted", "MOD-05");
    alice.invite(&secret, &bob.user_id).await;
    let (names, _) = walk(&bob, &root, "").await;
    assert_eq!(names.len(), 4, "MOD-02: invited");
    let closed = alice.create_room(json!({ "name": "closed" })).await;
    bob.get(&v1(&["rooms", &closed, "hierarchy"]))
        .await
        .refused(403, "M_FORBIDDEN", "MOD-02: the space itself");

    let summary = |room: &str| v1(&["room_summary", room]);
    let nobody = server.client();
    let told = bob.get(&summary(&club)).await.ok("DIR-12");
    assert_eq!(told["membership"], Value::Null, "DIR-12: never there");
    assert_eq!(told["allowed_room_ids"], json!([root]), "DIR-12");
    bob.join(&club).await;
    let told = bob.get(&summary(&club)).await.ok("DIR-12");
    let expected = (&json!("join"), &json!(2), &json!("12"));
    let got = (
        &told["membership"],
        &told["num_joined_members"],
        &told["room_version"],
    );
    assert_eq!(got, expected, "DIR-12");
    for (room, what) in [(&closed, "closed"), (&club, "a club, to nobody")] {
        let answer = nobody.get(&summary(room)).await;
        answer.refused(404, "M_NOT_FOUND", &format!("DIR-13: {what}"));
    }
    let public = nobody
        .get(&summary(&root))
        .await
        .ok("DIR-12: without a token");
    assert_eq!(public["room_type"], "m.space", "DIR-12");
    let crypt = json!({ "algorithm": "m.megolm.v1.aes-sha2" });
    alice.set_state(&root, "m.room.encryption", "", crypt).await;
    let to = path(&["directory", "room", "#root:heliograph.test"]);
    alice
        .put(&to, json!({ "room_id": root }))
        .await
        .ok("DIR-01");
    let named = nobody.get(&summary("#root:heliograph.test")).await;
    let named = named.ok("DIR-12: by alias");
    assert_eq!(named["encryption"], "m.megolm.v1.aes-sha2", "DIR-12");
    let unknown = nobody.get(&summary("!none:heliograph.test")).await;
    unknown.refused(404, "M_NOT_FOUND", "DIR-13: no room");
}
