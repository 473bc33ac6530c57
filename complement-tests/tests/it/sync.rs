//! `/sync`.

mod filters;
mod told;

use std::collections::BTreeSet;

use heliograph_complement::{Client, TestServer, event_ids, path};
use serde_json::{Value, json};

fn joined<'a>(answer: &'a Value, room: &str) -> &'a Value {
    &answer["rooms"]["join"][room]
}

fn types(events: &Value) -> Vec<&str> {
    let events = events.as_array().map_or(&[][..], Vec::as_slice);
    events
        .iter()
        .map(|event| event["type"].as_str().unwrap())
        .collect()
}

async fn two_in_a_room(server: &TestServer) -> (Client, Client, String) {
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let room = alice.create_public_room().await;
    bob.join(&room).await;
    (alice, bob, room)
}

#[tokio::test]
async fn a_first_sync_tells_all_and_later_ones_only_news() {
    let server = TestServer::usual().await;
    let (alice, bob, room) = two_in_a_room(&server).await;
    let quiet = alice.create_room(json!({})).await;
    for number in 0..15 {
        bob.say(&room, &format!("{number}")).await;
    }
    let first = alice.sync("").await;
    let update = joined(&first, &room);
    let timeline = &update["timeline"];
    assert_eq!(timeline["limited"], true, "SYN-10");
    let listed: BTreeSet<&str> = types(&update["state"]["events"]).into_iter().collect();
    for kind in [
        "m.room.create",
        "m.room.power_levels",
        "m.room.member",
        "m.room.join_rules",
    ] {
        assert!(listed.contains(kind), "SYN-10: {kind} in the state");
    }
    assert!(
        joined(&first, &quiet).is_object(),
        "SYN-10: all joined rooms"
    );
    let event = &timeline["events"][0];
    assert!(event["room_id"].is_null(), "SYN-39");
    assert!(event["unsigned"]["age"].is_i64(), "SYN-37: age");
    assert_eq!(event["unsigned"]["membership"], "join", "SYN-38");
    let since = first["next_batch"].as_str().unwrap().to_owned();
    let message = bob.say(&room, "news").await;
    let next = alice.sync(&format!("since={since}")).await;
    assert!(
        joined(&next, &quiet).is_null(),
        "SYN-11: a room without news"
    );
    let update = joined(&next, &room);
    assert_eq!(
        event_ids(&update["timeline"]["events"]),
        [message],
        "SYN-11"
    );
    assert_eq!(
        types(&update["state"]["events"]),
        Vec::<&str>::new(),
        "SYN-11: no state changed"
    );
    let again = alice.sync(&format!("since={since}")).await;
    let same = event_ids(&joined(&again, &room)["timeline"]["events"]);
    assert_eq!(
        same,
        event_ids(&update["timeline"]["events"]),
        "SYN-18: the same token again"
    );
    let full = alice.sync(&format!("since={since}&full_state=true")).await;
    assert!(
        types(&joined(&full, &quiet)["state"]["events"]).contains(&"m.room.create"),
        "SYN-14"
    );
}

#[tokio::test]
async fn state_is_what_changed_before_the_timeline() {
    let server = TestServer::usual().await;
    let (alice, bob, room) = two_in_a_room(&server).await;
    let filter = bob
        .filter(json!({ "room": { "timeline": { "limit": 2 } } }))
        .await;
    let since = bob.sync_token().await;
    let topic = alice
        .set_state(&room, "m.room.topic", "", json!({ "topic": "one" }))
        .await;
    for number in 0..3 {
        alice.say(&room, &format!("{number}")).await;
    }
    let name = alice
        .set_state(&room, "m.room.name", "", json!({ "name": "two" }))
        .await;
    let query = format!("since={since}&filter={filter}");
    let news = bob.sync(&query).await;
    let update = joined(&news, &room);
    assert_eq!(
        event_ids(&update["state"]["events"]),
        std::slice::from_ref(&topic),
        "SYN-11: state"
    );
    assert_eq!(event_ids(&update["timeline"]["events"])[1], name, "SYN-12");
    assert_eq!(update["timeline"]["limited"], true, "SYN-12");
    let after = bob.sync(&format!("{query}&use_state_after=true")).await;
    let update = joined(&after, &room);
    assert!(update["state"].is_null(), "SYN-30");
    let ids: BTreeSet<String> = event_ids(&update["state_after"]["events"])
        .into_iter()
        .collect();
    assert_eq!(ids, BTreeSet::from([topic, name]), "SYN-30");
    let next = alice
        .set_state(&room, "m.room.name", "", json!({ "name": "three" }))
        .await;
    let event = alice.event(&room, &next).await;
    assert_eq!(
        event["unsigned"]["prev_content"]["name"], "two",
        "SYN-37: prev_content"
    );
}

