//! `GET /rooms/{roomId}/threads`

use heliograph_complement::{Client, TestServer, event_ids};
use serde_json::Value;

use super::{relate, v1};

/// A page of threads.
async fn threads(client: &Client, room: &str, query: &str) -> Value {
    let path = format!("{}?{query}", v1(&["rooms", room, "threads"]));
    client.get(&path).await.ok("REL-14: listing threads")
}

#[tokio::test]
async fn threads_are_listed_by_their_latest_reply() {
    let server = TestServer::usual().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let room = alice.create_public_room().await;
    bob.join(&room).await;
    let mut roots = Vec::new();
    for number in 0..5 {
        let author = if number == 4 { &bob } else { &alice };
        roots.push(author.say(&room, &format!("{number}")).await);
    }
    for at in [4, 3, 2, 1, 0, 2] {
        relate(&alice, &room, "m.thread", &roots[at]).await;
    }
    relate(&bob, &room, "m.thread", &roots[1]).await;
    let expected: Vec<&String> = [1, 2, 0, 3, 4].iter().map(|at| &roots[*at]).collect();
    let all = threads(&alice, &room, "").await;
    let found = event_ids(&all["chunk"]);
    assert_eq!(
        found.iter().collect::<Vec<_>>(),
        expected,
        "REL-14: newest first"
    );
    assert!(all["next_batch"].is_null(), "REL-14: {all}");
    let bundle = &all["chunk"][1]["unsigned"]["m.relations"]["m.thread"];
    assert_eq!(bundle["count"], 2, "REL-12: {all}");
    let (mut found, mut from) = (Vec::new(), String::new());
    loop {
        let page = threads(&bob, &room, &format!("limit=2{from}")).await;
        found.extend(event_ids(&page["chunk"]));
        match page["next_batch"].as_str() {
            Some(next) => from = format!("&from={next}"),
            None => break,
        }
    }
    assert_eq!(
        found.iter().collect::<Vec<_>>(),
        expected,
        "REL-14: page by page"
    );
    let own = threads(&bob, &room, "include=participated").await;
    let found = event_ids(&own["chunk"]);
    let own = [&roots[1], &roots[4]];
    assert_eq!(
        found.iter().collect::<Vec<_>>(),
        own,
        "REL-14: replied to, and begun"
    );
}

#[tokio::test]
async fn threads_are_for_those_who_may_read_the_room() {
    let server = TestServer::usual().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let room = alice.create_public_room().await;
    let root = alice.say(&room, "root").await;
    relate(&alice, &room, "m.thread", &root).await;
    let path = v1(&["rooms", &room, "threads"]);
    let stranger = bob.get(&path).await;
    stranger.refused(403, "M_FORBIDDEN", "REL-14: a stranger");
    for query in ["limit=0", "include=x", "from=x"] {
        let refused = alice.get(&format!("{path}?{query}")).await;
        refused.refused(400, "M_INVALID_PARAM", &format!("REL-14: {query}"));
    }
}
