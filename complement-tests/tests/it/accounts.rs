//! Registration, login, devices, profiles, account data, filters, push rules.

use heliograph_complement::{Client, Options, TestServer, path};
use serde_json::json;

#[tokio::test]
async fn registration_asks_for_a_stage_and_checks_names() {
    let server = TestServer::usual().await;
    let (nobody, register) = (server.client(), path(&["register"]));
    let first = nobody
        .post(
            &register,
            json!({ "username": "alice", "password": "a long one" }),
        )
        .await;
    assert_eq!(first.status, 401, "AUT-21: {}", first.text);
    assert!(
        first.body["flows"].is_array() && first.body["params"].is_object(),
        "AUT-21"
    );
    let session = first.body["session"].as_str().expect("AUT-21: a session");
    let auth = json!({ "type": "m.login.dummy", "session": session });
    let body = json!({ "username": "alice", "password": "a long one", "auth": auth });
    let done = nobody.post(&register, body).await.ok("AUT-34");
    assert_eq!(done["user_id"], "@alice:heliograph.test", "AUT-24");
    let name = |name: &str| json!({ "username": name, "auth": { "type": "m.login.dummy" } });
    let taken = nobody.post(&register, name("alice")).await;
    taken.refused(400, "M_USER_IN_USE", "AUT-22: a taken name");
    for bad in ["Ünï", "a b", "a:b", "", "@a"] {
        let answer = nobody.post(&register, name(bad)).await;
        answer.refused(400, "M_INVALID_USERNAME", &format!("AUT-22: {bad:?}"));
    }
    let long = nobody.post(&register, name(&"a".repeat(240))).await;
    long.refused(400, "M_INVALID_USERNAME", "AUT-23: an id over 255 bytes");
    let any = nobody
        .post(&register, json!({ "auth": { "type": "m.login.dummy" } }))
        .await;
    assert!(any.ok("AUT-24: without a name")["user_id"].is_string());
    let body =
        json!({ "username": "quiet", "inhibit_login": true, "auth": { "type": "m.login.dummy" } });
    let quiet = nobody
        .post(&register, body)
        .await
        .ok("AUT-24: inhibit_login");
    assert!(
        quiet["access_token"].is_null() && quiet["device_id"].is_null(),
        "AUT-24"
    );
    let available = path(&["register", "available"]);
    let free = nobody
        .get(&format!("{available}?username=free"))
        .await
        .ok("AUT-28");
    assert_eq!(free["available"], true, "AUT-28");
    let taken = nobody.get(&format!("{available}?username=alice")).await;
    taken.refused(400, "M_USER_IN_USE", "AUT-28");
    let lost = json!({ "username": "bob", "auth": { "type": "m.login.dummy", "session": "lost" } });
    let lost = nobody.post(&register, lost).await;
    assert!(
        lost.status == 400 || lost.status == 401,
        "AUT-37: an unknown session: {}",
        lost.text
    );
}

#[tokio::test]
async fn registration_can_be_closed_or_by_token() {
    let closed = Options::new().set("registration", "enabled", "false").set(
        "registration",
        "open_to_everyone",
        "false",
    );
    let server = TestServer::start(closed).await;
    let answer = server.client().post(&path(&["register"]), json!({})).await;
    answer.refused(403, "M_FORBIDDEN", "AUT-26");
    let by_token = Options::new()
        .set("registration", "open_to_everyone", "false")
        .set("registration", "token", "\"open sesame\"");
    let server = TestServer::start(by_token).await;
    let (nobody, register) = (server.client(), path(&["register"]));
    let first = nobody.post(&register, json!({ "username": "alice" })).await;
    assert_eq!(first.status, 401, "AUT-29");
    assert_eq!(
        first.body["flows"][0]["stages"],
        json!(["m.login.registration_token"]),
        "AUT-29"
    );
    let session = first.body["session"].as_str().unwrap();
    let with = |token: &str| {
        json!({ "username": "alice", "auth": {
            "type": "m.login.registration_token", "token": token, "session": session } })
    };
    let wrong = nobody.post(&register, with("guess")).await;
    assert_eq!(wrong.status, 401, "AUT-37: {}", wrong.text);
    assert!(
        wrong.body["errcode"].is_string() && wrong.body["flows"].is_array(),
        "AUT-37"
    );
    nobody
        .post(&register, with("open sesame"))
        .await
        .ok("AUT-29");
    let validity = "/_matrix/client/v1/register/m.login.registration_token/validity?token=";
    for (token, valid) in [("open%20sesame", true), ("guess", false)] {
        let answer = nobody.get(&format!("{validity}{token}")).await.ok("AUT-30");
        assert_eq!(answer["valid"], valid, "AUT-30: {token}");
    }
}