#[tokio::test]
async fn only_the_sending_device_gets_the_transaction_id() {
    let server = TestServer::usual().await;
    let (alice, bob, room) = two_in_a_room(&server).await;
    let second = server.client().login("alice").await;
    let (mine, hers, his) = (
        alice.sync_token().await,
        second.sync_token().await,
        bob.sync_token().await,
    );
    let send = path(&["rooms", &room, "send", "m.room.message", "my id"]);
    alice
        .put(&send, json!({ "msgtype": "m.text", "body": "x" }))
        .await
        .ok("EVT-01");
    for (client, since, expected) in [
        (&alice, mine, json!("my id")),
        (&second, hers, Value::Null),
        (&bob, his, Value::Null),
    ] {
        let news = client.sync(&format!("since={since}")).await;
        let unsigned = &joined(&news, &room)["timeline"]["events"][0]["unsigned"];
        assert_eq!(
            unsigned["transaction_id"], expected,
            "SYN-37: {}",
            client.device_id
        );
    }
}

#[tokio::test]
async fn a_waiting_sync_is_woken_by_each_kind_of_news() {
    let server = TestServer::usual().await;
    let (alice, bob, room) = two_in_a_room(&server).await;
    let event = alice.say(&room, "first").await;
    let other = bob.create_room(json!({})).await;
    for kind in [
        "message",
        "state",
        "receipt",
        "typing",
        "account data",
        "room account data",
        "invite",
        "marker",
    ] {
        let since = alice.sync_token().await;
        let act = async {
            match kind {
                "message" => drop(bob.say(&room, "x").await),
                "state" => drop(bob.set_state(&other, "test.x", "", json!({})).await),
                "receipt" => bob.receipt(&room, "m.read", &event).await,
                "typing" => bob.typing(&room, true).await,
                "account data" => drop(
                    alice
                        .put(&alice.account_data_path("test.x"), json!({ "k": kind }))
                        .await
                        .ok("ACC-03"),
                ),
                "room account data" => drop(
                    alice
                        .put(&alice.room_account_data_path(&room, "test.x"), json!({}))
                        .await
                        .ok("ACC-03"),
                ),
                "invite" => bob.invite(&other, &alice.user_id).await,
                _ => {
                    let path = path(&["rooms", &room, "read_markers"]);
                    let body = json!({ "m.fully_read": event });
                    alice.post(&path, body).await.ok("EPH-13");
                }
            }
            // A change in a room that alice is not in does not wake her; this does.
            if kind == "state" {
                bob.say(&room, "y").await;
            }
        };
        let wanted = |answer: &Value| match kind {
            "message" | "state" => joined(answer, &room)["timeline"]["events"][0].is_object(),
            "receipt" => {
                types(&joined(answer, &room)["ephemeral"]["events"]).contains(&"m.receipt")
            }
            "typing" => types(&joined(answer, &room)["ephemeral"]["events"]).contains(&"m.typing"),
            "account data" => types(&answer["account_data"]["events"]).contains(&"test.x"),
            "room account data" => {
                types(&joined(answer, &room)["account_data"]["events"]).contains(&"test.x")
            }
            "invite" => answer["rooms"]["invite"][&other].is_object(),
            _ => types(&joined(answer, &room)["account_data"]["events"]).contains(&"m.fully_read"),
        };
        let (answer, ()) = tokio::join!(alice.sync_since(&since), act);
        assert!(wanted(&answer), "SYN-16: woken by {kind}: {answer}");
    }
}

#[tokio::test]
async fn without_news_a_sync_waits_as_long_as_asked_and_no_longer() {
    let server = TestServer::usual().await;
    let alice = server.user("alice").await;
    let since = alice.sync_token().await;
    for timeout in [0, 300] {
        let began = std::time::Instant::now();
        let answer = alice
            .sync(&format!("since={since}&timeout={timeout}"))
            .await;
        assert!(answer["rooms"]["join"].is_null(), "SYN-15: {answer}");
        assert!(
            began.elapsed().as_millis() >= timeout,
            "SYN-15: it waits {timeout} ms"
        );
    }
}

