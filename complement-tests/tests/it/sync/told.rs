//! Receipts, typing, markers and account data in syncs.

use heliograph_complement::{TestServer, path};
use serde_json::{Value, json};

use super::{joined, two_in_a_room, types};

#[tokio::test]
async fn receipts_typing_and_markers_reach_those_they_are_for() {
    let server = TestServer::usual().await;
    let (alice, bob, room) = two_in_a_room(&server).await;
    let (one, two) = (alice.say(&room, "1").await, alice.say(&room, "2").await);
    let since = alice.sync_token().await;
    bob.receipt(&room, "m.read", &two).await;
    bob.receipt(&room, "m.read.private", &two).await;
    let odd = bob
        .post(
            &path(&["rooms", &room, "receipt", "m.odd", &one]),
            json!({}),
        )
        .await;
    assert_eq!(odd.status, 400, "EPH-07: {}", odd.text);
    let odd = bob
        .post(
            &path(&["rooms", &room, "receipt", "m.read", &one]),
            json!({ "thread_id": "" }),
        )
        .await;
    odd.refused(400, "M_INVALID_PARAM", "EPH-08");
    let news = alice.sync(&format!("since={since}")).await;
    let receipts = joined(&news, &room)["ephemeral"]["events"].to_string();
    assert!(
        receipts.contains(&two) && !receipts.contains(&one),
        "EPH-07: {receipts}"
    );
    assert!(!receipts.contains("m.read.private"), "EPH-10: {receipts}");
    let own = bob.sync("").await;
    let own = joined(&own, &room)["ephemeral"]["events"].to_string();
    assert!(
        own.contains("m.read.private") && own.contains("\"m.read\""),
        "EPH-10, EPH-12: {own}"
    );
    let since = alice.sync_token().await;
    bob.typing(&room, true).await;
    let typing = |answer: &Value| {
        let events = joined(answer, &room)["ephemeral"]["events"]
            .as_array()
            .cloned()?;
        let typing = events
            .into_iter()
            .find(|event| event["type"] == "m.typing")?;
        Some(typing["content"]["user_ids"].clone())
    };
    let news = alice
        .sync_until(&since, |answer| typing(answer).is_some())
        .await;
    assert_eq!(typing(&news), Some(json!([bob.user_id])), "EPH-06");
    bob.typing(&room, false).await;
    let since = news["next_batch"].as_str().unwrap();
    let news = alice
        .sync_until(since, |answer| typing(answer).is_some())
        .await;
    assert_eq!(typing(&news), Some(json!([])), "EPH-06: nobody types");
    let foreign = path(&["rooms", &room, "typing", &alice.user_id]);
    let foreign = bob.put(&foreign, json!({ "typing": true })).await;
    foreign.refused(403, "M_FORBIDDEN", "EPH-05: for another");
    let markers = json!({ "m.fully_read": one, "m.read": two });
    alice
        .post(&path(&["rooms", &room, "read_markers"]), markers)
        .await
        .ok("EPH-13");
    let news = alice.sync("").await;
    let data = joined(&news, &room)["account_data"]["events"].to_string();
    assert!(
        data.contains("m.fully_read") && data.contains(&one),
        "EPH-14: {data}"
    );
}

#[tokio::test]
async fn receipts_of_several_threads_on_one_event_are_all_told() {
    let server = TestServer::usual().await;
    let (alice, bob, room) = two_in_a_room(&server).await;
    let event = alice.say(&room, "1").await;
    let at = path(&["rooms", &room, "receipt", "m.read", &event]);
    for body in [json!({}), json!({ "thread_id": "main" })] {
        bob.post(&at, body).await.ok("EPH-08");
    }
    for reader in [&alice, &bob] {
        let told = reader.sync("timeout=0").await;
        let events = &joined(&told, &room)["ephemeral"]["events"];
        let events = events.as_array().unwrap();
        let receipts = events.iter().filter(|told| told["type"] == "m.receipt");
        let threads: Vec<_> = receipts
            .map(|told| told["content"][&event]["m.read"][&bob.user_id]["thread_id"].clone())
            .collect();
        assert!(threads.contains(&json!(null)), "EPH-08: unthreaded: {told}");
        assert!(
            threads.contains(&json!("main")),
            "EPH-08: the main timeline's: {told}"
        );
    }
}

#[tokio::test]
async fn a_receipt_only_moves_forward() {
    let server = TestServer::usual().await;
    let (alice, bob, room) = two_in_a_room(&server).await;
    let (one, two) = (alice.say(&room, "1").await, alice.say(&room, "2").await);
    bob.receipt(&room, "m.read", &two).await;
    bob.receipt(&room, "m.read", &one).await;
    let first = alice.sync("").await;
    let receipts = joined(&first, &room)["ephemeral"]["events"].to_string();
    assert!(
        receipts.contains(&two) && !receipts.contains(&one),
        "EPH-09: {receipts}"
    );
}

#[tokio::test]
async fn account_data_is_told_to_all_devices_when_it_changes() {
    let server = TestServer::usual().await;
    let (alice, _, room) = two_in_a_room(&server).await;
    let second = server.client().login("alice").await;
    let first = alice.sync("").await;
    assert!(
        types(&first["account_data"]["events"]).contains(&"m.push_rules"),
        "PSH: push rules"
    );
    let since = second.sync_token().await;
    alice
        .put(&alice.account_data_path("test.a"), json!({ "n": 1 }))
        .await
        .ok("ACC-03");
    alice
        .put(
            &alice.room_account_data_path(&room, "test.b"),
            json!({ "n": 2 }),
        )
        .await
        .ok("ACC-03");
    let news = second.sync(&format!("since={since}")).await;
    assert_eq!(
        types(&news["account_data"]["events"]),
        ["test.a"],
        "SYN-33: only what changed"
    );
    assert_eq!(
        types(&joined(&news, &room)["account_data"]["events"]),
        ["test.b"],
        "SYN-33"
    );
}
