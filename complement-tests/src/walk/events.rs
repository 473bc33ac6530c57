//! Events: sent, set, redacted; receipts, markers and typing.

use serde_json::json;

use super::{Cast, Walk, text};

const SEND: &str = "rooms/{roomId}/send/{eventType}/{txnId}";
const REDACT: &str = "rooms/{roomId}/redact/{eventId}/{txnId}";
const TYPE: &str = "rooms/{roomId}/state/{eventType}";
const STATE: &str = "rooms/{roomId}/state/{eventType}/{stateKey}";

/// Messages and redactions.
pub(super) async fn send(walk: &mut Walk, cast: &Cast) {
    let (alice, bob, nobody) = (&cast.alice, &cast.bob, walk.nobody.clone());
    let room = walk
        .room("to speak in", alice, json!({ "preset": "public_chat" }))
        .await;
    let room = room.as_str();
    walk.post(
        "to speak in",
        bob,
        "join/{roomIdOrAlias}",
        &[room],
        json!({}),
    )
    .await;
    let hello = json!({ "msgtype": "m.text", "body": "hello" });
    let message = "m.room.message";
    let sent = walk
        .put("well", alice, SEND, &[room, message, "w1"], hello.clone())
        .await;
    walk.put(
        "once more",
        alice,
        SEND,
        &[room, message, "w1"],
        hello.clone(),
    )
    .await;
    let stranger = &cast.stranger;
    walk.put(
        "by a stranger",
        stranger,
        SEND,
        &[room, message, "w2"],
        hello.clone(),
    )
    .await;
    walk.put(
        "nobody",
        &nobody,
        SEND,
        &[room, message, "w3"],
        hello.clone(),
    )
    .await;
    let unknown = room.replacen(&room[1..4], "abc", 1);
    walk.put(
        "to an unknown room",
        alice,
        SEND,
        &[&unknown, message, "w4"],
        hello.clone(),
    )
    .await;
    walk.put(
        "to no room",
        alice,
        SEND,
        &["none", message, "w4"],
        hello.clone(),
    )
    .await;
    let float = json!({ "msgtype": "m.text", "body": "hello", "number": 1.5 });
    walk.put("a float", alice, SEND, &[room, message, "w5"], float)
        .await;
    let large = json!({ "msgtype": "m.text", "body": "x".repeat(70_000) });
    walk.put("too large", alice, SEND, &[room, message, "w6"], large)
        .await;
    let long = "t".repeat(256);
    walk.put(
        "too long a type",
        alice,
        SEND,
        &[room, &long, "w7"],
        hello.clone(),
    )
    .await;
    walk.put("a list", alice, SEND, &[room, message, "w8"], json!([]))
        .await;
    walk.put(
        "another type",
        bob,
        SEND,
        &[room, "org.example.odd", "w9"],
        json!({}),
    )
    .await;
    walk.put(
        "a creation",
        alice,
        SEND,
        &[room, "m.room.create", "w10"],
        json!({}),
    )
    .await;
    redact(walk, cast, room, &text(&sent, "event_id")).await;
}

async fn redact(walk: &mut Walk, cast: &Cast, room: &str, event: &str) {
    let (alice, bob, stranger) = (&cast.alice, &cast.bob, &cast.stranger);
    let nobody = walk.nobody.clone();
    let why = json!({ "reason": "a mistake" });
    walk.put(
        "of somebody else",
        bob,
        REDACT,
        &[room, event, "r1"],
        why.clone(),
    )
    .await;
    walk.put("well", alice, REDACT, &[room, event, "r2"], why.clone())
        .await;
    walk.put(
        "once more",
        alice,
        REDACT,
        &[room, event, "r2"],
        why.clone(),
    )
    .await;
    walk.put(
        "by a stranger",
        stranger,
        REDACT,
        &[room, event, "r3"],
        why.clone(),
    )
    .await;
    walk.put(
        "an unknown event",
        alice,
        REDACT,
        &[room, "$unknown", "r4"],
        why.clone(),
    )
    .await;
    walk.put("nobody", &nobody, REDACT, &[room, event, "r5"], why)
        .await;
}

