//! The appendices: grammars, canonical JSON, globs, paths into objects.

use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use heliograph_complement::{Options, TestServer, path};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

#[tokio::test]
async fn what_servers_exchange_is_hashed_in_canonical_form() {
    let server = TestServer::usual().await;
    let alice = server.user("alice").await;
    let room = alice.create_room(json!({ "room_version": "11" })).await;
    let content = json!({
        "z": 1, "a": { "é": "ü", "b": "\"\\/\u{8}\u{c}\n\r\t\u{1}" }, "日本": -5, "😀": [null, true],
    });
    alice.send(&room, "org.example.any", content.clone()).await;
    let filter = json!({ "event_format": "federation", "room": { "timeline": { "limit": 1 } } });
    let filter = path(&[&filter.to_string()]).replace("/_matrix/client/v3/", "");
    let synced = alice.sync(&format!("timeout=0&filter={filter}")).await;
    let mut pdu = synced["rooms"]["join"][&room]["timeline"]["events"][0].clone();
    assert_eq!(pdu["content"], content, "APX-02: the content comes back");
    let told = pdu["hashes"]["sha256"].clone();
    for key in ["hashes", "signatures", "unsigned"] {
        pdu.as_object_mut().unwrap().remove(key);
    }
    // serde_json sorts keys by code point, writes no spaces and escapes no more than it must.
    let own = STANDARD_NO_PAD.encode(Sha256::digest(pdu.to_string()));
    assert_eq!(
        told, own,
        "APX-02: the hash is one of canonical JSON: {pdu}"
    );
}

#[tokio::test]
async fn identifiers_are_opaque_and_of_their_grammar() {
    let server = TestServer::usual().await;
    let alice = server.user("alice").await;
    let room = alice.create_public_room().await;
    let at = |event: &str| path(&["rooms", &room, "event", event]);
    for odd in [
        format!("${}", "x".repeat(254)),
        "$a:example.org".to_owned(),
        "$\u{fc}".to_owned(),
    ] {
        let answer = alice.get(&at(&odd)).await;
        answer.refused(404, "M_NOT_FOUND", &format!("APX-06: {odd}"));
    }
    let body = json!({ "refresh_token": true, "type": "m.login.password", "password": "password of alice",
        "identifier": { "type": "m.id.user", "user": "alice" } });
    let session = alice.post(&path(&["login"]), body).await.ok("AUT-06");
    let filter = alice
        .post(&path(&["user", &alice.user_id, "filter"]), json!({}))
        .await
        .ok("SYN-01");
    let since = alice.sync_token().await;
    let ids = [
        &session["access_token"],
        &session["refresh_token"],
        &session["device_id"],
        &filter["filter_id"],
        &json!(since),
    ];
    for id in ids {
        let id = id.as_str().unwrap();
        let known = |letter: char| letter.is_ascii_alphanumeric() || "._~-".contains(letter);
        assert!(
            (1..=255).contains(&id.len()) && id.chars().all(known),
            "APX-07: {id}"
        );
    }
    // Users of old may be called anything that can be seen.
    for user in [
        "@A!b/c$d:example.org",
        "@:example.org",
        "@a:[2001:db8::1]:8448",
        "@a:1.2.3.4:80",
    ] {
        let ban = json!({ "user_id": user });
        let answer = alice.post(&path(&["rooms", &room, "ban"]), ban).await;
        answer.ok(&format!("APX-04, APX-03: {user}"));
    }
    for user in [
        "@a",
        "a:example.org",
        "@a:exa mple.org",
        "@a:example.org:port",
        "@a:[2001:db8::1",
    ] {
        let ban = json!({ "user_id": user });
        let answer = alice.post(&path(&["rooms", &room, "ban"]), ban).await;
        assert_eq!(answer.status, 400, "APX-03: {user}: {}", answer.text);
    }
}

