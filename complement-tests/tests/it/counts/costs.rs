//! What counting costs, in keys.

use heliograph_complement::{Client, Cost, Loaded, Options, Sizes};

use super::told;

fn sizes(members: usize, events: usize) -> Sizes {
    Sizes {
        members,
        rooms: 2,
        events,
        published: 0,
    }
}

/// A token, without reading a room.
async fn token(client: &Client) -> String {
    let filter = "filter=%7B%22room%22%3A%7B%22rooms%22%3A%5B%5D%7D%7D";
    let answer = client.sync(&format!("{filter}&timeout=0")).await;
    answer["next_batch"].as_str().unwrap().to_owned()
}

/// What one message costs who sends it, and who is told of it after another.
async fn message(on: &Loaded, room: &str, [owner, member]: &[Client; 2]) -> (Cost, Cost) {
    let mut costs = (Cost::default(), Cost::default());
    for _ in 0..2 {
        let since = token(owner).await;
        let before = on.server.costs().await;
        member.say(room, "a message of one length").await;
        let sent = on.server.costs().await;
        let news = owner.sync(&format!("since={since}&timeout=0")).await;
        let after = on.server.costs().await;
        assert!(told(&news, room).is_some(), "SYN-28: {news}");
        costs = (before.between(&sent, "send"), sent.between(&after, "sync"));
    }
    costs
}

/// One who is told, and one who talks.
fn both(on: &Loaded) -> [Client; 2] {
    [on.user("owner"), on.user("member")]
}

#[tokio::test]
async fn a_message_writes_nothing_for_its_readers() {
    let few = Loaded::start(sizes(2, 10), Options::new()).await;
    let many = Loaded::start(sizes(2000, 10), Options::new()).await;
    let (few_sent, few_told) = message(&few, &few.room("crowd"), &both(&few)).await;
    let (many_sent, many_told) = message(&many, &many.room("crowd"), &both(&many)).await;
    assert_eq!(
        few_sent.keys_written - few_sent.nodes_written,
        many_sent.keys_written - many_sent.nodes_written,
        "SYN-28: keys written among 2 and among 2,000"
    );
    assert_eq!(
        few_told.keys_read - few_told.nodes_read,
        many_told.keys_read - many_told.nodes_read,
        "SYN-28: keys read by one who is told"
    );
    assert_eq!(many_told.keys_written, 0, "SYN-28: a sync writes nothing");
}

#[tokio::test]
async fn what_is_counted_once_is_not_read_again() {
    let on = Loaded::start(sizes(2, 5000), Options::new()).await;
    let (room, clients) = (on.room("long"), both(&on));
    let (sent, told) = message(&on, &room, &clients).await;
    assert!(told.keys_read < 60, "SYN-28: keys of a sync: {told:?}");
    assert!(sent.keys_written < 20, "SYN-28: keys of a send: {sent:?}");
    let before = on.server.costs().await;
    for _ in 0..5 {
        message(&on, &room, &clients).await;
        super::unread(&clients[0], &room).await;
    }
    let written = before
        .between(&on.server.costs().await, "other")
        .keys_written;
    assert!(
        written < 5,
        "SYN-28: counts are written now and then: {written}"
    );
}
