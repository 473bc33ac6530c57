//! `GET /rooms/{roomId}/timestamp_to_event`

use heliograph_complement::{Client, TestServer};
use serde_json::{Value, json};

use crate::relations::v1;

async fn nearest(client: &Client, room: &str, ts: u64, dir: &str) -> Option<Value> {
    let path = v1(&["rooms", room, "timestamp_to_event"]);
    let answer = client.get(&format!("{path}?ts={ts}&dir={dir}")).await;
    if answer.status == 404 {
        answer.refused(404, "M_NOT_FOUND", "EVT-22: none");
        return None;
    }
    Some(answer.ok("EVT-22: the nearest event"))
}

#[tokio::test]
async fn the_nearest_event_in_each_direction_is_found() {
    let server = TestServer::usual().await;
    let alice = server.user("alice").await;
    let room = alice.create_public_room().await;
    for number in 0..40 {
        alice.say(&room, &format!("{number}")).await;
    }
    let history = alice.whole_history(&room, "f", 100).await;
    let times: Vec<u64> = history
        .iter()
        .map(|event| event["origin_server_ts"].as_u64().unwrap())
        .collect();
    let (first, last) = (times[0], times[times.len() - 1]);
    for ts in (first.saturating_sub(3)..=last + 3).chain([0, u64::from(u32::MAX)]) {
        let after = times.iter().copied().filter(|time| *time >= ts).min();
        let before = times.iter().copied().filter(|time| *time <= ts).max();
        for (dir, expected) in [("f", after), ("b", before)] {
            let found = nearest(&alice, &room, ts, dir).await;
            let time = found
                .as_ref()
                .map(|f| f["origin_server_ts"].as_u64().unwrap());
            assert_eq!(time, expected, "EVT-22: {dir} of {ts} in {times:?}");
            let id = found.map(|f| f["event_id"].clone());
            let known = history.iter().any(|e| {
                Some(&e["event_id"]) == id.as_ref() && e["origin_server_ts"].as_u64() == time
            });
            assert!(known || id.is_none(), "EVT-22: {id:?} has that time");
        }
    }
}

#[tokio::test]
async fn only_events_that_may_be_seen_are_found() {
    let server = TestServer::usual().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let visibility = json!({ "type": "m.room.history_visibility",
        "content": { "history_visibility": "joined" } });
    let body = json!({ "preset": "public_chat", "initial_state": [visibility] });
    let room = alice.create_room(body).await;
    let hidden = alice.say(&room, "before bob").await;
    let path = v1(&["rooms", &room, "timestamp_to_event"]);
    let stranger = bob.get(&format!("{path}?ts=0&dir=f")).await;
    stranger.refused(403, "M_FORBIDDEN", "EVT-22: a stranger");
    bob.join(&room).await;
    let all = bob.whole_history(&room, "f", 100).await;
    let found = nearest(&bob, &room, 0, "f").await.unwrap();
    assert_ne!(found["event_id"], hidden, "EVT-22: hidden");
    assert_eq!(
        found["event_id"], all[0]["event_id"],
        "EVT-22: the first that is seen"
    );
    for (query, errcode) in [
        ("dir=f", "M_MISSING_PARAM"),
        ("ts=1", "M_MISSING_PARAM"),
        ("ts=x&dir=f", "M_INVALID_PARAM"),
        ("ts=-1&dir=f", "M_INVALID_PARAM"),
        ("ts=1&dir=x", "M_INVALID_PARAM"),
    ] {
        let refused = alice.get(&format!("{path}?{query}")).await;
        refused.refused(400, errcode, &format!("EVT-22: {query}"));
    }
}
