//! Relations between events: `/relations`, what is bundled, and filters by relation.

mod bundles;
mod filters;
mod threads;

use heliograph_complement::{Client, TestServer, event_ids, path};
use serde_json::{Value, json};

/// A path below `/_matrix/client/v1`.
pub(super) fn v1(segments: &[&str]) -> String {
    path(segments).replace("/_matrix/client/v3/", "/_matrix/client/v1/")
}

/// A content that relates to an event.
fn relating(rel_type: &str, target: &str) -> Value {
    json!({
        "msgtype": "m.text",
        "body": "a relation",
        "m.relates_to": { "rel_type": rel_type, "event_id": target },
    })
}

/// Sends a message that relates to an event.
async fn relate(client: &Client, room: &str, rel_type: &str, target: &str) -> String {
    client
        .send(room, "m.room.message", relating(rel_type, target))
        .await
}

/// Sends an edit.
async fn edit(client: &Client, room: &str, target: &str, body: &str) -> String {
    let mut content = relating("m.replace", target);
    content["m.new_content"] = json!({ "msgtype": "m.text", "body": body });
    client.send(room, "m.room.message", content).await
}

/// Sends a reaction.
async fn react(client: &Client, room: &str, target: &str, key: &str) -> String {
    let content = json!({
        "m.relates_to": { "rel_type": "m.annotation", "event_id": target, "key": key },
    });
    client.send(room, "m.reaction", content).await
}

/// The answer of `/relations` below an event.
async fn relations(client: &Client, room: &str, below: &[&str], query: &str) -> Value {
    let segments = [&["rooms", room, "relations"], below].concat();
    let answer = client.get(&format!("{}?{query}", v1(&segments))).await;
    answer.ok("REL-01: reading relations")
}

/// The relations of an event, newest first.
async fn related(client: &Client, room: &str, below: &[&str]) -> Vec<String> {
    event_ids(&relations(client, room, below, "").await["chunk"])
}

#[tokio::test]
async fn relations_are_found_by_relation_and_by_type() {
    let server = TestServer::usual().await;
    let alice = server.user("alice").await;
    let room = alice.create_public_room().await;
    let target = alice.say(&room, "target").await;
    let reply = relate(&alice, &room, "m.thread", &target).await;
    let reaction = react(&alice, &room, &target, "👍").await;
    let custom = relate(&alice, &room, "test.relation", &target).await;
    let other = relate(&alice, &room, "test.other", &target).await;
    alice.say(&room, "unrelated").await;
    let reference = relate(&alice, &room, "m.reference", &target).await;
    let newest_first = [&reference, &other, &custom, &reaction, &reply];
    assert_eq!(
        related(&alice, &room, &[&target])
            .await
            .iter()
            .collect::<Vec<_>>(),
        newest_first,
        "REL-01: all, newest first"
    );
    let forth = relations(&alice, &room, &[&target], "dir=f").await;
    let mut forth = event_ids(&forth["chunk"]);
    forth.reverse();
    assert_eq!(
        forth.iter().collect::<Vec<_>>(),
        newest_first,
        "REL-01: dir=f"
    );
    for (below, expected) in [
        (vec!["test.relation"], vec![&custom]),
        (vec!["m.annotation"], vec![&reaction]),
        (vec!["m.annotation", "m.reaction"], vec![&reaction]),
        (vec!["m.annotation", "m.room.message"], vec![]),
        (vec!["m.thread", "m.room.message"], vec![&reply]),
        (vec!["m.replace"], vec![]),
    ] {
        let below = [&[target.as_str()], below.as_slice()].concat();
        let found = related(&alice, &room, &below).await;
        assert_eq!(
            found.iter().collect::<Vec<_>>(),
            expected,
            "REL-01: {below:?}"
        );
    }
    let none = relations(&alice, &room, &[&reference], "").await;
    assert_eq!(none["chunk"], json!([]), "REL-01: nothing relates to that");
    assert!(none["next_batch"].is_null(), "REL-01: {none}");
    let encrypted = json!({
        "algorithm": "m.megolm.v1.aes-sha2", "ciphertext": "x", "session_id": "s",
        "m.relates_to": { "rel_type": "m.thread", "event_id": target },
    });
    let encrypted = alice.send(&room, "m.room.encrypted", encrypted).await;
    let found = related(&alice, &room, &[&target, "m.thread", "m.room.encrypted"]).await;
    assert_eq!(found, [encrypted], "REL-16: the cleartext relation counts");
}

