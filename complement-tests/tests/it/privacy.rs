//! What a user hides from others: presence, typing, receipts.

use heliograph_complement::{Client, TestServer, path};
use serde_json::{Value, json};

const PRIVACY: &str = "org.heliograph.privacy";

async fn hide(client: &Client, what: Value) {
    let set = client.put(&client.account_data_path(PRIVACY), what).await;
    set.ok("ACC-01: hiding");
}

/// What a sync says of a user's presence.
fn presence<'a>(answer: &'a Value, user: &str) -> Option<&'a Value> {
    let events = answer["presence"]["events"].as_array()?;
    let found = events.iter().find(|event| event["sender"] == user);
    found.map(|event| &event["content"]["presence"])
}

/// The ephemeral events of a type that a sync has for a room.
fn ephemeral<'a>(answer: &'a Value, room: &str, kind: &str) -> Vec<&'a Value> {
    let events = &answer["rooms"]["join"][room]["ephemeral"]["events"];
    let events = events.as_array().map_or(&[][..], Vec::as_slice);
    let found = events.iter().filter(|event| event["type"] == kind);
    found.map(|event| &event["content"]).collect()
}

#[tokio::test]
async fn who_hides_presence_is_offline_for_others_at_once_and_shown_again_later() {
    let server = TestServer::usual().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let room = alice.create_public_room().await;
    bob.join(&room).await;
    let at = path(&["presence", &alice.user_id, "status"]);
    let online = json!({ "presence": "online", "status_msg": "a secret" });
    alice.put(&at, online).await.ok("EPH-01");
    let since = bob.sync_token().await;
    hide(&alice, json!({ "hide_presence": true })).await;
    let is = |state: &'static str| {
        let user = alice.user_id.clone();
        move |answer: &Value| presence(answer, &user).is_some_and(|told| told == state)
    };
    let news = bob.sync_until(&since, is("offline")).await;
    assert!(
        !news.to_string().contains("a secret"),
        "EPH-03: hidden: {news}"
    );
    let seen = bob.get(&at).await.ok("EPH-02");
    assert_eq!(seen, json!({ "presence": "offline" }), "EPH-02: hidden");
    let own = alice.get(&at).await.ok("EPH-02");
    assert_eq!(own["presence"], "online", "EPH-02: one sees oneself: {own}");
    let since = news["next_batch"].as_str().unwrap();
    let change = json!({ "presence": "unavailable", "status_msg": "another" });
    alice.put(&at, change).await.ok("EPH-01");
    let first = bob.sync("timeout=0").await;
    assert!(
        presence(&first, &alice.user_id).is_none(),
        "EPH-03: hidden: {first}"
    );
    hide(&alice, json!({ "hide_presence": false })).await;
    bob.sync_until(since, is("unavailable")).await;
    server.assert_no_panic();
}

#[tokio::test]
async fn hidden_typing_is_seen_by_nobody_and_hidden_receipts_are_private() {
    let server = TestServer::usual().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let room = alice.create_public_room().await;
    bob.join(&room).await;
    let event = bob.say(&room, "read this").await;
    alice.typing(&room, true).await;
    let since = bob.sync_token().await;
    hide(
        &alice,
        json!({ "hide_typing": true, "hide_receipts": true }),
    )
    .await;
    alice.typing(&room, true).await;
    alice.receipt(&room, "m.read", &event).await;
    bob.say(&room, "after it").await;
    let news = bob.sync(&format!("since={since}&timeout=0")).await;
    let typing = ephemeral(&news, &room, "m.typing");
    assert_eq!(
        typing,
        [&json!({ "user_ids": [] })],
        "EPH-05: hidden typing ends"
    );
    assert!(
        ephemeral(&news, &room, "m.receipt").is_empty(),
        "EPH-07: {news}"
    );
    let own = alice.sync("timeout=0").await;
    let receipts = ephemeral(&own, &room, "m.receipt");
    let mine = &receipts[0][&event]["m.read.private"][&alice.user_id];
    assert!(mine.is_object(), "EPH-10: sent as private: {own}");

    let marker = json!({ "m.read": event, "m.fully_read": event });
    let carol = server.user("carol").await;
    carol.join(&room).await;
    hide(&carol, json!({ "hide_receipts": true })).await;
    let at = path(&["rooms", &room, "read_markers"]);
    carol.post(&at, marker).await.ok("EPH-13");
    let seen = bob.sync("timeout=0").await;
    assert!(
        !seen.to_string().contains("m.read"),
        "EPH-13: hidden: {seen}"
    );

    hide(&alice, json!({ "hide_typing": "yes", "hide_receipts": 1 })).await;
    let later = bob.say(&room, "read this too").await;
    alice.receipt(&room, "m.read", &later).await;
    let seen = bob.sync("timeout=0").await;
    let receipts = ephemeral(&seen, &room, "m.receipt");
    let shown = &receipts[0][&later]["m.read"][&alice.user_id];
    assert!(
        shown.is_object(),
        "EPH-07: what is no boolean hides nothing: {seen}"
    );
    server.assert_no_panic();
}
