//! `/sync` and filters.

use heliograph_complement::{Client, TestServer, path};
use serde_json::{Value, json};

/// The users whose member events are in a list, sorted.
fn members(events: &Value) -> Vec<&str> {
    let events = events.as_array().expect("a list of events").iter();
    let mut users: Vec<&str> = events
        .filter(|event| event["type"] == "m.room.member")
        .map(|event| event["state_key"].as_str().unwrap())
        .collect();
    users.sort_unstable();
    users
}

async fn lazy(client: &Client) -> String {
    let filter = json!({ "room": {
        "timeline": { "limit": 20 }, "state": { "lazy_load_members": true } } });
    client.filter(filter).await
}

#[tokio::test]
async fn the_state_after_a_timeline_has_the_members_that_the_timeline_is_about() {
    let server = TestServer::usual().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let carol = server.user("carol").await;
    let room = alice.create_public_room().await;
    bob.join(&room).await;
    let filter = lazy(&alice).await;
    let query = format!("filter={filter}&use_state_after=true&timeout=0");
    let first = alice.sync(&query).await;
    let told = &first["rooms"]["join"][&room];
    let both = [&*alice.user_id, &*bob.user_id];
    assert_eq!(members(&told["state_after"]["events"]), both, "SYN-30");
    assert!(told["state"].is_null(), "SYN-30: one of the two");
    // Whom a member event is about, though somebody else sent it.
    let since = first["next_batch"].as_str().unwrap();
    alice.invite(&room, &carol.user_id).await;
    let next = alice.sync(&format!("{query}&since={since}")).await;
    let told = &next["rooms"]["join"][&room];
    let events = &told["state_after"]["events"];
    assert!(
        members(events).contains(&&*carol.user_id),
        "SYN-30: {events}"
    );
    let since = next["next_batch"].as_str().unwrap();
    carol.join(&room).await;
    bob.say(&room, "hello").await;
    let next = alice.sync(&format!("{query}&since={since}")).await;
    let told = &next["rooms"]["join"][&room]["state_after"]["events"];
    assert_eq!(members(told), [&*carol.user_id], "SYN-07: bob was sent");
    assert_eq!(told[0]["content"]["membership"], "join", "SYN-30");
    let plain = alice.sync(&format!("filter={filter}&timeout=0")).await;
    let told = &plain["rooms"]["join"][&room]["state"]["events"];
    assert!(members(told).is_empty(), "SYN-07: the timeline has them");
}

#[tokio::test]
async fn the_state_after_a_timeline_has_an_old_name_too() {
    let server = TestServer::usual().await;
    let alice = server.user("alice").await;
    let room = alice.create_public_room().await;
    let (new, old) = ("use_state_after", "org.matrix.msc4222.use_state_after");
    for (query, key) in [
        (format!("{new}=true"), "state_after"),
        (format!("{old}=true"), "org.matrix.msc4222.state_after"),
        (format!("{old}=true&{new}=true"), "state_after"),
        (format!("{old}=false&{new}=false"), "state"),
    ] {
        let synced = alice.sync(&query).await;
        let told = synced["rooms"]["join"][&room].as_object().unwrap();
        let keys: Vec<&String> = told.keys().filter(|key| key.contains("state")).collect();
        assert_eq!(keys, [key], "UNS-19: {query}");
        let events = told[key]["events"].as_array().unwrap();
        assert_eq!(events.is_empty(), key == "state", "UNS-19: {query}");
    }
}

#[tokio::test]
async fn that_a_room_was_left_is_told_once_though_it_is_forgotten() {
    let server = TestServer::usual().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let room = alice.create_public_room().await;
    bob.join(&room).await;
    let since = bob.sync_token().await;
    alice.say(&room, "bob may not see this any more").await;
    bob.leave(&room).await;
    bob.post(&path(&["rooms", &room, "forget"]), json!({}))
        .await
        .ok("ROM-25");
    alice.say(&room, "nor this").await;
    let told = bob.sync(&format!("since={since}&timeout=0")).await;
    let left = &told["rooms"]["leave"][&room];
    let events = left["timeline"]["events"].as_array().expect("SYN-22");
    assert_eq!(events.len(), 1, "SYN-22: {left}");
    assert_eq!(events[0]["content"]["membership"], "leave", "SYN-22");
    assert!(!told.to_string().contains("any more"), "ROM-25: {told}");
    let next = told["next_batch"].as_str().unwrap();
    let after = bob.sync(&format!("since={next}&timeout=0")).await;
    assert!(after["rooms"]["leave"][&room].is_null(), "SYN-22: once");
    let archived = json!({ "room": { "include_leave": true } });
    let filter = bob.filter(archived).await;
    let all = bob.sync(&format!("filter={filter}&timeout=0")).await;
    assert!(all["rooms"]["leave"][&room].is_null(), "SYN-26");
}

#[tokio::test]
async fn the_state_after_an_invite_that_was_refused_says_so() {
    let server = TestServer::usual().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let room = alice.create_room(json!({})).await;
    alice.invite(&room, &bob.user_id).await;
    let since = bob.sync_token().await;
    bob.leave(&room).await;
    for (query, key) in [("true", "state_after"), ("false", "state")] {
        let query = format!("since={since}&use_state_after={query}&timeout=0");
        let told = bob.sync(&query).await;
        let left = &told["rooms"]["leave"][&room];
        let events = &left["timeline"]["events"];
        assert_eq!(members(events), [&*bob.user_id], "SYN-23");
        let state = left[key]["events"].as_array().expect("SYN-30").len();
        assert_eq!(state, usize::from(key == "state_after"), "SYN-30: {left}");
    }
}

#[tokio::test]
async fn filters_name_rooms_and_users_by_their_ids() {
    let server = TestServer::usual().await;
    let alice = server.user("alice").await;
    let at = path(&["user", &alice.user_id, "filter"]);
    for list in ["rooms", "not_rooms", "senders", "not_senders"] {
        for part in ["timeline", "state", "ephemeral", "account_data"] {
            let filter = json!({ "room": { part: { list: ["not_an_id"] } } });
            let refused = alice.post(&at, filter.clone()).await;
            refused.refused(400, "M_BAD_JSON", &format!("SYN-01: {filter}"));
            let inline = filter.to_string().replace('"', "%22");
            let inline = path(&["sync"]) + "?timeout=0&filter=" + &inline;
            let refused = alice.get(&inline).await;
            refused.refused(400, "M_INVALID_PARAM", &format!("SYN-02: {filter}"));
        }
    }
    let good = json!({ "room": {
        "rooms": ["!of:a.server", "!HashOfItsCreation00000000000000000000000000"],
        "timeline": { "senders": ["@a:b.c", "@Historical ID:b.c"], "rooms": [] } } });
    alice.post(&at, good).await.ok("SYN-01");
}
