//! Rooms of every version.

use heliograph_complement::{TestServer, path};
use serde_json::json;

#[tokio::test]
async fn rooms_of_every_version_can_be_created_joined_governed_and_pruned() {
    let server = TestServer::usual().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    for version in 1..=12 {
        let what = format!("room version {version}");
        let body = json!({ "preset": "public_chat", "room_version": version.to_string() });
        let room = alice.create_room(body).await;
        let create = alice.state(&room, "m.room.create", "").await;
        let stated = create["room_version"].as_str().unwrap_or("1");
        assert_eq!(stated, version.to_string(), "ROM-05: {what}");
        assert_eq!(
            create["creator"].is_string(),
            version < 11,
            "RMV-15: the creator: {what}"
        );
        assert_eq!(
            room.contains(':'),
            version < 12,
            "RMV-17: the room's id: {what}"
        );
        bob.join(&room).await;
        let event = bob.say(&room, "to be redacted").await;
        assert_eq!(event.contains(':'), version < 3, "the event's id: {what}");
        let name = path(&["rooms", &room, "state", "m.room.name", ""]);
        bob.put(&name, json!({ "name": "x" }))
            .await
            .refused(403, "M_FORBIDDEN", &what);
        let mut power = alice.state(&room, "m.room.power_levels", "").await;
        power["users"][&bob.user_id] = json!(50);
        let has_creator = power["users"][&alice.user_id].is_number();
        assert_eq!(
            has_creator,
            version < 12,
            "ROM-11: the creator's entry: {what}"
        );
        alice
            .set_state(&room, "m.room.power_levels", "", power)
            .await;
        bob.put(&name, json!({ "name": "x" })).await.ok(&what);
        let redaction = alice.redact(&room, &event).await;
        let pruned = bob.event(&room, &event).await;
        assert_eq!(pruned["content"], json!({}), "EVT-24: {what}");
        let redaction = bob.event(&room, &redaction).await;
        assert_eq!(
            redaction["redacts"], event,
            "RMV-16: redacts at the top: {what}"
        );
        assert_eq!(
            redaction["content"]["redacts"], event,
            "RMV-16: redacts in the content: {what}"
        );
        bob.leave(&room).await;
        alice.act_on("ban", &room, &bob.user_id).await;
        let back = bob.post(&path(&["join", &room]), json!({})).await;
        back.refused(403, "M_FORBIDDEN", &format!("ROM-26: banned: {what}"));
    }
}

#[tokio::test]
async fn a_member_event_keeps_its_membership_when_redacted() {
    let server = TestServer::usual().await;
    let alice = server.user("alice").await;
    for version in ["1", "9", "11", "12"] {
        let room = alice.create_room(json!({ "room_version": version })).await;
        let content = json!({ "membership": "join", "displayname": "gone", "test.more": 1 });
        let event = alice
            .set_state(&room, "m.room.member", &alice.user_id, content)
            .await;
        alice.redact(&room, &event).await;
        let pruned = alice.event(&room, &event).await;
        assert_eq!(
            pruned["content"],
            json!({ "membership": "join" }),
            "EVT-24: version {version}"
        );
        alice.say(&room, "still a member").await;
    }
}
