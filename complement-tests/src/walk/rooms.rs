//! Rooms: made, joined, left, closed.

use serde_json::json;

use super::{Cast, Walk};

/// Creation.
pub(super) async fn create(walk: &mut Walk, cast: &Cast) {
    let (alice, nobody) = (&cast.alice, walk.nobody.clone());
    let body = json!({
        "room_version": "11", "preset": "private_chat", "name": "Walk", "topic": "Ways",
        "room_alias_name": "walk", "invite": [cast.bob.user_id], "is_direct": true,
        "creation_content": { "m.federate": false },
        "initial_state": [{ "type": "m.room.history_visibility", "state_key": "",
                            "content": { "history_visibility": "invited" } }],
        "power_level_content_override": { "events_default": 0 },
    });
    let at = "createRoom";
    walk.post("with everything", alice, at, &[], body).await;
    let taken = json!({ "room_alias_name": "walk", "room_version": "11" });
    walk.post("a taken alias", alice, at, &[], taken).await;
    walk.post(
        "the newest version",
        alice,
        at,
        &[],
        json!({ "room_version": "12" }),
    )
    .await;
    walk.post(
        "an unknown version",
        alice,
        at,
        &[],
        json!({ "room_version": "odd" }),
    )
    .await;
    walk.post("an odd preset", alice, at, &[], json!({ "preset": "odd" }))
        .await;
    walk.post(
        "a bad invite",
        alice,
        at,
        &[],
        json!({ "invite": ["nobody"] }),
    )
    .await;
    walk.post("an odd name", alice, at, &[], json!({ "name": 5 }))
        .await;
    let bad = json!({ "initial_state": [{ "content": {} }] });
    walk.post("bad state", alice, at, &[], bad).await;
    walk.post(
        "a bad alias",
        alice,
        at,
        &[],
        json!({ "room_alias_name": "no:good" }),
    )
    .await;
    walk.post("nobody", &nobody, at, &[], json!({})).await;
}

/// Joins, invites, kicks, bans, leaves.
pub(super) async fn come_and_go(walk: &mut Walk, cast: &Cast) {
    let (alice, bob, stranger) = (&cast.alice, &cast.bob, &cast.stranger);
    let open = walk
        .room(
            "that all may join",
            alice,
            json!({ "preset": "public_chat" }),
        )
        .await;
    let closed = walk
        .room("by invite", alice, json!({ "preset": "private_chat" }))
        .await;
    let (open, closed, id) = (open.as_str(), closed.as_str(), bob.user_id.as_str());
    let unknown = open.replacen(&open[1..4], "abc", 1);
    let join = "join/{roomIdOrAlias}";
    walk.post(
        "an open room",
        bob,
        join,
        &[open],
        json!({ "reason": "why not" }),
    )
    .await;
    walk.post("once more", bob, join, &[open], json!({})).await;
    walk.post("a closed room", bob, join, &[closed], json!({}))
        .await;
    walk.post(
        "an unknown alias",
        bob,
        join,
        &[&alias(cast, "unknown")],
        json!({}),
    )
    .await;
    walk.post("neither", bob, join, &["neither"], json!({}))
        .await;
    let join = "rooms/{roomId}/join";
    walk.post("a closed room", bob, join, &[closed], json!({}))
        .await;
    let by = |user: &str| json!({ "user_id": user, "reason": "a reason" });
    let at = "rooms/{roomId}/invite";
    walk.post("well", alice, at, &[closed], by(id)).await;
    walk.post("to a member", alice, at, &[open], by(id)).await;
    walk.post("by a stranger", stranger, at, &[closed], by(id))
        .await;
    walk.post("no user id", alice, at, &[closed], by("nobody"))
        .await;
    walk.post("without a user", alice, at, &[closed], json!({}))
        .await;
    walk.post("to an unknown room", alice, at, &[&unknown], by(id))
        .await;
    walk.post("invited", bob, join, &[closed], json!({})).await;
    for action in ["kick", "ban", "unban"] {
        let at = format!("rooms/{{roomId}}/{action}");
        walk.post(
            "by somebody without power",
            bob,
            &at,
            &[open],
            by(&alice.user_id),
        )
        .await;
        walk.post("well", alice, &at, &[open], by(id)).await;
        walk.post("by a stranger", stranger, &at, &[open], by(id))
            .await;
        walk.post("without a user", alice, &at, &[open], json!({}))
            .await;
    }
    walk.post(
        "somebody who is not there",
        alice,
        "rooms/{roomId}/kick",
        &[open],
        by(id),
    )
    .await;
    let not_banned = by(&stranger.user_id);
    walk.post(
        "somebody who is not banned",
        alice,
        "rooms/{roomId}/unban",
        &[open],
        not_banned,
    )
    .await;
    leave(walk, cast, open, closed).await;
}