#[tokio::test]
async fn aliases_are_bounded_and_have_no_colon_within() {
    let server = TestServer::usual().await;
    let alice = server.user("alice").await;
    let room = alice.create_public_room().await;
    let name = |letters: usize| format!("#{}:heliograph.test", "a".repeat(letters));
    let around = name(0).len();
    let set = async |alias: &str| {
        let at = path(&["directory", "room", alias]);
        alice.put(&at, json!({ "room_id": room })).await
    };
    set(&name(255 - around)).await.ok("APX-05: 255 bytes");
    for bad in [name(256 - around), "#a\0b:heliograph.test".to_owned()] {
        assert_eq!(set(&bad).await.status, 400, "APX-05: {bad:?}");
    }
    let colon = json!({ "room_alias_name": "a:b" });
    let colon = alice.post(&path(&["createRoom"]), colon).await;
    assert_eq!(colon.status, 400, "APX-05: a colon: {}", colon.text);
}

#[tokio::test]
async fn odd_characters_come_back_or_are_refused() {
    let mut server = TestServer::usual().await;
    let alice = server.user("alice").await;
    let room = alice.create_room(json!({})).await;
    let event = alice.say(&room, "a\0b\u{fffd}\u{10ffff}").await;
    let read = alice.event(&room, &event).await;
    assert_eq!(read["content"]["body"], "a\0b\u{fffd}\u{10ffff}", "APX-10");
    for lone in [
        r#"{"body":"\ud800"}"#,
        r#"{"body":"\udc00\ud800"}"#,
        r#"{"\ud800":1}"#,
    ] {
        let at = path(&[
            "rooms",
            &room,
            "send",
            "m.room.message",
            &alice.transaction(),
        ]);
        let answer = alice.raw("PUT", &at, Some(lone.as_bytes().to_vec())).await;
        assert!(
            [200, 400].contains(&answer.status),
            "APX-10: {lone}: {}",
            answer.text
        );
        if answer.status == 200 {
            let event = answer.body["event_id"].as_str().unwrap();
            alice.event(&room, event).await;
        }
    }
    assert!(server.is_alive(), "APX-10: no crash");
    server.assert_no_panic();
}

#[tokio::test]
async fn filters_match_globs_and_choose_by_paths() {
    let server = TestServer::start(Options::new()).await;
    let alice = server.user("alice").await;
    let room = alice.create_room(json!({ "name": "Globs" })).await;
    for (kind, content) in [
        (
            "org.example.one",
            json!({ "a.b": 1, "a": { "b": 2, "c": 3 }, r"d\e": 4 }),
        ),
        ("org.example", json!({})),
        ("org.examples.two", json!({})),
    ] {
        alice.send(&room, kind, content).await;
    }
    let told = async |filter: Value| {
        let filter = path(&[&filter.to_string()]).replace("/_matrix/client/v3/", "");
        let synced = alice.sync(&format!("timeout=0&filter={filter}")).await;
        synced["rooms"]["join"][&room]["timeline"]["events"].clone()
    };
    let kinds = |events: &Value| {
        let events = events.as_array().cloned().unwrap_or_default();
        events
            .iter()
            .map(|event| event["type"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let by = |types: Value| json!({ "room": { "timeline": { "types": types } } });
    let found = kinds(&told(by(json!(["org.example.*"]))).await);
    assert_eq!(found, ["org.example.one"], "APX-08");
    let found = kinds(&told(by(json!(["org.*example*"]))).await);
    assert_eq!(found.len(), 3, "APX-08: {found:?}");
    let found = kinds(&told(by(json!([]))).await);
    assert!(found.is_empty(), "SYN-06: no types are none: {found:?}");
    let mut filter = by(json!(["org.example.one"]));
    filter["event_fields"] = json!([r"content.a\.b", "content.a.c", r"content.d\\e"]);
    let events = told(filter).await;
    let expected = json!({ "a.b": 1, "a": { "c": 3 }, r"d\e": 4 });
    assert_eq!(events[0]["content"], expected, "APX-09");
}
