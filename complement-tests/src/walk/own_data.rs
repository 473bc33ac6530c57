//! What belongs to one user: profile, account data, tags, filters, presence.

use serde_json::{Value, json};

use super::{Cast, Walk, text};

/// Profiles.
pub(super) async fn profiles(walk: &mut Walk, cast: &Cast) {
    let (alice, bob, nobody) = (&cast.alice, &cast.bob, walk.nobody.clone());
    let (id, field) = (alice.user_id.as_str(), "profile/{userId}/{keyName}");
    let name = json!({ "displayname": "Alice" });
    walk.put("a name", alice, field, &[id, "displayname"], name.clone())
        .await;
    let avatar = json!({ "avatar_url": "mxc://example.org/alice" });
    walk.put("an avatar", alice, field, &[id, "avatar_url"], avatar)
        .await;
    let zone = json!({ "m.tz": "Europe/Paris" });
    walk.put("a time zone", alice, field, &[id, "m.tz"], zone)
        .await;
    let custom = json!({ "org.example.language": { "name": "French" } });
    walk.put(
        "another field",
        alice,
        field,
        &[id, "org.example.language"],
        custom,
    )
    .await;
    walk.put(
        "of somebody else",
        bob,
        field,
        &[id, "displayname"],
        name.clone(),
    )
    .await;
    walk.put("nobody", &nobody, field, &[id, "displayname"], name)
        .await;
    walk.put(
        "without the field",
        alice,
        field,
        &[id, "displayname"],
        json!({}),
    )
    .await;
    let number = json!({ "displayname": 5 });
    walk.put(
        "a number for a name",
        alice,
        field,
        &[id, "displayname"],
        number,
    )
    .await;
    let unknown = "@unknown:example.org";
    for (case, user) in [("well", id), ("without fields", &bob.user_id)] {
        walk.get(case, &nobody, "profile/{userId}", &[user]).await;
    }
    walk.get("no user id", &nobody, "profile/{userId}", &["unknown"])
        .await;
    let own = bob.user_id.replace("bob", "unknown");
    walk.get("an unknown user", &nobody, "profile/{userId}", &[&own])
        .await;
    walk.get("a name", &nobody, field, &[id, "displayname"])
        .await;
    walk.get(
        "a field that is not set",
        &nobody,
        field,
        &[id, "org.example.none"],
    )
    .await;
    walk.get("of an unknown user", &nobody, field, &[&own, "displayname"])
        .await;
    walk.delete("a field", alice, field, &[id, "org.example.language"])
        .await;
    walk.delete("of somebody else", bob, field, &[id, "displayname"])
        .await;
    walk.delete("nobody", &nobody, field, &[unknown, "displayname"])
        .await;
}

/// Account data, global; that of a room comes with the room.
pub(super) async fn account_data(walk: &mut Walk, cast: &Cast) {
    let (alice, bob, nobody) = (&cast.alice, &cast.bob, walk.nobody.clone());
    let at = "user/{userId}/account_data/{type}";
    let id = alice.user_id.as_str();
    let content = json!({ "answer": 42 });
    walk.put(
        "well",
        alice,
        at,
        &[id, "org.example.data"],
        content.clone(),
    )
    .await;
    walk.put(
        "of somebody else",
        bob,
        at,
        &[id, "org.example.data"],
        content.clone(),
    )
    .await;
    walk.put(
        "nobody",
        &nobody,
        at,
        &[id, "org.example.data"],
        content.clone(),
    )
    .await;
    walk.put("markers", alice, at, &[id, "m.fully_read"], content.clone())
        .await;
    walk.put("push rules", alice, at, &[id, "m.push_rules"], content)
        .await;
    walk.put("a list", alice, at, &[id, "org.example.data"], json!([]))
        .await;
    walk.get("well", alice, at, &[id, "org.example.data"]).await;
    walk.get("that is not there", alice, at, &[id, "org.example.none"])
        .await;
    walk.get("push rules", alice, at, &[id, "m.push_rules"])
        .await;
    walk.get("of somebody else", bob, at, &[id, "org.example.data"])
        .await;
    walk.get("nobody", &nobody, at, &[id, "org.example.data"])
        .await;
}

