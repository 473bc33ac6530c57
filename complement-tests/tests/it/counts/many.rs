//! Counts of more than is kept one by one.

use heliograph_complement::{Client, Loaded, Options, Sizes};

use super::unread;

/// Two users talk in turns.
const SIZES: Sizes = Sizes {
    members: 2,
    rooms: 1,
    events: 5000,
    published: 0,
};

/// The messages of `member`, oldest first.
async fn messages(owner: &Client, room: &str, member: &str) -> Vec<String> {
    let history = owner.whole_history(room, "f", 500).await;
    let of_member = history.iter().filter(|event| {
        event["type"] == "m.room.message" && event["sender"].as_str() == Some(member)
    });
    of_member
        .map(|event| event["event_id"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn thousands_are_counted_exactly_whatever_is_read_and_redacted() {
    let mut on = Loaded::start(SIZES, Options::new()).await;
    let (owner, member, room) = (on.user("owner"), on.user("member"), on.room("long"));
    let messages = messages(&owner, &room, &member.user_id).await;
    assert_eq!(messages.len(), 2500);
    assert_eq!(unread(&owner, &room).await, (2500, 0), "SYN-28: many");
    member.redact(&room, &messages[100]).await;
    assert_eq!(
        unread(&owner, &room).await,
        (2499, 0),
        "SYN-28: an old one is redacted"
    );
    member.redact(&room, &messages[2490]).await;
    assert_eq!(
        unread(&owner, &room).await,
        (2498, 0),
        "SYN-28: a new one is redacted"
    );
    on.server.restart().await;
    assert_eq!(
        unread(&owner, &room).await,
        (2498, 0),
        "SYN-28: after a restart"
    );
    owner.receipt(&room, "m.read", &messages[999]).await;
    assert_eq!(
        unread(&owner, &room).await,
        (1499, 0),
        "EPH-11: read to the middle"
    );
    owner
        .receipt(&room, "m.read.private", &messages[2399])
        .await;
    assert_eq!(unread(&owner, &room).await, (99, 0), "EPH-11: nearly read");
    on.server.restart().await;
    assert_eq!(
        unread(&owner, &room).await,
        (99, 0),
        "EPH-11: after a restart"
    );
    member.say(&room, "one more").await;
    assert_eq!(unread(&owner, &room).await, (100, 0), "SYN-28: and on");
    on.server.assert_no_panic();
}
