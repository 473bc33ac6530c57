//! Which events notify and which are highlighted, seen in unread counts.

use heliograph_complement::{Client, Options, TestServer, path};
use serde_json::{Value, json};

use super::counts::{mention, unread};

/// Three in a room, so that it is not one of two.
struct Three {
    server: TestServer,
    alice: Client,
    bob: Client,
    carol: Client,
    room: String,
}

impl Three {
    async fn new() -> Self {
        Self::in_room(json!({ "preset": "public_chat" })).await
    }

    async fn in_room(new: Value) -> Self {
        Self::on(TestServer::usual().await, new).await
    }

    async fn on(server: TestServer, new: Value) -> Self {
        let (alice, bob) = (server.user("alice").await, server.user("bob").await);
        let carol = server.user("carol").await;
        let room = alice.create_room(new).await;
        bob.join(&room).await;
        carol.join(&room).await;
        Self {
            server,
            alice,
            bob,
            carol,
            room,
        }
    }

    /// Demands what one event comes to for Bob, who reads it then.
    async fn expect(&self, id: &str, event: &str, expected: (u64, u64)) {
        assert_eq!(unread(&self.bob, &self.room).await, expected, "{id}");
        self.bob.receipt(&self.room, "m.read", event).await;
    }

    /// Demands what a message of Alice comes to for Bob.
    async fn says(&self, id: &str, body: &str, expected: (u64, u64)) {
        let event = self.alice.say(&self.room, body).await;
        self.expect(&format!("{id}: {body}"), &event, expected)
            .await;
    }

    /// Sets a rule of Bob's.
    async fn rule(&self, kind: &str, id: &str, body: Value) {
        let to = path(&["pushrules", "global", kind, id]);
        self.bob.put(&to, body).await.ok("PSH-02: a rule");
    }

    /// Turns a rule of Bob's on or off.
    async fn enable(&self, kind: &str, id: &str, enabled: bool) {
        let to = path(&["pushrules", "global", kind, id, "enabled"]);
        let answer = self.bob.put(&to, json!({ "enabled": enabled })).await;
        answer.ok("PSH-05: turning a rule on or off");
    }

    /// A rule by conditions that highlights, on top of all others.
    async fn highlights(&self, conditions: Value) {
        let rule = json!({ "conditions": conditions, "actions": loud() });
        self.rule("override", "mine", rule).await;
    }
}

fn loud() -> Value {
    json!(["notify", { "set_tweak": "highlight" }])
}