async fn leave(walk: &mut Walk, cast: &Cast, open: &str, closed: &str) {
    let (alice, bob, stranger) = (&cast.alice, &cast.bob, &cast.stranger);
    let (leave, forget) = ("rooms/{roomId}/leave", "rooms/{roomId}/forget");
    walk.post("a room that one is in", bob, forget, &[closed], json!({}))
        .await;
    walk.post("well", bob, leave, &[closed], json!({ "reason": "enough" }))
        .await;
    walk.post("once more", bob, leave, &[closed], json!({}))
        .await;
    walk.post("a stranger", stranger, leave, &[closed], json!({}))
        .await;
    walk.post("nobody", &walk.nobody.clone(), leave, &[closed], json!({}))
        .await;
    walk.post(
        "a room that one has left",
        bob,
        forget,
        &[closed],
        json!({}),
    )
    .await;
    walk.post("a stranger", stranger, forget, &[closed], json!({}))
        .await;
    walk.get("some", alice, "joined_rooms", &[]).await;
    walk.get("none", stranger, "joined_rooms", &[]).await;
    walk.get("nobody", &walk.nobody.clone(), "joined_rooms", &[])
        .await;
    walk.post(
        "after a ban",
        bob,
        "rooms/{roomId}/join",
        &[open],
        json!({}),
    )
    .await;
    walk.post(
        "nobody",
        &walk.nobody.clone(),
        "rooms/{roomId}/join",
        &[open],
        json!({}),
    )
    .await;
}

/// An alias of this server.
pub(super) fn alias(cast: &Cast, localpart: &str) -> String {
    let (_, server) = cast.alice.user_id.split_once(':').expect("a user id");
    format!("#{localpart}:{server}")
}

/// Knocks and upgrades.
pub(super) async fn knock_and_upgrade(walk: &mut Walk, cast: &Cast) {
    let (alice, bob) = (&cast.alice, &cast.bob);
    let rule = |rule: &str| json!([{ "type": "m.room.join_rules", "state_key": "", "content": { "join_rule": rule } }]);
    let closed = walk
        .room(
            "to knock on",
            alice,
            json!({ "initial_state": rule("knock") }),
        )
        .await;
    let shut = walk.room("not to knock on", alice, json!({})).await;
    let at = "knock/{roomIdOrAlias}";
    walk.post(
        "well",
        bob,
        at,
        &[&closed],
        json!({ "reason": "let me in" }),
    )
    .await;
    walk.post("once more", bob, at, &[&closed], json!({})).await;
    walk.post("a member", alice, at, &[&closed], json!({}))
        .await;
    walk.post("where none may", bob, at, &[&shut], json!({}))
        .await;
    walk.post(
        "an unknown alias",
        bob,
        at,
        &[&alias(cast, "unknown")],
        json!({}),
    )
    .await;
    walk.post("nobody", &walk.nobody.clone(), at, &[&closed], json!({}))
        .await;
    let at = "rooms/{roomId}/upgrade";
    let version = json!({ "new_version": "12" });
    walk.post("by a stranger", bob, at, &[&shut], version.clone())
        .await;
    walk.post(
        "to an unknown version",
        alice,
        at,
        &[&shut],
        json!({ "new_version": "odd" }),
    )
    .await;
    walk.post("without a version", alice, at, &[&shut], json!({}))
        .await;
    walk.post("well", alice, at, &[&shut], version.clone())
        .await;
    walk.post("nobody", &walk.nobody.clone(), at, &[&closed], version)
        .await;
}
