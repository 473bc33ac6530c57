//! Finding other users by name.

use heliograph_complement::{Client, TestServer, path};
use serde_json::{Value, json};

async fn search(who: &Client, body: Value) -> Value {
    let found = who.post(&path(&["user_directory", "search"]), body).await;
    found.ok("DIR-09: searching")
}

/// The localparts of those whom a term finds, in order.
async fn found(who: &Client, term: &str) -> Vec<String> {
    let answer = search(who, json!({ "search_term": term })).await;
    assert_eq!(answer["limited"], false, "DIR-09: {answer}");
    let mut names: Vec<String> = answer["results"]
        .as_array()
        .expect("results")
        .iter()
        .map(|user| user["user_id"].as_str().unwrap().to_owned())
        .collect();
    names.sort();
    let local = |id: String| {
        id.trim_start_matches('@')
            .split(':')
            .next()
            .unwrap()
            .to_owned()
    };
    names.into_iter().map(local).collect()
}

async fn name(who: &Client, name: &str) {
    let at = path(&["profile", &who.user_id, "displayname"]);
    who.put(&at, json!({ "displayname": name }))
        .await
        .ok("a name");
}

/// Alice and Bob share a closed room, Carol is in a public one, Dave in none.
async fn four(server: &TestServer) -> ([Client; 4], String) {
    let alice = server.user("alice").await;
    let bob = server.user("bob").await;
    let carol = server.user("carol").await;
    let dave = server.user("dave").await;
    let invited = json!({ "preset": "private_chat", "invite": [bob.user_id] });
    let closed = alice.create_room(invited).await;
    bob.join(&closed).await;
    carol.create_public_room().await;
    ([alice, bob, carol, dave], closed)
}

#[tokio::test]
async fn users_are_found_who_share_a_room_or_are_in_a_public_one() {
    let server = TestServer::usual().await;
    let ([alice, bob, carol, dave], closed) = four(&server).await;
    for (who, expected) in [
        (&alice, vec!["bob", "carol"]),
        (&bob, vec!["alice", "carol"]),
        (&carol, vec![]),
        (&dave, vec!["carol"]),
    ] {
        let all = found(who, "@").await;
        assert!(all.is_empty(), "DIR-09: a sign is no word: {all:?}");
        let mut all = Vec::new();
        for letter in ["a", "b", "c", "d"] {
            all.extend(found(who, letter).await);
        }
        assert_eq!(all, expected, "DIR-09: by {}", who.user_id);
    }
    bob.leave(&closed).await;
    let gone = found(&alice, "bob").await;
    assert!(gone.is_empty(), "DIR-10: who has left: {gone:?}");
    bob.join(&carol.create_public_room().await).await;
    assert_eq!(found(&alice, "bob").await, ["bob"], "DIR-10: who has come");
    server.assert_no_panic();
}

#[tokio::test]
async fn a_room_that_opens_or_closes_shows_or_hides_its_members() {
    let server = TestServer::usual().await;
    let ([alice, _, carol, dave], closed) = four(&server).await;
    let hidden = found(&dave, "alice").await;
    assert!(hidden.is_empty(), "DIR-10: a closed room: {hidden:?}");
    let opens = [
        ("m.room.join_rules", json!({ "join_rule": "public" })),
        (
            "m.room.history_visibility",
            json!({ "history_visibility": "world_readable" }),
        ),
    ];
    let closes = [
        ("m.room.join_rules", json!({ "join_rule": "invite" })),
        (
            "m.room.history_visibility",
            json!({ "history_visibility": "shared" }),
        ),
    ];
    for ((kind, open), (_, close)) in opens.into_iter().zip(closes) {
        alice.set_state(&closed, kind, "", open).await;
        let shown = found(&dave, "alice").await;
        assert_eq!(shown, ["alice"], "DIR-10: {kind} opens");
        alice.set_state(&closed, kind, "", close).await;
        let hidden = found(&dave, "alice").await;
        assert!(hidden.is_empty(), "DIR-10: {kind} closes: {hidden:?}");
    }
    assert_eq!(found(&dave, "carol").await, ["carol"], "DIR-10: as before");
    assert!(found(&carol, "dave").await.is_empty(), "DIR-10: in no room");
    server.assert_no_panic();
}

