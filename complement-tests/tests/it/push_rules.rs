//! Push rules of users' own, and predefined ones that they changed.

use heliograph_complement::{Answer, Client, TestServer, path};
use serde_json::{Value, json};

fn rule(rest: &[&str]) -> String {
    path(&[&["pushrules", "global"], rest].concat())
}

/// The ids of the rules of a kind, as `/pushrules/` tells them.
async fn ids(client: &Client, kind: &str) -> Vec<String> {
    let all = client.get("/_matrix/client/v3/pushrules/").await;
    let all = all.ok("PSH-01");
    let rules = all["global"][kind].as_array().unwrap().iter();
    rules
        .map(|rule| rule["rule_id"].as_str().unwrap().to_owned())
        .collect()
}

/// The rules in an answer to a sync.
fn told(news: &Value) -> Option<&Value> {
    let data = news["account_data"]["events"].as_array()?;
    let rules = data.iter().find(|data| data["type"] == "m.push_rules")?;
    Some(&rules["content"]["global"])
}

#[tokio::test]
async fn own_rules_stand_where_they_are_put_and_are_told() {
    let mut server = TestServer::usual().await;
    let (alice, other) = (server.user("alice").await, server.user("bob").await);
    let before = ids(&alice, "content").await;
    let since = alice.sync_token().await;
    let put = async |id: &str, query: &str| -> Answer {
        let body = json!({ "pattern": id, "actions": ["notify"] });
        alice.put(&(rule(&["content", id]) + query), body).await
    };
    put("a", "").await.ok("PSH-02");
    put("b", "").await.ok("PSH-02: on top");
    put("c", "?after=b").await.ok("PSH-02: after");
    put("d", "?before=c").await.ok("PSH-02: before");
    let expected = [&["b", "d", "c", "a"].map(str::to_owned)[..], &before].concat();
    assert_eq!(ids(&alice, "content").await, expected, "PSH-02");
    put("e", "?after=none")
        .await
        .refused(404, "M_NOT_FOUND", "PSH-02: beside nothing");
    for odd in [".a", "a/b", "a\\b"] {
        put(odd, "")
            .await
            .refused(400, "M_INVALID_PARAM", &format!("PSH-03: {odd}"));
    }
    let news = alice.sync(&format!("since={since}")).await;
    let rules = told(&news).expect("PSH-06: told");
    assert_eq!(rules["content"][0]["rule_id"], "b", "PSH-06");
    assert_eq!(rules["content"][0]["enabled"], true, "PSH-06");
    let since = news["next_batch"].as_str().unwrap().to_owned();
    server.restart().await;
    let one = alice.get(&rule(&["content", "c"])).await.ok("PSH-05");
    let whole = json!({ "rule_id": "c", "default": false, "enabled": true, "pattern": "c",
        "actions": ["notify"] });
    assert_eq!(one, whole, "PSH-02");
    let gone = alice
        .request("DELETE", &rule(&["content", "c"]), None)
        .await;
    gone.ok("PSH-06: deleting");
    let news = alice.sync(&format!("since={since}")).await;
    let rules = told(&news).expect("PSH-06: told");
    assert_eq!(rules["content"][1]["rule_id"], "d", "PSH-06");
    for (method, rest) in [
        ("GET", &["content", "c"][..]),
        ("DELETE", &["content", "c"]),
        ("GET", &["content", "c", "enabled"]),
        ("GET", &["room", "a", "actions"]),
    ] {
        let answer = alice.request(method, &rule(rest), None).await;
        answer.refused(404, "M_NOT_FOUND", &format!("PSH-05: {rest:?}"));
    }
    assert_eq!(ids(&other, "content").await, before, "another's rules");
}

