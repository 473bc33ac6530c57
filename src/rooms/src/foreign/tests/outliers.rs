//! Events known first, or only, as outliers.

use std::slice::from_ref;

use heliograph_core::json::Value;
use heliograph_tables::{
    Direction,
    schema::{AUTH_CITED_BY, Standing},
};
use heliograph_testkit::{Craft, Graph};
use ruma_common::OwnedEventId;

use super::{craft::VERSIONS, world::World};
use crate::{Outcome, Submission};

/// A member event of `@f9:far.org`, who is in no state of the room yet.
fn join_of_f9(world: &World, prev: &OwnedEventId) -> OwnedEventId {
    world.craft(Craft {
        sender: "@f9:far.org",
        event_type: "m.room.member",
        state_key: Some("@f9:far.org"),
        content: r#"{"membership":"join"}"#,
        prev: vec![prev.clone()],
        nth: 10,
        ..Craft::default()
    })
}

/// The power levels as they are, and 50 for `@f9:far.org`.
fn power_of_f9(world: &World) -> String {
    let at = ("m.room.power_levels".to_owned(), String::new());
    let now = world.pdu(&world.current_state()[&at]).unwrap();
    now.content_json()
        .replace(r#""users":{"#, r#""users":{"@f9:far.org":50,"#)
}

/// A member who stands only in the auth chain of one state comes into the resolved state: that
/// of the fork in which a room has a topic by someone who is in neither state.
#[tokio::test]
async fn a_member_known_only_from_an_auth_chain_comes_into_the_resolved_state() {
    for version in ["2", "6", "10", "12"] {
        let world = World::new(version).await;
        let tip = world.first.last().unwrap().clone();
        let power = world.craft(Craft {
            sender: "@f0:far.org",
            event_type: "m.room.power_levels",
            state_key: Some(""),
            content: &power_of_f9(&world),
            prev: vec![tip],
            nth: 9,
            ..Craft::default()
        });
        let stored = world.submit(&power, Submission::Live).await;
        assert_eq!(stored, Outcome::Stored(Standing::Accepted));
        let join = join_of_f9(&world, &power);
        let topic = world.craft(Craft {
            sender: "@f9:far.org",
            event_type: "m.room.topic",
            state_key: Some(""),
            content: r#"{"topic":"nine"}"#,
            prev: vec![join.clone()],
            nth: 11,
            ..Craft::default()
        });
        for outlier in [&join, &topic] {
            let stored = world.submit(outlier, Submission::Outlier).await;
            assert_eq!(
                stored,
                Outcome::Stored(Standing::Outlier),
                "version {version}"
            );
        }
        let joined = world.head().joined;
        let mut state = world.state_ids();
        state.push(topic.clone());
        let message = world.message(&[&topic], 12);
        let stored = world
            .submit(&message, Submission::LiveAfterGap(state))
            .await;
        assert_eq!(
            stored,
            Outcome::Stored(Standing::Accepted),
            "version {version}"
        );
        let now = world.current_state();
        let at = |kind: &str, key: &str| now.get(&(kind.to_owned(), key.to_owned())).cloned();
        assert_eq!(at("m.room.topic", ""), Some(topic), "version {version}");
        assert_eq!(
            at("m.room.member", "@f9:far.org"),
            Some(join),
            "version {version}"
        );
        assert_eq!(world.head().joined, joined + 1, "version {version}");
    }
}

/// A rejected event has its key numbered too.
#[tokio::test]
async fn every_stored_state_event_has_a_numbered_key() {
    let world = World::new("11").await;
    let tip = world.first.last().unwrap().clone();
    let ban = |key: &str| {
        world.craft(Craft {
            sender: "@f2:far.org",
            event_type: "m.room.third_party_invite",
            state_key: Some(key),
            content: "{}",
            prev: vec![tip.clone()],
            ..Craft::default()
        })
    };
    let numbered = |key: &str| {
        let row = (world.room, heliograph_tables::codec::Tail::from(key));
        let nums = &heliograph_tables::schema::STATE_KEY_NUMS;
        world.view().get(nums, &row).unwrap().is_some()
    };
    for (key, submission, standing) in [
        ("live", Submission::Live, Standing::Rejected),
        ("outlier", Submission::Outlier, Standing::RejectedOutlier),
    ] {
        assert!(!numbered(key));
        let stored = world.submit(&ban(key), submission).await;
        assert_eq!(stored, Outcome::Stored(standing));
        assert!(numbered(key), "{key}");
    }
}

#[tokio::test]
async fn no_event_is_stored_before_its_auth_events() {
    for version in VERSIONS {
        let world = World::new(version).await;
        let tip = world.first.last().unwrap().clone();
        let join = join_of_f9(&world, &tip);
        let message = world.craft(Craft {
            sender: "@f9:far.org",
            event_type: "m.room.message",
            content: "{}",
            prev: vec![join.clone()],
            ..Craft::default()
        });
        let after_gap = Submission::LiveAfterGap(world.state_ids());
        for submission in [Submission::Live, after_gap, Submission::Outlier] {
            let outcome = world.submit(&message, submission).await;
            let Outcome::NeedsEvents { auth, .. } = outcome else {
                panic!("version {version}: {outcome:?}")
            };
            assert_eq!(auth, from_ref(&join), "version {version}");
        }
        let first = *world.timeline().keys().next().unwrap();
        let state = world.state_ids();
        let chunk = [message.clone()];
        let outcome = world.history(&chunk, state, first).await.unwrap();
        assert!(
            matches!(outcome[0], Outcome::NeedsEvents { .. }),
            "version {version}"
        );
        assert_eq!(world.idx(&message), None, "version {version}");
        for id in [&join, &message] {
            let stored = world.submit(id, Submission::Outlier).await;
            assert_eq!(
                stored,
                Outcome::Stored(Standing::Outlier),
                "version {version}"
            );
        }
        world.assert_auth_gen_falls();
    }
}

/// In versions 1 and 2 a sender may give one id to two events, the second of which cites what
/// cites the first: a cycle, if it took its place.
#[tokio::test]
async fn a_second_event_by_the_same_id_does_not_take_the_place_of_the_first() {
    for version in ["1", "2"] {
        let world = World::new(version).await;
        let tip = world.first.last().unwrap().clone();
        let first = world.topic(&tip, 1);
        let stored = world.submit(&first, Submission::Outlier).await;
        assert_eq!(stored, Outcome::Stored(Standing::Outlier));
        let citing = world.craft(Craft {
            sender: "@f0:far.org",
            event_type: "m.room.name",
            state_key: Some(""),
            content: "{}",
            prev: vec![tip.clone()],
            auth: Some(vec![first.clone()]),
            ..Craft::default()
        });
        let stored = world.submit(&citing, Submission::Outlier).await;
        assert_eq!(stored, Outcome::Stored(Standing::RejectedOutlier));
        let second = world.remade(&first, |event| {
            let cited = Value::Array(vec![
                Value::from(citing.as_str()),
                Value::object::<&str, _>([]),
            ]);
            event.insert("auth_events", Value::Array(vec![cited]));
        });
        assert_eq!(second, first);
        let stored = world.submit(&second, Submission::Live).await;
        assert_eq!(
            stored,
            Outcome::Stored(Standing::Accepted),
            "version {version}"
        );
        world.assert_auth_gen_falls();
        assert!(world.state_ids().contains(&first));
    }
}

#[tokio::test]
async fn an_outlier_becomes_a_live_event_once() {
    for version in VERSIONS {
        let world = World::new(version).await;
        let tip = world.first.last().unwrap().clone();
        let topic = world.topic(&tip, 1);
        let message = world.message(&[&topic], 2);
        let before = world.timeline();
        for id in [&topic, &message] {
            let stored = world.submit(id, Submission::Outlier).await;
            assert_eq!(stored, Outcome::Stored(Standing::Outlier));
            let again = world.submit(id, Submission::Outlier).await;
            assert_eq!(again, Outcome::Known(Standing::Outlier));
            let status = world.status(id);
            assert_eq!((status.timeline, status.position), (None, None));
        }
        assert_eq!(world.timeline(), before, "outliers have no place");
        assert!(!world.state_ids().contains(&topic), "nor do they set state");
        let numbers = [world.idx(&topic), world.idx(&message)];
        for id in [&topic, &message] {
            let stored = world.submit(id, Submission::Live).await;
            assert_eq!(
                stored,
                Outcome::Stored(Standing::Accepted),
                "version {version}"
            );
        }
        for id in [&topic, &message] {
            for submission in [Submission::Live, Submission::Outlier] {
                let again = world.submit(id, submission).await;
                assert_eq!(again, Outcome::Known(Standing::Accepted));
            }
            let status = world.status(id);
            let place = status.timeline.unwrap();
            assert_eq!(world.timeline().get(&place).copied(), world.idx(id));
            assert!(status.position.is_some());
        }
        assert_eq!(
            [world.idx(&topic), world.idx(&message)],
            numbers,
            "the numbers stay"
        );
        let new = world.all_ids().split_off(before.len());
        assert_eq!(
            new,
            [topic.clone(), message.clone()],
            "version {version}: once each"
        );
        assert!(world.state_ids().contains(&topic), "version {version}");
        assert_eq!(world.head().extremities, [world.idx(&message).unwrap()]);
        assert_cited_by(&world, &topic);
    }
}

/// Every auth event of a state event says that it is cited by it, once.
fn assert_cited_by(world: &World, id: &OwnedEventId) {
    let (view, own) = (world.view(), world.idx(id).unwrap());
    let edges = world.status(id).auth_events;
    assert!(!edges.is_empty());
    for cited in edges {
        let rows = view.scan(&AUTH_CITED_BY, &(world.room, cited), Direction::Forward);
        let by: Vec<_> = rows.map(|row| row.unwrap().0.2).collect();
        assert_eq!(by.iter().filter(|idx| **idx == own).count(), 1, "{by:?}");
    }
}

#[tokio::test]
async fn a_rejected_outlier_stays_rejected() {
    for version in VERSIONS {
        let world = World::new(version).await;
        let message = world.craft(Craft {
            sender: "@f9:far.org",
            event_type: "m.room.message",
            content: "{}",
            prev: vec![world.first.last().unwrap().clone()],
            ..Craft::default()
        });
        let before = world.timeline();
        let stored = world.submit(&message, Submission::Outlier).await;
        assert_eq!(stored, Outcome::Stored(Standing::RejectedOutlier));
        let stored = world.submit(&message, Submission::Live).await;
        assert_eq!(
            stored,
            Outcome::Stored(Standing::Rejected),
            "version {version}"
        );
        assert_eq!(world.timeline(), before);
    }
}
