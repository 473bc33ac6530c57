//! Who is online: set, seen by those who share a room, and changed by the passing of time.

use std::time::Instant;

use heliograph_complement::{Client, Options, TestServer, path};
use serde_json::{Value, json};

/// A wait that is far longer than being woken takes, and shorter than a test may last.
const LONG_MS: u64 = 100_000;

fn at(user: &str) -> String {
    path(&["presence", user, "status"])
}

async fn set(client: &Client, body: Value) {
    let answer = client.put(&at(&client.user_id), body).await;
    answer.ok("EPH-01: setting presence");
}

async fn status(client: &Client, user: &str) -> Value {
    client.get(&at(user)).await.ok("EPH-02: reading presence")
}

/// What a sync says of a user's presence.
fn told<'a>(answer: &'a Value, user: &str) -> Option<&'a Value> {
    let events = answer["presence"]["events"].as_array()?;
    let mut of_user = events
        .iter()
        .filter(|e| e["sender"] == user && e["type"] == "m.presence");
    let found = of_user.next().map(|event| &event["content"]);
    assert!(of_user.next().is_none(), "SYN-16: told twice: {answer}");
    found
}

/// Whether a sync says that a user is in a state.
fn is_told<'a>(user: &'a str, state: &'a str) -> impl Fn(&Value) -> bool + 'a {
    move |answer| told(answer, user).is_some_and(|content| content["presence"] == state)
}

/// Two users in a room.
async fn pair(server: &TestServer) -> (Client, Client, String) {
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let room = alice.create_public_room().await;
    bob.join(&room).await;
    (alice, bob, room)
}

#[tokio::test]
async fn presence_is_set_by_oneself_and_read_by_who_shares_a_room() {
    let server = TestServer::usual().await;
    let (alice, bob, room) = pair(&server).await;
    let carol = server.user("carol").await;
    let before = status(&alice, &alice.user_id).await;
    assert_eq!(before, json!({ "presence": "offline" }), "EPH-02: at first");
    set(
        &alice,
        json!({ "presence": "online", "status_msg": "here" }),
    )
    .await;
    for reader in [&alice, &bob] {
        let seen = status(reader, &alice.user_id).await;
        assert_eq!(seen["presence"], "online", "EPH-02: {seen}");
        assert_eq!(seen["status_msg"], "here", "EPH-01: {seen}");
        assert_eq!(seen["currently_active"], true, "EPH-02: {seen}");
        assert!(seen["last_active_ago"].is_u64(), "EPH-02: {seen}");
    }
    for (who, user) in [
        (&carol, alice.user_id.as_str()),
        (&alice, &carol.user_id),
        (&alice, "@nobody:heliograph.test"),
        (&alice, "@alice:elsewhere.test"),
    ] {
        let refused = who.get(&at(user)).await;
        refused.refused(403, "M_FORBIDDEN", "EPH-02: no shared room");
    }
    set(&alice, json!({ "presence": "unavailable" })).await;
    let seen = status(&bob, &alice.user_id).await;
    assert_eq!(seen["presence"], "unavailable", "EPH-01: {seen}");
    assert!(seen.get("status_msg").is_none(), "EPH-01: cleared: {seen}");
    let other = bob
        .put(&at(&alice.user_id), json!({ "presence": "online" }))
        .await;
    other.refused(403, "M_FORBIDDEN", "EPH-01: only for oneself");
    let long = "x".repeat(2000);
    for body in [
        json!({ "presence": "busy-ish" }),
        json!({}),
        json!({ "presence": 1 }),
        json!({ "presence": "online", "status_msg": 1 }),
        json!({ "presence": "online", "status_msg": long }),
    ] {
        let refused = alice.put(&at(&alice.user_id), body.clone()).await;
        assert_eq!(refused.status, 400, "EPH-01: {body}: {}", refused.text);
    }
    bob.leave(&room).await;
    let refused = bob.get(&at(&alice.user_id)).await;
    refused.refused(403, "M_FORBIDDEN", "EPH-02: no shared room any more");
    server.assert_no_panic();
}

