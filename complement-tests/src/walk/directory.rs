//! Aliases, the directory of published rooms, spaces.

use serde_json::json;

use super::{Cast, Walk, rooms::alias};

/// Aliases.
pub(super) async fn aliases(walk: &mut Walk, cast: &Cast) {
    let (alice, bob, stranger) = (&cast.alice, &cast.bob, &cast.stranger);
    let nobody = walk.nobody.clone();
    let room = walk
        .room("with a name", alice, json!({ "preset": "public_chat" }))
        .await;
    let (room, name) = (room.as_str(), alias(cast, "named"));
    let (at, name) = ("directory/room/{roomAlias}", name.as_str());
    let body = json!({ "room_id": room });
    walk.put("well", alice, at, &[name], body.clone()).await;
    walk.put("taken", alice, at, &[name], body.clone()).await;
    walk.put("no alias", alice, at, &["none"], body.clone())
        .await;
    walk.put(
        "of another server",
        alice,
        at,
        &["#named:example.org"],
        body.clone(),
    )
    .await;
    walk.put(
        "without a room",
        alice,
        at,
        &[&alias(cast, "other")],
        json!({}),
    )
    .await;
    walk.put("nobody", &nobody, at, &[&alias(cast, "other")], body)
        .await;
    walk.get("well", &nobody, at, &[name]).await;
    walk.get("unknown", &nobody, at, &[&alias(cast, "unknown")])
        .await;
    walk.get("no alias", &nobody, at, &["none"]).await;
    walk.get("a member", alice, "rooms/{roomId}/aliases", &[room])
        .await;
    walk.get("by a stranger", stranger, "rooms/{roomId}/aliases", &[room])
        .await;
    walk.get("nobody", &nobody, "rooms/{roomId}/aliases", &[room])
        .await;
    walk.post("by a name", bob, "join/{roomIdOrAlias}", &[name], json!({}))
        .await;
    walk.delete("of somebody else", stranger, at, &[name]).await;
    walk.delete("nobody", &nobody, at, &[name]).await;
    walk.delete("unknown", alice, at, &[&alias(cast, "unknown")])
        .await;
    walk.delete("well", alice, at, &[name]).await;
}

/// Published rooms and summaries.
pub(super) async fn published(walk: &mut Walk, cast: &Cast) {
    let (alice, stranger, nobody) = (&cast.alice, &cast.stranger, walk.nobody.clone());
    let body = json!({ "preset": "public_chat", "name": "Published", "topic": "For all to read" });
    let room = walk.room("to publish", alice, body).await;
    let room = room.as_str();
    let closed = walk
        .room("not to publish", alice, json!({ "name": "Closed" }))
        .await;
    let at = "directory/list/room/{roomId}";
    walk.get("not listed", &nobody, at, &[room]).await;
    walk.put(
        "well",
        alice,
        at,
        &[room],
        json!({ "visibility": "public" }),
    )
    .await;
    walk.put(
        "by a stranger",
        stranger,
        at,
        &[room],
        json!({ "visibility": "private" }),
    )
    .await;
    walk.put(
        "an odd visibility",
        alice,
        at,
        &[room],
        json!({ "visibility": "odd" }),
    )
    .await;
    walk.put(
        "nobody",
        &nobody,
        at,
        &[room],
        json!({ "visibility": "private" }),
    )
    .await;
    walk.get("listed", &nobody, at, &[room]).await;
    walk.get("unknown", &nobody, at, &["!unknown:example.org"])
        .await;
    let at = "publicRooms";
    walk.get("all", alice, at, &[]).await;
    walk.get("a page", alice, "publicRooms?limit=1", &[]).await;
    walk.get("a bad token", alice, "publicRooms?since=none", &[])
        .await;
    walk.get("an odd limit", alice, "publicRooms?limit=x", &[])
        .await;
    let search = json!({ "filter": { "generic_search_term": "Published" }, "limit": 5 });
    walk.post("by term", alice, at, &[], search).await;
    let types = json!({ "filter": { "room_types": ["m.space"] } });
    walk.post("by type", alice, at, &[], types).await;
    walk.post("an odd filter", alice, at, &[], json!({ "filter": 5 }))
        .await;
    walk.post("nobody", &nobody, at, &[], json!({})).await;
    let at = "user_directory/search";
    let nobody_at_all = json!({ "search_term": "nobodyatall" });
    walk.post("who is not there", alice, at, &[], nobody_at_all.clone())
        .await;
    walk.post("no term", alice, at, &[], json!({})).await;
    walk.post("an odd term", alice, at, &[], json!({ "search_term": 5 }))
        .await;
    walk.post("nobody asks", &nobody, at, &[], nobody_at_all)
        .await;
    let at = "/_matrix/client/v1/room_summary/{roomIdOrAlias}";
    walk.get("well", stranger, at, &[room]).await;
    walk.get("a member", alice, at, &[&closed]).await;
    walk.get("a closed room", stranger, at, &[&closed]).await;
    walk.get("an unknown alias", stranger, at, &[&alias(cast, "unknown")])
        .await;
    walk.get("neither", stranger, at, &["neither"]).await;
}

/// Spaces.
pub(super) async fn spaces(walk: &mut Walk, cast: &Cast) {
    let (alice, stranger, nobody) = (&cast.alice, &cast.stranger, walk.nobody.clone());
    let body = json!({
        "name": "A space", "creation_content": { "type": "m.space" }, "preset": "public_chat",
    });
    let space = walk.room("a space", alice, body).await;
    let child = walk
        .room("a child", alice, json!({ "name": "Child" }))
        .await;
    let open = walk
        .room("an open child", alice, json!({ "preset": "public_chat" }))
        .await;
    for (room, suggested) in [(&child, false), (&open, true)] {
        let content = json!({ "via": ["example.org"], "suggested": suggested });
        alice
            .set_state(&space, "m.space.child", room, content)
            .await;
    }
    let at = "/_matrix/client/v1/rooms/{roomId}/hierarchy";
    walk.get("well", alice, at, &[&space]).await;
    walk.get("by a stranger", stranger, at, &[&space]).await;
    walk.get(
        "suggested",
        alice,
        &format!("{at}?suggested_only=true"),
        &[&space],
    )
    .await;
    walk.get("a page", alice, &format!("{at}?limit=1"), &[&space])
        .await;
    walk.get("a bad token", alice, &format!("{at}?from=none"), &[&space])
        .await;
    walk.get("no depth", alice, &format!("{at}?max_depth=0"), &[&space])
        .await;
    walk.get("a closed room", stranger, at, &[&child]).await;
    walk.get("nobody", &nobody, at, &[&space]).await;
}
