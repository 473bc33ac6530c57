//! Relations of events of other servers: in whatever order they come, and however.

use std::slice::from_ref;

use heliograph_core::ids::{TimelineKey, UserNum};
use heliograph_tables::{
    Direction,
    schema::{
        EDITS, RELATIONS, RelationKind, Standing, THREAD_SENDERS, THREADS, THREADS_BY_LATEST,
        Thread,
    },
};
use heliograph_testkit::Craft;
use proptest::prelude::*;
use ruma_common::OwnedEventId;

use super::world::World;
use crate::{Outcome, PageRequest, Reader, RelationsRequest, Submission};

const VERSIONS: [&str; 3] = ["1", "4", "12"];

/// A message of the foreign user 0 that relates to another event.
fn relating(
    world: &World,
    rel_type: &str,
    target: &OwnedEventId,
    prev: &OwnedEventId,
    nth: usize,
) -> OwnedEventId {
    let content = format!(
        r#"{{"body":"{nth}","m.new_content":{{"body":"{nth}"}},
            "m.relates_to":{{"rel_type":"{rel_type}","event_id":"{target}"}}}}"#
    );
    world.craft(Craft {
        sender: "@f0:far.org",
        event_type: "m.room.message",
        content: &content,
        prev: vec![prev.clone()],
        nth,
        ..Craft::default()
    })
}

fn redaction(
    world: &World,
    target: &OwnedEventId,
    prev: &OwnedEventId,
    nth: usize,
) -> OwnedEventId {
    world.craft(Craft {
        sender: "@f0:far.org",
        event_type: "m.room.redaction",
        content: "{}",
        prev: vec![prev.clone()],
        redacts: Some(target.clone()),
        nth,
        ..Craft::default()
    })
}

/// The event with its bundle, as the local user sees it.
fn shown(world: &World, id: &OwnedEventId) -> serde_json::Value {
    let view = world.view();
    let alice = &world.locals[0];
    let reader = Reader {
        user: alice.user,
        device: alice.device,
    };
    let presenter = world.rooms.at(&view).presenter(world.room, Some(reader));
    let json = presenter.unwrap().bundled_event(world.idx(id).unwrap());
    serde_json::from_str(&json.unwrap()).unwrap()
}

/// What relates to an event, oldest first.
fn relations(world: &World, id: &OwnedEventId) -> Vec<OwnedEventId> {
    let view = world.view();
    let alice = &world.locals[0];
    let reader = Reader {
        user: alice.user,
        device: alice.device,
    };
    let at = world.rooms.at(&view);
    let presenter = at.presenter(world.room, Some(reader)).unwrap();
    let request = RelationsRequest {
        target: world.idx(id).unwrap(),
        rel_type: None,
        event_type: None,
        recurse: false,
        page: PageRequest {
            from: TimelineKey::MIN,
            to: None,
            direction: Direction::Forward,
            limit: 100,
        },
    };
    let page = presenter.relations_page(&request).unwrap();
    let id = |idx| {
        let pdu = world
            .rooms
            .inner
            .events
            .pdu(&view, world.room, idx)
            .unwrap();
        pdu.event_id().to_owned()
    };
    page.events.into_iter().map(id).collect()
}

/// How many rows there are about relations.
fn rows(world: &World) -> usize {
    let (view, start) = (world.view(), (world.room,));
    view.scan(&RELATIONS, &start, Direction::Forward).count()
        + view.scan(&EDITS, &start, Direction::Forward).count()
        + view.scan(&THREADS, &start, Direction::Forward).count()
        + view
            .scan(&THREADS_BY_LATEST, &start, Direction::Forward)
            .count()
        + view
            .scan(&THREAD_SENDERS, &start, Direction::Forward)
            .count()
}

async fn accept(world: &World, id: &OwnedEventId) {
    let stored = world.submit(id, Submission::Live).await;
    assert_eq!(stored, Outcome::Stored(Standing::Accepted));
}

