//! Filters by relation.

use std::fmt::Write as _;

use heliograph_complement::{Client, TestServer, event_ids};
use serde_json::{Value, json};

use super::{react, relate};

/// The newest events that a filter lets through, oldest first.
async fn history(client: &Client, room: &str, filter: &Value) -> Vec<String> {
    let mut text = String::new();
    for byte in filter.to_string().bytes() {
        write!(text, "%{byte:02X}").unwrap();
    }
    let page = client
        .messages(room, "b", &format!("&limit=100&filter={text}"))
        .await;
    let mut events = event_ids(&page["chunk"]);
    events.reverse();
    events
}

#[tokio::test]
async fn events_are_filtered_by_how_they_relate_and_by_what_relates_to_them() {
    let server = TestServer::usual().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let room = alice.create_public_room().await;
    bob.join(&room).await;
    let since = alice.sync_token().await;
    let root = alice.say(&room, "root").await;
    let liked = alice.say(&room, "liked").await;
    let plain = alice.say(&room, "plain").await;
    let reply = relate(&alice, &room, "m.thread", &root).await;
    let like = react(&bob, &room, &liked, "👍").await;
    let cases = [
        (json!({ "related_by_rel_types": ["m.thread"] }), vec![&root]),
        (
            json!({ "related_by_rel_types": ["m.thread", "m.annotation"] }),
            vec![&root, &liked],
        ),
        (json!({ "related_by_senders": [bob.user_id] }), vec![&liked]),
        (
            json!({ "related_by_senders": [bob.user_id], "related_by_rel_types": ["m.thread"] }),
            vec![],
        ),
        (json!({ "related_by_senders": [] }), vec![]),
        (json!({ "rel_types": ["m.thread"] }), vec![&reply]),
        (
            json!({ "org.matrix.msc3874.rel_types": ["m.thread", "m.annotation"] }),
            vec![&reply, &like],
        ),
        (
            json!({ "org.matrix.msc3874.not_rel_types": ["m.thread"], "senders": [alice.user_id],
            "types": ["m.room.message"] }),
            vec![&root, &liked, &plain],
        ),
    ];
    for (filter, expected) in cases {
        let found = history(&alice, &room, &filter).await;
        assert_eq!(
            found.iter().collect::<Vec<_>>(),
            expected,
            "SYN-05: /messages by {filter}"
        );
        let id = alice
            .filter(json!({ "room": { "timeline": filter } }))
            .await;
        let news = alice
            .sync(&format!("since={since}&filter={id}&timeout=0"))
            .await;
        let found = event_ids(&news["rooms"]["join"][&room]["timeline"]["events"]);
        assert_eq!(
            found.iter().collect::<Vec<_>>(),
            expected,
            "SYN-05: /sync by {filter}"
        );
    }
}