#[tokio::test]
async fn users_are_found_by_their_profile_and_never_by_a_name_in_a_room() {
    let mut server = TestServer::usual().await;
    let ([alice, bob, carol, dave], closed) = four(&server).await;
    name(&alice, "Älice O'Hara Cooper").await;
    for term in [
        "älice",
        "ÄLI coop",
        "hara",
        "alice",
        "@ali",
        "@alice:heliograph.test",
    ] {
        assert_eq!(found(&bob, term).await, ["alice"], "DIR-09: {term}");
    }
    for term in [
        "lice",
        "cooper bob",
        "heliograph",
        "@alice:elsewhere.test",
        "",
        "!",
    ] {
        let nobody = found(&bob, term).await;
        assert!(nobody.is_empty(), "DIR-09: {term}: {nobody:?}");
    }
    let private = json!({ "membership": "join", "displayname": "Freddy" });
    alice
        .set_state(&closed, "m.room.member", &alice.user_id, private)
        .await;
    for who in [&bob, &carol] {
        let nobody = found(who, "freddy").await;
        assert!(nobody.is_empty(), "DIR-10: only told in a room: {nobody:?}");
    }
    let at = path(&["profile", &alice.user_id, "avatar_url"]);
    let avatar = json!({ "avatar_url": "mxc://heliograph.test/face" });
    alice.put(&at, avatar).await.ok("an avatar");
    server.restart().await;
    let answer = search(&bob, json!({ "search_term": "cooper" })).await;
    let whole = json!([{
        "user_id": alice.user_id,
        "display_name": "Älice O'Hara Cooper",
        "avatar_url": "mxc://heliograph.test/face",
    }]);
    assert_eq!(answer["results"], whole, "DIR-09: {answer}");
    name(&alice, "").await;
    assert!(found(&bob, "cooper").await.is_empty(), "DIR-10: no name");
    assert_eq!(found(&bob, "alice").await, ["alice"], "DIR-10: the id");

    name(&carol, "Carol").await;
    let auth = json!({
        "type": "m.login.password",
        "identifier": { "type": "m.id.user", "user": "carol" },
        "password": Client::password_of("carol"),
    });
    let end = json!({ "auth": auth });
    let ended = carol.post(&path(&["account", "deactivate"]), end).await;
    ended.ok("DIR-10: an account ends");
    assert!(found(&dave, "carol").await.is_empty(), "DIR-10: ended");
    server.assert_no_panic();
}

#[tokio::test]
async fn a_search_is_limited_and_bad_ones_are_refused() {
    let server = TestServer::usual().await;
    let alice = server.user("alice").await;
    let room = alice.create_public_room().await;
    for n in 0..12 {
        server.user(&format!("many{n}")).await.join(&room).await;
    }
    let count = |answer: &Value| answer["results"].as_array().map(Vec::len);
    for (limit, expected, limited) in [
        (json!(null), 10, true),
        (json!(0), 0, true),
        (json!(11), 11, true),
        (json!(12), 12, false),
        (json!(1000), 12, false),
    ] {
        let body = json!({ "search_term": "many", "limit": limit });
        let answer = search(&alice, body).await;
        assert_eq!(count(&answer), Some(expected), "DIR-09: {limit}: {answer}");
        assert_eq!(answer["limited"], limited, "DIR-09: {limit}: {answer}");
    }
    let at = path(&["user_directory", "search"]);
    for (body, errcode) in [
        (json!({}), "M_MISSING_PARAM"),
        (json!({ "search_term": 1 }), "M_BAD_JSON"),
        (json!({ "search_term": "x", "limit": -1 }), "M_BAD_JSON"),
        (
            json!({ "search_term": "x".repeat(1000) }),
            "M_INVALID_PARAM",
        ),
    ] {
        let refused = alice.post(&at, body.clone()).await;
        refused.refused(400, errcode, &format!("DIR-09: {body}"));
    }
    server.assert_no_panic();
}
