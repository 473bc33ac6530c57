//! Accounts, and the shape of the API as a whole.

use heliograph_complement::{Client, TestServer, path};
use serde_json::json;

#[tokio::test]
async fn a_device_is_not_removed_by_the_password_of_somebody_else() {
    let server = TestServer::usual().await;
    let (alice, _bob) = (server.user("alice").await, server.user("bob").await);
    let second = server.client().login("alice").await;
    let device = path(&["devices", &second.device_id]);
    for (user, password) in [
        ("bob", Client::password_of("bob")),
        ("@bob:heliograph.test", Client::password_of("bob")),
        ("bob", "not the password of bob".to_owned()),
        ("nobody", "nothing".to_owned()),
    ] {
        let auth = json!({
            "type": "m.login.password",
            "identifier": { "type": "m.id.user", "user": user },
            "password": password,
        });
        alice
            .request("DELETE", &device, Some(json!({ "auth": auth })))
            .await
            .refused(403, "M_FORBIDDEN", &format!("AUT-38: as {user}"));
    }
    alice.get(&device).await.ok("AUT-38: the device is there");
}

#[tokio::test]
async fn devices_have_all_keys_also_for_what_is_not_known() {
    let server = TestServer::usual().await;
    let alice = server.user("alice").await;
    let devices = alice.get(&path(&["devices"])).await.ok("E2E-01");
    let one = alice.get(&path(&["devices", &alice.device_id])).await;
    for device in [&devices["devices"][0], &one.ok("E2E-01")] {
        for key in ["device_id", "display_name", "last_seen_ip", "last_seen_ts"] {
            assert!(device.get(key).is_some(), "E2E-01: {key} in {device}");
        }
    }
}

#[tokio::test]
async fn an_avatar_may_be_any_text_of_some_length() {
    let server = TestServer::usual().await;
    let alice = server.user("alice").await;
    let room = alice.create_public_room().await;
    let avatar = path(&["profile", &alice.user_id, "avatar_url"]);
    let since = alice.sync_token().await;
    alice
        .put(&avatar, json!({ "avatar_url": "no URI" }))
        .await
        .ok("PRO-05");
    let told = alice
        .sync_until(&since, |news| {
            let events = &news["rooms"]["join"][&room]["timeline"]["events"];
            events[0]["content"]["avatar_url"] == "no URI"
        })
        .await;
    assert!(told.is_object(), "PRO-04");
    let long = json!({ "avatar_url": "x".repeat(1001) });
    let refused = alice.put(&avatar, long).await;
    assert!(refused.status >= 400, "PRO-05: {}", refused.text);
}

#[tokio::test]
async fn a_kind_of_push_rules_that_is_not_known_has_none() {
    let server = TestServer::usual().await;
    let alice = server.user("alice").await;
    for end in ["", "/enabled", "/actions"] {
        let rule = path(&["pushrules", "global", "postcontent", ".some.rule"]) + end;
        alice
            .get(&rule)
            .await
            .refused(404, "M_NOT_FOUND", &format!("PSH-05: {end}"));
    }
    let made = path(&["pushrules", "global", "postcontent", "mine"]);
    alice.put(&made, json!({ "actions": [] })).await.refused(
        400,
        "M_INVALID_PARAM",
        "PSH-02: a kind that is none",
    );
}

#[tokio::test]
async fn paths_of_old_versions_are_served_and_listed() {
    let server = TestServer::usual().await;
    let alice = server.user("alice").await;
    let room = alice.create_public_room().await;
    let versions = alice.get("/_matrix/client/versions").await.ok("DIS-05");
    let listed = versions["versions"].as_array().unwrap();
    assert!(listed.contains(&json!("r0.6.1")), "DIS-08: {versions}");
    let old = |path: &str| path.replacen("/v3/", "/r0/", 1);
    let whoami = alice.get(&old(&path(&["account", "whoami"]))).await;
    assert_eq!(whoami.ok("DIS-08")["user_id"], alice.user_id, "DIS-08");
    let messages = old(&path(&["rooms", &room, "messages"])) + "?dir=b&limit=1";
    let page = alice.get(&messages).await.ok("DIS-08: with a query");
    assert_eq!(page["chunk"].as_array().unwrap().len(), 1, "DIS-08");
    let odd = path(&["user", &alice.user_id, "account_data", "a/b%c+ü?"]);
    alice.put(&old(&odd), json!({ "x": 1 })).await.ok("DIS-08");
    let data = alice.get(&odd).await.ok("DIS-08: with odd letters");
    assert_eq!(data["x"], 1, "DIS-08");
    for path in [
        "/_matrix/client/r0/unknown",
        "/_matrix/client/r0",
        "/_matrix/client/r0/",
    ] {
        alice
            .get(path)
            .await
            .refused(404, "M_UNRECOGNIZED", &format!("API-06: {path}"));
    }
    alice
        .put("/_matrix/client/r0/account/whoami", json!({}))
        .await
        .refused(405, "M_UNRECOGNIZED", "API-06: a wrong method");
}

#[tokio::test]
async fn the_software_is_told_to_other_servers() {
    let server = TestServer::usual().await;
    let at = "/_matrix/federation/v1/version";
    let told = server.client().get(at).await.ok("FED-07");
    assert_eq!(told["server"]["name"], "Heliograph", "FED-07");
    assert!(told["server"]["version"].is_string(), "FED-07");
    let wrong = server.client().put(at, json!({})).await;
    wrong.refused(405, "M_UNRECOGNIZED", "API-06");
}
