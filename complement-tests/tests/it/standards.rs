//! What holds for all endpoints, and what the server does not offer.

use heliograph_complement::{TestServer, path};
use serde_json::json;

#[tokio::test]
async fn bodies_need_no_type_and_pages_end() {
    let server = TestServer::usual().await;
    let alice = server.user("alice").await;
    let room = alice.create_room(json!({})).await;
    let at = path(&["rooms", &room, "send", "m.room.message", "typed"]);
    let body = json!({ "msgtype": "m.text", "body": "x" })
        .to_string()
        .into_bytes();
    // The client of these tests sends no Content-Type at all.
    alice
        .raw("PUT", &at, Some(body.clone()))
        .await
        .ok("API-03: without a type");
    let put = &reqwest::Method::PUT;
    let other = [("Content-Type", "text/plain")];
    let at = path(&["rooms", &room, "send", "m.room.message", "plain"]);
    let answer = alice.attempt(put, &at, Some(body), &other).await.unwrap();
    answer.ok("API-03: with another type");
    let page = alice.messages(&room, "b", "&limit=2").await;
    assert!(page["end"].is_string(), "API-21: there is more");
    let page = alice.messages(&room, "b", "&limit=100").await;
    assert!(page["end"].is_null(), "API-21: there is no more");
}

#[tokio::test]
async fn what_is_not_offered_is_not_known() {
    let server = TestServer::usual().await;
    let (alice, nobody) = (server.user("alice").await, server.client());
    let policy = nobody.get("/.well-known/matrix/policy_server").await;
    assert_eq!(
        policy.status, 404,
        "DIS-04: no policy server: {}",
        policy.text
    );
    let oauth = nobody.get("/_matrix/client/v1/auth_metadata").await;
    oauth.refused(404, "M_UNRECOGNIZED", "DIS-07: no OAuth");
    let told = nobody.get("/_matrix/client/versions").await.ok("DIS-05");
    let mine = alice
        .get("/_matrix/client/versions")
        .await
        .ok("DIS-06: with a token");
    assert_eq!(told["versions"], mine["versions"], "DIS-06");
    let versions = told["versions"].as_array().unwrap().clone();
    let old = versions
        .iter()
        .any(|version| version.as_str().unwrap().starts_with('r'));
    let answer = alice.get("/_matrix/client/r0/account/whoami").await;
    assert_eq!(answer.status == 200, old, "DIS-08: {}", answer.text);
    let service = json!({ "type": "m.login.application_service",
        "identifier": { "type": "m.id.user", "user": "alice" } });
    let refused = nobody.post(&path(&["login"]), service).await;
    assert!(refused.status >= 400, "AUT-12: {}", refused.text);
}

#[tokio::test]
async fn data_that_clients_keep_here_passes_through() {
    let server = TestServer::usual().await;
    let alice = server.user("alice").await;
    let room = alice.create_room(json!({})).await;
    let id = &alice.user_id;
    for (kind, content) in [
        ("m.direct", json!({ "@bob:example.org": [room] })),
        ("m.identity_server", json!({ "base_url": null })),
        (
            "m.accepted_terms",
            json!({ "accepted": ["https://example.org/terms"] }),
        ),
        ("m.key_backup", json!({ "enabled": true })),
        ("m.recent_emoji", json!({ "recent_emoji": [["😀", 3]] })),
        (
            "m.image_pack.rooms",
            json!({ "rooms": { room.as_str(): { "": {} } } }),
        ),
    ] {
        let at = path(&["user", id, "account_data", kind]);
        alice
            .put(&at, content.clone())
            .await
            .ok(&format!("ACC-11: {kind}"));
        assert_eq!(alice.get(&at).await.ok("ACC-11"), content, "ACC-11: {kind}");
    }
    let since = alice.sync_token().await;
    let at = path(&[
        "user",
        id,
        "rooms",
        &room,
        "account_data",
        "m.marked_unread",
    ]);
    alice.put(&at, json!({ "unread": true })).await.ok("EPH-15");
    let told = alice.sync_since(&since).await;
    let data = &told["rooms"]["join"][&room]["account_data"]["events"][0];
    assert_eq!(data["content"], json!({ "unread": true }), "EPH-15");
    for kind in ["user", "room", "server"] {
        let kind = format!("m.policy.rule.{kind}");
        let rule =
            json!({ "entity": "*.example.org", "recommendation": "m.ban", "reason": "spam" });
        alice.set_state(&room, &kind, "rule", rule.clone()).await;
        assert_eq!(
            alice.state(&room, &kind, "rule").await,
            rule,
            "MOD-15: {kind}"
        );
    }
}

