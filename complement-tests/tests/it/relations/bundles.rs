//! What is bundled with an event, and where.

use heliograph_complement::{Client, TestServer, path};
use serde_json::{Value, json};

use super::{edit, relate, relating, relations, v1};

fn find<'v>(events: &'v Value, id: &str) -> &'v Value {
    let events = events.as_array().expect("a list of events");
    let found = events.iter().find(|event| event["event_id"] == id);
    found.unwrap_or_else(|| panic!("REL-12: {id} is not in {events:?}"))
}

fn bundle(event: &Value) -> &Value {
    &event["unsigned"]["m.relations"]
}

/// Returns when the server's clock shows a later millisecond than an event has.
async fn pass_a_moment(client: &Client, room: &str, event: &str) {
    let time = |event: &Value| event["origin_server_ts"].as_u64();
    let before = time(&client.event(room, event).await);
    loop {
        let now = client.say(room, "now").await;
        if time(&client.event(room, &now).await) > before {
            return;
        }
    }
}

/// What `/event` bundles with an event.
async fn bundled(client: &Client, room: &str, event: &str) -> Value {
    bundle(&client.event(room, event).await).clone()
}

#[tokio::test]
async fn the_newest_edit_is_bundled_whole_and_the_original_stays() {
    let server = TestServer::usual().await;
    let alice = server.user("alice").await;
    let room = alice.create_public_room().await;
    let target = alice.say(&room, "original").await;
    assert!(
        bundled(&alice, &room, &target).await.is_null(),
        "REL-04: no edit"
    );
    let one = edit(&alice, &room, &target, "one").await;
    pass_a_moment(&alice, &room, &one).await;
    let newest = edit(&alice, &room, &target, "two").await;
    let event = alice.event(&room, &target).await;
    assert_eq!(event["content"]["body"], "original", "REL-05");
    let replace = &bundle(&event)["m.replace"];
    assert_eq!(replace["event_id"], newest, "REL-04: the newest");
    assert_eq!(
        replace["content"]["m.new_content"]["body"], "two",
        "REL-04: whole"
    );
    for key in ["type", "sender", "room_id", "origin_server_ts", "unsigned"] {
        assert!(!replace[key].is_null(), "REL-04: {key} of {replace}");
    }
    alice.redact(&room, &newest).await;
    let before = bundled(&alice, &room, &target).await;
    let body = &before["m.replace"]["content"]["m.new_content"]["body"];
    assert_eq!(body, "one", "EVT-26: the edit before the redacted one");
    alice.redact(&room, &target).await;
    let event = alice.event(&room, &target).await;
    assert!(bundle(&event).is_null(), "REL-06: {event}");
}

#[tokio::test]
async fn what_is_no_valid_edit_is_not_bundled() {
    let server = TestServer::usual().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let room = alice.create_public_room().await;
    let power = json!({ "state_default": 0, "users_default": 0 });
    alice
        .set_state(&room, "m.room.power_levels", "", power)
        .await;
    bob.join(&room).await;
    let target = alice.say(&room, "original").await;
    edit(&bob, &room, &target, "by another").await;
    let mut content = relating("m.replace", &target);
    content["m.new_content"] = json!({ "body": "x" });
    alice.send(&room, "test.type", content.clone()).await;
    alice.set_state(&room, "m.room.message", "", content).await;
    relate(&alice, &room, "m.replace", &target).await;
    let shown = bundled(&alice, &room, &target).await;
    assert!(
        shown.is_null(),
        "REL-07: other sender, other type, state, no content: {shown}"
    );
    let valid = edit(&alice, &room, &target, "edited").await;
    edit(&alice, &room, &valid, "an edit of an edit").await;
    let shown = bundled(&alice, &room, &valid).await;
    assert!(shown.is_null(), "REL-07: an edit of an edit: {shown}");
    let topic = alice
        .set_state(&room, "test.state", "", json!({ "body": "x" }))
        .await;
    let mut content = relating("m.replace", &topic);
    content["m.new_content"] = json!({ "body": "y" });
    alice.send(&room, "test.state", content).await;
    let shown = bundled(&alice, &room, &topic).await;
    assert!(shown.is_null(), "REL-07: an edit of state: {shown}");
    let shown = bundled(&bob, &room, &target).await;
    assert_eq!(shown["m.replace"]["event_id"], valid, "REL-04");
}

#[tokio::test]
async fn references_are_a_list_of_ids() {
    let server = TestServer::usual().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let room = alice.create_public_room().await;
    bob.join(&room).await;
    let target = alice.say(&room, "target").await;
    let one = relate(&alice, &room, "m.reference", &target).await;
    let two = relate(&bob, &room, "m.reference", &target).await;
    let shown = bundled(&alice, &room, &target).await;
    let expected = json!({ "m.reference": {
        "chunk": [{ "event_id": one }, { "event_id": two }] } });
    assert_eq!(shown, expected, "REL-10");
    let ignored = json!({ "ignored_users": { (bob.user_id.as_str()): {} } });
    let path = alice.account_data_path("m.ignored_user_list");
    alice.put(&path, ignored).await.ok("ACD-06: ignoring");
    let shown = bundled(&alice, &room, &target).await;
    let expected = json!({ "m.reference": { "chunk": [{ "event_id": one }] } });
    assert_eq!(shown, expected, "REL-10: without ignored users");
}

