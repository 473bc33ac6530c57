//! Devices and tokens, and how they end.

use serde_json::{Value, json};

use super::{Walk, text};
use crate::Client;

fn password(localpart: &str, session: &Value) -> Value {
    json!({
        "type": "m.login.password",
        "session": session,
        "identifier": { "type": "m.id.user", "user": localpart },
        "password": Client::password_of(localpart),
    })
}

/// Devices.
pub(super) async fn devices(walk: &mut Walk) {
    let (dave, nobody) = (walk.user("dave").await, walk.nobody.clone());
    let (other, third) = (
        walk.nobody.login("dave").await,
        walk.nobody.login("dave").await,
    );
    let fourth = walk.nobody.login("dave").await;
    walk.get("some", &dave, "devices", &[]).await;
    walk.get("nobody", &nobody, "devices", &[]).await;
    let at = "devices/{deviceId}";
    walk.get("well", &dave, at, &[&other.device_id]).await;
    walk.get("unknown", &dave, at, &["none"]).await;
    walk.get("nobody", &nobody, at, &[&other.device_id]).await;
    let name = json!({ "display_name": "named" });
    walk.put("well", &dave, at, &[&other.device_id], name.clone())
        .await;
    walk.put("unknown", &dave, at, &["none"], name.clone())
        .await;
    walk.put("nobody", &nobody, at, &[&other.device_id], name)
        .await;
    let odd = json!({ "display_name": 5 });
    walk.put("an odd name", &dave, at, &[&other.device_id], odd)
        .await;
    let asked = walk
        .step(
            "without auth",
            &dave,
            ("DELETE", at),
            &[&other.device_id],
            Some(json!({})),
        )
        .await;
    let wrong = json!({ "auth": {
        "type": "m.login.password", "session": asked.body["session"], "password": "wrong",
        "identifier": { "type": "m.id.user", "user": "dave" },
    } });
    walk.step(
        "a wrong password",
        &dave,
        ("DELETE", at),
        &[&other.device_id],
        Some(wrong),
    )
    .await;
    let auth = json!({ "auth": password("dave", &asked.body["session"]) });
    walk.step(
        "well",
        &dave,
        ("DELETE", at),
        &[&other.device_id],
        Some(auth),
    )
    .await;
    walk.step(
        "nobody",
        &nobody,
        ("DELETE", at),
        &[&third.device_id],
        Some(json!({})),
    )
    .await;
    let both = json!([third.device_id, fourth.device_id]);
    let at = "delete_devices";
    let asked = walk
        .post("without auth", &dave, at, &[], json!({ "devices": both }))
        .await;
    walk.post("without devices", &dave, at, &[], json!({}))
        .await;
    let auth = json!({ "devices": both, "auth": password("dave", &asked.body["session"]) });
    walk.post("well", &dave, at, &[], auth).await;
    walk.post("nobody", &nobody, at, &[], json!({ "devices": both }))
        .await;
}

/// Tokens that make others.
pub(super) async fn tokens(walk: &mut Walk) {
    let (grace, nobody) = (walk.user("grace").await, walk.nobody.clone());
    let at = "/_matrix/client/v1/login/get_token";
    let asked = walk.post("without auth", &grace, at, &[], json!({})).await;
    let auth = json!({ "auth": password("grace", &asked.body["session"]) });
    let made = walk.post("well", &grace, at, &[], auth).await;
    walk.post("nobody", &nobody, at, &[], json!({})).await;
    let login = json!({ "type": "m.login.token", "token": made.body["login_token"] });
    walk.post("a login token", &nobody, "login", &[], login.clone())
        .await;
    walk.post("a used login token", &nobody, "login", &[], login)
        .await;

    let mut body = Client::login_body("grace");
    body["refresh_token"] = json!(true);
    let session = nobody
        .post(&crate::path(&["login"]), body)
        .await
        .ok("AUT-06: logging in");
    let old = json!({ "refresh_token": session["refresh_token"] });
    let new = walk
        .post("well", &nobody, "refresh", &[], old.clone())
        .await;
    let renewed = nobody.with_token(&text(&new, "access_token"));
    renewed
        .get(&crate::path(&["account", "whoami"]))
        .await
        .ok("AUT-14: a new token");
    walk.post("a used one", &nobody, "refresh", &[], old).await;
    let unknown = json!({ "refresh_token": "unknown" });
    walk.post("an unknown one", &nobody, "refresh", &[], unknown)
        .await;
    walk.post("none", &nobody, "refresh", &[], json!({})).await;
}

/// Passwords, log-outs, deactivation.
pub(super) async fn endings(walk: &mut Walk) {
    let (heidi, nobody) = (walk.user("heidi").await, walk.nobody.clone());
    let other = nobody.login("heidi").await;
    let at = "account/password";
    let new = json!({ "new_password": "another good password", "logout_devices": false });
    let asked = walk
        .post("without auth", &heidi, at, &[], new.clone())
        .await;
    walk.post("nobody", &nobody, at, &[], new.clone()).await;
    let mut wrong = new.clone();
    wrong["auth"] = password("grace", &asked.body["session"]);
    walk.post("of somebody else", &heidi, at, &[], wrong).await;
    let mut good = new;
    good["auth"] = password("heidi", &asked.body["session"]);
    walk.post("well", &heidi, at, &[], good).await;
    walk.post("well", &other, "logout", &[], json!({})).await;
    walk.post("once more", &other, "logout", &[], json!({}))
        .await;
    walk.post("nobody", &nobody, "logout", &[], json!({})).await;
    walk.post("nobody", &nobody, "logout/all", &[], json!({}))
        .await;
    walk.post("well", &heidi, "logout/all", &[], json!({}))
        .await;
    walk.get("after logging out", &heidi, "account/whoami", &[])
        .await;
    let ivan = walk.user("ivan").await;
    let at = "account/deactivate";
    let asked = walk.post("without auth", &ivan, at, &[], json!({})).await;
    walk.post("nobody", &nobody, at, &[], json!({})).await;
    let auth = json!({ "auth": password("ivan", &asked.body["session"]), "erase": true });
    walk.post("well", &ivan, at, &[], auth).await;
    walk.get("after deactivation", &ivan, "account/whoami", &[])
        .await;
    walk.post(
        "after deactivation",
        &nobody,
        "login",
        &[],
        Client::login_body("ivan"),
    )
    .await;
}