#[tokio::test]
async fn any_rule_is_turned_off_and_does_what_it_is_told() {
    let mut server = TestServer::usual().await;
    let alice = server.user("alice").await;
    let body = json!({ "actions": ["notify"],
        "conditions": [{ "kind": "event_match", "key": "type", "pattern": "x" }] });
    let mine = rule(&["underride", "mine"]);
    alice.put(&mine, body.clone()).await.ok("PSH-02");
    let loud = json!([{ "set_tweak": "sound", "value": "bell" }, "notify", "org.unknown"]);
    for (kind, id) in [("underride", "mine"), ("underride", ".m.rule.message")] {
        let (enabled, actions) = (rule(&[kind, id, "enabled"]), rule(&[kind, id, "actions"]));
        let on = alice.get(&enabled).await.ok("PSH-05");
        assert_eq!(on["enabled"], true, "PSH-05: {id}");
        alice
            .put(&enabled, json!({ "enabled": false }))
            .await
            .ok("PSH-04");
        alice
            .put(&actions, json!({ "actions": loud }))
            .await
            .ok("PSH-04");
        for odd in [json!([7]), json!([{ "set": 1 }])] {
            let odd = alice.put(&actions, json!({ "actions": odd })).await;
            odd.refused(400, "M_INVALID_PARAM", "PSH-28: no action");
        }
    }
    server.restart().await;
    for (kind, id) in [("underride", "mine"), ("underride", ".m.rule.message")] {
        let one = alice.get(&rule(&[kind, id])).await.ok("PSH-05");
        assert_eq!(one["enabled"], false, "PSH-04: {id}");
        assert_eq!(one["actions"], loud, "PSH-04: {id}");
        let actions = alice.get(&rule(&[kind, id, "actions"])).await.ok("PSH-05");
        assert_eq!(actions["actions"], loud, "PSH-05: {id}");
    }
    // Written again, a rule stays off.
    alice.put(&mine, body).await.ok("PSH-02");
    let one = alice.get(&mine).await.ok("PSH-05");
    assert_eq!(one["enabled"], false, "PSH-02: as it was");
    let predefined = rule(&["underride", ".m.rule.message"]);
    let refused = alice.request("DELETE", &predefined, None).await;
    refused.refused(400, "M_INVALID_PARAM", "PSH-04: not to be deleted");
    let kinds = ids(&alice, "override").await;
    assert_eq!(kinds[0], ".m.rule.master", "PSH-07");
    let own = json!({ "actions": [], "conditions": [] });
    alice
        .put(&rule(&["override", "mine"]), own)
        .await
        .ok("PSH-02");
    let kinds = ids(&alice, "override").await;
    assert_eq!(kinds[..2], [".m.rule.master", "mine"], "PSH-26");
    let unknown = alice.get(&rule(&["nothing", "mine"])).await;
    assert!((400..500).contains(&unknown.status), "PSH-05: no kind");
    let bare = json!({ "actions": ["notify"] });
    let bare = alice.put(&rule(&["content", "x"]), bare).await;
    bare.refused(400, "M_INVALID_PARAM", "PSH-21: content without a pattern");
}

#[tokio::test]
async fn two_rules_that_are_made_at_once_both_stay() {
    let server = TestServer::usual().await;
    let alice = server.user("alice").await;
    let make = |number: usize| {
        let to = rule(&["room", &format!("!{number}:x")]);
        let alice = &alice;
        async move { alice.put(&to, json!({ "actions": [] })).await.ok("PSH-02") }
    };
    tokio::join!(
        make(0),
        make(1),
        make(2),
        make(3),
        make(4),
        make(5),
        make(6),
        make(7)
    );
    let mut made = ids(&alice, "room").await;
    made.sort();
    let expected: Vec<String> = (0..8).map(|number| format!("!{number}:x")).collect();
    assert_eq!(made, expected, "PSH-02");
}

#[tokio::test]
async fn invites_and_rooms_of_two_have_rules_with_a_sound() {
    let server = TestServer::usual().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let rule = |kind: &str, id: &str| path(&["pushrules", "global", kind, id]);
    let loud = json!(["notify", { "set_tweak": "sound", "value": "default" }]);
    for (behaviour, kind, id) in [
        ("PSH-09", "override", ".m.rule.invite_for_me"),
        ("PSH-19", "underride", ".m.rule.room_one_to_one"),
        ("PSH-19", "underride", ".m.rule.encrypted_room_one_to_one"),
    ] {
        let told = bob.get(&rule(kind, id)).await.ok(behaviour);
        assert_eq!(told["actions"], loud, "{behaviour}: {id}");
    }
    let off = rule("underride", ".m.rule.message") + "/enabled";
    bob.put(&off, json!({ "enabled": false }))
        .await
        .ok("PSH-05");
    let room = alice.create_public_room().await;
    bob.join(&room).await;
    let unread = async || {
        let told = bob.sync("timeout=0").await;
        told["rooms"]["join"][&room]["unread_notifications"]["notification_count"].clone()
    };
    alice.say(&room, "between us").await;
    assert_eq!(unread().await, 1, "PSH-19: in a room of two");
    server.user("carol").await.join(&room).await;
    alice.say(&room, "among three").await;
    assert_eq!(unread().await, 1, "PSH-19: in a room of three");
}
