//! What differs from one room version to the next, as far as one server shows it.

use heliograph_complement::{Client, TestServer, path};
use serde_json::{Value, json};

async fn room(creator: &Client, version: &str) -> String {
    let body = json!({ "room_version": version, "preset": "public_chat" });
    creator.create_room(body).await
}

async fn set(
    client: &Client,
    room: &str,
    kind: &str,
    content: Value,
) -> heliograph_complement::Answer {
    client
        .put(&path(&["rooms", room, "state", kind, ""]), content)
        .await
}

/// What is left of a state event's content when it is redacted.
async fn pruned(client: &Client, room: &str, kind: &str, key: &str, content: Value) -> Value {
    let event = client.set_state(room, kind, key, content).await;
    client.redact(room, &event).await;
    client.event(room, &event).await["content"].clone()
}

#[tokio::test]
async fn event_ids_have_the_form_of_their_version() {
    let server = TestServer::usual().await;
    let alice = server.user("alice").await;
    let letters = |id: &str, odd: &str| {
        let body = id.strip_prefix('$').unwrap();
        let known = |letter: char| letter.is_ascii_alphanumeric() || odd.contains(letter);
        body.len() == 43 && body.chars().all(known)
    };
    for (version, rule) in [
        ("1", "RMV-01"),
        ("2", "RMV-01"),
        ("3", "RMV-04"),
        ("4", "RMV-06"),
        ("12", "RMV-06"),
    ] {
        let room = room(&alice, version).await;
        for n in 0..20 {
            let id = alice.say(&room, &format!("message {n}")).await;
            let right = match rule {
                "RMV-01" => id.ends_with(":heliograph.test"),
                "RMV-04" => letters(&id, "+/"),
                _ => letters(&id, "-_"),
            };
            assert!(right, "{rule}: {id} in version {version}");
            // Whatever is in an id, it names its event.
            assert_eq!(
                alice.event(&room, &id).await["event_id"],
                id,
                "{rule}: found again"
            );
        }
    }
}

#[tokio::test]
async fn redaction_keeps_what_its_version_keeps() {
    let server = TestServer::usual().await;
    let alice = server.user("alice").await;
    let allow = json!([{ "type": "m.room_membership", "room_id": "!elsewhere:example.org" }]);
    let restricted = json!({ "join_rule": "restricted", "allow": allow });
    for (version, keeps) in [("7", false), ("8", true), ("11", true)] {
        let room = room(&alice, version).await;
        let left = pruned(&alice, &room, "m.room.join_rules", "", restricted.clone()).await;
        assert_eq!(
            left.get("allow").is_some(),
            keeps,
            "RMV-11: version {version}: {left}"
        );
    }
    for (version, keeps) in [("5", true), ("6", false)] {
        let room = room(&alice, version).await;
        let aliases = json!({ "aliases": ["#a:heliograph.test"] });
        let left = pruned(&alice, &room, "m.room.aliases", "heliograph.test", aliases).await;
        assert_eq!(
            left.get("aliases").is_some(),
            keeps,
            "RMV-09: version {version}: {left}"
        );
    }
    for (version, keeps) in [("10", false), ("11", true), ("12", true)] {
        let room = room(&alice, version).await;
        let mut power = alice.state(&room, "m.room.power_levels", "").await;
        power["invite"] = json!(7);
        let left = pruned(&alice, &room, "m.room.power_levels", "", power).await;
        assert_eq!(
            left.get("invite").is_some(),
            keeps,
            "RMV-15: version {version}: {left}"
        );
    }
}

#[tokio::test]
async fn who_let_a_member_in_outlives_a_redaction_from_version_9_on() {
    let server = TestServer::usual().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let club = alice.create_public_room().await;
    bob.join(&club).await;
    for (version, keeps) in [("8", false), ("9", true)] {
        let rule = json!({ "join_rule": "restricted",
            "allow": [{ "type": "m.room_membership", "room_id": club }] });
        let state = json!([{ "type": "m.room.join_rules", "content": rule }]);
        let body = json!({ "room_version": version, "initial_state": state });
        let room = alice.create_room(body).await;
        bob.join(&room).await;
        let at = path(&["rooms", &room, "state", "m.room.member", &bob.user_id]);
        let whole = alice.get(&format!("{at}?format=event")).await.ok("EVT-16");
        let key = "join_authorised_via_users_server";
        assert_eq!(whole["content"][key], alice.user_id, "RMV-13: {whole}");
        let event = whole["event_id"].as_str().unwrap();
        alice.redact(&room, event).await;
        let left = alice.event(&room, event).await["content"].clone();
        assert_eq!(
            left.get(key).is_some(),
            keeps,
            "RMV-13: version {version}: {left}"
        );
    }
}