#[tokio::test]
async fn bundles_are_wherever_a_timeline_is_read() {
    let server = TestServer::usual().await;
    let alice = server.user("alice").await;
    let room = alice.create_public_room().await;
    let root = alice.say(&room, "root").await;
    let since = alice.sync_token().await;
    let target = alice
        .send(&room, "m.room.message", relating("m.reference", &root))
        .await;
    let newest = edit(&alice, &room, &target, "edited").await;
    let page = alice.messages(&room, "b", "&limit=5").await;
    let context = path(&["rooms", &room, "context", &target]);
    let around = alice.get(&context).await.ok("REL-12: /context");
    let context = path(&["rooms", &room, "context", &newest]);
    let before = alice.get(&context).await.ok("REL-12: /context");
    let context = path(&["rooms", &room, "context", &root]);
    let after = alice.get(&context).await.ok("REL-12: /context");
    let relations = relations(&alice, &room, &[&root], "").await;
    let filter = alice
        .filter(json!({ "room": { "timeline": { "limit": 2 } } }))
        .await;
    let initial = alice.sync(&format!("filter={filter}")).await;
    let timeline = &initial["rooms"]["join"][&room]["timeline"];
    assert_eq!(timeline["limited"], true, "REL-12: {timeline}");
    for (event, place) in [
        (find(&page["chunk"], &target), "/messages"),
        (&around["event"], "/context"),
        (find(&before["events_before"], &target), "events_before"),
        (find(&after["events_after"], &target), "events_after"),
        (find(&relations["chunk"], &target), "/relations"),
        (find(&timeline["events"], &target), "a limited /sync"),
    ] {
        let replace = &bundle(event)["m.replace"];
        assert_eq!(replace["event_id"], newest, "REL-12: {place}: {event}");
    }
    let event = find(&timeline["events"], &target);
    let nested = &bundle(event)["m.replace"];
    assert!(nested["room_id"].is_null(), "SYN-39: {nested}");
    let news = alice.sync(&format!("since={since}")).await;
    let timeline = &news["rooms"]["join"][&room]["timeline"];
    let whole = find(&timeline["events"], &target);
    assert!(
        bundle(whole).is_null(),
        "REL-12: a whole timeline has it all: {whole}"
    );
}

#[tokio::test]
async fn threads_tell_their_latest_event_their_count_and_whether_one_took_part() {
    let server = TestServer::usual().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let carol = server.user("carol").await;
    let room = alice.create_public_room().await;
    bob.join(&room).await;
    carol.join(&room).await;
    let root = alice.say(&room, "root").await;
    let first = relate(&bob, &room, "m.thread", &root).await;
    let second = relate(&bob, &room, "m.thread", &root).await;
    let edited = edit(&bob, &room, &second, "edited").await;
    let thread = async |client: &Client| bundled(client, &room, &root).await["m.thread"].clone();
    for (client, took_part) in [(&alice, true), (&bob, true), (&carol, false)] {
        let thread = thread(client).await;
        assert_eq!(thread["count"], 2, "REL-08: {thread}");
        assert_eq!(
            thread["latest_event"]["event_id"], second,
            "REL-08: {thread}"
        );
        let took = &thread["current_user_participated"];
        assert_eq!(took, took_part, "REL-08: {}", client.user_id);
        let nested = &bundle(&thread["latest_event"])["m.replace"];
        assert_eq!(
            nested["event_id"], edited,
            "REL-08: its own bundle: {thread}"
        );
    }
    let third = relate(&carol, &room, "m.thread", &root).await;
    let told = thread(&carol).await;
    assert_eq!(told["current_user_participated"], true, "REL-08: {told}");
    assert_eq!(told["latest_event"]["event_id"], third, "REL-08: {told}");
    let ignored = json!({ "ignored_users": { (carol.user_id.as_str()): {} } });
    let path = alice.account_data_path("m.ignored_user_list");
    alice.put(&path, ignored).await.ok("ACD-06: ignoring");
    let told = thread(&alice).await;
    assert_eq!(told["count"], 2, "REL-09: {told}");
    assert_eq!(told["latest_event"]["event_id"], second, "REL-09: {told}");
    let mut ignored = serde_json::Map::new();
    for name in ["dave", "erin", "frank"] {
        ignored.insert(server.user(name).await.user_id, json!({}));
    }
    ignored.insert(carol.user_id.clone(), json!({}));
    let ignored = json!({ "ignored_users": ignored });
    alice.put(&path, ignored).await.ok("ACD-06: ignoring");
    let told = thread(&alice).await;
    assert_eq!(told["count"], 2, "REL-09: many are ignored: {told}");
    bob.redact(&room, &second).await;
    let told = thread(&bob).await;
    assert_eq!(told["count"], 2, "EVT-26: {told}");
    assert_eq!(told["latest_event"]["event_id"], third, "EVT-26: {told}");
    carol.redact(&room, &third).await;
    let told = thread(&carol).await;
    assert_eq!(told["latest_event"]["event_id"], first, "EVT-26: {told}");
    assert_eq!(told["current_user_participated"], false, "EVT-26: {told}");
    bob.redact(&room, &first).await;
    let told = thread(&bob).await;
    assert!(told.is_null(), "EVT-26: a thread without replies: {told}");
    let threads = bob.get(&v1(&["rooms", &room, "threads"])).await;
    let threads = threads.ok("REL-14: listing threads");
    assert_eq!(threads["chunk"], json!([]), "EVT-26: {threads}");
}