/// State.
pub(super) async fn state(walk: &mut Walk, cast: &Cast) {
    let (alice, bob, stranger) = (&cast.alice, &cast.bob, &cast.stranger);
    let nobody = walk.nobody.clone();
    let room = walk
        .room("with state", alice, json!({ "preset": "public_chat" }))
        .await;
    let room = room.as_str();
    walk.post(
        "with state",
        bob,
        "join/{roomIdOrAlias}",
        &[room],
        json!({}),
    )
    .await;
    let name = json!({ "name": "Stately" });
    walk.put("a name", alice, TYPE, &[room, "m.room.name"], name.clone())
        .await;
    walk.put(
        "without power",
        bob,
        TYPE,
        &[room, "m.room.name"],
        name.clone(),
    )
    .await;
    walk.put(
        "by a stranger",
        stranger,
        TYPE,
        &[room, "m.room.name"],
        name.clone(),
    )
    .await;
    walk.put(
        "nobody",
        &nobody,
        TYPE,
        &[room, "m.room.name"],
        name.clone(),
    )
    .await;
    walk.put("a list", alice, TYPE, &[room, "m.room.name"], json!([]))
        .await;
    let odd = json!({ "odd": true });
    walk.put(
        "a key",
        alice,
        STATE,
        &[room, "org.example.kind", "key"],
        odd.clone(),
    )
    .await;
    walk.put(
        "without power",
        bob,
        STATE,
        &[room, "org.example.kind", "key"],
        odd.clone(),
    )
    .await;
    let others = &[room, "org.example.kind", bob.user_id.as_str()];
    walk.put("a key of somebody else", alice, STATE, others, odd.clone())
        .await;
    walk.put(
        "nobody",
        &nobody,
        STATE,
        &[room, "org.example.kind", "key"],
        odd,
    )
    .await;
    special_state(walk, cast, room).await;
    read_state(walk, cast, room).await;
}

/// State with rules of its own.
async fn special_state(walk: &mut Walk, cast: &Cast, room: &str) {
    let (alice, stranger) = (&cast.alice, &cast.stranger);
    let alias = json!({ "alias": super::rooms::alias(cast, "unknown") });
    walk.put(
        "an unknown alias",
        alice,
        TYPE,
        &[room, "m.room.canonical_alias"],
        alias,
    )
    .await;
    let alias = json!({ "alias": "no alias" });
    walk.put(
        "a bad alias",
        alice,
        TYPE,
        &[room, "m.room.canonical_alias"],
        alias,
    )
    .await;
    let levels = json!({ "users": { alice.user_id.as_str(): "100" } });
    walk.put(
        "a text as power",
        alice,
        TYPE,
        &[room, "m.room.power_levels"],
        levels,
    )
    .await;
    let join = json!({ "membership": "join", "displayname": "Alice here" });
    let own = &[room, "m.room.member", alice.user_id.as_str()];
    walk.put("one's own membership", alice, STATE, own, join)
        .await;
    let invite = json!({ "membership": "invite" });
    let at = &[room, "m.room.member", stranger.user_id.as_str()];
    walk.put("an invite", alice, STATE, at, invite).await;
    walk.put(
        "a creation",
        alice,
        TYPE,
        &[room, "m.room.create"],
        json!({}),
    )
    .await;
}

