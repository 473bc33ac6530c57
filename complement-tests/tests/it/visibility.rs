//! History visibility for each kind of reader.

use heliograph_complement::{Client, TestServer, path};
use serde_json::json;

/// Whether a reader may see an event of when they were not yet invited, while invited, while
/// joined, and after they had left.
type Seen = [bool; 4];

async fn assert_sees(reader: &Client, room: &str, event: &str, seen: bool, what: &str) {
    let answer = reader.get(&path(&["rooms", room, "event", event])).await;
    if seen {
        answer.ok(&format!("VIS-03, EVT-14: {what} is seen"));
    } else {
        assert!(
            [403, 404].contains(&answer.status),
            "VIS-03, EVT-14: {what} is hidden: {}",
            answer.text
        );
    }
    let context = reader.get(&path(&["rooms", room, "context", event])).await;
    assert_eq!(
        context.status == 200,
        seen,
        "EVT-21: {what} in its context: {}",
        context.text
    );
    let history = reader
        .get(&format!(
            "{}?dir=b&limit=200",
            path(&["rooms", room, "messages"])
        ))
        .await;
    let listed = history.status == 200 && history.text.contains(event);
    assert_eq!(listed, seen, "EVT-18: {what} in history: {}", history.text);
}

async fn check(visibility: &str, seen: Seen) {
    let server = TestServer::usual().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let stranger = server.user("stranger").await;
    let room = alice
        .create_room(json!({ "preset": "private_chat", "initial_state": [{
            "type": "m.room.history_visibility", "content": { "history_visibility": visibility } }] }))
        .await;
    let before = alice.say(&room, "before").await;
    alice.invite(&room, &bob.user_id).await;
    let invited = alice.say(&room, "invited").await;
    bob.join(&room).await;
    let joined = alice.say(&room, "joined").await;
    let events = [
        (&before, seen[0], "before"),
        (&invited, seen[1], "invited"),
        (&joined, seen[2], "joined"),
    ];
    for (event, seen, what) in events {
        assert_sees(
            &bob,
            &room,
            event,
            seen,
            &format!("VIS-05: {visibility}, member, {what}"),
        )
        .await;
    }
    bob.leave(&room).await;
    let after = alice.say(&room, "after").await;
    for (event, seen, what) in events.into_iter().chain([(&after, seen[3], "after")]) {
        assert_sees(
            &bob,
            &room,
            event,
            seen,
            &format!("VIS-07: {visibility}, who left, {what}"),
        )
        .await;
    }
    let world = visibility == "world_readable";
    for event in [&before, &invited, &joined, &after] {
        assert_sees(
            &stranger,
            &room,
            event,
            world,
            &format!("VIS-04: {visibility}, a stranger"),
        )
        .await;
        assert_sees(
            &alice,
            &room,
            event,
            true,
            &format!("{visibility}, the creator"),
        )
        .await;
    }
}

#[tokio::test]
async fn world_readable_history_is_seen_by_all() {
    check("world_readable", [true, true, true, true]).await;
}

#[tokio::test]
async fn shared_history_is_seen_by_who_has_been_a_member() {
    check("shared", [true, true, true, false]).await;
}

#[tokio::test]
async fn invited_history_begins_with_the_invite() {
    check("invited", [false, true, true, false]).await;
}

#[tokio::test]
async fn joined_history_begins_with_the_join() {
    check("joined", [false, false, true, false]).await;
}

#[tokio::test]
async fn a_change_of_visibility_counts_from_where_it_was_made() {
    let server = TestServer::usual().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let room = alice.create_public_room().await;
    let shared = alice.say(&room, "shared").await;
    let visibility = json!({ "history_visibility": "joined" });
    alice
        .set_state(&room, "m.room.history_visibility", "", visibility)
        .await;
    let joined = alice.say(&room, "for members").await;
    bob.join(&room).await;
    assert_sees(
        &bob,
        &room,
        &shared,
        true,
        "VIS-06: shared when it was sent",
    )
    .await;
    assert_sees(
        &bob,
        &room,
        &joined,
        false,
        "VIS-06: for members when it was sent",
    )
    .await;
}
