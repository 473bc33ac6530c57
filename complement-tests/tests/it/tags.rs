//! Tags on rooms.

use heliograph_complement::{Client, TestServer, path};
use serde_json::{Value, json};

fn tag_path(client: &Client, room: &str, tag: &str) -> String {
    path(&["user", &client.user_id, "rooms", room, "tags", tag])
}

fn tags_path(client: &Client, room: &str) -> String {
    path(&["user", &client.user_id, "rooms", room, "tags"])
}

/// The tags that a sync tells of a room.
fn told<'a>(answer: &'a Value, room: &str) -> Option<&'a Value> {
    let data = answer["rooms"]["join"][room]["account_data"]["events"].as_array()?;
    let event = data.iter().find(|event| event["type"] == "m.tag")?;
    Some(&event["content"]["tags"])
}

#[tokio::test]
async fn tags_are_set_read_removed_and_told_to_all_devices() {
    let server = TestServer::usual().await;
    let alice = server.user("alice").await;
    let phone = server.client().login("alice").await;
    let room = alice.create_public_room().await;
    let all = tags_path(&alice, &room);
    let none = alice.get(&all).await.ok("ACC-04: none yet");
    assert_eq!(none, json!({ "tags": {} }), "ACC-04: none yet");
    let since = phone.sync_token().await;
    let favourite = json!({ "order": 0.25, "test.note": "x" });
    for (tag, about) in [("m.favourite", favourite.clone()), ("u.a/b é", json!({}))] {
        let set = alice.put(&tag_path(&alice, &room, tag), about).await;
        assert_eq!(set.ok("ACC-04: setting"), json!({}), "ACC-04: setting");
    }
    let both = json!({ "m.favourite": favourite, "u.a/b é": {} });
    let read = alice.get(&all).await.ok("ACC-04: reading");
    assert_eq!(read["tags"], both, "ACC-04: reading");
    phone
        .sync_until(&since, |answer| told(answer, &room) == Some(&both))
        .await;
    let as_data = alice
        .get(&alice.room_account_data_path(&room, "m.tag"))
        .await;
    let as_data = as_data.ok("ACC-04: as account data");
    assert_eq!(as_data["tags"], both, "ACC-04: as account data");
    for tag in ["m.favourite", "u.a/b é", "u.never"] {
        let one = tag_path(&alice, &room, tag);
        let gone = alice.request("DELETE", &one, None).await;
        gone.ok("ACC-04: removing");
    }
    phone
        .sync_until(&since, |answer| told(answer, &room) == Some(&json!({})))
        .await;
    let read = alice.get(&all).await.ok("ACC-04: all removed");
    assert_eq!(read["tags"], json!({}), "ACC-04: all removed");
}

#[tokio::test]
async fn tags_set_at_once_all_stay() {
    let server = TestServer::usual().await;
    let alice = server.user("alice").await;
    let room = alice.create_public_room().await;
    let (one, other) = (
        tag_path(&alice, &room, "u.one"),
        tag_path(&alice, &room, "u.other"),
    );
    for round in 0..10 {
        let about = json!({ "round": round });
        let (first, second) = tokio::join!(
            alice.put(&one, about.clone()),
            alice.put(&other, about.clone())
        );
        first.ok("ACC-04: one of two at once");
        second.ok("ACC-04: one of two at once");
        let tags = alice.get(&tags_path(&alice, &room)).await.ok("ACC-04");
        let both = json!({ "u.one": about, "u.other": about });
        assert_eq!(tags["tags"], both, "ACC-04: two at once both stay");
    }
}

#[tokio::test]
async fn tags_are_ones_own_and_have_a_form() {
    let server = TestServer::usual().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let room = alice.create_public_room().await;
    let one = tag_path(&alice, &room, "u.x");
    let others = [
        bob.get(&tags_path(&alice, &room)).await,
        bob.put(&one, json!({})).await,
        bob.request("DELETE", &one, None).await,
    ];
    for answer in others {
        answer.refused(403, "M_FORBIDDEN", "ACC-04: another's");
    }
    for order in [json!(1.5), json!(-1), json!("0.5"), json!(null)] {
        let answer = alice.put(&one, json!({ "order": order })).await;
        answer.refused(400, "M_INVALID_PARAM", "ACC-04: an order outside of 0 to 1");
    }
    let long = alice
        .put(&tag_path(&alice, &room, &"x".repeat(256)), json!({}))
        .await;
    long.refused(413, "M_TOO_LARGE", "ACC-04: a name over 255 bytes");
    let list = alice.raw("PUT", &one, Some(b"[]".to_vec())).await;
    list.refused(400, "M_BAD_JSON", "ACC-04: a body that is no object");
    let nowhere = tags_path(&alice, "!nowhere:heliograph.test");
    let unknown = alice.get(&nowhere).await;
    unknown.refused(403, "M_FORBIDDEN", "ACC-04: an unknown room");
}
