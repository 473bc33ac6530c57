//! `/messages`, `/context`, and gaps.

use heliograph_complement::{Reader, TestServer, event_ids, path};
use serde_json::{Value, json};

#[tokio::test]
async fn history_is_paged_in_both_directions_without_loss_or_repetition() {
    let server = TestServer::usual().await;
    let alice = server.user("alice").await;
    let room = alice.create_public_room().await;
    let mut sent = Vec::new();
    for number in 0..37 {
        sent.push(alice.say(&room, &format!("{number}")).await);
    }
    let forwards = event_ids(&Value::Array(alice.whole_history(&room, "f", 1000).await));
    assert_eq!(
        &forwards[forwards.len() - 37..],
        sent,
        "EVT-18: in the order of sending"
    );
    for limit in [1, 3, 7, 10] {
        let again = event_ids(&Value::Array(alice.whole_history(&room, "f", limit).await));
        assert_eq!(again, forwards, "EVT-18: forwards by {limit}");
        let mut back = event_ids(&Value::Array(alice.whole_history(&room, "b", limit).await));
        back.reverse();
        assert_eq!(back, forwards, "EVT-18: backwards by {limit}");
    }
    let page = alice.messages(&room, "b", "&limit=1000").await;
    assert!(page["end"].is_null(), "EVT-20: {}", page["end"]);
    let none = alice
        .messages(
            &room,
            "b",
            "&filter=%7B%22types%22%3A%5B%22test.none%22%5D%7D",
        )
        .await;
    assert_eq!(none["chunk"], json!([]), "EVT-18: a filter");
    let bob = server.user("bob").await;
    let messages = format!("{}?dir=b", path(&["rooms", &room, "messages"]));
    let stranger = bob.get(&messages).await;
    stranger.refused(403, "M_FORBIDDEN", "EVT-18: a stranger");
}

#[tokio::test]
async fn the_gap_of_a_limited_sync_is_closed_exactly() {
    let server = TestServer::usual().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let room = alice.create_public_room().await;
    bob.join(&room).await;
    for (limit, count) in [(1, 2), (5, 40), (10, 10), (10, 11), (3, 250)] {
        let mut reader = Reader::begin(&bob, limit).await;
        reader.follow(std::slice::from_ref(&room));
        let mut sent = Vec::new();
        for number in 0..count {
            sent.push(alice.say(&room, &format!("{number}")).await);
        }
        reader.catch_up().await;
        assert_eq!(
            reader.seen[&room], sent,
            "SYN-13: {count} events, {limit} in an answer"
        );
    }
}

#[tokio::test]
async fn context_shows_what_stands_around_an_event() {
    let server = TestServer::usual().await;
    let alice = server.user("alice").await;
    let room = alice.create_public_room().await;
    let mut sent = Vec::new();
    for number in 0..20 {
        sent.push(alice.say(&room, &format!("{number}")).await);
    }
    let context = path(&["rooms", &room, "context", &sent[10]]);
    let around = alice.get(&format!("{context}?limit=6")).await.ok("EVT-21");
    assert_eq!(around["event"]["event_id"], sent[10], "EVT-21");
    let mut before = event_ids(&around["events_before"]);
    let after = event_ids(&around["events_after"]);
    assert!(
        before.len() + after.len() <= 6,
        "EVT-21: the limit counts all"
    );
    assert_eq!(before[0], sent[9], "EVT-21: newest first");
    assert_eq!(after[0], sent[11], "EVT-21");
    let (start, end) = (
        around["start"].as_str().unwrap(),
        around["end"].as_str().unwrap(),
    );
    let back = alice
        .messages(&room, "b", &format!("&limit=100&from={start}"))
        .await;
    let forth = alice
        .messages(&room, "f", &format!("&limit=100&from={end}"))
        .await;
    before.extend(event_ids(&back["chunk"]));
    before.reverse();
    before.push(sent[10].clone());
    before.extend(after);
    before.extend(event_ids(&forth["chunk"]));
    let all = event_ids(&Value::Array(alice.whole_history(&room, "f", 1000).await));
    assert_eq!(before, all, "EVT-21: pagination goes on from start and end");
    let alone = alice.get(&format!("{context}?limit=0")).await.ok("EVT-21");
    assert_eq!(
        alone["events_before"].as_array().map_or(0, Vec::len),
        0,
        "EVT-21: limit 0"
    );
    assert!(
        around["state"]
            .as_array()
            .is_some_and(|state| !state.is_empty()),
        "EVT-21: state"
    );
}
