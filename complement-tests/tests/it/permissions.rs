//! Each route asked by everybody who has no business there: without a token, with a wrong one, by
//! another user, a deactivated one, an administrator. Whoever asks, nobody is told what is alice's.

use std::fs;

use heliograph_complement::{Answer, Client, Options, Route, TestServer, path, routes};
use serde_json::{Value, json};

/// In every text that is alice's alone.
const SECRET: &str = "secretofalice";

/// Alice and what is hers.
struct World {
    server: TestServer,
    alice: Client,
    room: String,
    event: String,
    filter: String,
}

impl World {
    async fn new() -> Self {
        let options = Options::new().set("sessions", "login_tokens", "true").set(
            "registration",
            "guests",
            "true",
        );
        let server = TestServer::start(options).await;
        let alice = server.user("alice").await;
        let room = json!({
            "name": SECRET, "topic": SECRET, "preset": "private_chat", "room_alias_name": "alices",
        });
        let room = alice.create_room(room).await;
        let event = alice.say(&room, SECRET).await;
        let id = alice.user_id.clone();
        let content = || json!({ "content": SECRET });
        alice
            .set_state(&room, "test.value", "test.value", content())
            .await;
        for at in [
            vec!["user", &id, "account_data", "test.value"],
            vec!["user", &id, "rooms", &room, "account_data", "test.value"],
            vec!["user", &id, "rooms", &room, "tags", SECRET],
        ] {
            alice.put(&path(&at), content()).await.ok("ACC-01");
        }
        let name = json!({ "display_name": SECRET });
        let device = path(&["devices", &alice.device_id]);
        alice.put(&device, name).await.ok("E2E-01");
        let rule = json!({ "pattern": SECRET, "actions": ["notify"] });
        let at = path(&["pushrules", "global", "content", "test.value"]);
        alice.put(&at, rule).await.ok("PSH-02");
        let filter = json!({ "room": { "timeline": { "types": [SECRET] } } });
        let made = alice.post(&path(&["user", &id, "filter"]), filter).await;
        let filter = made.ok("SYN-01")["filter_id"].as_str().unwrap().to_owned();
        Self {
            server,
            alice,
            room,
            event,
            filter,
        }
    }

    /// What is alice's, for each parameter of a path.
    fn hers(&self, parameter: &str) -> String {
        match parameter {
            "roomId" | "roomIdOrAlias" => self.room.clone(),
            "roomAlias" => "#alices:heliograph.test".to_owned(),
            "eventId" => self.event.clone(),
            "kind" => "content".to_owned(),
            "userId" => self.alice.user_id.clone(),
            "deviceId" => self.alice.device_id.clone(),
            "receiptType" => "m.read".to_owned(),
            "keyName" => "displayname".to_owned(),
            "filterId" => self.filter.clone(),
            "authType" => "m.login.dummy".to_owned(),
            "tag" => SECRET.to_owned(),
            _ => "test.value".to_owned(),
        }
    }

    /// Asks for what is alice's as well as can be.
    async fn ask(&self, who: &Client, route: &Route) -> Answer {
        let at = route.filled(|parameter| self.hers(parameter));
        let query = match () {
            () if route.path.ends_with("/messages") => "?dir=b",
            () if route.path.ends_with("/timestamp_to_event") => "?ts=0&dir=f",
            () if route.path.ends_with("/sync") => "?timeout=0",
            () if route.path.ends_with("/events") => "?timeout=0",
            () if route.path.ends_with("/available") => "?username=alice",
            () if route.path.ends_with("/validity") => "?token=unknown",
            () => "",
        };
        let body = (route.method != "GET").then(|| self.body(&route.path));
        who.request(&route.method, &format!("{at}{query}"), body)
            .await
    }

    /// A body that is right for a path, if it needs any.
    fn body(&self, path: &str) -> Value {
        let last = path.rsplit('/').next().unwrap_or_default();
        let user = json!({ "user_id": self.alice.user_id });
        match last {
            "invite" | "kick" | "ban" | "unban" => user,
            "upgrade" => json!({ "new_version": "11" }),
            "read_markers" => json!({ "m.read": self.event }),
            "enabled" => json!({ "enabled": false }),
            "actions" => json!({ "actions": [] }),
            "{ruleId}" => json!({ "actions": [], "pattern": "x" }),
            "delete_devices" => json!({ "devices": [self.alice.device_id] }),
            "{roomAlias}" => json!({ "room_id": self.room }),
            "status" => json!({ "presence": "online" }),
            "{keyName}" => json!({ "displayname": "taken over" }),
            "{userId}" => json!({ "typing": true }),
            "password" => json!({ "new_password": "a new password of mine" }),
            _ if path.contains("/directory/list/") => json!({ "visibility": "private" }),
            _ => json!({}),
        }
    }

    /// Demands that an answer neither fails nor tells what is alice's.
    fn assert_silent(&self, answer: &Answer, what: &str) {
        assert!(
            answer.status < 500,
            "{what}: {} {}",
            answer.status,
            answer.text
        );
        assert!(
            !answer.text.contains(SECRET),
            "ACC-01: {what}: {}",
            answer.text
        );
    }
}

/// Routes of clients; not those for servers and operators.
fn client_routes() -> impl Iterator<Item = Route> {
    let all = routes().into_iter();
    all.filter(|route| route.path.starts_with("/_matrix/client/"))
}

/// Ends the session that asks.
fn ends_the_session(route: &Route) -> bool {
    route.path.contains("/logout")
}