#[tokio::test]
async fn rooms_are_made_with_all_that_is_asked_for() {
    let server = TestServer::usual().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let body = json!({ "name": "Listed", "topic": "All about it", "visibility": "public",
        "preset": "public_chat", "creation_content": { "m.federate": false } });
    let room = alice.create_room(body).await;
    let listed = bob
        .post(&path(&["publicRooms"]), json!({}))
        .await
        .ok("DIR-06");
    assert_eq!(listed["chunk"][0]["room_id"], room, "ROM-09: {listed}");
    let create = alice.state(&room, "m.room.create", "").await;
    assert_eq!(create["m.federate"], false, "ROM-13: the creation says so");
    let topic = alice.state(&room, "m.room.topic", "").await;
    assert_eq!(topic["topic"], "All about it", "ROM-12");
    assert_eq!(
        topic["m.topic"]["m.text"][0]["body"], "All about it",
        "ROM-12: {topic}"
    );
    let bad = json!({ "initial_state": [{ "type": "m.room.power_levels", "state_key": "",
        "content": { "users": { "nobody": 100 } } }] });
    let bad = alice.post(&path(&["createRoom"]), bad).await;
    bad.refused(400, "M_INVALID_ROOM_STATE", "ROM-08");
    // An alias is canonical only where it leads here.
    let at = path(&["rooms", &room, "state", "m.room.canonical_alias", ""]);
    let unknown = json!({ "alias": "#none:heliograph.test" });
    alice
        .put(&at, unknown)
        .await
        .refused(400, "M_BAD_ALIAS", "EVT-04: an unknown alias");
    let bad = alice.put(&at, json!({ "alias": "none" })).await;
    bad.refused(400, "M_INVALID_PARAM", "EVT-04: no alias");
    let name = path(&["directory", "room", "#listed:heliograph.test"]);
    alice
        .put(&name, json!({ "room_id": room }))
        .await
        .ok("DIR-01");
    let good = json!({ "alias": "#listed:heliograph.test" });
    alice
        .put(&at, good)
        .await
        .ok("EVT-04: an alias that leads here");
}

#[tokio::test]
async fn a_room_that_is_new_to_somebody_comes_with_its_whole_state() {
    let server = TestServer::usual().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let room = alice
        .create_room(json!({ "preset": "public_chat", "name": "New" }))
        .await;
    for n in 0..15 {
        alice.say(&room, &format!("before {n}")).await;
    }
    let since = bob.sync_token().await;
    bob.join(&room).await;
    let synced = bob.sync_since(&since).await;
    let joined = &synced["rooms"]["join"][&room];
    let state = joined["state"]["events"].as_array().unwrap();
    let kinds: Vec<_> = state
        .iter()
        .map(|event| event["type"].as_str().unwrap())
        .collect();
    for kind in [
        "m.room.create",
        "m.room.name",
        "m.room.join_rules",
        "m.room.member",
    ] {
        assert!(kinds.contains(&kind), "SYN-25: {kind} in {kinds:?}");
    }
    let timeline = joined["timeline"]["events"].as_array().unwrap();
    let before = timeline
        .iter()
        .any(|event| event["content"]["body"] == "before 14");
    assert!(before, "SYN-25: history is shared: {timeline:?}");
    alice
        .receipt(
            &room,
            "m.read",
            timeline.last().unwrap()["event_id"].as_str().unwrap(),
        )
        .await;
    let typing = path(&["rooms", &room, "typing", &alice.user_id]);
    alice
        .put(&typing, json!({ "typing": true, "timeout": 30_000 }))
        .await
        .ok("EPH-05");
    let told = bob.sync("timeout=0").await;
    let told = told["rooms"]["join"][&room]["ephemeral"]["events"].to_string();
    assert!(
        told.contains("m.typing") && told.contains("m.receipt"),
        "SYN-34: {told}"
    );
}
