//! What filters leave out of syncs.

use std::collections::BTreeSet;

use heliograph_complement::{TestServer, event_ids};
use serde_json::{Value, json};

use super::{joined, two_in_a_room, types};

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
