//! Cost is counted, not timed: what an operation reads and writes does not grow with what is there.

use heliograph_complement::{Client, Cost, TestServer};
use serde_json::json;

/// Members, rooms and events of what is small and what is larger.
const SMALL: usize = 10;
const LARGE: usize = 60;

/// Demands that two costs are equal: keys exactly, bytes within 10 %, nodes of state trees apart.
fn assert_equal(op: &str, small: Cost, large: Cost) {
    let plain = |cost: Cost| {
        (
            cost.keys_read - cost.nodes_read,
            cost.keys_written - cost.nodes_written,
        )
    };
    assert_eq!(
        plain(small),
        plain(large),
        "keys of {op}: {small:?} against {large:?}"
    );
    let nodes = |cost: Cost| cost.nodes_read + cost.nodes_written;
    assert!(
        nodes(large) <= nodes(small) + 4,
        "nodes of {op}: {small:?} against {large:?}"
    );
    // A tree's nodes grow with its depth and width; all other bytes must not.
    if nodes(small) == 0 {
        for (one, other) in [
            (small.bytes_read, large.bytes_read),
            (small.bytes_written, large.bytes_written),
        ] {
            assert!(
                other * 10 <= one * 11 + 100,
                "bytes of {op}: {small:?} against {large:?}"
            );
        }
    }
}

/// A server with a room of some members and as many events.
async fn crowd(size: usize) -> (TestServer, Vec<Client>, String) {
    let server = TestServer::usual().await;
    let owner = server.user("owner").await;
    let room = owner.create_public_room().await;
    let mut clients = vec![owner];
    for number in 0..size {
        let member = server.user(&format!("member{number:04}")).await;
        member.join(&room).await;
        member.say(&room, "hello").await;
        clients.push(member);
    }
    (server, clients, room)
}

#[tokio::test]
async fn sends_joins_state_and_syncs_cost_the_same_in_larger_rooms_and_accounts() {
    let mut measured = Vec::new();
    for size in [SMALL, LARGE] {
        let (server, clients, room) = crowd(size).await;
        let (owner, member) = (&clients[0], &clients[1]);
        for _ in 0..size {
            owner.create_room(json!({})).await;
        }
        let joiner = server.user("joiner").await;
        member.say(&room, "warm").await;
        let mut costs = Vec::new();

        let before = server.costs().await;
        member.say(&room, "a message of one length").await;
        costs.push(("send", before.between(&server.costs().await, "send")));

        let before = server.costs().await;
        owner
            .set_state(&room, "test.state", "key", json!({ "x": 1 }))
            .await;
        costs.push(("state", before.between(&server.costs().await, "state")));

        let before = server.costs().await;
        joiner.join(&room).await;
        costs.push((
            "membership",
            before.between(&server.costs().await, "membership"),
        ));

        let since = owner.sync_token().await;
        let before = server.costs().await;
        owner.sync(&format!("since={since}&timeout=0")).await;
        costs.push(("sync", before.between(&server.costs().await, "sync")));

        member.say(&room, "news").await;
        let before = server.costs().await;
        let news = owner.sync(&format!("since={since}&timeout=0")).await;
        assert_eq!(
            news["rooms"]["join"].as_object().map(serde_json::Map::len),
            Some(1)
        );
        costs.push(("sync", before.between(&server.costs().await, "sync")));
        server.assert_no_panic();
        measured.push(costs);
    }
    assert!(measured[0][0].1.keys_written > 0, "a send writes something");
    for ((op, small), (_, large)) in measured[0].iter().zip(&measured[1]) {
        assert_equal(op, *small, *large);
    }
}
