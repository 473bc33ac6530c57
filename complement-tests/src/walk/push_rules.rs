//! Push rules.

use serde_json::{Value, json};

use super::{Cast, Walk};

const RULE: &str = "pushrules/global/{kind}/{ruleId}";
const ENABLED: &str = "pushrules/global/{kind}/{ruleId}/enabled";
const ACTIONS: &str = "pushrules/global/{kind}/{ruleId}/actions";

/// Push rules: made, moved, changed, removed.
pub(super) async fn push_rules(walk: &mut Walk, cast: &Cast) {
    let (bob, nobody) = (&cast.bob, walk.nobody.clone());
    walk.get("all", bob, "pushrules/", &[]).await;
    walk.get("nobody", &nobody, "pushrules/", &[]).await;
    walk.get("global", bob, "pushrules/global/", &[]).await;
    make(walk, cast).await;
    walk.get("one's own", bob, RULE, &["content", "apple"])
        .await;
    walk.get(
        "a predefined one",
        bob,
        RULE,
        &["underride", ".m.rule.message"],
    )
    .await;
    walk.get("unknown", bob, RULE, &["content", "none"]).await;
    walk.get("an odd kind", bob, RULE, &["odd", "apple"]).await;
    change(walk, cast).await;
    walk.delete("one's own", bob, RULE, &["content", "apple"])
        .await;
    walk.delete("unknown", bob, RULE, &["content", "apple"])
        .await;
    walk.delete(
        "a predefined one",
        bob,
        RULE,
        &["underride", ".m.rule.message"],
    )
    .await;
}

async fn make(walk: &mut Walk, cast: &Cast) {
    let bob = &cast.bob;
    let content = json!({ "pattern": "apple", "actions": ["notify"] });
    walk.put(
        "for content",
        bob,
        RULE,
        &["content", "apple"],
        content.clone(),
    )
    .await;
    let over = json!({
        "conditions": [{ "kind": "event_match", "key": "type", "pattern": "org.example.*" }],
        "actions": ["notify", { "set_tweak": "sound", "value": "default" }],
    });
    walk.put("overriding", bob, RULE, &["override", "own"], over.clone())
        .await;
    let sender = json!({ "actions": ["notify"] });
    walk.put(
        "for a sender",
        bob,
        RULE,
        &["sender", &cast.alice.user_id],
        sender,
    )
    .await;
    let before = "pushrules/global/{kind}/{ruleId}?before={before}";
    walk.put(
        "before another",
        bob,
        before,
        &["override", "first", "own"],
        over.clone(),
    )
    .await;
    let nowhere = &["override", "lost", "none"];
    walk.put("before an unknown one", bob, before, nowhere, over.clone())
        .await;
    let dotted = &["override", ".own"];
    walk.put("a name with a dot", bob, RULE, dotted, over.clone())
        .await;
    walk.put("an odd kind", bob, RULE, &["odd", "own"], over)
        .await;
    let bad = [
        ("without actions", json!({ "pattern": "apple" })),
        (
            "an odd action",
            json!({ "pattern": "apple", "actions": [5] }),
        ),
        ("without a pattern", json!({ "actions": ["notify"] })),
    ];
    for (case, body) in bad {
        walk.put(case, bob, RULE, &["content", "bad"], body).await;
    }
    walk.put(
        "nobody",
        &walk.nobody.clone(),
        RULE,
        &["content", "apple"],
        content,
    )
    .await;
}

async fn change(walk: &mut Walk, cast: &Cast) {
    let bob = &cast.bob;
    let apple = &["content", "apple"];
    walk.get("one's own", bob, ENABLED, apple).await;
    walk.put("off", bob, ENABLED, apple, json!({ "enabled": false }))
        .await;
    walk.put(
        "an odd value",
        bob,
        ENABLED,
        apple,
        json!({ "enabled": "no" }),
    )
    .await;
    let message = &["underride", ".m.rule.message"];
    walk.put(
        "a predefined one",
        bob,
        ENABLED,
        message,
        json!({ "enabled": true }),
    )
    .await;
    let unknown = &["content", "none"];
    walk.put("unknown", bob, ENABLED, unknown, json!({ "enabled": true }))
        .await;
    walk.get("unknown", bob, ENABLED, unknown).await;
    walk.get("one's own", bob, ACTIONS, apple).await;
    walk.get("unknown", bob, ACTIONS, unknown).await;
    let actions = json!({ "actions": ["notify", { "set_tweak": "highlight" }] });
    walk.put("well", bob, ACTIONS, apple, actions.clone()).await;
    walk.put(
        "a predefined one",
        bob,
        ACTIONS,
        message,
        json!({ "actions": ["notify"] }),
    )
    .await;
    walk.put("unknown", bob, ACTIONS, unknown, actions).await;
    let odd: Value = json!({ "actions": "notify" });
    walk.put("an odd value", bob, ACTIONS, apple, odd).await;
}
