//! Endpoints that others have taken the place of, and that still answer.

use heliograph_complement::{TestServer, event_ids, path};
use serde_json::{Value, json};

#[tokio::test]
async fn an_event_is_found_without_its_room() {
    let server = TestServer::usual().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    for version in ["3", "4", "10", "12"] {
        let body = json!({ "preset": "private_chat", "room_version": version });
        let room = alice.create_room(body).await;
        let event = alice.say(&room, "here").await;
        let found = alice.get(&path(&["events", &event])).await;
        let mut found = found.ok("SYN-44: /events/{eventId}");
        let mut same = alice.event(&room, &event).await;
        for shown in [&mut found, &mut same] {
            shown["unsigned"]["age"] = Value::Null;
        }
        assert_eq!(found, same, "SYN-44: version {version}");
        let hidden = bob.get(&path(&["events", &event])).await;
        hidden.refused(404, "M_NOT_FOUND", "SYN-44: a stranger");
    }
    let unknown = alice.get(&path(&["events", "$nothing"])).await;
    unknown.refused(404, "M_NOT_FOUND", "SYN-44: unknown");
}

#[tokio::test]
async fn a_room_is_told_whole_to_who_may_read_it() {
    let server = TestServer::usual().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let room = alice.create_public_room().await;
    let mut sent = Vec::new();
    for number in 0..12 {
        sent.push(alice.say(&room, &format!("{number}")).await);
    }
    let data = json!({ "a": 1 });
    let to = alice.room_account_data_path(&room, "test.data");
    alice.put(&to, data.clone()).await.ok("ACD-01: setting");
    let to = path(&["rooms", &room, "initialSync"]);
    let told = alice.get(&format!("{to}?limit=5")).await;
    let told = told.ok("SYN-44: initialSync of a room");
    assert_eq!(told["room_id"], room, "SYN-44");
    assert_eq!(told["membership"], "join", "SYN-44");
    let chunk = event_ids(&told["messages"]["chunk"]);
    assert_eq!(chunk, sent[7..], "SYN-44: the newest, oldest first");
    let data = json!([{ "type": "test.data", "content": data }]);
    assert_eq!(told["account_data"], data, "SYN-44");
    let state = alice.get(&path(&["rooms", &room, "state"])).await;
    let state = state.ok("EVT-15: the state");
    let ids = |events: &Value| {
        let mut ids = event_ids(events);
        ids.sort();
        ids
    };
    assert_eq!(ids(&told["state"]), ids(&state), "SYN-44: the state");
    let start = told["messages"]["start"].as_str().unwrap();
    let before = alice
        .messages(&room, "b", &format!("&limit=3&from={start}"))
        .await;
    let mut before = event_ids(&before["chunk"]);
    before.reverse();
    assert_eq!(before, sent[4..7], "SYN-44: history goes on from start");
    let end = told["messages"]["end"].as_str().unwrap();
    let newer = alice.say(&room, "newer").await;
    let after = alice.messages(&room, "f", &format!("&from={end}")).await;
    assert_eq!(event_ids(&after["chunk"]), [newer], "SYN-44: and from end");
    bob.get(&to)
        .await
        .refused(403, "M_FORBIDDEN", "SYN-44: a stranger");
    let open = json!({ "history_visibility": "world_readable" });
    alice
        .set_state(&room, "m.room.history_visibility", "", open)
        .await;
    let seen = alice.say(&room, "for everybody").await;
    let told = bob.get(&to).await.ok("SYN-44: a world readable room");
    let chunk = event_ids(&told["messages"]["chunk"]);
    assert!(chunk.contains(&seen), "SYN-44: peeking: {chunk:?}");
    assert!(told["membership"].is_null(), "SYN-44: {told}");
}

#[tokio::test]
async fn all_rooms_are_told_and_then_what_happens_in_them() {
    let server = TestServer::usual().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let room = alice.create_public_room().await;
    let left = alice.create_public_room().await;
    alice.leave(&left).await;
    let said = alice.say(&room, "said").await;
    let invited = bob.create_room(json!({ "invite": [alice.user_id] })).await;
    let told = alice
        .get(&format!("{}?limit=2", path(&["initialSync"])))
        .await;
    let told = told.ok("SYN-44: /initialSync");
    assert!(told["presence"].is_array(), "SYN-44: {told}");
    assert!(told["account_data"].is_array(), "SYN-44: {told}");
    let rooms = told["rooms"].as_array().unwrap();
    let find = |id: &str| rooms.iter().find(|room| room["room_id"] == id);
    let joined = find(&room).expect("SYN-44: the joined room");
    assert_eq!(joined["membership"], "join", "SYN-44");
    let chunk = event_ids(&joined["messages"]["chunk"]);
    assert_eq!(chunk.last(), Some(&said), "SYN-44: {joined}");
    assert_eq!(chunk.len(), 2, "SYN-44: limit: {joined}");
    let state = joined["state"].as_array().unwrap();
    let create = state.iter().find(|event| event["type"] == "m.room.create");
    assert_eq!(
        create.unwrap()["room_id"],
        room,
        "SYN-44: state and room_id"
    );
    let invite = find(&invited).expect("SYN-44: the invite");
    assert_eq!(invite["invite"]["sender"], bob.user_id, "SYN-44: {invite}");
    assert!(
        find(&left).is_none(),
        "SYN-44: left rooms are not asked for"
    );
    let archived = alice
        .get(&format!("{}?archived=true", path(&["initialSync"])))
        .await;
    let archived = archived.ok("SYN-44: /initialSync");
    assert!(
        archived["rooms"].to_string().contains(&left),
        "SYN-44: archived"
    );

    let end = told["end"].as_str().unwrap();
    let nothing = alice
        .get(&format!("{}?from={end}&timeout=0", path(&["events"])))
        .await;
    let nothing = nothing.ok("SYN-44: /events");
    assert_eq!(nothing["chunk"], json!([]), "SYN-44: nothing is new");
    assert_eq!(nothing["start"], end, "SYN-44");
    let (woken, event) = tokio::join!(
        async {
            let waiting = format!("{}?from={end}&timeout=30000", path(&["events"]));
            alice.get(&waiting).await.ok("SYN-44: /events waits")
        },
        async { alice.say(&room, "news").await },
    );
    assert_eq!(event_ids(&woken["chunk"]), [event], "SYN-44: {woken}");
    assert_eq!(woken["chunk"][0]["room_id"], room, "SYN-44: room_id");
    let end = woken["end"].as_str().unwrap();
    let only = format!(
        "{}?from={end}&room_id={}",
        path(&["events"]),
        &path(&[&room])["/_matrix/client/v3/".len()..]
    );
    alice.get(&only).await.ok("SYN-44: of one room");
    bob.get(&only)
        .await
        .refused(403, "M_FORBIDDEN", "SYN-44: a stranger");
    let now = alice
        .get(&path(&["events"]))
        .await
        .ok("SYN-44: without from");
    assert_eq!(now["chunk"], json!([]), "SYN-44: from now on");
    let bad = alice.get(&format!("{}?from=x", path(&["events"]))).await;
    bad.refused(400, "M_INVALID_PARAM", "SYN-44: a bad token");
}
