//! Profiles: any field, for anybody to read, for its user alone to change.

use heliograph_complement::{Options, TestServer, path};
use serde_json::json;

#[tokio::test]
async fn a_profile_has_any_fields_and_only_the_names_go_into_rooms() {
    let mut server = TestServer::usual().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let nobody = server.client();
    let room = alice.create_room(json!({})).await;
    let id = alice.user_id.clone();
    let field = |name: &str| path(&["profile", &id, name]);
    let before = alice.get(&path(&["sync"])).await.ok("SYN-10")["next_batch"].clone();
    let zone = json!({ "m.tz": "Europe/Paris" });
    alice
        .put(&field("m.tz"), zone.clone())
        .await
        .ok("PRO-02: m.tz");
    let own = json!({ "org.example.own": { "deep": [1, { "a": null }] } });
    alice
        .put(&field("org.example.own"), own.clone())
        .await
        .ok("PRO-02: any JSON");
    let whole = nobody.get(&path(&["profile", &id])).await.ok("PRO-01");
    let expected = json!({ "m.tz": "Europe/Paris", "org.example.own": own["org.example.own"] });
    assert_eq!(whole, expected, "PRO-01: all fields, to everybody");
    assert_eq!(
        nobody.get(&field("m.tz")).await.ok("PRO-02"),
        zone,
        "PRO-02"
    );
    bob.put(&field("m.tz"), zone)
        .await
        .refused(403, "M_FORBIDDEN", "PRO-03");
    bob.request("DELETE", &field("m.tz"), None)
        .await
        .refused(403, "M_FORBIDDEN", "PRO-03");
    let since = format!(
        "{}?timeout=0&since={}",
        path(&["sync"]),
        before.as_str().unwrap()
    );
    let news = alice.get(&since).await.ok("SYN-11");
    assert!(
        news["rooms"].is_null(),
        "PRO-04: other fields go into no room: {news}"
    );
    server.restart().await;
    alice
        .request("DELETE", &field("org.example.own"), None)
        .await
        .ok("PRO-02");
    nobody.get(&field("org.example.own")).await.refused(
        404,
        "M_NOT_FOUND",
        "PRO-02: a field that is gone",
    );
    nobody
        .get(&field("m.tz"))
        .await
        .ok("PRO-02: what is left outlives a restart");
    alice.say(&room, "still here").await;
}

#[tokio::test]
async fn profiles_have_limits_with_codes_of_their_own() {
    let server = TestServer::usual().await;
    let alice = server.user("alice").await;
    let id = alice.user_id.clone();
    let set = async |name: &str, value: &str| {
        let at = path(&["profile", &id, name]);
        alice.put(&at, json!({ name: value })).await
    };
    set(&"k".repeat(255), "v")
        .await
        .ok("PRO-02: a name of 255 bytes");
    let longer = set(&"k".repeat(256), "v").await;
    longer.refused(400, "M_KEY_TOO_LARGE", "PRO-02: a name of 256 bytes");
    let large = set("org.example.large", &"x".repeat(66_000)).await;
    large.refused(400, "M_PROFILE_TOO_LARGE", "PRO-02: more than 64 KiB");
    let half = "x".repeat(40_000);
    set("org.example.a", &half)
        .await
        .ok("PRO-02: less than 64 KiB");
    let second = set("org.example.b", &half).await;
    second.refused(
        400,
        "M_PROFILE_TOO_LARGE",
        "PRO-02: more than 64 KiB in all",
    );
    set("avatar_url", "mxc://example.org/a").await.ok("PRO-05");
    let url = set("avatar_url", "https://example.org/a").await;
    url.ok("PRO-05: other text is taken, as by Synapse");
    set("displayname", "Alice").await.ok("PRO-05");
    let null = json!({ "displayname": null });
    let at = path(&["profile", &id, "displayname"]);
    alice.put(&at, null).await.ok("PRO-05: null clears");
    alice
        .get(&at)
        .await
        .refused(404, "M_NOT_FOUND", "PRO-05: cleared");
    set("displayname", "")
        .await
        .ok("PRO-05: an empty name clears");
}

#[tokio::test]
async fn fields_can_be_fixed_and_the_capabilities_say_so() {
    let options = Options::new().set("profiles", "fixed_fields", r#"["displayname", "m.tz"]"#);
    let server = TestServer::start(options).await;
    let alice = server.user("alice").await;
    for name in ["displayname", "m.tz"] {
        let at = path(&["profile", &alice.user_id, name]);
        let set = alice.put(&at, json!({ name: "x" })).await;
        set.refused(403, "M_FORBIDDEN", "PRO-06: a fixed field");
        let unset = alice.request("DELETE", &at, None).await;
        unset.refused(403, "M_FORBIDDEN", "PRO-06: a fixed field");
    }
    let at = path(&["profile", &alice.user_id, "avatar_url"]);
    let avatar = json!({ "avatar_url": "mxc://example.org/a" });
    alice.put(&at, avatar).await.ok("PRO-06: another field");
    let told = alice.get(&path(&["capabilities"])).await.ok("CAP-01");
    let told = &told["capabilities"];
    let fields = json!({ "enabled": true, "disallowed": ["displayname", "m.tz"] });
    assert_eq!(told["m.profile_fields"], fields, "CAP-02");
    assert_eq!(
        told["m.set_displayname"]["enabled"], false,
        "CAP-02: the old form"
    );
    assert_eq!(
        told["m.set_avatar_url"]["enabled"], true,
        "CAP-02: the old form"
    );
    // Leaving a room does not forget it, and nothing says that it does.
    let room = alice.create_room(json!({})).await;
    alice.leave(&room).await;
    let filter = r#"{"room":{"include_leave":true}}"#;
    let sync = path(&["sync", filter]).replace("/%7B", "?filter=%7B");
    let left = alice.get(&sync).await.ok("SYN-22");
    assert!(left["rooms"]["leave"][&room].is_object(), "CAP-03: {left}");
    assert_ne!(
        told["m.forget_forced_upon_leave"]["enabled"], true,
        "CAP-03"
    );
    for name in told.as_object().unwrap().keys() {
        let reversed = name.split('.').count() >= 3;
        assert!(name.starts_with("m.") || reversed, "CAP-05: {name}");
    }
}
