//! `/sync`.

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
async fn lazy_loading_tells_of_members_who_spoke_and_only_once() {
    let server = TestServer::usual().await;
    let (alice, bob, room) = two_in_a_room(&server).await;
    let carol = server.user("carol").await;
    carol.join(&room).await;
    for number in 0..12 {
        alice.say(&room, &format!("{number}")).await;
    }
    let members = |answer: &Value| -> BTreeSet<String> {
        let state = joined(answer, &room)["state"]["events"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let members = state
            .iter()
            .filter(|event| event["type"] == "m.room.member");
        members
            .map(|event| event["state_key"].as_str().unwrap().to_owned())
            .collect()
    };
    let lazy = json!({ "lazy_load_members": true });
    let redundant = json!({ "lazy_load_members": true, "include_redundant_members": true });
    let filter = |state: &Value| json!({ "room": { "state": state, "timeline": { "limit": 5 } } });
    let id = bob.filter(filter(&lazy)).await;
    let first = bob.sync(&format!("filter={id}")).await;
    let expected = BTreeSet::from([alice.user_id.clone(), bob.user_id.clone()]);
    assert_eq!(members(&first), expected, "SYN-07");
    let since = first["next_batch"].as_str().unwrap();
    alice.say(&room, "again").await;
    carol.say(&room, "first word").await;
    let next = bob.sync(&format!("filter={id}&since={since}")).await;
    assert_eq!(
        members(&next),
        BTreeSet::from([carol.user_id.clone()]),
        "SYN-07: not again"
    );
    let id = bob.filter(filter(&redundant)).await;
    let all = bob.sync(&format!("filter={id}&since={since}")).await;
    let expected = BTreeSet::from([alice.user_id.clone(), carol.user_id.clone()]);
    assert!(
        members(&all).is_superset(&expected),
        "SYN-09: {:?}",
        members(&all)
    );
    let page = alice
        .messages(
            &room,
            "b",
            "&limit=2&filter=%7B%22lazy_load_members%22%3Atrue%7D",
        )
        .await;
    assert!(
        types(&page["state"]).contains(&"m.room.member"),
        "SYN-08: {page}"
    );
    let summary = &joined(&first, &room)["summary"];
    assert_eq!(summary["m.joined_member_count"], 3, "SYN-27: {summary}");
    let heroes: BTreeSet<&str> = summary["m.heroes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|hero| hero.as_str().unwrap())
        .collect();
    assert_eq!(
        heroes,
        BTreeSet::from([&*alice.user_id, &*carol.user_id]),
        "SYN-27"
    );
}

#[tokio::test]
async fn filters_choose_what_is_told() {
    let server = TestServer::usual().await;
    let (alice, bob, room) = two_in_a_room(&server).await;
    let other = alice.create_room(json!({})).await;
    let since = alice.sync_token().await;
    let mine = alice.say(&room, "mine").await;
    let his = bob.say(&room, "his").await;
    let custom = bob
        .send(&room, "test.custom", json!({ "url": "mxc://x/y" }))
        .await;
    alice.say(&other, "elsewhere").await;
    let cases = [
        (
            json!({ "timeline": { "types": ["test.*"] } }),
            vec![&custom],
        ),
        (
            json!({ "timeline": { "types": ["test.*", "m.*"], "not_types": ["m.room.*"] } }),
            vec![&custom],
        ),
        (json!({ "timeline": { "types": [] } }), vec![]),
        (
            json!({ "timeline": { "senders": [alice.user_id] } }),
            vec![&mine],
        ),
        (
            json!({ "timeline": { "not_senders": [alice.user_id] } }),
            vec![&his, &custom],
        ),
        (
            json!({ "timeline": { "contains_url": true } }),
            vec![&custom],
        ),
        (json!({ "timeline": { "limit": 1 } }), vec![&custom]),
    ];
    for (filter, expected) in cases {
        let id = alice.filter(json!({ "room": filter })).await;
        let news = alice.sync(&format!("since={since}&filter={id}")).await;
        let found = event_ids(&joined(&news, &room)["timeline"]["events"]);
        assert_eq!(
            found.iter().collect::<Vec<_>>(),
            expected,
            "SYN-03: {filter}"
        );
    }
    for filter in [json!({ "rooms": [room] }), json!({ "not_rooms": [other] })] {
        let id = alice.filter(json!({ "room": filter })).await;
        let news = alice.sync(&format!("since={since}&filter={id}")).await;
        let rooms: Vec<&String> = news["rooms"]["join"].as_object().unwrap().keys().collect();
        assert_eq!(rooms, [&room], "SYN-04: {filter}");
    }
    let inline = "%7B%22room%22%3A%7B%22timeline%22%3A%7B%22limit%22%3A1%7D%7D%7D";
    let news = alice.sync(&format!("since={since}&filter={inline}")).await;
    assert_eq!(
        event_ids(&joined(&news, &room)["timeline"]["events"]),
        [custom],
        "SYN-02: inline"
    );
    let fields = alice
        .filter(json!({ "event_fields": ["type", "content.body"] }))
        .await;
    let news = alice.sync(&format!("since={since}&filter={fields}")).await;
    let event = &joined(&news, &room)["timeline"]["events"][0];
    assert!(
        event["content"]["body"].is_string(),
        "SYN-03: event_fields: {event}"
    );
    assert!(
        event["sender"].is_null() && event["content"]["msgtype"].is_null(),
        "SYN-03: {event}"
    );
    let format = alice.filter(json!({ "event_format": "federation" })).await;
    let news = alice.sync(&format!("since={since}&filter={format}")).await;
    let event = &joined(&news, &room)["timeline"]["events"][0];
    assert!(
        event["auth_events"].is_array() && event["hashes"].is_object(),
        "SYN-40: {event}"
    );
}

#[tokio::test]
async fn receipts_typing_and_markers_reach_those_they_are_for() {
    let server = TestServer::usual().await;
    let (alice, bob, room) = two_in_a_room(&server).await;
    let (one, two) = (alice.say(&room, "1").await, alice.say(&room, "2").await);
    let since = alice.sync_token().await;
    bob.receipt(&room, "m.read", &two).await;
    bob.receipt(&room, "m.read", &one).await;
    bob.receipt(&room, "m.read.private", &two).await;
    let odd = bob
        .post(
            &path(&["rooms", &room, "receipt", "m.odd", &one]),
            json!({}),
        )
        .await;
    assert_eq!(odd.status, 400, "EPH-07: {}", odd.text);
    let odd = bob
        .post(
            &path(&["rooms", &room, "receipt", "m.read", &one]),
            json!({ "thread_id": "" }),
        )
        .await;
    odd.refused(400, "M_INVALID_PARAM", "EPH-08");
    let news = alice.sync(&format!("since={since}")).await;
    let receipts = joined(&news, &room)["ephemeral"]["events"].to_string();
    assert!(
        receipts.contains(&two) && !receipts.contains(&one),
        "EPH-09: {receipts}"
    );
    assert!(!receipts.contains("m.read.private"), "EPH-10: {receipts}");
    let own = bob.sync("").await;
    let own = joined(&own, &room)["ephemeral"]["events"].to_string();
    assert!(
        own.contains("m.read.private") && own.contains("\"m.read\""),
        "EPH-10, EPH-12: {own}"
    );
    let since = alice.sync_token().await;
    bob.typing(&room, true).await;
    let typing = |answer: &Value| {
        let events = joined(answer, &room)["ephemeral"]["events"]
            .as_array()
            .cloned()?;
        let typing = events
            .into_iter()
            .find(|event| event["type"] == "m.typing")?;
        Some(typing["content"]["user_ids"].clone())
    };
    let news = alice
        .sync_until(&since, |answer| typing(answer).is_some())
        .await;
    assert_eq!(typing(&news), Some(json!([bob.user_id])), "EPH-06");
    bob.typing(&room, false).await;
    let since = news["next_batch"].as_str().unwrap();
    let news = alice
        .sync_until(since, |answer| typing(answer).is_some())
        .await;
    assert_eq!(typing(&news), Some(json!([])), "EPH-06: nobody types");
    let foreign = path(&["rooms", &room, "typing", &alice.user_id]);
    let foreign = bob.put(&foreign, json!({ "typing": true })).await;
    foreign.refused(403, "M_FORBIDDEN", "EPH-05: for another");
    let markers = json!({ "m.fully_read": one, "m.read": two });
    alice
        .post(&path(&["rooms", &room, "read_markers"]), markers)
        .await
        .ok("EPH-13");
    let news = alice.sync("").await;
    let data = joined(&news, &room)["account_data"]["events"].to_string();
    assert!(
        data.contains("m.fully_read") && data.contains(&one),
        "EPH-14: {data}"
    );
}

#[tokio::test]
async fn account_data_is_told_to_all_devices_when_it_changes() {
    let server = TestServer::usual().await;
    let (alice, _, room) = two_in_a_room(&server).await;
    let second = server.client().login("alice").await;
    let first = alice.sync("").await;
    assert!(
        types(&first["account_data"]["events"]).contains(&"m.push_rules"),
        "PSH: push rules"
    );
    let since = second.sync_token().await;
    alice
        .put(&alice.account_data_path("test.a"), json!({ "n": 1 }))
        .await
        .ok("ACC-03");
    alice
        .put(
            &alice.room_account_data_path(&room, "test.b"),
            json!({ "n": 2 }),
        )
        .await
        .ok("ACC-03");
    let news = second.sync(&format!("since={since}")).await;
    assert_eq!(
        types(&news["account_data"]["events"]),
        ["test.a"],
        "SYN-33: only what changed"
    );
    assert_eq!(
        types(&joined(&news, &room)["account_data"]["events"]),
        ["test.b"],
        "SYN-33"
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