#[tokio::test]
async fn join_rules_and_numbers_come_with_their_version() {
    let server = TestServer::usual().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let knock = async |version: &str, rule: &str| {
        let state = json!([{ "type": "m.room.join_rules", "content": { "join_rule": rule } }]);
        let body = json!({ "room_version": version, "initial_state": state });
        let room = alice.create_room(body).await;
        bob.post(&path(&["knock", &room]), json!({})).await.status
    };
    assert_eq!(knock("6", "knock").await, 403, "RMV-10: not in version 6");
    assert_eq!(knock("7", "knock").await, 200, "RMV-10: in version 7");
    assert_eq!(
        knock("9", "knock_restricted").await,
        403,
        "RMV-14: not in version 9"
    );
    assert_eq!(
        knock("10", "knock_restricted").await,
        200,
        "RMV-14: in version 10"
    );
    for version in ["6", "11", "12"] {
        let room = room(&alice, version).await;
        let at = path(&["rooms", &room, "send", "org.example.number", "float"]);
        let float = alice.put(&at, json!({ "number": 1.5 })).await;
        float.refused(
            400,
            "M_BAD_JSON",
            &format!("RMV-08: a float in version {version}"),
        );
        let at = path(&["rooms", &room, "send", "org.example.number", "large"]);
        let large = alice
            .put(&at, json!({ "number": 9_007_199_254_740_992_i64 }))
            .await;
        large.refused(
            400,
            "M_BAD_JSON",
            &format!("RMV-08: 2^53 in version {version}"),
        );
        let at = path(&["rooms", &room, "send", "org.example.number", "right"]);
        alice
            .put(&at, json!({ "number": 9_007_199_254_740_991_i64 }))
            .await
            .ok("RMV-08: 2^53 - 1");
    }
}

#[tokio::test]
async fn power_is_changed_only_below_ones_own() {
    let server = TestServer::usual().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let carol = server.user("carol").await;
    for version in ["5", "6", "9", "11", "12"] {
        let room = room(&alice, version).await;
        bob.join(&room).await;
        carol.join(&room).await;
        let mut power = alice.state(&room, "m.room.power_levels", "").await;
        power["users"][&bob.user_id] = json!(50);
        power["users"][&carol.user_id] = json!(50);
        power["events"]["m.room.power_levels"] = json!(50);
        power["notifications"] = json!({ "room": 50 });
        alice
            .set_state(&room, "m.room.power_levels", "", power.clone())
            .await;
        let change = async |what: &str, change: &dyn Fn(&mut Value)| {
            let mut changed = power.clone();
            change(&mut changed);
            let answer = set(&bob, &room, "m.room.power_levels", changed).await;
            (
                answer.status,
                format!("version {version}, {what}: {}", answer.text),
            )
        };
        let (status, what) = change("raising oneself", &|power| {
            power["users"][&bob.user_id] = json!(51);
        })
        .await;
        assert_eq!(status, 403, "RMV-29: {what}");
        let (status, what) = change("lowering an equal", &|power| {
            power["users"][&carol.user_id] = json!(0);
        })
        .await;
        assert_eq!(status, 403, "RMV-29: {what}");
        let (status, what) = change("asking for more than one has", &|power| {
            power["ban"] = json!(60);
        })
        .await;
        assert_eq!(status, 403, "RMV-29: {what}");
        let (status, what) = change("notifications", &|power| {
            power["notifications"]["room"] = json!(70);
        })
        .await;
        assert_eq!(status == 403, version != "5", "RMV-09: {what}");
        let kick = json!({ "user_id": carol.user_id });
        let kicked = bob
            .post(&path(&["rooms", &room, "kick"]), kick.clone())
            .await;
        kicked.refused(
            403,
            "M_FORBIDDEN",
            &format!("RMV-28: an equal, version {version}"),
        );
        let banned = carol
            .post(
                &path(&["rooms", &room, "ban"]),
                json!({ "user_id": alice.user_id }),
            )
            .await;
        banned.refused(
            403,
            "M_FORBIDDEN",
            &format!("RMV-28: the creator, version {version}"),
        );
        let (status, what) = change("lowering oneself", &|power| {
            power["users"][&bob.user_id] = json!(0);
        })
        .await;
        assert_eq!(status, 200, "RMV-29: {what}");
        alice.act_on("ban", &room, &bob.user_id).await;
        let freed = carol
            .post(
                &path(&["rooms", &room, "unban"]),
                json!({ "user_id": bob.user_id }),
            )
            .await;
        freed.ok(&format!(
            "RMV-28: unban by somebody with the power to kick and ban, version {version}"
        ));
    }
}