#[tokio::test]
async fn who_shares_a_room_is_woken_and_nobody_else_is_told() {
    let server = TestServer::usual().await;
    let (alice, bob, _) = pair(&server).await;
    let phone = server.client().login("alice").await;
    let carol = server.user("carol").await;
    let quiet = "set_presence=offline";
    let token = async |client: &Client| {
        let answer = client.sync(quiet).await;
        answer["next_batch"].as_str().unwrap().to_owned()
    };
    let (bobs, carols, phones) = (token(&bob).await, token(&carol).await, token(&phone).await);
    let began = Instant::now();
    let waiting = format!("since={bobs}&timeout={LONG_MS}&{quiet}");
    let online = json!({ "presence": "online", "status_msg": "hello" });
    let (news, ()) = tokio::join!(bob.sync(&waiting), set(&alice, online));
    assert!(
        began.elapsed().as_millis() < u128::from(LONG_MS) / 2,
        "SYN-16: woken"
    );
    let content = told(&news, &alice.user_id).expect("SYN-16: presence");
    assert_eq!(content["presence"], "online", "EPH-03: {content}");
    assert_eq!(content["status_msg"], "hello", "EPH-03: {content}");
    assert_eq!(content["currently_active"], true, "EPH-03: {content}");
    assert!(content["last_active_ago"].is_u64(), "EPH-03: {content}");
    let own = phone.sync(&format!("since={phones}&{quiet}")).await;
    assert!(
        told(&own, &alice.user_id).is_some(),
        "EPH-03: oneself: {own}"
    );
    let others = carol.sync(&format!("since={carols}&{quiet}")).await;
    assert!(
        others.get("presence").is_none(),
        "EPH-03: strangers: {others}"
    );

    // Who is online stays so without another word. What came while the last sync was answered may
    // be told twice: only from here on is it old.
    let next = news["next_batch"].as_str().unwrap();
    let told_twice = bob.sync(&format!("since={next}&{quiet}")).await;
    let next = told_twice["next_batch"].as_str().unwrap();
    set(
        &alice,
        json!({ "presence": "online", "status_msg": "hello" }),
    )
    .await;
    let again = bob.sync(&format!("since={next}&{quiet}")).await;
    assert!(again.get("presence").is_none(), "EPH-03: no news: {again}");

    let first = bob.sync(quiet).await;
    assert!(
        told(&first, &alice.user_id).is_some(),
        "EPH-03: at first: {first}"
    );
    for filter in [
        json!({ "presence": { "not_types": ["m.presence"] } }),
        json!({ "presence": { "types": [] } }),
        json!({ "presence": { "not_senders": [alice.user_id] } }),
        json!({ "presence": { "limit": 0 } }),
    ] {
        let id = bob.filter(filter.clone()).await;
        let less = bob.sync(&format!("filter={id}&{quiet}")).await;
        assert!(
            told(&less, &alice.user_id).is_none(),
            "SYN-03: {filter}: {less}"
        );
    }
    let old = bob.get(&path(&["initialSync"])).await.ok("SYN-44");
    let old = json!({ "presence": { "events": old["presence"] } });
    assert!(
        told(&old, &alice.user_id).is_some(),
        "EPH-03: /initialSync: {old}"
    );
    server.assert_no_panic();
}

#[tokio::test]
async fn polling_sets_online_and_who_stays_away_is_offline() {
    let options = Options::new().set("presence", "offline_after", "\"500 ms\"");
    let server = TestServer::start(options).await;
    let (alice, bob, _) = pair(&server).await;
    let since = bob.sync_token().await;
    alice.sync("set_presence=offline").await;
    let seen = status(&bob, &alice.user_id).await;
    assert_eq!(
        seen["presence"], "offline",
        "SYN-17: offline does not count"
    );
    let bad = alice
        .get(&(path(&["sync"]) + "?set_presence=sometimes"))
        .await;
    assert_eq!(bad.status, 400, "SYN-17: {}", bad.text);
    alice.sync("set_presence=unavailable").await;
    let user = alice.user_id.as_str();
    let idle = bob.sync_until(&since, is_told(user, "unavailable")).await;
    let since = idle["next_batch"].as_str().unwrap();
    alice.sync("").await;
    let online = bob.sync_until(since, is_told(user, "online")).await;
    let since = online["next_batch"].as_str().unwrap();
    let offline = bob.sync_until(since, is_told(user, "offline")).await;
    assert!(
        told(&offline, user)
            .unwrap()
            .get("currently_active")
            .is_none(),
        "EPH-03: {offline}"
    );
    let first = bob.sync("").await;
    assert!(
        told(&first, user).is_none(),
        "EPH-03: offline is not told at first: {first}"
    );
    server.assert_no_panic();
}

#[tokio::test]
async fn who_does_nothing_is_unavailable_until_they_do_something() {
    let options = Options::new()
        .set("presence", "idle_after", "\"400 ms\"")
        .set("presence", "offline_after", "\"10 min\"");
    let server = TestServer::start(options).await;
    let (alice, bob, room) = pair(&server).await;
    let user = alice.user_id.as_str();
    let since = bob.sync_token().await;
    alice.sync("").await;
    let idle = bob.sync_until(&since, is_told(user, "unavailable")).await;
    // That the client goes on polling is nothing that its user does.
    alice.sync("").await;
    let seen = status(&bob, user).await;
    assert_eq!(seen["presence"], "unavailable", "EPH-03: polling: {seen}");
    let mut since = idle["next_batch"].as_str().unwrap().to_owned();
    for deed in ["talking", "typing"] {
        match deed {
            "talking" => drop(alice.say(&room, "here").await),
            _ => alice.typing(&room, true).await,
        }
        let back = bob.sync_until(&since, is_told(user, "online")).await;
        since = back["next_batch"].as_str().unwrap().to_owned();
        let idle = bob.sync_until(&since, is_told(user, "unavailable")).await;
        since = idle["next_batch"].as_str().unwrap().to_owned();
    }
    server.assert_no_panic();
}

