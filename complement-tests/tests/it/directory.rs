//! Aliases, and the published rooms.

use heliograph_complement::{Client, TestServer, path};
use serde_json::{Value, json};

fn alias(name: &str) -> String {
    format!("#{name}:heliograph.test")
}

fn at(alias: &str) -> String {
    path(&["directory", "room", alias])
}

#[tokio::test]
async fn an_alias_leads_to_a_room_until_it_is_removed() {
    let mut server = TestServer::usual().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let room = alice.create_public_room().await;
    let (name, to) = (alias("hall"), json!({ "room_id": room }));
    alice
        .get(&at(&name))
        .await
        .refused(404, "M_NOT_FOUND", "DIR-02: before");
    bob.put(&at(&name), to.clone()).await.refused(
        403,
        "M_FORBIDDEN",
        "DIR-01: by somebody outside",
    );
    alice.put(&at(&name), to.clone()).await.ok("DIR-01");
    alice
        .put(&at(&name), to.clone())
        .await
        .refused(409, "M_UNKNOWN", "DIR-01: taken");
    for odd in [
        "#:heliograph.test",
        "#a b:heliograph.test",
        "#a:elsewhere.test",
        "hall",
        "#hall",
    ] {
        let answer = alice.put(&at(odd), to.clone()).await;
        answer.refused(400, "M_INVALID_PARAM", &format!("DIR-01: {odd}"));
    }
    server.restart().await;
    let found = server.client().get(&at(&name)).await.ok("DIR-02");
    assert_eq!(found["room_id"], room, "DIR-02: for everybody");
    assert_eq!(found["servers"], json!(["heliograph.test"]), "DIR-02");
    bob.join(&name).await;
    let list = path(&["rooms", &room, "aliases"]);
    let aliases = bob.get(&list).await.ok("DIR-04");
    assert_eq!(aliases["aliases"], json!([name]), "DIR-04");
    let carol = server.user("carol").await;
    carol
        .get(&list)
        .await
        .refused(403, "M_FORBIDDEN", "DIR-04: outside");
    let remove = async |who: &Client| who.request("DELETE", &at(&name), None).await;
    remove(&bob)
        .await
        .refused(403, "M_FORBIDDEN", "DIR-03: neither creator nor powerful");
    remove(&alice).await.ok("DIR-03");
    remove(&alice)
        .await
        .refused(404, "M_NOT_FOUND", "DIR-03: twice");
    carol
        .post(&path(&["join", &name]), json!({}))
        .await
        .refused(404, "M_NOT_FOUND", "ROM-16: an unknown alias");
}

#[tokio::test]
async fn one_of_many_who_want_an_alias_gets_it() {
    let server = TestServer::usual().await;
    let alice = server.user("alice").await;
    let create = || {
        let (alice, body) = (alice.clone(), json!({ "room_alias_name": "wanted" }));
        async move { alice.post(&path(&["createRoom"]), body).await }
    };
    let (a, b, c, d) = tokio::join!(create(), create(), create(), create());
    let answers = [a, b, c, d];
    let made: Vec<_> = answers.iter().filter(|a| a.status == 200).collect();
    assert_eq!(made.len(), 1, "ROM-07: one room has the alias");
    for refused in answers.iter().filter(|a| a.status != 200) {
        refused.refused(400, "M_ROOM_IN_USE", "ROM-07");
    }
    let found = alice.get(&at(&alias("wanted"))).await.ok("DIR-02");
    assert_eq!(found["room_id"], made[0].body["room_id"], "ROM-07");
    let room = found["room_id"].as_str().unwrap();
    let canonical = alice.state(room, "m.room.canonical_alias", "").await;
    assert_eq!(canonical["alias"], alias("wanted"), "ROM-01");
    let colon = json!({ "room_alias_name": "a:b" });
    let refused = alice.post(&path(&["createRoom"]), colon).await;
    refused.refused(400, "M_INVALID_PARAM", "ROM-07: no alias");
}