#[tokio::test]
async fn logging_in_and_out() {
    let server = TestServer::usual().await;
    let alice = server.user("alice").await;
    let (nobody, login) = (server.client(), path(&["login"]));
    let flows = nobody.get(&login).await.ok("AUT-01");
    assert_eq!(flows["flows"][0]["type"], "m.login.password", "AUT-01");
    let full = Client::login_body("@alice:heliograph.test");
    let full = nobody.post(&login, {
        let mut body = full;
        body["password"] = json!(Client::password_of("alice"));
        body
    });
    full.await.ok("AUT-02: a full user id");
    let mut wrong = Client::login_body("alice");
    wrong["password"] = json!("wrong");
    nobody
        .post(&login, wrong)
        .await
        .refused(403, "M_FORBIDDEN", "AUT-04: a wrong password");
    let stranger = nobody.post(&login, Client::login_body("nobody")).await;
    stranger.refused(403, "M_FORBIDDEN", "AUT-04: an unknown user");
    let odd = nobody.post(&login, json!({ "type": "test.odd" })).await;
    odd.refused(400, "M_UNKNOWN", "AUT-05");
    let phone = json!({ "type": "m.login.password", "password": "x",
        "identifier": { "type": "m.id.phone", "country": "NL", "phone": "1" } });
    nobody
        .post(&login, phone)
        .await
        .refused(403, "M_FORBIDDEN", "AUT-03");
    let whoami = path(&["account", "whoami"]);
    let mut body = Client::login_body("alice");
    (body["device_id"], body["initial_device_display_name"]) = (json!("PHONE"), json!("first"));
    let one = nobody.post(&login, body.clone()).await.ok("AUT-06");
    body["initial_device_display_name"] = json!("second");
    let two = nobody.post(&login, body).await.ok("AUT-07");
    assert_eq!(two["device_id"], "PHONE", "AUT-07");
    let old = alice
        .with_token(one["access_token"].as_str().unwrap())
        .get(&whoami)
        .await;
    old.refused(401, "M_UNKNOWN_TOKEN", "AUT-07: the earlier token ends");
    let phone = alice.with_token(two["access_token"].as_str().unwrap());
    let me = phone.get(&whoami).await.ok("AUT-20");
    assert_eq!(
        (&me["user_id"], &me["device_id"]),
        (&json!(alice.user_id), &json!("PHONE")),
        "AUT-20"
    );
    let device = alice.get(&path(&["devices", "PHONE"])).await.ok("AUT-08");
    assert_eq!(
        device["display_name"], "first",
        "AUT-08: only a new device is named"
    );
    phone.post(&path(&["logout"]), json!({})).await.ok("AUT-18");
    phone
        .get(&whoami)
        .await
        .refused(401, "M_UNKNOWN_TOKEN", "AUT-18");
    let gone = alice.get(&path(&["devices", "PHONE"])).await;
    gone.refused(404, "M_NOT_FOUND", "AUT-18: the device is gone");
    let other = server.client().login("alice").await;
    alice
        .post(&path(&["logout", "all"]), json!({}))
        .await
        .ok("AUT-18: everywhere");
    other
        .get(&whoami)
        .await
        .refused(401, "M_UNKNOWN_TOKEN", "AUT-18: everywhere");
}

#[tokio::test]
async fn logging_out_ends_a_waiting_sync() {
    let server = TestServer::usual().await;
    let alice = server.user("alice").await;
    let since = alice.sync_token().await;
    let sync = format!("{}?since={since}&timeout=60000", path(&["sync"]));
    let waiting = {
        let alice = alice.clone();
        async move { alice.get(&sync).await }
    };
    let out = {
        let alice = alice.clone();
        async move { alice.post(&path(&["logout"]), json!({})).await }
    };
    let (answer, _) = tokio::join!(waiting, out);
    answer.refused(401, "M_UNKNOWN_TOKEN", "AUT-19");
}

#[tokio::test]
async fn devices_are_listed_named_and_removed_with_the_password() {
    let server = TestServer::usual().await;
    let alice = server.user("alice").await;
    let phone = server.client().login("alice").await;
    let devices = alice.get(&path(&["devices"])).await.ok("devices");
    assert_eq!(devices["devices"].as_array().map(Vec::len), Some(2));
    let one = path(&["devices", &phone.device_id]);
    alice
        .put(&one, json!({ "display_name": "the phone" }))
        .await
        .ok("naming a device");
    assert_eq!(
        alice.get(&one).await.ok("a device")["display_name"],
        "the phone"
    );
    let asked = alice.request("DELETE", &one, None).await;
    assert_eq!(asked.status, 401, "AUT-40: {}", asked.text);
    let session = asked.body["session"].as_str().expect("AUT-40");
    let with = |password: &str| {
        json!({ "auth": { "type": "m.login.password", "session": session, "password": password,
            "identifier": { "type": "m.id.user", "user": "alice" } } })
    };
    let wrong = alice.request("DELETE", &one, Some(with("wrong"))).await;
    assert_eq!(wrong.status, 401, "AUT-37: {}", wrong.text);
    let right = alice
        .request("DELETE", &one, Some(with(&Client::password_of("alice"))))
        .await;
    right.ok("AUT-40: with the password");
    alice
        .get(&one)
        .await
        .refused(404, "M_NOT_FOUND", "AUT-40: the device is gone");
    let dead = phone.get(&path(&["account", "whoami"])).await;
    dead.refused(401, "M_UNKNOWN_TOKEN", "AUT-40: its token too");
}

