//! Redactions by users of other servers, before and after their targets.

use heliograph_tables::{
    Direction,
    schema::{Standing, WAITING_REDACTIONS},
};
use heliograph_testkit::Craft;
use ruma_common::OwnedEventId;

use super::{craft::VERSIONS, world::World};
use crate::{Outcome, Submission};

/// A room in which a user of a third server has joined; and the last event.
async fn room(version: &str) -> (World, OwnedEventId) {
    let world = World::new(version).await;
    let join = world.craft(Craft {
        sender: "@g:away.org",
        event_type: "m.room.member",
        state_key: Some("@g:away.org"),
        content: r#"{"membership":"join"}"#,
        prev: vec![world.first.last().unwrap().clone()],
        nth: 5,
        ..Craft::default()
    });
    let stored = world.submit(&join, Submission::Live).await;
    assert_eq!(stored, Outcome::Stored(Standing::Accepted));
    (world, join)
}

fn message(world: &World, sender: &str, prev: &OwnedEventId) -> OwnedEventId {
    world.craft(Craft {
        sender,
        event_type: "m.room.message",
        content: r#"{"body":"to be gone"}"#,
        prev: vec![prev.clone()],
        nth: 10,
        ..Craft::default()
    })
}

fn redaction(
    world: &World,
    sender: &str,
    target: &OwnedEventId,
    prev: &OwnedEventId,
) -> OwnedEventId {
    world.craft(Craft {
        sender,
        event_type: "m.room.redaction",
        content: "{}",
        prev: vec![prev.clone()],
        redacts: Some(target.clone()),
        nth: 11,
        ..Craft::default()
    })
}

/// What redacted an event, if anything; its content must fit.
fn redacted_by(world: &World, id: &OwnedEventId) -> Option<OwnedEventId> {
    let view = world.view();
    let idx = world.idx(id).unwrap();
    let presenter = world.rooms.at(&view).presenter(world.room, None).unwrap();
    let by = world.status(id).redacted_by;
    let gone = presenter.content(idx).unwrap() == "{}";
    assert_eq!(gone, by.is_some(), "the bytes say what the status says");
    let shown = presenter.event(idx).unwrap();
    assert_eq!(shown.contains("redacted_because"), gone, "{shown}");
    assert_eq!(shown.contains("to be gone"), !gone, "{shown}");
    by.map(|by| {
        let pdu = world.rooms.inner.events.pdu(&view, world.room, by).unwrap();
        pdu.event_id().to_owned()
    })
}

fn waiting(world: &World) -> usize {
    let view = world.view();
    view.scan(&WAITING_REDACTIONS, &(world.room,), Direction::Forward)
        .count()
}

/// Who redacts whose event, and whether it takes effect: by power, or from the same server.
const CASES: [(&str, &str, bool); 4] = [
    ("@f0:far.org", "@g:away.org", true),
    ("@f1:far.org", "@f1:far.org", true),
    ("@f2:far.org", "@f1:far.org", true),
    ("@g:away.org", "@f1:far.org", false),
];

#[tokio::test]
async fn a_redaction_takes_effect_whichever_comes_first() {
    for version in VERSIONS {
        for (redactor, author, effective) in CASES {
            for redaction_first in [true, false] {
                let case = format!("version {version}: {redactor} {author} {redaction_first}");
                let (world, tip) = room(version).await;
                let target = message(&world, author, &tip);
                let redaction = redaction(&world, redactor, &target, &tip);
                // The rules of versions 1 and 2 refuse what would have no effect.
                let refused = !effective && ["1", "2"].contains(&version);
                let standing = if refused {
                    Standing::Rejected
                } else {
                    Standing::Accepted
                };
                if !redaction_first {
                    let stored = world.submit(&target, Submission::Live).await;
                    assert_eq!(stored, Outcome::Stored(Standing::Accepted), "{case}");
                }
                let stored = world.submit(&redaction, Submission::Live).await;
                assert_eq!(stored, Outcome::Stored(standing), "{case}");
                let waits = usize::from(redaction_first && !refused);
                assert_eq!(waiting(&world), waits, "{case}");
                if redaction_first {
                    let stored = world.submit(&target, Submission::Live).await;
                    assert_eq!(stored, Outcome::Stored(Standing::Accepted), "{case}");
                }
                let expected = effective.then_some(redaction);
                assert_eq!(redacted_by(&world, &target), expected, "{case}");
                assert_eq!(waiting(&world), 0, "{case}");
            }
        }
    }
}

#[tokio::test]
async fn a_redacted_outlier_stays_redacted_when_it_gets_its_place() {
    for version in VERSIONS {
        for redaction_first in [true, false] {
            let (world, tip) = room(version).await;
            let target = message(&world, "@g:away.org", &tip);
            let redaction = redaction(&world, "@f0:far.org", &target, &tip);
            if redaction_first {
                world.submit(&redaction, Submission::Live).await;
            }
            let stored = world.submit(&target, Submission::Outlier).await;
            assert_eq!(stored, Outcome::Stored(Standing::Outlier));
            if !redaction_first {
                world.submit(&redaction, Submission::Live).await;
            }
            assert_eq!(redacted_by(&world, &target), Some(redaction.clone()));
            let stored = world.submit(&target, Submission::Live).await;
            assert_eq!(stored, Outcome::Stored(Standing::Accepted));
            assert_eq!(
                redacted_by(&world, &target),
                Some(redaction),
                "version {version}"
            );
        }
    }
}

#[tokio::test]
async fn a_redaction_and_its_target_may_come_in_one_chunk_of_history() {
    for version in VERSIONS {
        for redaction_first in [true, false] {
            let (world, tip) = room(version).await;
            let target = message(&world, "@g:away.org", &tip);
            let redaction = redaction(&world, "@f0:far.org", &target, &tip);
            let mut chunk = [redaction.clone(), target.clone()];
            if !redaction_first {
                chunk.reverse();
            }
            let below = *world.timeline().keys().next().unwrap();
            let outcomes = world
                .history(&chunk, world.state_ids(), below)
                .await
                .unwrap();
            assert_eq!(
                outcomes,
                [
                    Outcome::Stored(Standing::Accepted),
                    Outcome::Stored(Standing::Accepted)
                ]
            );
            assert_eq!(
                redacted_by(&world, &target),
                Some(redaction),
                "version {version}"
            );
            assert_eq!(waiting(&world), 0, "version {version}");
        }
    }
}
