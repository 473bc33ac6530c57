//! Ignored users, and invites that nobody wants.

use heliograph_complement::{Client, TestServer, event_ids, path};
use serde_json::{Value, json};

async fn ignore(client: &Client, users: &[&str]) {
    let users: serde_json::Map<String, Value> = users
        .iter()
        .map(|user| ((*user).to_owned(), json!({})))
        .collect();
    let at = client.account_data_path("m.ignored_user_list");
    let set = client.put(&at, json!({ "ignored_users": users })).await;
    set.ok("ACC-06: ignoring");
}

/// The ids of the timeline that a sync has for a room.
fn timeline(answer: &Value, room: &str) -> Vec<String> {
    event_ids(&answer["rooms"]["join"][room]["timeline"]["events"])
}

fn token(answer: &Value) -> &str {
    answer["next_batch"].as_str().expect("SYN-10: a token")
}

async fn news(client: &Client, since: &str) -> Value {
    client.sync(&format!("since={since}&timeout=0")).await
}

#[tokio::test]
async fn events_of_ignored_users_are_left_out_at_once_on_all_devices_state_excepted() {
    let server = TestServer::usual().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let (phone, carol) = (
        server.client().login("alice").await,
        server.user("carol").await,
    );
    let room = bob.create_public_room().await;
    alice.join(&room).await;
    carol.join(&room).await;
    let before = bob.say(&room, "before").await;
    let tokens = [alice.sync_token().await, phone.sync_token().await];
    ignore(&alice, &[&bob.user_id]).await;
    let unseen = bob.say(&room, "unseen").await;
    let content = json!({ "name": "of bob" });
    let state = bob.set_state(&room, "m.room.name", "", content).await;
    let of_carol = carol.say(&room, "seen").await;
    bob.typing(&room, true).await;
    bob.receipt(&room, "m.read", &of_carol).await;
    for (device, since) in [&alice, &phone].into_iter().zip(&tokens) {
        let answer = news(device, since).await;
        let seen = timeline(&answer, &room);
        assert_eq!(seen, [state.clone(), of_carol.clone()], "SYN-43: {answer}");
        let ephemeral = answer["rooms"]["join"][&room]["ephemeral"].to_string();
        assert!(!ephemeral.contains(&bob.user_id), "SYN-43: {ephemeral}");
    }
    let first = alice.sync("timeout=0").await;
    let seen = timeline(&first, &room);
    assert!(
        !seen.contains(&unseen) && !seen.contains(&before),
        "SYN-43: {seen:?}"
    );
    assert!(seen.contains(&state), "SYN-43: state is shown: {seen:?}");
    for (dir, what) in [("b", "backward"), ("f", "forward")] {
        let history = alice.whole_history(&room, dir, 5).await;
        let ids = event_ids(&history.into());
        assert!(
            !ids.contains(&unseen) && !ids.contains(&before),
            "ACC-06: {what}"
        );
        assert!(
            ids.contains(&state) && ids.contains(&of_carol),
            "ACC-06: {what}"
        );
    }
    let at = path(&["rooms", &room, "context", &of_carol]) + "?limit=20";
    let context = alice.get(&at).await.ok("EVT-20");
    let around = context["events_before"].to_string();
    assert!(!around.contains(&unseen), "ACC-06: /context: {around}");
    assert!(around.contains(&state), "ACC-06: /context: {around}");

    // Later events are shown again, and what was missed is not sent.
    let since = token(&first);
    ignore(&alice, &[]).await;
    let later = bob.say(&room, "later").await;
    let answer = news(&alice, since).await;
    assert_eq!(timeline(&answer, &room), [later], "ACC-07: {answer}");
    let history = alice.whole_history(&room, "b", 50).await;
    let ids = event_ids(&history.into());
    assert!(ids.contains(&unseen), "ACC-07: history is whole again");
    server.assert_no_panic();
}

#[tokio::test]
async fn who_waits_is_not_woken_for_what_is_ignored_only_and_oneself_is_never_ignored() {
    let server = TestServer::usual().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let room = bob.create_public_room().await;
    alice.join(&room).await;
    ignore(&alice, &[&alice.user_id, &bob.user_id, "no user id"]).await;
    let since = alice.sync_token().await;
    bob.say(&room, "unseen").await;
    let own = alice.say(&room, "of oneself").await;
    let answer = news(&alice, &since).await;
    assert_eq!(timeline(&answer, &room), [own], "ACC-06: {answer}");
    let since = token(&answer).to_owned();
    let filter = "set_presence=offline&timeout=500";
    bob.say(&room, "unseen again").await;
    let answer = alice.sync(&format!("since={since}&{filter}")).await;
    assert!(answer["rooms"].is_null(), "ACC-06: no news: {answer}");
}

#[tokio::test]
async fn invites_from_ignored_users_are_hidden() {
    let server = TestServer::usual().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let carol = server.user("carol").await;
    ignore(&alice, &[&bob.user_id]).await;
    let since = alice.sync_token().await;
    let invite = json!({ "preset": "private_chat", "invite": [alice.user_id] });
    let hidden = bob.create_room(invite.clone()).await;
    let shown = carol.create_room(invite).await;
    for answer in [news(&alice, &since).await, alice.sync("timeout=0").await] {
        let invites = &answer["rooms"]["invite"];
        assert!(invites[&hidden].is_null(), "ACC-08: {answer}");
        assert!(invites[&shown].is_object(), "ACC-08: {answer}");
    }
    ignore(&alice, &[]).await;
    let first = alice.sync("timeout=0").await;
    assert!(
        first["rooms"]["invite"][&hidden].is_object(),
        "ACC-07: {first}"
    );
}

#[tokio::test]
async fn who_blocks_invites_is_not_invited_in_any_way() {
    let server = TestServer::usual().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let private = json!({ "preset": "private_chat" });
    let early = bob.create_room(private.clone()).await;
    bob.invite(&early, &alice.user_id).await;
    let since = alice.sync_token().await;
    let config = alice.account_data_path("m.invite_permission_config");
    let block = alice
        .put(&config, json!({ "default_action": "block" }))
        .await;
    block.ok("ACC-09: blocking invites");
    let room = bob.create_room(private).await;
    let invite = json!({ "user_id": alice.user_id });
    let ways = [
        bob.post(&path(&["rooms", &room, "invite"]), invite).await,
        bob.post(
            &path(&["createRoom"]),
            json!({ "preset": "private_chat", "invite": [alice.user_id] }),
        )
        .await,
        bob.put(
            &path(&["rooms", &room, "state", "m.room.member", &alice.user_id]),
            json!({ "membership": "invite" }),
        )
        .await,
    ];
    for refused in &ways {
        refused.refused(403, "M_INVITE_BLOCKED", "ACC-09: an invite");
    }
    for answer in [news(&alice, &since).await, alice.sync("timeout=0").await] {
        let hidden = answer["rooms"]["invite"][&early].is_null();
        assert!(hidden, "ACC-09: stored invites are hidden: {answer}");
    }
    let state = bob.state(&early, "m.room.member", &alice.user_id).await;
    assert_eq!(state["membership"], "invite", "ACC-10: /state is as it is");
    for config_now in [json!({}), json!({ "default_action": "something" })] {
        alice.put(&config, config_now).await.ok("ACC-09");
        let first = alice.sync("timeout=0").await;
        let shown = first["rooms"]["invite"][&early].is_object();
        assert!(shown, "ACC-09: not blocked any more: {first}");
    }
    bob.invite(&room, &alice.user_id).await;
    server.assert_no_panic();
}