#[tokio::test]
async fn the_main_alias_leads_to_its_room_and_goes_with_it() {
    let server = TestServer::usual().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let room = alice.create_public_room().await;
    let other = alice.create_public_room().await;
    for (name, room) in [("one", &room), ("two", &room), ("elsewhere", &other)] {
        let set = alice
            .put(&at(&alias(name)), json!({ "room_id": room }))
            .await;
        set.ok("DIR-01");
    }
    let state = path(&["rooms", &room, "state", "m.room.canonical_alias", ""]);
    for (content, errcode) in [
        (json!({ "alias": alias("none") }), "M_BAD_ALIAS"),
        (json!({ "alias": alias("elsewhere") }), "M_BAD_ALIAS"),
        (
            json!({ "alt_aliases": [alias("one"), alias("none")] }),
            "M_BAD_ALIAS",
        ),
        (json!({ "alias": "one" }), "M_INVALID_PARAM"),
        (json!({ "alt_aliases": [7] }), "M_INVALID_PARAM"),
    ] {
        let answer = alice.put(&state, content.clone()).await;
        answer.refused(400, errcode, &format!("EVT-07: {content}"));
    }
    let both = json!({ "alias": alias("one"), "alt_aliases": [alias("two")] });
    alice.put(&state, both).await.ok("EVT-07");
    let removed = alice.request("DELETE", &at(&alias("two")), None).await;
    removed.ok("DIR-03");
    let canonical = alice.state(&room, "m.room.canonical_alias", "").await;
    assert_eq!(canonical, json!({ "alias": alias("one") }), "DIR-03");
    // Bob makes an alias of his own and removes it, without a say about the main one.
    bob.join(&room).await;
    let own = at(&alias("bobs"));
    bob.put(&own, json!({ "room_id": room })).await.ok("DIR-01");
    let named = json!({ "alias": alias("bobs") });
    alice.put(&state, named.clone()).await.ok("EVT-07");
    bob.request("DELETE", &own, None)
        .await
        .ok("DIR-03: his own");
    let canonical = alice.state(&room, "m.room.canonical_alias", "").await;
    assert_eq!(canonical, named, "DIR-03: not his to change");
    // What it names already may stay in it.
    let named = json!({ "alias": alias("bobs"), "alt_aliases": [alias("one")] });
    alice.put(&state, named).await.ok("EVT-07: as before");
}

/// A page of the published rooms: their names, and the rest of the answer.
async fn page(client: &Client, body: Value) -> (Vec<String>, Value) {
    let page = client.post(&path(&["publicRooms"]), body).await;
    let page = page.ok("DIR-06");
    let chunk = page["chunk"].as_array().expect("DIR-06: a chunk").iter();
    let names = chunk.map(|room| room["name"].as_str().unwrap_or("-").to_owned());
    (names.collect(), page)
}

