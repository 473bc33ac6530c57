//! Events read again: one, around one, page by page, by relation, by time.

use serde_json::{Value, json};

use super::{Cast, Walk, text};
use crate::Client;

/// Events, contexts, pages.
pub(super) async fn read(walk: &mut Walk, cast: &Cast) {
    let (alice, stranger, nobody) = (&cast.alice, &cast.stranger, walk.nobody.clone());
    let room = walk.room("to look back in", alice, json!({})).await;
    let room = room.as_str();
    let mut events = Vec::new();
    for n in 0..6 {
        events.push(alice.say(room, &format!("message {n}")).await);
    }
    let event = events[2].as_str();
    let at = "rooms/{roomId}/event/{eventId}";
    walk.get("well", alice, at, &[room, event]).await;
    walk.get("unknown", alice, at, &[room, "$unknown"]).await;
    walk.get("by a stranger", stranger, at, &[room, event])
        .await;
    walk.get("nobody", &nobody, at, &[room, event]).await;
    walk.get("well", alice, "events/{eventId}", &[event]).await;
    walk.get("by a stranger", stranger, "events/{eventId}", &[event])
        .await;
    walk.get("nobody", &nobody, "events/{eventId}", &[event])
        .await;
    let at = "rooms/{roomId}/context/{eventId}";
    walk.get("well", alice, at, &[room, event]).await;
    walk.get(
        "some",
        alice,
        "rooms/{roomId}/context/{eventId}?limit=2",
        &[room, event],
    )
    .await;
    let lazy = "rooms/{roomId}/context/{eventId}?filter={filter}";
    let filter = r#"{"lazy_load_members":true}"#;
    walk.get("lazily", alice, lazy, &[room, event, filter])
        .await;
    walk.get(
        "an odd limit",
        alice,
        "rooms/{roomId}/context/{eventId}?limit=x",
        &[room, event],
    )
    .await;
    walk.get("unknown", alice, at, &[room, "$unknown"]).await;
    walk.get("by a stranger", stranger, at, &[room, event])
        .await;
    walk.get("nobody", &nobody, at, &[room, event]).await;
    pages(walk, cast, room).await;
    times(walk, cast, room).await;
}

async fn pages(walk: &mut Walk, cast: &Cast, room: &str) {
    let (alice, stranger, nobody) = (&cast.alice, &cast.stranger, walk.nobody.clone());
    let back = "rooms/{roomId}/messages?dir=b&limit=3";
    let page = walk.get("backward", alice, back, &[room]).await;
    let more = "rooms/{roomId}/messages?dir=b&from={from}";
    let end = text(&page, "end");
    walk.get("to the beginning", alice, more, &[room, &end])
        .await;
    walk.get(
        "forward",
        alice,
        "rooms/{roomId}/messages?dir=f&limit=3",
        &[room],
    )
    .await;
    let filtered = "rooms/{roomId}/messages?dir=b&filter={filter}";
    let filter = r#"{"types":["m.room.message"],"lazy_load_members":true}"#;
    walk.get("filtered", alice, filtered, &[room, filter]).await;
    walk.get("a bad filter", alice, filtered, &[room, "{"])
        .await;
    walk.get(
        "without a direction",
        alice,
        "rooms/{roomId}/messages",
        &[room],
    )
    .await;
    walk.get(
        "an odd direction",
        alice,
        "rooms/{roomId}/messages?dir=x",
        &[room],
    )
    .await;
    walk.get("a bad token", alice, more, &[room, "none"]).await;
    walk.get(
        "an odd limit",
        alice,
        "rooms/{roomId}/messages?dir=b&limit=-1",
        &[room],
    )
    .await;
    walk.get("by a stranger", stranger, back, &[room]).await;
    walk.get("nobody", &nobody, back, &[room]).await;
}

