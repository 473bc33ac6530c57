//! Gaps in the timeline, and history that fills them: one order for every reader.

use std::{collections::BTreeMap, slice::from_ref};

use heliograph_core::ids::{EventIdx, Position, TimelineKey};
use heliograph_tables::{
    Direction,
    schema::{Standing, TIMELINE},
};
use heliograph_testkit::Graph;
use proptest::prelude::*;
use ruma_common::OwnedEventId;

use super::world::World;
use crate::{
    Action, MembershipChange, Outcome, PageRequest, Presenter, Reader, RoomError, Submission,
};

/// All that a reader gets by pages of `limit`, in the order in which they come.
fn pages(presenter: &Presenter<'_>, direction: Direction, limit: usize) -> Vec<EventIdx> {
    let mut from = Some(match direction {
        Direction::Forward => TimelineKey::MIN,
        Direction::Backward => TimelineKey::MAX,
    });
    let mut all = Vec::new();
    while let Some(place) = from {
        let request = PageRequest {
            from: place,
            to: None,
            direction,
            limit,
        };
        let page = presenter.page(request, |_| Ok(true)).unwrap();
        all.extend(page.events);
        from = page.end;
    }
    all
}

/// Asserts that there is one order: for every reader, in both directions, whatever the pages; and
/// that what came in live is told in that order, and nothing else is told.
fn assert_one_order(world: &World) {
    let view = world.view();
    let at = world.rooms.at(&view);
    let order: Vec<EventIdx> = world.timeline().into_values().collect();
    let foreign = view.get(
        &heliograph_tables::schema::USER_NUMS,
        &heliograph_tables::codec::Tail::from("@f0:far.org"),
    );
    let foreign = foreign.unwrap().unwrap().0;
    let [alice, bob] = &world.locals;
    for user in [Some(alice.user), Some(bob.user), Some(foreign), None] {
        let reader = user.map(|user| Reader {
            user,
            device: alice.device,
        });
        let presenter = at.presenter(world.room, reader).unwrap();
        let forward = pages(&presenter, Direction::Forward, 3);
        for limit in [1, 4, 1000] {
            let mut backward = pages(&presenter, Direction::Backward, limit);
            backward.reverse();
            assert_eq!(backward, forward, "{user:?}, pages of {limit}");
        }
        if user == Some(alice.user) {
            assert_eq!(forward, order, "who made the room sees all of it");
        } else {
            let mut rest = order.iter();
            assert!(
                forward.iter().all(|event| rest.any(|e| e == event)),
                "{user:?}"
            );
        }
    }
    let rows = view.scan(&TIMELINE, &(world.room,), Direction::Forward);
    let mut live: Vec<EventIdx> = rows
        .map(|row| row.unwrap().1)
        .filter(|entry| entry.live)
        .map(|entry| entry.event)
        .collect();
    live.reverse();
    let all = (Position(0), view.position());
    let told: Vec<EventIdx> = at
        .live_events(world.room, all)
        .map(|row| row.unwrap().1.event)
        .collect();
    assert_eq!(told, live, "newest first");
}

/// Asserts that what had a place has it still.
fn assert_keys_stay(before: &BTreeMap<TimelineKey, EventIdx>, world: &World) {
    let now = world.timeline();
    for (key, event) in before {
        assert_eq!(now.get(key), Some(event), "{key:?}");
    }
}

const fn place(segment: u64, index: u32) -> TimelineKey {
    TimelineKey { segment, index }
}

fn accepted(n: usize) -> Vec<Outcome> {
    vec![Outcome::Stored(Standing::Accepted); n]
}