/// Tags, account data of a room, and filters.
pub(super) async fn tags_and_filters(walk: &mut Walk, cast: &Cast) {
    let (alice, bob) = (&cast.alice, &cast.bob);
    let room = walk.room("for tags", alice, json!({})).await;
    let (id, room) = (alice.user_id.as_str(), room.as_str());
    let at = "user/{userId}/rooms/{roomId}/tags";
    let one = "user/{userId}/rooms/{roomId}/tags/{tag}";
    walk.get("none", alice, at, &[id, room]).await;
    walk.put(
        "with an order",
        alice,
        one,
        &[id, room, "m.favourite"],
        json!({ "order": 0.5 }),
    )
    .await;
    walk.put(
        "without an order",
        alice,
        one,
        &[id, room, "u.work"],
        json!({}),
    )
    .await;
    walk.put(
        "of somebody else",
        bob,
        one,
        &[id, room, "u.work"],
        json!({}),
    )
    .await;
    walk.put(
        "an odd order",
        alice,
        one,
        &[id, room, "u.odd"],
        json!({ "order": "first" }),
    )
    .await;
    walk.get("some", alice, at, &[id, room]).await;
    walk.get("of somebody else", bob, at, &[id, room]).await;
    walk.delete("one", alice, one, &[id, room, "u.work"]).await;
    walk.delete("one that is not there", alice, one, &[id, room, "u.none"])
        .await;
    walk.delete("of somebody else", bob, one, &[id, room, "m.favourite"])
        .await;

    let at = "user/{userId}/rooms/{roomId}/account_data/{type}";
    let content = json!({ "colour": "red" });
    walk.put(
        "well",
        alice,
        at,
        &[id, room, "org.example.data"],
        content.clone(),
    )
    .await;
    walk.put(
        "of somebody else",
        bob,
        at,
        &[id, room, "org.example.data"],
        content.clone(),
    )
    .await;
    walk.put(
        "markers",
        alice,
        at,
        &[id, room, "m.fully_read"],
        content.clone(),
    )
    .await;
    walk.put(
        "no room",
        alice,
        at,
        &[id, "none", "org.example.data"],
        content,
    )
    .await;
    walk.get("well", alice, at, &[id, room, "org.example.data"])
        .await;
    walk.get("tags", alice, at, &[id, room, "m.tag"]).await;
    walk.get(
        "that is not there",
        alice,
        at,
        &[id, room, "org.example.none"],
    )
    .await;
    walk.get("of somebody else", bob, at, &[id, room, "org.example.data"])
        .await;
    filters(walk, cast).await;
}

async fn filters(walk: &mut Walk, cast: &Cast) {
    let (alice, bob) = (&cast.alice, &cast.bob);
    let id = alice.user_id.as_str();
    let at = "user/{userId}/filter";
    let one = "user/{userId}/filter/{filterId}";
    let filter = json!({ "room": { "timeline": { "limit": 5 } }, "event_format": "client" });
    let made = walk.post("well", alice, at, &[id], filter.clone()).await;
    walk.post("of somebody else", bob, at, &[id], filter).await;
    let bad = json!({ "room": { "timeline": { "limit": "many" } } });
    walk.post("a text as limit", alice, at, &[id], bad).await;
    let bad = json!({ "event_format": "odd" });
    walk.post("an odd format", alice, at, &[id], bad).await;
    let bad = json!({ "room": { "timeline": { "senders": ["nobody"] } } });
    walk.post("no user id", alice, at, &[id], bad).await;
    let made = text(&made, "filter_id");
    walk.get("well", alice, one, &[id, &made]).await;
    walk.get("of somebody else", bob, one, &[id, &made]).await;
    walk.get("unknown", alice, one, &[id, "99999"]).await;
    walk.get("no number", alice, one, &[id, "none"]).await;
}

/// Presence.
pub(super) async fn presence(walk: &mut Walk, cast: &Cast) {
    let (alice, bob, nobody) = (&cast.alice, &cast.bob, walk.nobody.clone());
    let at = "presence/{userId}/status";
    let id = alice.user_id.as_str();
    let online = json!({ "presence": "online", "status_msg": "here" });
    walk.put("online", alice, at, &[id], online.clone()).await;
    walk.put("of somebody else", bob, at, &[id], online.clone())
        .await;
    walk.put("nobody", &nobody, at, &[id], online).await;
    walk.put(
        "an odd state",
        alice,
        at,
        &[id],
        json!({ "presence": "odd" }),
    )
    .await;
    walk.put(
        "without a state",
        alice,
        at,
        &[id],
        Value::Object(serde_json::Map::new()),
    )
    .await;
    walk.get("one's own", alice, at, &[id]).await;
    walk.get("of somebody unseen", &cast.stranger, at, &[id])
        .await;
    walk.get("nobody", &nobody, at, &[id]).await;
}
