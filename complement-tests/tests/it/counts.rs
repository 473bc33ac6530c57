//! Unread counts in syncs.

mod costs;
mod many;
mod threads;

use heliograph_complement::{Client, TestServer, path};
use serde_json::{Value, json};

/// Notifications and highlights.
type Unread = (u64, u64);

/// What a tally in an answer says.
fn tally(told: &Value) -> Option<Unread> {
    let count = |key: &str| told[key].as_u64();
    Some((count("notification_count")?, count("highlight_count")?))
}

/// What an answer says of a room.
pub(super) fn told(answer: &Value, room: &str) -> Option<Unread> {
    tally(&answer["rooms"]["join"][room]["unread_notifications"])
}

/// What a first sync says of a room.
pub(super) async fn unread(client: &Client, room: &str) -> Unread {
    let filter = json!({ "room": { "rooms": [room], "timeline": { "limit": 1 } } });
    let answer = client.sync(&format!("filter={}", encoded(&filter))).await;
    told(&answer, room).unwrap_or_else(|| panic!("SYN-28: no counts in {answer}"))
}

/// JSON in a query.
pub(super) fn encoded(json: &Value) -> String {
    path(&[&json.to_string()]).replace("/_matrix/client/v3/", "")
}

async fn two_in_a_room(server: &TestServer) -> (Client, Client, String) {
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let room = alice.create_public_room().await;
    bob.join(&room).await;
    (alice, bob, room)
}

/// A message that mentions a user.
pub(super) async fn mention(client: &Client, room: &str, user_id: &str) -> String {
    let content = json!({
        "msgtype": "m.text", "body": "you there", "m.mentions": { "user_ids": [user_id] },
    });
    client.send(room, "m.room.message", content).await
}

#[tokio::test]
async fn counts_come_in_the_same_sync_as_the_event() {
    let server = TestServer::usual().await;
    let (alice, bob, room) = two_in_a_room(&server).await;
    let mut since = bob.sync_token().await;
    assert_eq!(unread(&bob, &room).await, (0, 0), "SYN-28: nothing yet");
    for expected in [(1, 0), (2, 0), (3, 1)] {
        let event = if expected.1 == 0 {
            alice.say(&room, "hello").await
        } else {
            mention(&alice, &room, &bob.user_id).await
        };
        let news = bob.sync_since(&since).await;
        let text = news.to_string();
        assert!(text.contains(&event), "SYN-28: the event, {text}");
        assert_eq!(told(&news, &room), Some(expected), "SYN-28: {text}");
        since = news["next_batch"].as_str().unwrap().to_owned();
    }
    let none = bob.sync(&format!("since={since}&timeout=0")).await;
    assert!(none["rooms"].is_null(), "SYN-28: nothing changed, {none}");
    assert_eq!(unread(&alice, &room).await, (0, 0), "PSH-27: one's own");
    bob.say(&room, "an answer reads nothing").await;
    assert_eq!(unread(&bob, &room).await, (3, 1), "PSH-27: one's own");
    assert_eq!(unread(&alice, &room).await, (1, 0), "SYN-28");
    assert_eq!(unread(&bob, &room).await, (3, 1), "SYN-28: once more");
}

#[tokio::test]
async fn both_kinds_of_receipts_clear_counts_and_wake_other_devices() {
    let server = TestServer::usual().await;
    let (alice, bob, room) = two_in_a_room(&server).await;
    let second = server.client().login("bob").await;
    let mut events = Vec::new();
    for number in 0..4 {
        events.push(alice.say(&room, &format!("{number}")).await);
    }
    mention(&alice, &room, &bob.user_id).await;
    assert_eq!(unread(&bob, &room).await, (5, 1), "EPH-11");
    // Without receipts in the answer, too: what is told are counts.
    let quiet = json!({ "room": { "ephemeral": { "types": [] } } });
    let quiet = format!("filter={}", encoded(&quiet));
    let mut since = second.sync_token().await;
    for (kind, at, expected) in [
        ("m.read", 0, Some((4, 1))),
        ("m.read.private", 2, Some((2, 1))),
        ("m.read", 1, None),
        ("m.read", 3, Some((1, 1))),
    ] {
        let query = format!("{quiet}&since={since}&timeout=30000");
        let wait = second.sync(&query);
        let answer = if let Some(expected) = expected {
            let (answer, ()) = tokio::join!(wait, bob.receipt(&room, kind, &events[at]));
            assert_eq!(
                told(&answer, &room),
                Some(expected),
                "SYN-16, EPH-11: {kind}"
            );
            answer
        } else {
            bob.receipt(&room, kind, &events[at]).await;
            let answer = second
                .sync(&format!("{quiet}&since={since}&timeout=0"))
                .await;
            assert_eq!(told(&answer, &room), None, "EPH-11: behind the other");
            answer
        };
        since = answer["next_batch"].as_str().unwrap().to_owned();
    }
    let last = alice.say(&room, "last").await;
    bob.receipt(&room, "m.read.private", &last).await;
    for device in [&bob, &second] {
        assert_eq!(unread(device, &room).await, (0, 0), "EPH-11: all is read");
    }
    assert_eq!(unread(&alice, &room).await, (0, 0), "EPH-11");
}