#[tokio::test]
async fn profiles_are_read_by_all_and_written_by_oneself() {
    let server = TestServer::usual().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let name = path(&["profile", &alice.user_id, "displayname"]);
    alice
        .put(&name, json!({ "displayname": "Alice A." }))
        .await
        .ok("PRO-02");
    let profile = bob
        .get(&path(&["profile", &alice.user_id]))
        .await
        .ok("PRO-01");
    assert_eq!(profile["displayname"], "Alice A.", "PRO-01");
    let other = bob.put(&name, json!({ "displayname": "x" })).await;
    other.refused(403, "M_FORBIDDEN", "PRO-03");
    let nobody = bob
        .get(&path(&["profile", "@nobody:heliograph.test"]))
        .await;
    nobody.refused(404, "M_NOT_FOUND", "PRO-01: nobody");
}

#[tokio::test]
async fn a_changed_profile_reaches_the_rooms_one_is_in() {
    let server = TestServer::usual().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let room = alice.create_public_room().await;
    bob.join(&room).await;
    let since = bob.sync_token().await;
    let name = path(&["profile", &alice.user_id, "displayname"]);
    alice
        .put(&name, json!({ "displayname": "Alice A." }))
        .await
        .ok("PRO-02");
    let news = bob.sync_since(&since).await;
    let event = &news["rooms"]["join"][&room]["timeline"]["events"][0];
    assert_eq!(event["type"], "m.room.member", "PRO-04: {news}");
    assert_eq!(
        event["content"]["displayname"], "Alice A.",
        "PRO-04, ROM-29"
    );
    let later = alice.create_public_room().await;
    let member = alice.state(&later, "m.room.member", &alice.user_id).await;
    assert_eq!(
        member["displayname"], "Alice A.",
        "ROM-29: in each new membership"
    );
}

#[tokio::test]
async fn account_data_is_ones_own() {
    let server = TestServer::usual().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let room = alice.create_public_room().await;
    for path in [
        alice.account_data_path("test.x"),
        alice.room_account_data_path(&room, "test.x"),
    ] {
        alice
            .get(&path)
            .await
            .refused(404, "M_NOT_FOUND", "ACC-01: none yet");
        let content = json!({ "a": [1, { "b": null }], "float": 1.5 });
        alice
            .put(&path, content.clone())
            .await
            .ok("ACC-01: storing");
        assert_eq!(
            alice.get(&path).await.ok("ACC-01: reading"),
            content,
            "ACC-01"
        );
        bob.get(&path)
            .await
            .refused(403, "M_FORBIDDEN", "ACC-01: another's");
        bob.put(&path, json!({}))
            .await
            .refused(403, "M_FORBIDDEN", "ACC-01: another's");
    }
    for kind in ["m.fully_read", "m.push_rules"] {
        for path in [
            alice.account_data_path(kind),
            alice.room_account_data_path(&room, kind),
        ] {
            let answer = alice.put(&path, json!({})).await;
            assert_eq!(answer.status, 405, "ACC-02: {path}: {}", answer.text);
        }
    }
}

#[tokio::test]
async fn filters_are_kept_and_push_rules_listed() {
    let server = TestServer::usual().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let filter = json!({ "room": { "timeline": { "limit": 3, "types": ["m.*"] } } });
    let id = alice.filter(filter.clone()).await;
    let one = path(&["user", &alice.user_id, "filter", &id]);
    assert_eq!(alice.get(&one).await.ok("SYN-01"), filter, "SYN-01");
    bob.get(&one)
        .await
        .refused(403, "M_FORBIDDEN", "SYN-01: another's");
    let bad = json!({ "room": { "timeline": { "limit": "many" } } });
    let bad = alice
        .post(&path(&["user", &alice.user_id, "filter"]), bad)
        .await;
    assert_eq!(bad.status, 400, "SYN-01: an invalid filter: {}", bad.text);
    let unknown = alice
        .get(&format!("{}?filter=987654", path(&["sync"])))
        .await;
    assert!(
        [400, 404].contains(&unknown.status),
        "SYN-02: {}",
        unknown.text
    );
    let rules = alice
        .get(&format!("{}/", path(&["pushrules"])))
        .await
        .ok("PSH: push rules");
    for kind in ["override", "underride", "content", "room", "sender"] {
        assert!(rules["global"][kind].is_array(), "push rules: {kind}");
    }
    let master = &rules["global"]["override"][0];
    assert_eq!(
        master["rule_id"], ".m.rule.master",
        "push rules: master comes first"
    );
}