/// What the specification has for somebody who asks for what is another's.
fn of_others(route: &Route) -> Option<(u16, &'static str)> {
    let path = route
        .path
        .strip_prefix("/_matrix/client/")
        .unwrap_or(&route.path);
    let name = format!("{} {path}", route.method);
    let forbidden = Some((403, "M_FORBIDDEN"));
    let unseen = Some((404, "M_NOT_FOUND"));
    match &*name {
        // What may be seen of everybody, and one's own even where alice has the same.
        "GET v3/profile/{userId}"
        | "GET v3/profile/{userId}/{keyName}"
        | "GET v3/directory/room/{roomAlias}"
        | "GET v3/directory/list/room/{roomId}"
        | "POST v3/rooms/{roomId}/leave" => None,
        // An event and what relates to it, and rooms that one may not know of.
        _ if path.contains("/{eventId}") && route.method == "GET" => unseen,
        "GET v1/room_summary/{roomIdOrAlias}"
        | "GET unstable/im.nheko.summary/summary/{roomIdOrAlias}"
        | "GET unstable/im.nheko.summary/rooms/{roomIdOrAlias}/summary"
        | "GET v3/devices/{deviceId}"
        | "PUT v3/devices/{deviceId}"
        | "POST v3/rooms/{roomId}/forget" => unseen,
        _ if path.contains("{roomId") || path.contains("{userId}") => forbidden,
        _ if path.ends_with("/{roomAlias}") => forbidden,
        _ => None,
    }
}

async fn assert_as_somebody_else(world: &World, other: &Client, who: &str) {
    let mut wrong = Vec::new();
    for route in client_routes().filter(|route| !ends_the_session(route)) {
        let what = format!("{} {} of {who}", route.method, route.path);
        let answer = world.ask(other, &route).await;
        world.assert_silent(&answer, &what);
        let given = (answer.status, answer.body["errcode"].as_str());
        if let Some((status, errcode)) = of_others(&route)
            && given != (status, Some(errcode))
        {
            wrong.push(format!(
                "{what}: {status} {errcode} expected, {given:?}: {}",
                answer.text
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn without_a_valid_token_only_what_is_open_answers() {
    let world = World::new().await;
    let nobody = world.server.client();
    let gone = world.server.user("gone").await;
    let auth = json!({
        "type": "m.login.password", "password": Client::password_of("gone"),
        "identifier": { "type": "m.id.user", "user": "gone" },
    });
    let at = path(&["account", "deactivate"]);
    gone.post(&at, json!({ "auth": auth })).await.ok("AUT-44");
    let wrong = nobody.with_token("wrong");
    let callers = [
        ("nobody", &nobody, "M_MISSING_TOKEN"),
        ("a wrong token", &wrong, "M_UNKNOWN_TOKEN"),
        ("a deactivated user", &gone, "M_UNKNOWN_TOKEN"),
    ];
    for route in client_routes() {
        for (who, client, errcode) in callers {
            let what = format!("API-08: {} {} of {who}", route.method, route.path);
            let answer = world.ask(client, &route).await;
            world.assert_silent(&answer, &what);
            if route.auth == "device" {
                answer.refused(401, errcode, &what);
            }
        }
    }
    world.alice.say(&world.room, "still here").await;
}

#[tokio::test]
async fn nobody_gets_what_is_somebody_elses() {
    let world = World::new().await;
    let stranger = world.server.user("stranger").await;
    assert_as_somebody_else(&world, &stranger, "a stranger").await;
    // Nothing was changed either.
    let alice = &world.alice;
    let name = alice.state(&world.room, "m.room.name", "").await;
    assert_eq!(name["name"], SECRET, "EVT-06");
    let own = [
        path(&["user", &alice.user_id, "account_data", "test.value"]),
        path(&["user", &alice.user_id, "rooms", &world.room, "tags"]),
        path(&["devices", &alice.device_id]),
        path(&["pushrules", "global", "content", "test.value"]),
    ];
    for at in own {
        let answer = alice.get(&at).await;
        assert_eq!(answer.status, 200, "ACC-01: {at}: {}", answer.text);
        assert!(
            answer.text.contains(SECRET),
            "ACC-01: {at}: {}",
            answer.text
        );
    }
}

#[tokio::test]
async fn guests_get_at_nothing_but_what_guests_may() {
    let world = World::new().await;
    let guest = world.server.client().guest().await;
    for route in client_routes().filter(|route| !ends_the_session(route)) {
        let what = format!("AUT-47: {} {} of a guest", route.method, route.path);
        let answer = world.ask(&guest, &route).await;
        world.assert_silent(&answer, &what);
        if route.auth == "device" && !route.for_guests {
            answer.refused(403, "M_GUEST_ACCESS_FORBIDDEN", &what);
        } else if of_others(&route).is_some() {
            assert!(answer.status >= 400, "{what}: {}", answer.text);
        }
    }
}

#[tokio::test]
async fn an_administrator_reads_no_more_than_anybody_through_the_clients_api() {
    let world = World::new().await;
    let file = world.server.folder().join("password");
    fs::write(&file, Client::password_of("boss")).unwrap();
    let file = file.display().to_string();
    let words = [
        "user",
        "create",
        "boss",
        "--admin",
        "--password-file",
        &file,
    ];
    let (made, text) = world.server.command(&words);
    assert!(made, "{text}");
    let boss = world.server.client().login("boss").await;
    assert_as_somebody_else(&world, &boss, "an administrator").await;
}