#[tokio::test]
async fn invites_and_leaves_are_told_once() {
    let server = TestServer::usual().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let room = alice
        .create_room(json!({ "preset": "private_chat", "name": "Secret" }))
        .await;
    let since = bob.sync_token().await;
    alice.invite(&room, &bob.user_id).await;
    let invited = bob.sync(&format!("since={since}")).await;
    let stripped = &invited["rooms"]["invite"][&room]["invite_state"]["events"];
    for kind in [
        "m.room.create",
        "m.room.name",
        "m.room.join_rules",
        "m.room.member",
    ] {
        assert!(
            types(stripped).contains(&kind),
            "SYN-20: {kind} in {stripped}"
        );
    }
    let since = invited["next_batch"].as_str().unwrap().to_owned();
    bob.leave(&room).await;
    let rejected = bob.sync(&format!("since={since}")).await;
    assert!(
        rejected["rooms"]["leave"][&room].is_object(),
        "SYN-23: {rejected}"
    );
    alice.invite(&room, &bob.user_id).await;
    bob.join(&room).await;
    let since = bob.sync_token().await;
    alice.act_on("kick", &room, &bob.user_id).await;
    alice.say(&room, "bob must not see this").await;
    let kicked = bob.sync(&format!("since={since}")).await;
    let last = &kicked["rooms"]["leave"][&room]["timeline"]["events"];
    assert_eq!(last.as_array().map(Vec::len), Some(1), "SYN-22: {kicked}");
    assert_eq!(last[0]["content"]["membership"], "leave", "SYN-22");
    let since = kicked["next_batch"].as_str().unwrap();
    let after = bob.sync(&format!("since={since}")).await;
    assert!(
        after["rooms"]["leave"][&room].is_null(),
        "SYN-22: once only: {after}"
    );
    assert!(
        bob.sync("").await["rooms"]["leave"][&room].is_null(),
        "SYN-22: not without include_leave"
    );
    let left = bob
        .filter(json!({ "room": { "include_leave": true } }))
        .await;
    let with = bob.sync(&format!("filter={left}")).await;
    assert!(
        with["rooms"]["leave"][&room].is_object(),
        "SYN-22: include_leave"
    );
    assert!(
        !with.to_string().contains("bob must not see this"),
        "SYN-22: nothing after the leave"
    );
    bob.post(&path(&["rooms", &room, "forget"]), json!({}))
        .await
        .ok("ROM-25");
    let without = bob.sync(&format!("filter={left}")).await;
    assert!(without["rooms"]["leave"][&room].is_null(), "SYN-26");
    let since = bob.sync_token().await;
    alice.invite(&room, &bob.user_id).await;
    bob.join(&room).await;
    let back = bob.sync(&format!("since={since}")).await;
    let update = joined(&back, &room);
    let mut all = types(&update["state"]["events"]);
    all.extend(types(&update["timeline"]["events"]));
    assert!(
        all.contains(&"m.room.create") && all.contains(&"m.room.name"),
        "SYN-24: {all:?}"
    );
}

#[tokio::test]
async fn tokens_survive_restarts_and_odd_ones_are_refused() {
    let mut server = TestServer::usual().await;
    let (alice, bob, room) = two_in_a_room(&server).await;
    let since = alice.sync_token().await;
    let event = bob.say(&room, "before the restart").await;
    server.restart().await;
    let later = bob.say(&room, "after the restart").await;
    let news = alice.sync(&format!("since={since}")).await;
    let found = event_ids(&joined(&news, &room)["timeline"]["events"]);
    assert_eq!(found, [event, later], "SYN-19");
    for odd in ["nonsense", "s1_", "s1_AAAA", "t1_AAAAAAAAAAAAAAAA"] {
        let answer = alice.get(&format!("{}?since={odd}", path(&["sync"]))).await;
        assert_eq!(
            answer.status, 400,
            "a token that cannot be read: {odd}: {}",
            answer.text
        );
    }
}

#[tokio::test]
async fn a_token_of_another_server_is_none() {
    let (server, other) = (TestServer::usual().await, TestServer::usual().await);
    let (alice, _, room) = two_in_a_room(&server).await;
    let stranger = other.user("stranger").await;
    for _ in 0..3 {
        stranger.create_public_room().await;
    }
    let foreign = stranger.sync_token().await;
    alice.say(&room, "hello").await;
    let (whole, told) = (
        alice.sync("").await,
        alice.sync(&format!("since={foreign}&timeout=30000")).await,
    );
    let ids = |answer: &Value| event_ids(&joined(answer, &room)["timeline"]["events"]);
    assert_eq!(ids(&told), ids(&whole), "everything, at once");
    for broken in ["s", "s1_2_3", &foreign[1..], &format!("{foreign}0")] {
        let answer = alice.get(&(path(&["sync"]) + "?since=" + broken)).await;
        answer.refused(400, "M_INVALID_PARAM", &format!("a token {broken:?}"));
    }
}
