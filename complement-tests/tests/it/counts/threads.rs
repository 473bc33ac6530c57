//! Unread counts by thread.

use heliograph_complement::{Client, TestServer, path};
use serde_json::{Value, json};

use super::{Unread, encoded, mention, tally, told, two_in_a_room, unread};

/// Replies in a thread.
async fn reply(client: &Client, room: &str, root: &str, mention: Option<&str>) -> String {
    relate(client, room, ("m.thread", root), mention).await
}

async fn relate(
    client: &Client,
    room: &str,
    (rel_type, target): (&str, &str),
    mention: Option<&str>,
) -> String {
    let mut content = json!({
        "msgtype": "m.text", "body": "a reply",
        "m.relates_to": { "rel_type": rel_type, "event_id": target },
    });
    if let Some(mention) = mention {
        content["m.mentions"] = json!({ "user_ids": [mention] });
    }
    client.send(room, "m.room.message", content).await
}

async fn read(client: &Client, room: &str, kind: &str, event: &str, thread: &str) {
    let to = path(&["rooms", room, "receipt", kind, event]);
    let answer = client.post(&to, json!({ "thread_id": thread })).await;
    answer.ok("EPH-08: a threaded receipt");
}

/// What an answer says of a thread.
fn of_thread(answer: &Value, room: &str, root: &str) -> Option<Unread> {
    tally(&answer["rooms"]["join"][room]["unread_thread_notifications"][root])
}

/// What a first sync says of the main timeline and of two threads.
async fn by_thread(client: &Client, room: &str, roots: [&str; 2]) -> [Option<Unread>; 3] {
    let timeline = json!({ "limit": 1, "unread_thread_notifications": true });
    let filter = json!({ "room": { "rooms": [room], "timeline": timeline } });
    let answer = client.sync(&format!("filter={}", encoded(&filter))).await;
    let of = |root: &str| of_thread(&answer, room, root);
    [told(&answer, room), of(roots[0]), of(roots[1])]
}

#[tokio::test]
async fn threads_are_counted_and_read_by_themselves() {
    let mut server = TestServer::usual().await;
    let (alice, bob, room) = two_in_a_room(&server).await;
    let (one, two) = (alice.say(&room, "1").await, alice.say(&room, "2").await);
    let roots = [one.as_str(), two.as_str()];
    let first = reply(&alice, &room, &one, None).await;
    let second = reply(&alice, &room, &one, Some(&bob.user_id)).await;
    reply(&alice, &room, &two, None).await;
    let expected = [Some((2, 0)), Some((2, 1)), Some((1, 0))];
    assert_eq!(by_thread(&bob, &room, roots).await, expected, "SYN-29");
    assert_eq!(unread(&bob, &room).await, (5, 1), "SYN-29: all together");

    read(&bob, &room, "m.read", &first, &one).await;
    let expected = [Some((2, 0)), Some((1, 1)), Some((1, 0))];
    assert_eq!(
        by_thread(&bob, &room, roots).await,
        expected,
        "SYN-29: a thread is read"
    );
    read(&bob, &room, "m.read.private", &two, "main").await;
    let expected = [Some((0, 0)), Some((1, 1)), Some((1, 0))];
    assert_eq!(
        by_thread(&bob, &room, roots).await,
        expected,
        "SYN-29: main is read"
    );
    assert_eq!(unread(&bob, &room).await, (2, 1), "SYN-29: all together");
    server.restart().await;
    assert_eq!(
        by_thread(&bob, &room, roots).await,
        expected,
        "SYN-29: after a restart"
    );

    read(&bob, &room, "m.read", &second, &one).await;
    let expected = [Some((0, 0)), None, Some((1, 0))];
    assert_eq!(
        by_thread(&bob, &room, roots).await,
        expected,
        "SYN-29: read to its end"
    );
    alice.say(&room, "3").await;
    reply(&alice, &room, &one, None).await;
    let expected = [Some((1, 0)), Some((1, 0)), Some((1, 0))];
    assert_eq!(
        by_thread(&bob, &room, roots).await,
        expected,
        "SYN-29: and on"
    );
    bob.receipt(&room, "m.read", &second).await;
    assert_eq!(
        by_thread(&bob, &room, roots).await,
        expected,
        "SYN-29: behind it all"
    );
    let last = reply(&alice, &room, &two, None).await;
    bob.receipt(&room, "m.read", &last).await;
    let expected = [Some((0, 0)), None, None];
    assert_eq!(
        by_thread(&bob, &room, roots).await,
        expected,
        "EPH-11: unthreaded"
    );
    server.restart().await;
    assert_eq!(
        by_thread(&bob, &room, roots).await,
        expected,
        "EPH-11: unthreaded"
    );
}

#[tokio::test]
async fn what_relates_to_a_reply_is_in_its_thread() {
    let server = TestServer::usual().await;
    let (alice, bob, room) = two_in_a_room(&server).await;
    let root = alice.say(&room, "root").await;
    let answer = reply(&alice, &room, &root, None).await;
    let roots = [root.as_str(), "$none"];
    // An edit is quiet, unless it mentions.
    relate(&alice, &room, ("m.replace", &answer), None).await;
    let edit = relate(&alice, &room, ("m.replace", &answer), Some(&bob.user_id)).await;
    relate(&alice, &room, ("org.other", &edit), None).await;
    relate(&alice, &room, ("org.other", &root), None).await;
    let expected = [Some((2, 0)), Some((3, 1)), None];
    assert_eq!(
        by_thread(&bob, &room, roots).await,
        expected,
        "SYN-29, MOD-18: hops"
    );
}

#[tokio::test]
async fn a_thread_is_told_when_it_changes() {
    let server = TestServer::usual().await;
    let (alice, bob, room) = two_in_a_room(&server).await;
    let second = server.client().login("bob").await;
    let root = alice.say(&room, "root").await;
    let timeline = json!({ "unread_thread_notifications": true });
    let filter = json!({ "room": { "timeline": timeline, "ephemeral": { "types": [] } } });
    let filter = format!("filter={}", encoded(&filter));
    let first = second.sync(&filter).await;
    assert_eq!(told(&first, &room), Some((1, 0)), "SYN-29");
    let none = &first["rooms"]["join"][&room]["unread_thread_notifications"];
    assert!(none.is_null(), "SYN-29: no thread: {first}");
    let since = first["next_batch"].as_str().unwrap();
    let last = reply(&alice, &room, &root, Some(&bob.user_id)).await;
    let news = second
        .sync(&format!("{filter}&since={since}&timeout=30000"))
        .await;
    assert_eq!(
        told(&news, &room),
        Some((1, 0)),
        "SYN-29: main is as it was"
    );
    assert_eq!(of_thread(&news, &room, &root), Some((1, 1)), "SYN-29");
    let since = news["next_batch"].as_str().unwrap();
    let query = format!("{filter}&since={since}&timeout=30000");
    let (news, ()) = tokio::join!(
        second.sync(&query),
        read(&bob, &room, "m.read", &last, &root)
    );
    assert_eq!(
        told(&news, &room),
        Some((1, 0)),
        "SYN-16: main is as it was"
    );
    assert_eq!(
        of_thread(&news, &room, &root),
        None,
        "SYN-16: the thread is read"
    );
    mention(&alice, &room, &bob.user_id).await;
    assert_eq!(unread(&bob, &room).await, (2, 1), "SYN-29");
}