#[tokio::test]
async fn only_what_came_since_the_join_counts() {
    let server = TestServer::usual().await;
    let (alice, bob, room) = two_in_a_room(&server).await;
    let carol = server.user("carol").await;
    alice.say(&room, "before").await;
    carol.join(&room).await;
    assert_eq!(
        unread(&carol, &room).await,
        (0, 0),
        "PSH-27: before the join"
    );
    alice.say(&room, "after").await;
    let member = json!({ "membership": "join", "displayname": "Carol" });
    carol
        .set_state(&room, "m.room.member", &carol.user_id, member)
        .await;
    alice.say(&room, "after the name").await;
    assert_eq!(
        unread(&carol, &room).await,
        (2, 0),
        "PSH-27: a name is no join"
    );
    carol.leave(&room).await;
    mention(&alice, &room, &carol.user_id).await;
    carol.join(&room).await;
    assert_eq!(unread(&carol, &room).await, (0, 0), "PSH-27: anew");
    alice.say(&room, "again").await;
    assert_eq!(unread(&carol, &room).await, (1, 0), "PSH-27: anew");
    assert_eq!(unread(&bob, &room).await, (5, 0), "PSH-27: others");
}

#[tokio::test]
async fn a_restart_changes_no_count() {
    let mut server = TestServer::usual().await;
    let (alice, bob, room) = two_in_a_room(&server).await;
    let first = alice.say(&room, "first").await;
    bob.receipt(&room, "m.read", &first).await;
    alice.say(&room, "second").await;
    mention(&alice, &room, &bob.user_id).await;
    let since = bob.sync_token().await;
    assert_eq!(unread(&bob, &room).await, (2, 1), "SYN-28");
    server.restart().await;
    let none = bob.sync(&format!("since={since}&timeout=0")).await;
    assert!(none["rooms"].is_null(), "SYN-28: no news, {none}");
    assert_eq!(unread(&bob, &room).await, (2, 1), "SYN-28: the same");
    alice.say(&room, "third").await;
    let news = bob.sync(&format!("since={since}")).await;
    assert_eq!(told(&news, &room), Some((3, 1)), "SYN-28: and one more");
}

#[tokio::test]
async fn what_is_redacted_or_ignored_does_not_count() {
    let server = TestServer::usual().await;
    let (alice, bob, room) = two_in_a_room(&server).await;
    let loud = mention(&alice, &room, &bob.user_id).await;
    let gone = alice.say(&room, "gone before it is seen").await;
    alice.say(&room, "stays").await;
    alice.redact(&room, &gone).await;
    let since = bob.sync_token().await;
    assert_eq!(unread(&bob, &room).await, (2, 1), "SYN-28: redacted");
    alice.redact(&room, &loud).await;
    let news = bob.sync_since(&since).await;
    assert_eq!(told(&news, &room), Some((1, 0)), "SYN-28: redacted later");
    assert_eq!(unread(&bob, &room).await, (1, 0), "SYN-28: redacted later");
    let since = news["next_batch"].as_str().unwrap();
    let ignore = json!({ "ignored_users": { &alice.user_id: {} } });
    let list = bob.account_data_path("m.ignored_user_list");
    bob.put(&list, ignore).await.ok("ACC-10: ignoring");
    let news = bob.sync_since(since).await;
    assert_eq!(told(&news, &room), Some((0, 0)), "PSH-27: ignored");
    alice.say(&room, "unheard").await;
    assert_eq!(unread(&bob, &room).await, (0, 0), "PSH-27: ignored");
    let ignore = json!({ "ignored_users": {} });
    bob.put(&list, ignore).await.ok("ACC-10: ignoring nobody");
    assert_eq!(
        unread(&bob, &room).await,
        (2, 0),
        "PSH-27: no longer ignored"
    );
}

#[tokio::test]
async fn counts_are_whole_whatever_the_timeline_shows() {
    let server = TestServer::usual().await;
    let (alice, bob, room) = two_in_a_room(&server).await;
    let since = bob.sync_token().await;
    for number in 0..30 {
        alice.say(&room, &format!("{number}")).await;
    }
    let narrow = json!({ "room": { "timeline": { "limit": 2 } } });
    let answer = bob
        .sync(&format!("filter={}&since={since}", encoded(&narrow)))
        .await;
    assert_eq!(told(&answer, &room), Some((30, 0)), "SYN-28: in a gap");
    let blind = json!({ "room": { "timeline": { "types": ["none"] } } });
    let blind = format!("filter={}&since={since}", encoded(&blind));
    let answer = bob.sync(&blind).await;
    let events = answer["rooms"]["join"][&room]["timeline"]["events"].as_array();
    assert!(events.is_none_or(Vec::is_empty), "SYN-03: {answer}");
    assert_eq!(
        told(&answer, &room),
        Some((30, 0)),
        "SYN-16: unseen, counted"
    );
}
