//! Cost is counted, not timed: what an operation reads and writes does not grow with what is there.
//!
//! The same is done on two servers: one with 100,000 members in a room, 10,000 rooms in an account
//! and 1,000,000 events in a room, one with ten of each.

use heliograph_complement::{Client, Cost, Costs, Loaded, Options, Sizes, path};
use serde_json::json;

/// What was done, under which operation it is counted, and what it cost.
type Measured = (&'static str, &'static str, Cost);

/// Levels that a tree of 100,000 entries has more than one of ten: nodes have up to 16 children.
const LEVELS_MORE: u64 = 4;
/// Bytes of one node, at most.
const NODE_BYTES: u64 = 2048;

/// Demands that two costs are equal: keys exactly, bytes within 10 %, and nodes of state trees by
/// the levels that a large tree has more.
fn assert_equal(what: &str, small: Cost, large: Cost) {
    let told = || format!("{what}: {small:?} against {large:?}");
    let keys = |cost: Cost| {
        (
            cost.keys_read - cost.nodes_read,
            cost.keys_written - cost.nodes_written,
        )
    };
    assert_eq!(keys(small), keys(large), "keys of {}", told());
    let bytes = |cost: Cost| {
        [
            cost.bytes_read - cost.node_bytes_read,
            cost.bytes_written - cost.node_bytes_written,
        ]
    };
    for (one, other) in bytes(small).into_iter().zip(bytes(large)) {
        assert!(other * 10 <= one * 11, "bytes of {}", told());
    }
    // A change writes a path of nodes, and what reads may walk two of them.
    assert!(
        large.nodes_written <= small.nodes_written + LEVELS_MORE
            && large.nodes_read <= small.nodes_read + 2 * LEVELS_MORE,
        "nodes of {}",
        told()
    );
    assert!(
        large.node_bytes_written <= small.node_bytes_written + LEVELS_MORE * NODE_BYTES,
        "bytes of nodes of {}",
        told()
    );
}

/// A token, without reading a room.
async fn token(client: &Client) -> String {
    let filter = "filter=%7B%22room%22%3A%7B%22rooms%22%3A%5B%5D%7D%7D";
    let answer = client.sync(&format!("{filter}&timeout=0")).await;
    answer["next_batch"].as_str().unwrap().to_owned()
}

async fn sync(client: &Client, since: &str) -> serde_json::Value {
    client.sync(&format!("since={since}&timeout=0")).await
}

/// Notes what `work` cost.
async fn count<T>(
    on: &Loaded,
    costs: &mut Vec<Measured>,
    (what, op): (&'static str, &'static str),
    work: impl Future<Output = T>,
) -> T {
    let before = on.server.costs().await;
    let result = work.await;
    costs.push((what, op, before.between(&on.server.costs().await, op)));
    result
}

/// What everything costs on one server. Each is done once before it is counted, so that caches are
/// warm in both.
async fn measure(sizes: Sizes) -> Vec<Measured> {
    let on = Loaded::start(sizes, Options::new()).await;
    let (owner, member, joiner) = (on.user("owner"), on.user("member"), on.user("joiner"));
    let (crowd, long) = (on.room("crowd"), on.room("long"));
    let start = Costs::default().between(&on.server.costs().await, "open");
    let mut costs = vec![("a start", "open", start)];

    for (what, room) in [("a send among many", &crowd), ("a send after many", &long)] {
        member.say(room, "warm").await;
        let send = member.say(room, "a message of one length");
        count(&on, &mut costs, (what, "send"), send).await;
    }
    for (what, room) in [
        ("a state among many", &crowd),
        ("a state after many", &long),
    ] {
        owner
            .set_state(room, "test.state", "key", json!({ "x": 0 }))
            .await;
        let set = owner.set_state(room, "test.state", "key", json!({ "x": 1 }));
        count(&on, &mut costs, (what, "state"), set).await;
    }
    on.server.user("warm").await.join(&crowd).await;
    count(
        &on,
        &mut costs,
        ("a join", "membership"),
        joiner.join(&crowd),
    )
    .await;
    let leave = path(&["rooms", &crowd, "leave"]);
    let leave = joiner.post(&leave, json!({}));
    count(&on, &mut costs, ("a leave", "membership"), leave)
        .await
        .ok("ROM-22: leaving");

    let since = token(&owner).await;
    sync(&owner, &since).await;
    let empty = count(
        &on,
        &mut costs,
        ("a sync without news", "sync"),
        sync(&owner, &since),
    )
    .await;
    assert!(empty["rooms"]["join"].is_null(), "no news: {empty}");
    for (what, room) in [("news among many", &crowd), ("news after many", &long)] {
        let since = token(&owner).await;
        member.say(room, "news").await;
        sync(&owner, &since).await;
        let since = token(&owner).await;
        member.say(room, "news").await;
        let news = count(&on, &mut costs, (what, "sync"), sync(&owner, &since)).await;
        let joined = news["rooms"]["join"].as_object().expect("news");
        assert_eq!(joined.len(), 1, "one room has news: {news}");
    }
    let page = path(&["rooms", &long, "messages"]) + "?dir=b&limit=10";
    member.get(&page).await.ok("HIS-01: the newest page");
    let read = member.get(&page);
    count(&on, &mut costs, ("a page of many", "history"), read)
        .await
        .ok("HIS-01: the newest page");
    on.server.assert_no_panic();
    costs
}

#[tokio::test]
#[expect(
    clippy::print_stdout,
    reason = "the figures are part of the test's output"
)]
async fn what_is_done_costs_the_same_wherever_much_has_happened() {
    let (small, large) = (measure(Sizes::SMALL).await, measure(Sizes::BIG).await);
    assert!(small[0].2.keys_read > 0, "a start reads something");
    assert!(small[1].2.keys_written > 0, "a send writes something");
    for ((what, _, small), (_, _, large)) in small.into_iter().zip(large) {
        println!("{what}: {small:?}, {large:?}");
        assert_equal(what, small, large);
    }
}