#[tokio::test]
async fn the_predefined_rules_decide() {
    let three = Three::new().await;
    let Three {
        alice,
        bob,
        carol,
        room,
        ..
    } = &three;
    let text = |rest: Value| {
        let mut content = json!({ "msgtype": "m.text", "body": "Bob @bob:heliograph.test @room" });
        content
            .as_object_mut()
            .unwrap()
            .extend(rest.as_object().unwrap().clone());
        content
    };
    let target = alice.say(room, "target").await;
    three.expect("PSH-20: a message", &target, (1, 0)).await;
    let mentions = |value: Value| text(json!({ "m.mentions": value }));
    let edit = json!({ "rel_type": "m.replace", "event_id": target });
    let reaction = json!({ "m.relates_to":
        { "rel_type": "m.annotation", "event_id": target, "key": "👍" } });
    let by_name = json!({ "user_ids": [bob.user_id] });
    for (id, kind, content, expected) in [
        ("PSH-17", "m.room.message", text(json!({})), (1, 0)),
        (
            "PSH-08",
            "m.room.message",
            text(json!({ "msgtype": "m.notice" })),
            (0, 0),
        ),
        (
            "PSH-11",
            "m.room.message",
            mentions(by_name.clone()),
            (1, 1),
        ),
        ("PSH-11", "org.other", mentions(by_name.clone()), (1, 1)),
        (
            "PSH-11",
            "m.room.message",
            mentions(json!({ "user_ids": ["@x:y"] })),
            (1, 0),
        ),
        (
            "PSH-12",
            "m.room.message",
            mentions(json!({ "room": true })),
            (1, 1),
        ),
        ("PSH-14", "m.reaction", reaction, (0, 0)),
        (
            "PSH-16",
            "m.room.message",
            text(json!({ "m.relates_to": edit })),
            (0, 0),
        ),
        (
            "MOD-18",
            "m.room.message",
            text(json!({ "m.relates_to": edit, "m.mentions": by_name })),
            (1, 1),
        ),
        ("PSH-18", "m.call.invite", json!({ "call_id": "1" }), (1, 0)),
        (
            "PSH-20",
            "m.room.encrypted",
            json!({ "algorithm": "x" }),
            (1, 0),
        ),
        ("PSH-20", "org.other", json!({ "body": "hello" }), (0, 0)),
    ] {
        let event = alice.send(room, kind, content.clone()).await;
        three
            .expect(&format!("{id}: {kind} {content}"), &event, expected)
            .await;
    }
    let all = mentions(json!({ "room": true }));
    let event = carol.send(room, "m.room.message", all).await;
    three
        .expect("PSH-12: without the power", &event, (1, 0))
        .await;
    let dave = three.server.user("dave").await;
    alice.invite(room, &dave.user_id).await;
    dave.join(room).await;
    let acl = json!({ "allow": ["*"], "deny": [], "allow_ip_literals": true });
    let event = alice.set_state(room, "m.room.server_acl", "", acl).await;
    three
        .expect("PSH-10, PSH-15: members and access", &event, (0, 0))
        .await;
    let new = json!({ "body": "moved", "replacement_room": "!other:heliograph.test" });
    let event = alice.set_state(room, "m.room.tombstone", "", new).await;
    three.expect("PSH-13: a tombstone", &event, (1, 1)).await;
}

#[tokio::test]
async fn own_rules_come_before_the_predefined_in_the_order_of_their_kinds() {
    let three = Three::new().await;
    three.says("PSH-26", "hello", (1, 0)).await;
    let sender = json!({ "actions": [] });
    three.rule("sender", &three.alice.user_id, sender).await;
    three.says("PSH-26: by sender", "hello", (0, 0)).await;
    three
        .rule("room", &three.room, json!({ "actions": loud() }))
        .await;
    three.says("PSH-26: by room", "hello", (1, 1)).await;
    let content = json!({ "pattern": "hel?o", "actions": ["dont_notify"] });
    three.rule("content", "c", content).await;
    three
        .says("PSH-26, PSH-28: by content", "Hello", (0, 0))
        .await;
    three.says("PSH-21: no word of it", "hellos", (1, 1)).await;
    let only = json!([{ "kind": "event_match", "key": "type", "pattern": "M.ROOM.*" }]);
    let body = json!({ "conditions": only, "actions": ["notify", "org.unknown", "coalesce"] });
    three.rule("override", "mine", body).await;
    three
        .says("PSH-26, PSH-28: by conditions", "hello", (1, 0))
        .await;
    let loud = mention(&three.alice, &three.room, &three.bob.user_id).await;
    three
        .expect("PSH-26: before predefined ones", &loud, (1, 0))
        .await;
    three.enable("override", "mine", false).await;
    three.says("PSH-05: turned off", "hello", (0, 0)).await;
    let loud = mention(&three.alice, &three.room, &three.bob.user_id).await;
    three.expect("PSH-11", &loud, (1, 1)).await;
    three.enable("override", ".m.rule.master", true).await;
    let loud = mention(&three.alice, &three.room, &three.bob.user_id).await;
    three.expect("PSH-07: nothing at all", &loud, (0, 0)).await;
    three.enable("override", ".m.rule.master", false).await;
    three
        .enable("override", ".m.rule.is_user_mention", false)
        .await;
    let loud = mention(&three.alice, &three.room, &three.bob.user_id).await;
    three
        .expect("PSH-04: a predefined one is off", &loud, (1, 1))
        .await;
    let carol = unread(&three.carol, &three.room).await;
    assert_eq!(carol.1, 0, "PSH-27: another's rules are another's");
}

