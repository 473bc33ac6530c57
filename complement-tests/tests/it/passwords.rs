//! Changing the password.

use heliograph_complement::{Answer, Client, Options, TestServer, path};
use serde_json::{Value, json};

/// Asks for another password, and gives the present one when asked for it.
async fn change(client: &Client, present: &str, body: &Value) -> Answer {
    let at = path(&["account", "password"]);
    let asked = client.post(&at, body.clone()).await;
    assert_eq!(asked.status, 401, "AUT-40: {}", asked.text);
    let flows = &asked.body["flows"][0]["stages"];
    assert_eq!(flows, &json!(["m.login.password"]), "AUT-40");
    let mut body = body.clone();
    body["auth"] = json!({ "type": "m.login.password", "session": asked.body["session"],
        "identifier": { "type": "m.id.user", "user": client.user_id }, "password": present });
    client.post(&at, body).await
}

async fn log_in(client: &Client, password: &str) -> Answer {
    let mut body = Client::login_body("alice");
    body["password"] = json!(password);
    client.post(&path(&["login"]), body).await
}

#[tokio::test]
async fn a_password_is_changed_by_who_knows_the_present_one() {
    let server = TestServer::usual().await;
    let alice = server.user("alice").await;
    let phone = server.client().login("alice").await;
    let (present, whoami) = (Client::password_of("alice"), path(&["account", "whoami"]));
    let capabilities = alice.get(&path(&["capabilities"])).await.ok("CAP-01");
    let may = &capabilities["capabilities"]["m.change_password"]["enabled"];
    assert_eq!(may, &json!(true), "CAP-01");

    let wanted = json!({ "new_password": "another long one" });
    let wrong = change(&alice, "wrong", &wanted).await;
    wrong.refused(401, "M_FORBIDDEN", "AUT-42: the wrong present password");
    let weak = alice
        .post(
            &path(&["account", "password"]),
            json!({ "new_password": "x" }),
        )
        .await;
    weak.refused(400, "M_WEAK_PASSWORD", "AUT-27: a short password");
    let nobody = server.client();
    let at = path(&["account", "password"]);
    let without = nobody.post(&at, wanted.clone()).await;
    without.refused(401, "M_MISSING_TOKEN", "AUT-42: without a token");
    phone.get(&whoami).await.ok("AUT-42: nothing was changed");

    let kept = json!({ "new_password": "another long one", "logout_devices": false });
    change(&alice, &present, &kept).await.ok("AUT-42: changing");
    phone
        .get(&whoami)
        .await
        .ok("AUT-42: logout_devices false keeps the other sessions");
    let old = log_in(&nobody, &present).await;
    old.refused(403, "M_FORBIDDEN", "AUT-42: the old password");
    log_in(&nobody, "another long one")
        .await
        .ok("AUT-42: the new password");

    let last = json!({ "new_password": "yet another one" });
    let changed = change(&alice, "another long one", &last).await;
    assert_eq!(changed.ok("AUT-42: changing again"), json!({}), "AUT-42");
    phone
        .get(&whoami)
        .await
        .refused(401, "M_UNKNOWN_TOKEN", "AUT-42: other sessions end");
    alice.get(&whoami).await.ok("AUT-42: the caller's stays");
    let devices = alice.get(&path(&["devices"])).await.ok("AUT-42");
    let devices = devices["devices"].as_array().map(Vec::len);
    assert_eq!(devices, Some(1), "AUT-42: other devices are gone");
}

#[tokio::test]
async fn a_session_is_of_one_operation_and_one_user() {
    let server = TestServer::usual().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let at = path(&["account", "password"]);
    let wanted = json!({ "new_password": "another long one" });
    let asked = alice.post(&at, wanted.clone()).await;
    let auth = |user: &str| {
        json!({ "type": "m.login.password", "session": asked.body["session"],
            "identifier": { "type": "m.id.user", "user": user },
            "password": Client::password_of(user) })
    };
    let mut others = wanted.clone();
    others["auth"] = auth("bob");
    let others = bob.post(&at, others).await;
    others.refused(400, "M_UNKNOWN", "AUT-38: another user's session");
    let elsewhere = path(&["account", "deactivate"]);
    let elsewhere = alice
        .post(&elsewhere, json!({ "auth": auth("alice") }))
        .await;
    elsewhere.refused(400, "M_UNKNOWN", "AUT-38: another operation's session");
    let other = json!({ "new_password": "something else", "auth": auth("alice") });
    let other = alice.post(&at, other).await;
    other.refused(400, "M_UNKNOWN", "AUT-35: other parameters than the first");
    let only = alice.post(&at, json!({ "auth": auth("alice") })).await;
    only.ok("AUT-35: the first request's parameters count");
    let mut body = Client::login_body("alice");
    body["password"] = json!("another long one");
    let login = server.client().post(&path(&["login"]), body).await;
    login.ok("AUT-35: the first request's parameters count");
}

/// Of `secretpepper`, as Synapse makes them.
const BCRYPT: &str = "$2b$04$cjYxoWcgUVJqJXYSA54BIez//VCEPdAG8Bk26XmyVqLNKCef8hGNq";

#[tokio::test]
async fn a_hash_of_synapses_lets_its_user_in() {
    let options = Options::new().set("registration", "bcrypt_pepper", "\"pepper\"");
    let server = TestServer::start(options).await;
    let file = server.folder().join("hash");
    let create = |hash: &str| {
        std::fs::write(&file, hash).unwrap();
        let file = file.to_str().unwrap();
        server.command(&[
            "user",
            "create",
            "alice",
            "--bcrypt",
            "--password-file",
            file,
        ])
    };
    let (made, said) = create("secretpepper");
    assert!(!made, "AUT-02: no bcrypt hash: {said}");
    let (made, said) = create(BCRYPT);
    assert!(made, "AUT-02: a bcrypt hash: {said}");
    let nobody = server.client();
    for wrong in ["secretpepper", "Secret", BCRYPT] {
        let refused = log_in(&nobody, wrong).await;
        refused.refused(403, "M_FORBIDDEN", "AUT-04: a wrong password");
    }
    for time in ["first", "second"] {
        log_in(&nobody, "secret")
            .await
            .ok(&format!("AUT-02: the {time} login"));
    }
}