#[tokio::test]
async fn a_relation_counts_whichever_of_the_two_comes_first() {
    for version in VERSIONS {
        for relation_first in [true, false] {
            for outlier in [true, false] {
                let case = format!("{version} {relation_first} {outlier}");
                let world = World::new(version).await;
                let tip = world.first.last().unwrap().clone();
                let target = world.message(&[&tip], 1);
                let edit = relating(&world, "m.replace", &target, &tip, 2);
                let reply = relating(&world, "m.thread", &target, &tip, 3);
                if outlier {
                    world.submit(&target, Submission::Outlier).await;
                }
                if !relation_first {
                    accept(&world, &target).await;
                }
                accept(&world, &edit).await;
                accept(&world, &reply).await;
                if relation_first {
                    accept(&world, &target).await;
                }
                let event = shown(&world, &target);
                let bundle = &event["unsigned"]["m.relations"];
                assert_eq!(bundle["m.replace"]["event_id"], edit.as_str(), "{case}");
                assert_eq!(bundle["m.thread"]["count"], 1, "{case}: {event}");
                assert_eq!(relations(&world, &target), [edit, reply], "{case}");
            }
        }
    }
}

#[tokio::test]
async fn an_outlier_relates_to_nothing_until_it_has_its_place() {
    for version in VERSIONS {
        let world = World::new(version).await;
        let tip = world.first.last().unwrap().clone();
        let target = world.message(&[&tip], 1);
        accept(&world, &target).await;
        let reply = relating(&world, "m.thread", &target, &tip, 2);
        world.submit(&reply, Submission::Outlier).await;
        assert_eq!(rows(&world), 0, "version {version}");
        accept(&world, &reply).await;
        assert_eq!(
            relations(&world, &target),
            from_ref(&reply),
            "version {version}"
        );
    }
}

#[tokio::test]
async fn what_is_redacted_leaves_no_row_whichever_comes_first() {
    for version in VERSIONS {
        for redaction_first in [true, false] {
            for rel_type in ["m.replace", "m.thread", "m.reference"] {
                let case = format!("{version} {redaction_first} {rel_type}");
                let world = World::new(version).await;
                let tip = world.first.last().unwrap().clone();
                let target = world.message(&[&tip], 1);
                accept(&world, &target).await;
                let relation = relating(&world, rel_type, &target, &tip, 2);
                let redaction = redaction(&world, &relation, &tip, 3);
                let mut order = [&relation, &redaction];
                if redaction_first {
                    order.reverse();
                }
                for event in order {
                    accept(&world, event).await;
                }
                assert_eq!(rows(&world), 0, "{case}");
                let event = shown(&world, &target);
                assert!(
                    event["unsigned"]["m.relations"].is_null(),
                    "{case}: {event}"
                );
            }
        }
    }
}

#[tokio::test]
async fn one_chunk_of_history_may_have_a_whole_thread() {
    for version in VERSIONS {
        let world = World::new(version).await;
        let tip = world.first.last().unwrap().clone();
        let root = world.message(&[&tip], 1);
        let [one, two, gone] = [2, 3, 4].map(|n| relating(&world, "m.thread", &root, &tip, n));
        let redaction = redaction(&world, &gone, &tip, 5);
        let edit = relating(&world, "m.replace", &root, &tip, 6);
        let chunk = [&one, &edit, &root, &two, &gone, &redaction].map(Clone::clone);
        let below = *world.timeline().keys().next().unwrap();
        let outcomes = world.history(&chunk, world.state_ids(), below).await;
        let accepted = vec![Outcome::Stored(Standing::Accepted); chunk.len()];
        assert_eq!(outcomes.unwrap(), accepted, "version {version}");
        let event = shown(&world, &root);
        let bundle = &event["unsigned"]["m.relations"];
        assert_eq!(bundle["m.thread"]["count"], 2, "version {version}: {event}");
        let latest = &bundle["m.thread"]["latest_event"]["event_id"];
        assert_eq!(latest, two.as_str(), "version {version}");
        assert_eq!(
            bundle["m.replace"]["event_id"],
            edit.as_str(),
            "version {version}"
        );
        let later = relating(&world, "m.thread", &root, &tip, 7);
        accept(&world, &later).await;
        let event = shown(&world, &root);
        let thread = &event["unsigned"]["m.relations"]["m.thread"];
        assert_eq!(thread["count"], 3, "version {version}: {event}");
        let latest = &thread["latest_event"]["event_id"];
        assert_eq!(latest, later.as_str(), "version {version}");
        let found = relations(&world, &root);
        assert_eq!(
            found,
            [one, edit, two, later],
            "version {version}: history before"
        );
    }
}