/// Keys that a sync reads which tells of one friend, after so many strangers changed, too.
async fn keys_among(strangers: usize) -> u64 {
    let server = TestServer::usual().await;
    let (alice, bob, _) = pair(&server).await;
    let mut others = Vec::new();
    for n in 0..strangers {
        others.push(server.user(&format!("stranger{n}")).await);
    }
    // Whoever has waited once is known.
    let (quiet, mut since) = ("set_presence=offline", String::new());
    for user in others.iter().chain([&alice, &bob]) {
        let first = user.sync(quiet).await;
        since = first["next_batch"].as_str().unwrap().to_owned();
        user.sync(&format!("since={since}&timeout=1&{quiet}")).await;
    }
    let here = || json!({ "presence": "online", "status_msg": "here" });
    for user in others.iter().chain([&alice]) {
        set(user, here()).await;
    }
    let since = format!("since={since}&{quiet}");
    bob.sync(&since).await;
    let before = server.costs().await;
    let news = bob.sync(&since).await;
    assert!(told(&news, &alice.user_id).is_some(), "SYN-16: {news}");
    let events = news["presence"]["events"].as_array().map(Vec::len);
    assert_eq!(events, Some(1), "EPH-03: strangers: {news}");
    before.between(&server.costs().await, "sync").keys_read
}

#[tokio::test]
async fn what_is_read_for_presence_goes_by_those_who_are_seen() {
    let (few, many) = (keys_among(2).await, keys_among(60).await);
    assert_eq!(few, many, "EPH-03: keys read among 2 and 60 who changed");
}

#[tokio::test]
async fn presence_can_be_turned_off() {
    let server = TestServer::start(Options::new().set("presence", "enabled", "false")).await;
    let (alice, bob, _) = pair(&server).await;
    set(
        &alice,
        json!({ "presence": "online", "status_msg": "here" }),
    )
    .await;
    alice.sync("").await;
    let seen = status(&bob, &alice.user_id).await;
    assert_eq!(seen, json!({ "presence": "offline" }), "EPH-04");
    for answer in [bob.sync("").await, alice.sync("").await] {
        assert!(answer.get("presence").is_none(), "EPH-04: {answer}");
    }
}

#[tokio::test]
async fn large_rooms_carry_no_presence() {
    let options = Options::new().set("presence", "max_room_members", "2");
    let server = TestServer::start(options).await;
    let (alice, bob, room) = pair(&server).await;
    let carol = server.user("carol").await;
    carol.join(&room).await;
    let since = bob.sync_token().await;
    set(&alice, json!({ "presence": "online" })).await;
    alice.say(&room, "after it").await;
    let news = bob.sync_since(&since).await;
    assert!(
        told(&news, &alice.user_id).is_none(),
        "EPH-03: a large room: {news}"
    );
    carol.leave(&room).await;
    set(&alice, json!({ "presence": "unavailable" })).await;
    let since = news["next_batch"].as_str().unwrap();
    bob.sync_until(since, is_told(&alice.user_id, "unavailable"))
        .await;
}

#[tokio::test]
async fn who_comes_into_a_room_and_who_is_there_learn_of_each_other() {
    let mut server = TestServer::usual().await;
    let (alice, bob, room) = pair(&server).await;
    let carol = server.user("carol").await;
    set(&carol, json!({ "presence": "online", "status_msg": "new" })).await;
    set(&alice, json!({ "presence": "online", "status_msg": "old" })).await;
    let (bobs, carols) = (bob.sync_token().await, carol.sync_token().await);
    carol.join(&room).await;
    let news = bob
        .sync_until(&bobs, is_told(&carol.user_id, "online"))
        .await;
    assert!(
        told(&news, &alice.user_id).is_none(),
        "EPH-03: no news: {news}"
    );
    let news = carol
        .sync_until(&carols, is_told(&alice.user_id, "online"))
        .await;
    let content = told(&news, &alice.user_id).unwrap();
    assert_eq!(content["status_msg"], "old", "EPH-03: {content}");

    // What is kept in memory only begins anew, and old tokens take it in.
    server.restart().await;
    set(
        &alice,
        json!({ "presence": "online", "status_msg": "again" }),
    )
    .await;
    let since = news["next_batch"].as_str().unwrap();
    let news = carol
        .sync_until(since, is_told(&alice.user_id, "online"))
        .await;
    let content = told(&news, &alice.user_id).unwrap();
    assert_eq!(content["status_msg"], "again", "EPH-03: {content}");
    server.assert_no_panic();
}