#[tokio::test]
async fn relations_are_paged_in_both_directions_without_loss_or_repetition() {
    let server = TestServer::usual().await;
    let alice = server.user("alice").await;
    let room = alice.create_public_room().await;
    let target = alice.say(&room, "target").await;
    let mut sent = Vec::new();
    for number in 0..11 {
        sent.push(match number % 3 {
            0 => relate(&alice, &room, "m.thread", &target).await,
            1 => react(&alice, &room, &target, &format!("{number}")).await,
            _ => relate(&alice, &room, "test.relation", &target).await,
        });
    }
    for (dir, limit, recurse) in [
        ("b", 1, false),
        ("f", 2, false),
        ("b", 4, true),
        ("f", 3, true),
    ] {
        let (mut found, mut from) = (Vec::new(), String::new());
        loop {
            let query = format!("dir={dir}&limit={limit}&recurse={recurse}{from}");
            let page = relations(&alice, &room, &[&target], &query).await;
            assert_eq!(
                page["prev_batch"].is_string(),
                !from.is_empty(),
                "REL-01: {page}"
            );
            let depth = page["recursion_depth"].as_u64();
            assert_eq!(depth, Some(if recurse { 3 } else { 1 }), "REL-02: {page}");
            found.extend(event_ids(&page["chunk"]));
            match page["next_batch"].as_str() {
                Some(next) => from = format!("&from={next}"),
                None => break,
            }
        }
        if dir == "b" {
            found.reverse();
        }
        assert_eq!(
            found, sent,
            "REL-01: {dir}, {limit} at a time, recurse {recurse}"
        );
    }
    let since = alice.sync_token().await;
    let later = relate(&alice, &room, "m.thread", &target).await;
    let page = relations(&alice, &room, &[&target], &format!("dir=f&from={since}")).await;
    assert_eq!(
        event_ids(&page["chunk"]),
        [later],
        "REL-01: from a sync token"
    );
    let page = relations(&alice, &room, &[&target], &format!("dir=f&to={since}")).await;
    assert_eq!(event_ids(&page["chunk"]), sent, "REL-01: to a sync token");
    let bad = v1(&["rooms", &room, "relations", &target]);
    for query in [
        "limit=0",
        "dir=x",
        "from=x",
        "to=x",
        "limit=-1",
        "recurse=x",
    ] {
        let refused = alice.get(&format!("{bad}?{query}")).await;
        refused.refused(400, "M_INVALID_PARAM", &format!("REL-01: {query}"));
    }
}

#[tokio::test]
async fn recursion_follows_relations_of_relations() {
    let server = TestServer::usual().await;
    let alice = server.user("alice").await;
    let room = alice.create_public_room().await;
    let target = alice.say(&room, "target").await;
    let mut chain = vec![target.clone()];
    for number in 0..3 {
        let last = chain.last().unwrap().clone();
        chain.push(relate(&alice, &room, &format!("test.{number}"), &last).await);
    }
    let reaction = react(&alice, &room, &chain[1], "👍").await;
    let direct = related(&alice, &room, &[&target]).await;
    assert_eq!(direct, [chain[1].clone()], "REL-02: without recurse");
    let all = relations(&alice, &room, &[&target], "recurse=true").await;
    let depth = all["recursion_depth"].as_u64().unwrap();
    assert!(depth >= 3, "REL-02: {depth} levels");
    let expected = [&reaction, &chain[3], &chain[2], &chain[1]];
    let found = event_ids(&all["chunk"]);
    assert_eq!(
        found.iter().collect::<Vec<_>>(),
        expected,
        "REL-02: three levels"
    );
    let third = relations(&alice, &room, &[&target, "test.2"], "recurse=true").await;
    let found = event_ids(&third["chunk"]);
    assert_eq!(
        found,
        [chain[3].clone()],
        "REL-02: of one kind, whatever leads there"
    );
}

#[tokio::test]
async fn who_may_not_see_an_event_is_not_told_what_relates_to_it() {
    let server = TestServer::usual().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let visibility = json!({ "type": "m.room.history_visibility",
        "content": { "history_visibility": "joined" } });
    let body = json!({ "preset": "public_chat", "initial_state": [visibility] });
    let room = alice.create_room(body).await;
    let hidden = alice.say(&room, "before bob").await;
    let seen_by = |event: &str| v1(&["rooms", &room, "relations", event]);
    let stranger = bob.get(&seen_by(&hidden)).await;
    stranger.refused(404, "M_NOT_FOUND", "REL-03: a stranger");
    let hidden_relation = relate(&alice, &room, "m.reference", &hidden).await;
    bob.join(&room).await;
    relate(&alice, &room, "m.reference", &hidden).await;
    bob.get(&seen_by(&hidden))
        .await
        .refused(404, "M_NOT_FOUND", "REL-03: hidden");
    bob.get(&seen_by("$nothing"))
        .await
        .refused(404, "M_NOT_FOUND", "REL-03: unknown");
    assert_eq!(
        related(&alice, &room, &[&hidden]).await.len(),
        2,
        "REL-03: alice sees"
    );
    let page = bob.get(&seen_by(&hidden_relation)).await;
    page.refused(404, "M_NOT_FOUND", "REL-03: a hidden relation");
}

