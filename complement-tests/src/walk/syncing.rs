//! Syncs, the old and the new.

use serde_json::json;

use super::{Cast, Walk, text};

/// `/sync`, first and next.
pub(super) async fn syncs(walk: &mut Walk, cast: &Cast) {
    let (alice, bob, nobody) = (&cast.alice, &cast.bob, walk.nobody.clone());
    let erin = walk.user("erin").await;
    walk.get("of one without rooms", &erin, "sync?timeout=0", &[])
        .await;
    let invite = json!({ "invite": [erin.user_id], "preset": "trusted_private_chat" });
    let room = walk.room("to sync", alice, invite).await;
    let invited = walk
        .get("of one invited", &erin, "sync?timeout=0", &[])
        .await;
    erin.join(&room).await;
    alice.say(&room, "hello erin").await;
    let next = "sync?timeout=0&since={since}";
    let since = text(&invited, "next_batch");
    let joined = walk.get("after a join", &erin, next, &[&since]).await;
    let since = text(&joined, "next_batch");
    alice.say(&room, "hello again").await;
    let spoken = walk.get("after a message", &erin, next, &[&since]).await;
    let after = "sync?timeout=0&since={since}&use_state_after=true";
    walk.get("with the state after", &erin, after, &[&since])
        .await;
    let since = text(&spoken, "next_batch");
    walk.get("with nothing new", &erin, next, &[&since]).await;
    let full = "sync?timeout=0&since={since}&full_state=true";
    walk.get("with the full state", &erin, full, &[&since])
        .await;
    let filtered = "sync?timeout=0&filter={filter}";
    let filter = json!({
        "room": { "timeline": { "limit": 1, "unread_thread_notifications": true },
                  "state": { "lazy_load_members": true } },
        "presence": { "types": [] },
    });
    walk.get("filtered", &erin, filtered, &[&filter.to_string()])
        .await;
    let federation = json!({ "event_format": "federation", "presence": { "types": [] } });
    walk.get(
        "as servers have it",
        &erin,
        filtered,
        &[&federation.to_string()],
    )
    .await;
    erin.leave(&room).await;
    walk.get("after leaving", &erin, next, &[&since]).await;
    let left = json!({ "room": { "include_leave": true }, "presence": { "types": [] } });
    walk.get("with rooms left", &erin, filtered, &[&left.to_string()])
        .await;
    walk.get("a bad filter", bob, filtered, &["{"]).await;
    walk.get("an unknown filter", bob, filtered, &["99999"])
        .await;
    walk.get("a bad token", bob, next, &["none"]).await;
    walk.get("an odd timeout", bob, "sync?timeout=x", &[]).await;
    walk.get(
        "an odd presence",
        bob,
        "sync?set_presence=odd&timeout=0",
        &[],
    )
    .await;
    walk.get("nobody", &nobody, "sync", &[]).await;
}

/// What came before `/sync`.
pub(super) async fn old_syncs(walk: &mut Walk, cast: &Cast) {
    let (alice, stranger, nobody) = (&cast.alice, &cast.stranger, walk.nobody.clone());
    let frank = walk.user("frank").await;
    let room = walk
        .room("of old", &frank, json!({ "preset": "public_chat" }))
        .await;
    frank.say(&room, "as in old times").await;
    let whole = walk.get("well", &frank, "initialSync?limit=2", &[]).await;
    walk.get("nobody", &nobody, "initialSync", &[]).await;
    let from = text(&whole, "end");
    frank.say(&room, "and one more").await;
    walk.get("well", &frank, "events?from={from}&timeout=0", &[&from])
        .await;
    walk.get("nobody", &nobody, "events", &[]).await;
    walk.get("a bad token", alice, "events?from=none&timeout=0", &[])
        .await;
    let at = "rooms/{roomId}/initialSync";
    walk.get("well", &frank, at, &[&room]).await;
    walk.get("by a stranger", stranger, at, &[&room]).await;
    walk.get("nobody", &nobody, at, &[&room]).await;
}