/// A local user joins, or leaves.
async fn bob(world: &World, action: Action) {
    let bob = world.locals[1].clone();
    let change = MembershipChange {
        target: bob.user_id.clone(),
        action,
        reason: None,
        content: heliograph_core::json::Value::object::<&str, _>([]),
        is_direct: false,
    };
    world
        .rooms
        .change_membership(world.room, bob, change)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_gap_opens_a_run_far_above_and_history_fills_it_from_below() {
    for version in ["1", "3", "10", "12"] {
        let world = World::new(version).await;
        bob(&world, Action::Join).await;
        bob(&world, Action::Leave).await;
        let tip = world.all_ids().pop().unwrap();
        let mut chain = vec![world.message(&[&tip], 1)];
        for n in 2..6 {
            let last = chain.last().unwrap();
            chain.push(if n == 3 {
                world.topic(last, n)
            } else {
                world.message(&[last], n)
            });
        }
        let [a1, a2, topic, a4, news] = <[_; 5]>::try_from(chain).unwrap();
        let old = world.state_ids();
        let needs = world.submit(&news, Submission::Live).await;
        assert_eq!(
            needs,
            Outcome::NeedsEvents {
                auth: vec![],
                prev: vec![a4.clone()]
            }
        );
        let unknown = world
            .try_submit(&news, Submission::LiveAfterGap(vec![topic.clone()]))
            .await;
        assert!(
            matches!(unknown, Err(RoomError::UnknownEvent)),
            "{unknown:?}"
        );

        // The gap: news, and then the event after it.
        let stored = world.submit(&topic, Submission::Outlier).await;
        assert_eq!(stored, Outcome::Stored(Standing::Outlier));
        let before = world.timeline();
        let mut state = old.clone();
        state.push(topic.clone());
        let stored = world.submit(&news, Submission::LiveAfterGap(state)).await;
        assert_eq!(
            stored,
            Outcome::Stored(Standing::Accepted),
            "version {version}"
        );
        assert!(
            world.state_ids().contains(&topic),
            "the state that was given counts"
        );
        let next = world.message(&[&news], 7);
        world.submit(&next, Submission::Live).await;
        let high = TimelineKey::FIRST.segment + (1 << 32);
        assert_eq!(world.status(&news).timeline, Some(place(high, 0)));
        assert_eq!(world.status(&next).timeline, Some(place(high, 1)));
        assert_keys_stay(&before, &world);
        assert_one_order(&world);

        // History, in two chunks from above.
        let before = world.timeline();
        for refused in [place(high, 1), place(high + 5, 0), place(7, 0)] {
            let refused = world.history(from_ref(&a4), old.clone(), refused).await;
            assert!(matches!(refused, Err(RoomError::Invalid(_))), "{refused:?}");
        }
        let child_first = [a4.clone(), topic.clone()];
        let refused = world
            .history(&child_first, old.clone(), place(high, 0))
            .await;
        assert!(matches!(refused, Err(RoomError::Invalid(_))), "{refused:?}");
        let chunk = [topic.clone(), a4.clone()];
        let outcomes = world.history(&chunk, old.clone(), place(high, 0)).await;
        assert_eq!(outcomes.unwrap(), accepted(2), "version {version}");
        let twice = world.history(&chunk, old.clone(), place(high, 0)).await;
        assert!(matches!(twice, Err(RoomError::Invalid(_))), "{twice:?}");
        let chunk = [a1.clone(), a2.clone()];
        let outcomes = world.history(&chunk, old.clone(), place(high - 1, 0)).await;
        assert_eq!(outcomes.unwrap(), accepted(2), "version {version}");
        for (id, key) in [
            (&a1, place(high - 2, 0)),
            (&a2, place(high - 2, 1)),
            (&topic, place(high - 1, 0)),
            (&a4, place(high - 1, 1)),
        ] {
            let status = world.status(id);
            assert_eq!(
                (status.timeline, status.position),
                (Some(key), None),
                "version {version}"
            );
        }
        // The state before each is the one that was given, and what the chunk makes of it.
        assert!(!world.state_before(&topic).values().any(|id| *id == topic));
        assert!(world.state_before(&a4).values().any(|id| *id == topic));
        assert_keys_stay(&before, &world);
        assert_one_order(&world);
        let end = world.all_ids().split_off(before.len() - 2);
        assert_eq!(end, [a1, a2, topic, a4, news, next], "version {version}");
    }
}

#[tokio::test]
async fn history_before_the_first_event_comes_below_it() {
    for version in ["1", "3", "10", "12"] {
        let world = World::new(version).await;
        let before = world.timeline();
        let state = world.state_ids();
        let head = world.head();
        // Their parents are known to nobody here.
        let tip = world.first.last().unwrap().clone();
        let lost = world.message(&[&tip], 1);
        let old = world.message(&[&lost], 2);
        let newer = world.message(&[&old], 3);
        let chunk = [old.clone(), newer.clone()];
        let outcomes = world
            .history(&chunk, state.clone(), TimelineKey::FIRST)
            .await;
        assert_eq!(outcomes.unwrap(), accepted(2), "version {version}");
        let older = world.message(&[&tip], 4);
        let below = place(TimelineKey::FIRST.segment - 1, 0);
        let outcomes = world.history(from_ref(&older), state, below).await;
        assert_eq!(outcomes.unwrap(), accepted(1), "version {version}");
        let ids = world.all_ids();
        assert_eq!(ids[..3], [older, old, newer], "version {version}");
        assert_eq!(ids[3..], world.first);
        let now = world.head();
        assert_eq!(
            (now.extremities, now.state, now.newest),
            (head.extremities, head.state, head.newest)
        );
        assert_keys_stay(&before, &world);
        assert_one_order(&world);
    }
}

#[tokio::test]
async fn a_chunk_is_bounded() {
    let world = World::new("12").await;
    let one = world.message(&[world.first.last().unwrap()], 1);
    let chunk = vec![one; 1001];
    let refused = world
        .history(&chunk, world.state_ids(), TimelineKey::FIRST)
        .await;
    assert!(matches!(refused, Err(RoomError::Invalid(_))), "{refused:?}");
}

/// What comes next into a room.
#[derive(Clone, Copy, Debug)]
enum Next {
    /// The event after the newest.
    News,
    /// An event after so many that are left out.
    Gap(usize),
    /// At most so many of those left out, the newest of the newest gap first.
    Fill(usize),
    /// A local user says something.
    Say,
}

fn what_comes() -> impl Strategy<Value = Vec<Next>> {
    let next = prop_oneof![
        Just(Next::News),
        (1usize..5).prop_map(Next::Gap),
        (1usize..4).prop_map(Next::Fill),
        Just(Next::Say),
    ];
    prop::collection::vec(next, 1..24)
}

/// Gaps that are not filled: what is left out, oldest first, and the first event of the run above.
type Gaps = Vec<(Vec<OwnedEventId>, OwnedEventId)>;

async fn step(world: &World, next: Next, nth: usize, tip: &mut OwnedEventId, gaps: &mut Gaps) {
    match next {
        Next::News => {
            *tip = world.message(&[tip], nth);
            let stored = world.submit(tip, Submission::Live).await;
            assert_eq!(stored, Outcome::Stored(Standing::Accepted));
        }
        Next::Say => *tip = world.say(&format!("{nth}")).await,
        Next::Gap(n) => {
            let mut left_out = Vec::new();
            for more in 0..n {
                *tip = world.message(&[tip], nth + more);
                left_out.push(tip.clone());
            }
            *tip = world.message(&[tip], nth + n);
            let after_gap = Submission::LiveAfterGap(world.state_ids());
            let stored = world.submit(tip, after_gap).await;
            assert_eq!(stored, Outcome::Stored(Standing::Accepted));
            gaps.push((left_out, tip.clone()));
        }
        Next::Fill(n) => {
            let Some((mut left_out, above)) = gaps.pop() else {
                return;
            };
            let chunk = left_out.split_off(left_out.len().saturating_sub(n));
            let below = world.status(&above).timeline.unwrap();
            let outcomes = world
                .history(&chunk, world.state_ids(), below)
                .await
                .unwrap();
            assert_eq!(outcomes, accepted(chunk.len()));
            if !left_out.is_empty() {
                gaps.push((left_out, chunk[0].clone()));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn whatever_comes_there_is_one_order_and_it_stays(
        version in prop::sample::select(vec!["1", "4", "11", "12"]),
        steps in what_comes(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let world = World::new(version).await;
            let mut tip = world.first.last().unwrap().clone();
            let mut gaps = Gaps::new();
            for (nth, next) in steps.into_iter().enumerate() {
                let before = world.timeline();
                step(&world, next, nth * 10, &mut tip, &mut gaps).await;
                assert_keys_stay(&before, &world);
                assert_one_order(&world);
            }
            // This is a chain: with all gaps closed it stands in the order of depth.
            while !gaps.is_empty() {
                step(&world, Next::Fill(2), 0, &mut tip, &mut gaps).await;
            }
            assert_one_order(&world);
            let depth = |id: &OwnedEventId| world.pdu(id).unwrap().depth();
            let ids = world.all_ids();
            let depths: Vec<u64> = ids.iter().map(depth).collect();
            prop_assert!(depths.is_sorted(), "parents before children: {depths:?}");
            Ok::<(), TestCaseError>(())
        })?;
    }
}
