//! Accepting policies to register.

use heliograph_complement::{Options, TestServer, path};
use serde_json::json;

const POLICIES: &str = r#"[
    { id = "terms", version = "1.2", language = "en", name = "Terms", url = "https://x.test/en" },
    { id = "terms", version = "1.2", language = "fr", name = "Conditions", url = "https://x.test/fr" },
    { id = "privacy", version = "3", language = "en", name = "A < B", url = "https://x.test/p" },
]"#;

/// The policies in one line, as a configuration file may have them.
fn options() -> Options {
    Options::new().set("registration", "policies", &POLICIES.replace('\n', " "))
}

#[tokio::test]
async fn whoever_registers_is_told_the_policies_and_accepts_them() {
    let server = TestServer::start(options()).await;
    let (nobody, register) = (server.client(), path(&["register"]));
    let wanted = json!({ "username": "alice", "password": "a long password" });
    let asked = nobody.post(&register, wanted.clone()).await;
    assert_eq!(asked.status, 401, "AUT-31: {}", asked.text);
    let flows = &asked.body["flows"];
    assert_eq!(*flows, json!([{ "stages": ["m.login.terms"] }]), "AUT-31");
    let expected = json!({ "m.login.terms": { "policies": {
        "terms": { "version": "1.2",
            "en": { "name": "Terms", "url": "https://x.test/en" },
            "fr": { "name": "Conditions", "url": "https://x.test/fr" } },
        "privacy": { "version": "3", "en": { "name": "A < B", "url": "https://x.test/p" } },
    } } });
    assert_eq!(asked.body["params"], expected, "AUT-31");
    let dummy = json!({ "username": "alice", "password": "a long password",
        "auth": { "type": "m.login.dummy", "session": asked.body["session"] } });
    let refused = nobody.post(&register, dummy).await;
    assert_eq!(refused.status, 401, "AUT-31: {}", refused.text);
    let mut accepting = wanted;
    accepting["auth"] = json!({ "type": "m.login.terms", "session": asked.body["session"] });
    let alice = nobody.post(&register, accepting).await;
    let alice = nobody.logged_in(&alice.ok("AUT-31: accepting"));
    alice.get(&path(&["account", "whoami"])).await.ok("AUT-05");
}

#[tokio::test]
async fn a_page_accepts_the_policies_for_clients_that_do_not_know_them() {
    let options = options()
        .set("registration", "open_to_everyone", "false")
        .set("registration", "token", "\"open sesame\"");
    let server = TestServer::start(options).await;
    let (nobody, register) = (server.client(), path(&["register"]));
    let wanted = json!({ "username": "alice", "password": "a long password" });
    let asked = nobody.post(&register, wanted.clone()).await;
    let session = asked.body["session"].as_str().expect("AUT-36: a session");
    let page = path(&["auth", "m.login.terms", "fallback", "web"]);
    let page = format!("{page}?session={session}");
    let shown = nobody.get(&page).await;
    assert_eq!(shown.status, 200, "AUT-39: {}", shown.text);
    for part in [
        "href=\"https://x.test/fr\"",
        "A &lt; B",
        "type=\"checkbox\" required",
    ] {
        assert!(shown.text.contains(part), "AUT-39: {part}: {}", shown.text);
    }
    let early = nobody.post(&page, json!({ "session": session })).await;
    early.refused(403, "M_FORBIDDEN", "AUT-31: the token comes first");
    let mut with_token = wanted.clone();
    with_token["auth"] = json!({ "type": "m.login.registration_token", "session": session,
        "token": "open sesame" });
    let more = nobody.post(&register, with_token).await;
    assert_eq!(more.status, 401, "AUT-31: {}", more.text);
    let completed = &more.body["completed"];
    assert_eq!(*completed, json!(["m.login.registration_token"]), "AUT-31");
    let done = nobody.post(&page, json!({ "session": session })).await;
    done.ok("AUT-39: accepting on the page");
    let mut last = wanted;
    last["auth"] = json!({ "session": session });
    nobody.post(&register, last).await.ok("AUT-31: registered");
}