#[tokio::test]
async fn published_rooms_are_listed_with_what_they_tell() {
    let mut server = TestServer::usual().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    assert_eq!(page(&bob, json!({})).await.0, [""; 0], "DIR-06: none yet");
    let room = alice
        .create_room(json!({
            "visibility": "public", "name": "Garden", "topic": "Of roses",
            "room_alias_name": "garden",
            "initial_state": [
                { "type": "m.room.history_visibility",
                  "content": { "history_visibility": "world_readable" } },
                { "type": "m.room.avatar", "content": { "url": "mxc://x/y" } },
            ],
        }))
        .await;
    let space = alice
        .create_room(json!({
            "preset": "public_chat", "name": "Village", "creation_content": { "type": "m.space" },
        }))
        .await;
    let hidden = json!({ "preset": "public_chat", "name": "Hidden" });
    alice.create_room(hidden).await;
    let listing = |room: &str| path(&["directory", "list", "room", room]);
    bob.put(&listing(&space), json!({ "visibility": "public" }))
        .await
        .refused(403, "M_FORBIDDEN", "DIR-05: no power");
    bob.join(&space).await;
    bob.put(&listing(&space), json!({ "visibility": "public" }))
        .await
        .refused(403, "M_FORBIDDEN", "DIR-05: a member without power");
    let set = alice
        .put(&listing(&space), json!({ "visibility": "public" }))
        .await;
    set.ok("DIR-05");
    let shown = server.client().get(&listing(&space)).await.ok("DIR-05");
    assert_eq!(shown["visibility"], "public", "DIR-05");
    let unknown = server.client().get(&listing("!none:heliograph.test")).await;
    unknown.refused(404, "M_NOT_FOUND", "DIR-05: no room");
    let (names, all) = page(&bob, json!({})).await;
    assert_eq!(names, ["Village", "Garden"], "DIR-06: the largest first");
    assert_eq!(all["total_room_count_estimate"], 2, "DIR-06");
    let expected = json!({
        "room_id": room, "name": "Garden", "topic": "Of roses", "num_joined_members": 1,
        "world_readable": true, "guest_can_join": false, "join_rule": "public",
        "canonical_alias": alias("garden"), "avatar_url": "mxc://x/y",
    });
    assert_eq!(all["chunk"][1], expected, "DIR-07");
    assert_eq!(all["chunk"][0]["room_type"], "m.space", "DIR-07");
    let public = server.client().get(&path(&["publicRooms"])).await;
    assert_eq!(public.ok("DIR-06")["chunk"], all["chunk"], "DIR-06: GET");
    for (filter, found) in [
        (json!({ "generic_search_term": "ROSES" }), &["Garden"][..]),
        (
            json!({ "generic_search_term": "garden:helio" }),
            &["Garden"],
        ),
        (json!({ "generic_search_term": "nothing" }), &[]),
        (json!({ "room_types": ["m.space"] }), &["Village"]),
        (json!({ "room_types": [null] }), &["Garden"]),
        (
            json!({ "room_types": ["m.space", null] }),
            &["Village", "Garden"],
        ),
    ] {
        let (names, _) = page(&bob, json!({ "filter": filter })).await;
        assert_eq!(names, found, "DIR-06: {filter}");
    }
    // What changes is seen, from before and after a restart.
    alice
        .set_state(&space, "m.room.name", "", json!({ "name": "Town" }))
        .await;
    bob.join(&room).await;
    server.user("carol").await.join(&room).await;
    assert_eq!(page(&bob, json!({})).await.0, ["Garden", "Town"], "DIR-06");
    server.restart().await;
    assert_eq!(page(&bob, json!({})).await.0, ["Garden", "Town"], "DIR-06");
    let unset = json!({ "visibility": "private" });
    alice.put(&listing(&space), unset).await.ok("DIR-05");
    assert_eq!(
        page(&bob, json!({})).await.0,
        ["Garden"],
        "DIR-05: taken out"
    );
}

#[tokio::test]
async fn the_directory_is_paged_both_ways() {
    let server = TestServer::usual().await;
    let alice = server.user("alice").await;
    for number in 0..7 {
        let body = json!({ "visibility": "public", "name": number.to_string() });
        alice.create_room(body).await;
    }
    let (mut seen, mut since) = (Vec::new(), json!(null));
    let mut last = Value::Null;
    for _ in 0..4 {
        let (names, answer) = page(&alice, json!({ "limit": 2, "since": since })).await;
        seen.extend(names);
        since = answer["next_batch"].clone();
        last = answer;
        if since.is_null() {
            break;
        }
    }
    assert_eq!(seen, ["0", "1", "2", "3", "4", "5", "6"], "DIR-06: forward");
    let back = json!({ "limit": 2, "since": last["prev_batch"] });
    let (names, answer) = page(&alice, back).await;
    assert_eq!(names, ["4", "5"], "DIR-06: backward");
    assert!(answer["next_batch"].is_string() && answer["prev_batch"].is_string());
    let odd = alice
        .post(&path(&["publicRooms"]), json!({ "since": "x" }))
        .await;
    odd.refused(400, "M_INVALID_PARAM", "DIR-06: no token");
    let other = path(&["publicRooms"]) + "?server=elsewhere.test";
    let other = alice.post(&other, json!({})).await;
    other.refused(404, "M_NOT_FOUND", "DIR-08: a server that nobody can ask");
}