async fn read_state(walk: &mut Walk, cast: &Cast, room: &str) {
    let (alice, other, nobody) = (&cast.alice, &cast.stranger, walk.nobody.clone());
    let all = "rooms/{roomId}/state";
    walk.get("well", alice, all, &[room]).await;
    walk.get("somebody invited", other, all, &[room]).await;
    walk.get("nobody", &nobody, all, &[room]).await;
    walk.get("a name", alice, TYPE, &[room, "m.room.name"])
        .await;
    let whole = "rooms/{roomId}/state/{eventType}?format=event";
    walk.get("a whole event", alice, whole, &[room, "m.room.name"])
        .await;
    walk.get("that is not there", alice, TYPE, &[room, "m.room.topic"])
        .await;
    walk.get("nobody", &nobody, TYPE, &[room, "m.room.name"])
        .await;
    walk.get("a key", alice, STATE, &[room, "org.example.kind", "key"])
        .await;
    walk.get(
        "another key",
        alice,
        STATE,
        &[room, "org.example.kind", "none"],
    )
    .await;
    walk.get(
        "somebody invited",
        other,
        STATE,
        &[room, "org.example.kind", "key"],
    )
    .await;
    walk.get("nobody", &nobody, STATE, &[room, "org.example.kind", "key"])
        .await;
    let at = "rooms/{roomId}/members";
    walk.get("all", alice, at, &[room]).await;
    let joined = "rooms/{roomId}/members?membership=join";
    walk.get("joined", alice, joined, &[room]).await;
    walk.get(
        "not joined",
        alice,
        "rooms/{roomId}/members?not_membership=join",
        &[room],
    )
    .await;
    walk.get(
        "an odd membership",
        alice,
        "rooms/{roomId}/members?membership=odd",
        &[room],
    )
    .await;
    walk.get("somebody invited", other, at, &[room]).await;
    walk.get("nobody", &nobody, at, &[room]).await;
    let at = "rooms/{roomId}/joined_members";
    walk.get("well", alice, at, &[room]).await;
    walk.get("somebody invited", other, at, &[room]).await;
    walk.get("nobody", &nobody, at, &[room]).await;
}

/// Receipts, markers, typing.
pub(super) async fn ephemeral(walk: &mut Walk, cast: &Cast) {
    let (alice, bob, stranger) = (&cast.alice, &cast.bob, &cast.stranger);
    let nobody = walk.nobody.clone();
    let room = walk
        .room("to read in", alice, json!({ "preset": "public_chat" }))
        .await;
    let room = room.as_str();
    let event = alice.say(room, "read this").await;
    let at = "rooms/{roomId}/receipt/{receiptType}/{eventId}";
    let read = &[room, "m.read", event.as_str()];
    walk.post("well", alice, at, read, json!({})).await;
    walk.post("by thread", alice, at, read, json!({ "thread_id": "main" }))
        .await;
    walk.post("a bad thread", alice, at, read, json!({ "thread_id": "" }))
        .await;
    walk.post("an odd thread", alice, at, read, json!({ "thread_id": 5 }))
        .await;
    walk.post(
        "privately",
        alice,
        at,
        &[room, "m.read.private", &event],
        json!({}),
    )
    .await;
    walk.post(
        "fully",
        alice,
        at,
        &[room, "m.fully_read", &event],
        json!({}),
    )
    .await;
    walk.post(
        "an odd type",
        alice,
        at,
        &[room, "m.odd", &event],
        json!({}),
    )
    .await;
    walk.post("by a stranger", stranger, at, read, json!({}))
        .await;
    walk.post("nobody", &nobody, at, read, json!({})).await;
    let at = "rooms/{roomId}/read_markers";
    let all = json!({ "m.fully_read": event, "m.read": event, "m.read.private": event });
    walk.post("all", alice, at, &[room], all.clone()).await;
    walk.post("none", alice, at, &[room], json!({})).await;
    walk.post("by a stranger", stranger, at, &[room], all.clone())
        .await;
    walk.post("nobody", &nobody, at, &[room], all).await;
    let at = "rooms/{roomId}/typing/{userId}";
    let on = json!({ "typing": true, "timeout": 20_000 });
    let id = alice.user_id.as_str();
    walk.put("on", alice, at, &[room, id], on.clone()).await;
    walk.put("off", alice, at, &[room, id], json!({ "typing": false }))
        .await;
    walk.put("without saying", alice, at, &[room, id], json!({}))
        .await;
    walk.put(
        "for somebody else",
        alice,
        at,
        &[room, &bob.user_id],
        on.clone(),
    )
    .await;
    walk.put(
        "by a stranger",
        stranger,
        at,
        &[room, &stranger.user_id],
        on.clone(),
    )
    .await;
    walk.put("nobody", &nobody, at, &[room, id], on).await;
}