async fn times(walk: &mut Walk, cast: &Cast, room: &str) {
    let (alice, stranger, nobody) = (&cast.alice, &cast.stranger, walk.nobody.clone());
    let at = "/_matrix/client/v1/rooms/{roomId}/timestamp_to_event?ts={ts}&dir={dir}";
    walk.get("forward", alice, at, &[room, "0", "f"]).await;
    walk.get("backward", alice, at, &[room, "9999999999999", "b"])
        .await;
    walk.get("nothing there", alice, at, &[room, "0", "b"])
        .await;
    walk.get("an odd direction", alice, at, &[room, "0", "x"])
        .await;
    let bare = "/_matrix/client/v1/rooms/{roomId}/timestamp_to_event";
    walk.get("without a time", alice, bare, &[room]).await;
    walk.get("by a stranger", stranger, at, &[room, "0", "f"])
        .await;
    walk.get("nobody", &nobody, at, &[room, "0", "f"]).await;
}

fn related(rel_type: &str, to: &str) -> Value {
    json!({
        "msgtype": "m.text", "body": "a relation",
        "m.new_content": { "msgtype": "m.text", "body": "a relation" },
        "m.relates_to": { "rel_type": rel_type, "event_id": to },
    })
}

/// Relations and threads.
pub(super) async fn relations(walk: &mut Walk, cast: &Cast) {
    let alice = &cast.alice;
    let room = walk.room("with relations", alice, json!({})).await;
    let room = room.as_str();
    let root = alice.say(room, "a root").await;
    let kind = "m.room.message";
    for rel_type in ["m.thread", "m.replace", "m.reference"] {
        alice.send(room, kind, related(rel_type, &root)).await;
    }
    let like = json!({
        "m.relates_to": { "rel_type": "m.annotation", "event_id": root, "key": "+1" },
    });
    alice.send(room, "m.reaction", like.clone()).await;
    let send = "rooms/{roomId}/send/{eventType}/{txnId}";
    walk.put(
        "the same reaction",
        alice,
        send,
        &[room, "m.reaction", "twice"],
        like,
    )
    .await;
    walk.get(
        "with relations",
        alice,
        "rooms/{roomId}/event/{eventId}",
        &[room, &root],
    )
    .await;
    read_relations(walk, cast, room, &root).await;
    let at = "/_matrix/client/v1/rooms/{roomId}/threads";
    walk.get("all", alice, at, &[room]).await;
    let own = "/_matrix/client/v1/rooms/{roomId}/threads?include=participated&limit=1";
    walk.get("one's own", alice, own, &[room]).await;
    let odd = "/_matrix/client/v1/rooms/{roomId}/threads?include=odd";
    walk.get("an odd choice", alice, odd, &[room]).await;
    walk.get("by a stranger", &cast.stranger, at, &[room]).await;
    walk.get("nobody", &walk.nobody.clone(), at, &[room]).await;
}

async fn read_relations(walk: &mut Walk, cast: &Cast, room: &str, root: &str) {
    let (alice, stranger) = (&cast.alice, &cast.stranger);
    let nobody: Client = walk.nobody.clone();
    let at = "/_matrix/client/v1/rooms/{roomId}/relations/{eventId}";
    let by_type = "/_matrix/client/v1/rooms/{roomId}/relations/{eventId}/{relType}";
    let by_both = "/_matrix/client/v1/rooms/{roomId}/relations/{eventId}/{relType}/{eventType}";
    walk.get("all", alice, at, &[room, root]).await;
    walk.get("a page", alice, &format!("{at}?limit=1"), &[room, root])
        .await;
    walk.get(
        "deeply",
        alice,
        &format!("{at}?recurse=true"),
        &[room, root],
    )
    .await;
    walk.get(
        "an odd direction",
        alice,
        &format!("{at}?dir=x"),
        &[room, root],
    )
    .await;
    walk.get("unknown", alice, at, &[room, "$unknown"]).await;
    walk.get("by a stranger", stranger, at, &[room, root]).await;
    walk.get("nobody", &nobody, at, &[room, root]).await;
    let thread = &[room, root, "m.thread"];
    walk.get("well", alice, by_type, thread).await;
    walk.get("none", alice, by_type, &[room, root, "m.none"])
        .await;
    walk.get("by a stranger", stranger, by_type, thread).await;
    walk.get("nobody", &nobody, by_type, thread).await;
    let reactions = &[room, root, "m.annotation", "m.reaction"];
    walk.get("well", alice, by_both, reactions).await;
    walk.get("by a stranger", stranger, by_both, reactions)
        .await;
    walk.get("nobody", &nobody, by_both, reactions).await;
}