#[tokio::test]
async fn equal_times_of_edits_are_decided_by_the_greater_id() {
    let world = World::new("12").await;
    let tip = world.first.last().unwrap().clone();
    let target = world.message(&[&tip], 1);
    accept(&world, &target).await;
    let mut edits = Vec::new();
    for body in 0..4 {
        let content = format!(
            r#"{{"body":"{body}","m.new_content":{{}},
                "m.relates_to":{{"rel_type":"m.replace","event_id":"{target}"}}}}"#
        );
        edits.push(world.craft(Craft {
            sender: "@f0:far.org",
            event_type: "m.room.message",
            content: &content,
            prev: vec![tip.clone()],
            nth: 9,
            ..Craft::default()
        }));
    }
    edits.push(relating(&world, "m.replace", &target, &tip, 8));
    for edit in &edits {
        accept(&world, edit).await;
    }
    let greatest = edits.iter().take(4).max().unwrap();
    let event = shown(&world, &target);
    let replace = &event["unsigned"]["m.relations"]["m.replace"];
    assert_eq!(replace["event_id"], greatest.as_str(), "REL-04: {event}");
}

/// What is counted of a thread is what a count of its replies gives.
fn assert_counted(world: &World, root: &OwnedEventId, case: &str) {
    let (view, room) = (world.view(), world.room);
    let hash = crate::events::id_hash(&world.room_id, root, world.version);
    let places: Vec<(TimelineKey, UserNum)> = view
        .scan(
            &RELATIONS,
            &(room, hash, RelationKind::Thread),
            Direction::Forward,
        )
        .map(|row| row.map(|((.., place), relation)| (place, relation.sender)))
        .collect::<Result<_, _>>()
        .unwrap();
    let thread = view.get(&THREADS, &(room, hash)).unwrap();
    let expected = places.last().map(|(latest, _)| Thread {
        replies: u32::try_from(places.len()).unwrap(),
        latest: *latest,
    });
    assert_eq!(thread, expected, "{case}");
    let by_latest: Vec<TimelineKey> = view
        .scan(&THREADS_BY_LATEST, &(room,), Direction::Forward)
        .map(|row| row.unwrap().0.1)
        .collect();
    let latest: Vec<TimelineKey> = places
        .last()
        .map(|(latest, _)| *latest)
        .into_iter()
        .collect();
    assert_eq!(by_latest, latest, "{case}");
    for row in view.scan(&THREAD_SENDERS, &(room, hash), Direction::Forward) {
        let ((.., sender), count) = row.unwrap();
        let replies = places.iter().filter(|(_, by)| *by == sender).count();
        assert_eq!(usize::try_from(count.0).unwrap(), replies, "{case}");
        assert!(replies > 0, "{case}: no row for nothing");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Replies come live, as history and in one chunk, and are redacted in any order.
    #[test]
    fn threads_are_counted_whatever_comes_and_goes(
        steps in prop::collection::vec((0u8..5, any::<prop::sample::Index>()), 1..14),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let world = World::new("12").await;
            let tip = world.first.last().unwrap().clone();
            let root = world.message(&[&tip], 1);
            accept(&world, &root).await;
            let mut replies: Vec<OwnedEventId> = Vec::new();
            for (n, (what, which)) in steps.iter().enumerate() {
                let nth = 10 + 3 * n;
                let below = *world.timeline().keys().next().unwrap();
                match what {
                    0 | 1 if !replies.is_empty() => {
                        let gone = which.get(&replies);
                        accept(&world, &redaction(&world, gone, &tip, nth)).await;
                    }
                    2 => {
                        let reply = relating(&world, "m.thread", &root, &tip, nth);
                        let gone = relating(&world, "m.thread", &root, &tip, nth + 1);
                        let redaction = redaction(&world, &gone, &tip, nth + 2);
                        let chunk = [gone, reply.clone(), redaction];
                        world.history(&chunk, world.state_ids(), below).await.unwrap();
                        replies.push(reply);
                    }
                    _ => {
                        let reply = relating(&world, "m.thread", &root, &tip, nth);
                        accept(&world, &reply).await;
                        replies.push(reply);
                    }
                }
                assert_counted(&world, &root, &format!("{steps:?}, step {n}"));
            }
        });
    }
}
