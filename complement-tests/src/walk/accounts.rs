//! Registration and login, and what a server says of itself.

use serde_json::{Value, json};

use super::{Cast, Walk, text};
use crate::Client;

fn registration(localpart: &str) -> Value {
    json!({
        "username": localpart,
        "password": Client::password_of(localpart),
        "auth": { "type": "m.login.dummy" },
    })
}

/// Ways to get an account, and into it.
pub(super) async fn register(walk: &mut Walk) {
    let nobody = walk.nobody.clone();
    let at = "register";
    walk.post("without auth", &nobody, at, &[], json!({})).await;
    let made = walk
        .post("well", &nobody, at, &[], registration("walker"))
        .await;
    let walker = nobody.with_token(&text(&made, "access_token"));
    walk.post("a taken name", &nobody, at, &[], registration("walker"))
        .await;
    walk.post("a bad name", &nobody, at, &[], registration("no good"))
        .await;
    let mut quiet = registration("quiet");
    quiet["inhibit_login"] = json!(true);
    walk.post("without login", &nobody, at, &[], quiet).await;
    let mut named = registration("named");
    named["device_id"] = json!("DEVICE");
    named["initial_device_display_name"] = json!("a device");
    named["refresh_token"] = json!(true);
    walk.post("with a refresh token", &nobody, at, &[], named)
        .await;
    let unknown =
        json!({ "username": "later", "auth": { "type": "m.login.dummy", "session": "?" } });
    walk.post("an unknown session", &nobody, at, &[], unknown)
        .await;
    walk.post("not an object", &nobody, at, &[], json!([]))
        .await;
    walk.post("a guest", &nobody, "register?kind=guest", &[], json!({}))
        .await;
    walk.post("an odd kind", &nobody, "register?kind=odd", &[], json!({}))
        .await;

    let at = "register/available?username={name}";
    walk.get("a free name", &nobody, at, &["free"]).await;
    walk.get("a taken name", &nobody, at, &["walker"]).await;
    walk.get("a bad name", &nobody, at, &["no good"]).await;
    walk.get("without a name", &nobody, "register/available", &[])
        .await;
    let at = "/_matrix/client/v1/register/m.login.registration_token/validity";
    walk.get(
        "an unknown token",
        &nobody,
        &format!("{at}?token=unknown"),
        &[],
    )
    .await;
    walk.get("without a token", &nobody, at, &[]).await;

    walk.get("a device", &walker, "account/whoami", &[]).await;
    walk.get("nobody", &nobody, "account/whoami", &[]).await;
    walk.get(
        "a wrong token",
        &nobody.with_token("wrong"),
        "account/whoami",
        &[],
    )
    .await;
    login(walk).await;
}

async fn login(walk: &mut Walk) {
    let nobody = walk.nobody.clone();
    let at = "login";
    walk.get("flows", &nobody, at, &[]).await;
    let good = Client::login_body("walker");
    walk.post("well", &nobody, at, &[], good.clone()).await;
    let with = |key: &str, value: Value| {
        let mut body = good.clone();
        body[key] = value;
        body
    };
    let refreshing = with("refresh_token", json!(true));
    walk.post("with a refresh token", &nobody, at, &[], refreshing)
        .await;
    let device = with("device_id", json!("WALKING"));
    walk.post("on a device", &nobody, at, &[], device).await;
    walk.post(
        "a wrong password",
        &nobody,
        at,
        &[],
        with("password", json!("wrong")),
    )
    .await;
    walk.post(
        "an odd password",
        &nobody,
        at,
        &[],
        with("password", json!(5)),
    )
    .await;
    walk.post(
        "an unknown type",
        &nobody,
        at,
        &[],
        with("type", json!("m.odd")),
    )
    .await;
    walk.post(
        "an unknown user",
        &nobody,
        at,
        &[],
        Client::login_body("unknown"),
    )
    .await;
    let third_party = json!({
        "type": "m.id.thirdparty", "medium": "email", "address": "a@example.org",
    });
    let by_address = with("identifier", third_party);
    walk.post("an unknown address", &nobody, at, &[], by_address)
        .await;
    let odd = with("identifier", json!({ "type": "m.id.odd" }));
    walk.post("an odd identifier", &nobody, at, &[], odd).await;
    let token = json!({ "type": "m.login.token", "token": "unknown" });
    walk.post("an unknown login token", &nobody, at, &[], token)
        .await;
    walk.post("without a type", &nobody, at, &[], json!({}))
        .await;
    walk.get("a page", &nobody, "/_matrix/static/client/login/", &[])
        .await;
    let at = "auth/{authType}/fallback/web?session=unknown";
    walk.get("an unknown session", &nobody, at, &["m.login.dummy"])
        .await;
}

/// What a server says of itself.
pub(super) async fn discovery(walk: &mut Walk, cast: &Cast) {
    let nobody = walk.nobody.clone();
    walk.get("nobody", &nobody, "/_matrix/client/versions", &[])
        .await;
    walk.get("a device", &cast.alice, "/_matrix/client/versions", &[])
        .await;
    walk.get("well", &nobody, "/.well-known/matrix/client", &[])
        .await;
    walk.get("well", &nobody, "/.well-known/matrix/support", &[])
        .await;
    walk.get("a device", &cast.alice, "capabilities", &[]).await;
    walk.get("nobody", &nobody, "capabilities", &[]).await;
}