#[tokio::test]
async fn what_is_redacted_relates_to_nothing() {
    let server = TestServer::usual().await;
    let alice = server.user("alice").await;
    let room = alice.create_public_room().await;
    let target = alice.say(&room, "target").await;
    let kept = react(&alice, &room, &target, "👍").await;
    let reaction = react(&alice, &room, &target, "👎").await;
    let edit = edit(&alice, &room, &target, "edited").await;
    let shown = alice.event(&room, &target).await;
    let bundled = &shown["unsigned"]["m.relations"]["m.replace"];
    assert_eq!(bundled["event_id"], edit, "REL-04: {shown}");
    for gone in [&reaction, &edit] {
        alice.redact(&room, gone).await;
    }
    assert_eq!(
        related(&alice, &room, &[&target]).await,
        [kept],
        "EVT-26: relations"
    );
    let shown = alice.event(&room, &target).await;
    assert!(
        shown["unsigned"]["m.relations"].is_null(),
        "EVT-26: bundles: {shown}"
    );
    react(&alice, &room, &target, "👎").await;
}

#[tokio::test]
async fn an_annotation_is_made_once_and_threads_begin_at_the_top() {
    let server = TestServer::usual().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let room = alice.create_public_room().await;
    bob.join(&room).await;
    let target = alice.say(&room, "target").await;
    let send = async |client: &Client, kind: &str, content: Value| {
        let path = path(&["rooms", &room, "send", kind, &client.transaction()]);
        client.put(&path, content).await
    };
    let annotation = |key: &str| {
        json!({ "m.relates_to": {
            "rel_type": "m.annotation", "event_id": target, "key": key } })
    };
    let first = send(&alice, "m.reaction", annotation("👍")).await;
    first.ok("REL-11: the first");
    let again = send(&alice, "m.reaction", annotation("👍")).await;
    again.refused(400, "M_DUPLICATE_ANNOTATION", "REL-11: the same again");
    let others = [
        (&alice, "m.reaction", "👎"),
        (&alice, "test.reaction", "👍"),
        (&bob, "m.reaction", "👍"),
    ];
    for (client, kind, key) in others {
        let other = send(client, kind, annotation(key)).await;
        other.ok(&format!("REL-11: {kind} {key} of {}", client.user_id));
    }
    let shown = alice.event(&room, &target).await;
    assert!(
        shown["unsigned"]["m.relations"].is_null(),
        "REL-11: not bundled: {shown}"
    );
    for rel_type in ["m.thread", "m.reference", "test.relation"] {
        let related = relate(&alice, &room, rel_type, &target).await;
        let nested = send(&alice, "m.room.message", relating("m.thread", &related)).await;
        nested.refused(
            400,
            "M_UNKNOWN",
            &format!("REL-13: off an event with {rel_type}"),
        );
        let other = send(&alice, "m.room.message", relating("m.reference", &related)).await;
        other.ok("REL-13: other relations may");
    }
    let reply = json!({ "msgtype": "m.text", "body": "a reply",
        "m.relates_to": { "m.in_reply_to": { "event_id": target } } });
    let reply = alice.send(&room, "m.room.message", reply).await;
    let shown = alice.event(&room, &reply).await;
    let reply_to = &shown["content"]["m.relates_to"]["m.in_reply_to"];
    assert_eq!(reply_to["event_id"], target, "REL-15: {shown}");
}

#[tokio::test]
async fn what_has_no_relation_costs_no_more_for_those_of_others() {
    let server = TestServer::usual().await;
    let alice = server.user("alice").await;
    let mut costs = Vec::new();
    for has_relations in [false, true] {
        let room = alice.create_public_room().await;
        let root = alice.say(&room, "root").await;
        for number in 0..5 {
            if has_relations {
                relate(&alice, &room, "m.thread", &root).await;
                react(&alice, &room, &root, &format!("{number}")).await;
            } else {
                alice.say(&room, &format!("{number}")).await;
                alice.say(&room, &format!("{number}")).await;
            }
        }
        for number in 0..20 {
            alice.say(&room, &format!("{number}")).await;
        }
        alice.messages(&room, "b", "&limit=10").await;
        let before = server.costs().await;
        alice.messages(&room, "b", "&limit=10").await;
        let read = server.costs().await;
        alice.say(&room, "one more").await;
        let sent = server.costs().await;
        let (page, send) = (
            before.between(&read, "history"),
            read.between(&sent, "send"),
        );
        costs.push((page.keys_read, send.keys_read, send.keys_written));
    }
    assert_eq!(costs[0], costs[1], "REL-12: keys of a page, and of a send");
}