#[tokio::test]
async fn conditions_decide() {
    let three = Three::new().await;
    let is = |key: &str, value: Value| json!({ "kind": "event_property_is", "key": key, "value": value });
    let contains = |value: Value| json!({ "kind": "event_property_contains", "key": "content.list", "value": value });
    let matches =
        |key: &str, pattern: &str| json!({ "kind": "event_match", "key": key, "pattern": pattern });
    let members = |is: &str| json!({ "kind": "room_member_count", "is": is });
    let content = json!({
        "msgtype": "m.text", "body": "Hello there, world", "dotted.key": "Some text",
        "number": 5, "list": ["a", 1, true],
    });
    for (id, conditions, holds) in [
        ("PSH-21", json!([matches("content.body", "w*d")]), true),
        ("PSH-21", json!([matches("content.body", "ello")]), false),
        (
            "PSH-21",
            json!([matches(r"content.dotted\.key", "some*")]),
            true,
        ),
        (
            "PSH-21",
            json!([matches(r"content.dotted\.key", "some")]),
            false,
        ),
        ("PSH-21", json!([matches("content.number", "5")]), false),
        ("PSH-21", json!([matches("room_id", &three.room)]), true),
        ("PSH-21", json!([matches("sender", "@ALICE:*")]), true),
        ("PSH-22", json!([is("content.number", json!(5))]), true),
        ("PSH-22", json!([is("content.number", json!("5"))]), false),
        (
            "PSH-22",
            json!([is("content.body", json!("hello there, world"))]),
            false,
        ),
        (
            "PSH-22",
            json!([contains(json!(1)), contains(json!("a"))]),
            true,
        ),
        ("PSH-22", json!([contains(json!("A"))]), false),
        ("PSH-23", json!([members("3")]), true),
        ("PSH-23", json!([members(">3")]), false),
        ("PSH-23", json!([members("<=3"), members(">=3")]), true),
        ("PSH-25", json!([{ "kind": "org.unknown" }]), false),
        (
            "PSH-25",
            json!([members("3"), { "kind": "org.unknown" }]),
            false,
        ),
        ("PSH-25", json!([]), true),
    ] {
        three.highlights(conditions.clone()).await;
        let event = three
            .alice
            .send(&three.room, "m.room.message", content.clone())
            .await;
        let expected = (1, u64::from(holds));
        three
            .expect(&format!("{id}: {conditions}"), &event, expected)
            .await;
    }
    let member = json!({ "membership": "join", "displayname": "Robert Z." });
    let (bob, room) = (&three.bob, &three.room);
    bob.set_state(room, "m.room.member", &bob.user_id, member)
        .await;
    three
        .highlights(json!([{ "kind": "contains_display_name" }]))
        .await;
    three.says("PSH-21: a name", "hi robert z.!", (1, 1)).await;
    three.says("PSH-21: no name", "hi robert", (1, 0)).await;
}

#[tokio::test]
async fn who_may_notify_a_room_is_said_by_its_power_levels() {
    for (version, most) in [("11", 100), ("12", 150)] {
        let new = json!({ "preset": "public_chat", "room_version": version });
        let three = Three::in_room(new).await;
        let all = json!({ "msgtype": "m.text", "body": "x", "m.mentions": { "room": true } });
        for (level, of_carol) in [(0, 1), (60, 0), (most, 0)] {
            let state = ("m.room.power_levels", "");
            let mut levels = three.alice.state(&three.room, state.0, state.1).await;
            levels["notifications"] = json!({ "room": level });
            let set = three
                .alice
                .set_state(&three.room, state.0, state.1, levels)
                .await;
            three.expect("PSH-20: levels are quiet", &set, (0, 0)).await;
            let event = three
                .carol
                .send(&three.room, "m.room.message", all.clone())
                .await;
            let id = format!("PSH-24: version {version}, level {level}");
            three.expect(&id, &event, (1, of_carol)).await;
            let event = three
                .alice
                .send(&three.room, "m.room.message", all.clone())
                .await;
            three.expect(&id, &event, (1, 1)).await;
        }
    }
}