#[tokio::test]
async fn power_levels_have_their_types() {
    let server = TestServer::usual().await;
    let alice = server.user("alice").await;
    for version in ["10", "11", "12"] {
        let room = room(&alice, version).await;
        let power = alice.state(&room, "m.room.power_levels", "").await;
        let refuse = async |key: &str, value: Value| {
            let mut changed = power.clone();
            changed[key] = value;
            let answer = set(&alice, &room, "m.room.power_levels", changed).await;
            let refused = answer.status == 400 || answer.status == 403;
            assert!(
                refused,
                "RMV-31: {key} in version {version}: {}",
                answer.text
            );
        };
        refuse("ban", json!("50")).await;
        refuse("users", json!("everybody")).await;
        refuse("users", json!({ "nobody": 5 })).await;
        refuse("users", json!({ "@bob:example.org": "5" })).await;
        refuse("events", json!({ "m.room.name": null })).await;
        refuse("notifications", json!({ "room": "50" })).await;
    }
}

#[tokio::test]
async fn creators_of_version_12_stand_above_power() {
    let server = TestServer::usual().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let body = json!({ "room_version": "12", "preset": "public_chat",
        "creation_content": { "additional_creators": [bob.user_id] } });
    let room = alice.create_room(body).await;
    assert!(!room.contains(':'), "RMV-17: {room} has no domain");
    let create = alice.whole_history(&room, "f", 50).await.remove(0);
    assert_eq!(create["type"], "m.room.create", "RMV-26: the first event");
    let id = create["event_id"].as_str().unwrap();
    assert_eq!(
        room[1..],
        id[1..],
        "RMV-17: the room is named after its creation"
    );
    bob.join(&room).await;
    let mut power = alice.state(&room, "m.room.power_levels", "").await;
    for creator in [&alice.user_id, &bob.user_id] {
        power["users"][creator] = json!(100);
        let named = set(&alice, &room, "m.room.power_levels", power.clone()).await;
        assert!(
            [400, 403].contains(&named.status),
            "RMV-19: naming a creator: {}",
            named.text
        );
        power["users"].as_object_mut().unwrap().remove(creator);
    }
    power["events"]["m.room.name"] = json!(1_000_000);
    set(&alice, &room, "m.room.power_levels", power)
        .await
        .ok("RMV-19");
    set(&bob, &room, "m.room.name", json!({ "name": "Theirs" }))
        .await
        .ok("RMV-19: infinite power");
    for (who, whom) in [(&alice, &bob), (&bob, &alice)] {
        for action in ["kick", "ban"] {
            let act = json!({ "user_id": whom.user_id });
            let answer = who.post(&path(&["rooms", &room, action]), act).await;
            answer.refused(
                403,
                "M_FORBIDDEN",
                &format!("RMV-22: {action} of a creator"),
            );
        }
    }
    for bad in [json!("@bob:heliograph.test"), json!(["nobody"]), json!([5])] {
        let body = json!({ "room_version": "12",
            "creation_content": { "additional_creators": bad } });
        let answer = alice.post(&path(&["createRoom"]), body).await;
        assert_eq!(answer.status, 400, "RMV-20: {bad}: {}", answer.text);
    }
}

#[tokio::test]
async fn a_room_begins_with_its_creation_and_its_creators_join() {
    let server = TestServer::usual().await;
    let alice = server.user("alice").await;
    for version in 1..=12 {
        let version = version.to_string();
        let room = room(&alice, &version).await;
        let history = alice.whole_history(&room, "f", 50).await;
        let kinds: Vec<_> = history
            .iter()
            .take(3)
            .map(|event| event["type"].clone())
            .collect();
        let expected = ["m.room.create", "m.room.member", "m.room.power_levels"];
        assert_eq!(kinds, expected, "RMV-26: version {version}");
        assert_eq!(
            history[1]["state_key"], alice.user_id,
            "RMV-26: version {version}"
        );
        let again = set(&alice, &room, "m.room.create", json!({})).await;
        assert!(
            [400, 403].contains(&again.status),
            "RMV-25: a second creation: {}",
            again.text
        );
        let unknown = json!({ "room_version": format!("{version}.org.example") });
        let unknown = alice.post(&path(&["createRoom"]), unknown).await;
        unknown.refused(400, "M_UNSUPPORTED_ROOM_VERSION", "RMV-34");
        let told = alice.get(&path(&["capabilities"])).await.ok("CAP-01");
        let stable = &told["capabilities"]["m.room_versions"]["available"][&version];
        assert_eq!(stable, "stable", "RMV-35: version {version}");
    }
}
