//! Deleting account data.

use heliograph_complement::{Client, TestServer};
use serde_json::{Value, json};

const KIND: &str = "org.example.test";

/// The path by which account data is deleted, beside the one by which it is set.
fn deletion(at: &str) -> String {
    at.replacen("/v3/", "/unstable/org.matrix.msc3391/", 1)
}

/// What a part of a sync has of the type.
fn told(events: &Value) -> Vec<&Value> {
    let events = events.as_array().map_or(&[][..], Vec::as_slice);
    let found = events.iter().filter(|event| event["type"] == KIND);
    found.map(|event| &event["content"]).collect()
}

#[tokio::test]
async fn deleted_account_data_is_gone_and_other_devices_are_told_that_it_is_empty() {
    let server = TestServer::usual().await;
    let alice = server.user("alice").await;
    let phone = server.client().login("alice").await;
    let room = alice.create_public_room().await;
    let versions = alice.get("/_matrix/client/versions").await.ok("API-17");
    let feature = &versions["unstable_features"]["org.matrix.msc3391"];
    assert_eq!(feature, true, "ACC-12: {versions}");
    let global = (
        alice.account_data_path(KIND),
        "/account_data/events".to_owned(),
    );
    let of_room = (
        alice.room_account_data_path(&room, KIND),
        format!("/rooms/join/{room}/account_data/events"),
    );
    for (at, place) in [global, of_room] {
        let part = |answer: &Value| answer.pointer(&place).cloned().unwrap_or_default();
        let delete = async |client: &Client| client.request("DELETE", &deletion(&at), None).await;
        alice.put(&at, json!({ "x": 1 })).await.ok("ACC-01");
        let since = phone.sync_token().await;
        delete(&alice).await.ok("ACC-12: deleting");
        alice.get(&at).await.refused(404, "M_NOT_FOUND", "ACC-12");
        let news = phone.sync_since(&since).await;
        assert_eq!(told(&part(&news)), [&json!({})], "ACC-12: {news}");
        let first = phone.sync("timeout=0").await;
        assert!(told(&part(&first)).is_empty(), "ACC-12: at first: {first}");
        let since = first["next_batch"].as_str().unwrap();
        delete(&alice).await.ok("ACC-12: twice is no error");
        let news = phone.sync(&format!("since={since}&timeout=0")).await;
        assert!(told(&part(&news)).is_empty(), "ACC-12: nothing new: {news}");
        alice.put(&at, json!({ "x": 2 })).await.ok("ACC-01");
        let news = phone.sync_since(since).await;
        assert_eq!(told(&part(&news)), [&json!({ "x": 2 })], "ACC-12: {news}");
        let since = news["next_batch"].as_str().unwrap();
        alice
            .put(&at, json!({}))
            .await
            .ok("ACC-12: setting to empty");
        alice.get(&at).await.refused(404, "M_NOT_FOUND", "ACC-12");
        let news = phone.sync_since(since).await;
        assert_eq!(told(&part(&news)), [&json!({})], "ACC-12: {news}");
        let first = phone.sync("timeout=0").await;
        let all = part(&first);
        assert!(all.is_array(), "ACC-12: a list, be it empty: {first}");
        assert!(told(&all).is_empty(), "ACC-12: at first: {first}");
        // What was not there is told as well: clients wait to be told of what they set.
        let since = first["next_batch"].as_str().unwrap();
        alice.put(&at, json!({})).await.ok("ACC-12: once more");
        let news = phone.sync_since(since).await;
        assert_eq!(told(&part(&news)), [&json!({})], "ACC-12: {news}");
    }
    let bob = server.user("bob").await;
    let at = deletion(&alice.account_data_path(KIND));
    let other = bob.request("DELETE", &at, None).await;
    other.refused(403, "M_FORBIDDEN", "ACC-12: another user's");
    for kind in ["m.push_rules", "m.fully_read"] {
        let at = deletion(&alice.account_data_path(kind));
        let refused = alice.request("DELETE", &at, None).await;
        refused.refused(405, "M_BAD_JSON", "ACC-12: the server's own");
    }
    server.assert_no_panic();
}