#[tokio::test]
async fn a_highlight_is_a_notification() {
    let three = Three::new().await;
    for (actions, expected) in [
        (json!([{ "set_tweak": "highlight" }]), (0, 0)),
        (
            json!(["notify", { "set_tweak": "highlight", "value": false }]),
            (1, 0),
        ),
        (
            json!(["notify", { "set_tweak": "highlight", "value": true }]),
            (1, 1),
        ),
        (
            json!(["notify", { "set_tweak": "sound", "value": "x" }]),
            (1, 0),
        ),
    ] {
        let rule = json!({ "conditions": [], "actions": actions });
        three.rule("override", "mine", rule).await;
        three
            .says(&format!("PSH-29: {actions}"), "x", expected)
            .await;
    }
}

#[tokio::test]
async fn a_changed_rule_tells_counts_anew() {
    let three = Three::new().await;
    three.alice.say(&three.room, "hello").await;
    let since = three.bob.sync_token().await;
    three
        .rule("room", &three.room, json!({ "actions": [] }))
        .await;
    let news = three.bob.sync_since(&since).await;
    let told = &news["rooms"]["join"][&three.room]["unread_notifications"];
    assert_eq!(
        told["notification_count"], 0,
        "SYN-28: a muted room, {news}"
    );
    let since = news["next_batch"].as_str().unwrap();
    three
        .rule("sender", "@nobody:x", json!({ "actions": [] }))
        .await;
    let news = three.bob.sync_since(since).await;
    assert!(news["rooms"].is_null(), "SYN-28: nothing changed, {news}");
}

#[tokio::test]
async fn names_in_texts_mention_where_that_is_configured() {
    let options = Options::new().set("push", "names_in_texts", "true");
    let server = TestServer::start(options).await;
    let three = Three::on(server, json!({ "preset": "public_chat" })).await;
    let name = path(&["profile", &three.bob.user_id, "displayname"]);
    let named = three
        .bob
        .put(&name, json!({ "displayname": "Robert Tables" }));
    named.await.ok("a name");
    let in_room = ["m.room.member", three.bob.user_id.as_str()];
    while three.alice.state(&three.room, in_room[0], in_room[1]).await["displayname"].is_null() {
        three.bob.sync_token().await;
    }
    let event = three.alice.say(&three.room, "now").await;
    three.bob.receipt(&three.room, "m.read", &event).await;
    for (body, expected) in [
        ("hello", (1, 0)),
        ("hello bob!", (1, 1)),
        ("hello Bobby", (1, 0)),
        ("robert tables, hello", (1, 1)),
        ("dear @room", (1, 1)),
    ] {
        three.says("PSH-11: by text", body, expected).await;
    }
    let body = json!({ "msgtype": "m.text", "body": "hello bob", "m.mentions": {} });
    let event = three.alice.send(&three.room, "m.room.message", body).await;
    three
        .expect("PSH-11: it mentions nobody", &event, (1, 0))
        .await;
    let all = three.bob.get(&path(&["pushrules", ""])).await.ok("PSH-01");
    let pattern = &all["global"]["content"][0]["pattern"];
    assert_eq!(pattern, "bob", "PSH-01: it is shown: {all}");
    three
        .enable("content", ".m.rule.contains_user_name", false)
        .await;
    three.says("PSH-04: off", "hello bob", (1, 0)).await;
    three.server.assert_no_panic();
}
