//! Foreign events against an oracle that resolves whole states, without the trees.

mod craft;
mod gaps;
mod hostile;
mod outliers;
mod redactions;
mod relations;
mod timestamps;
mod version_1;
mod world;

use std::collections::HashSet;

use heliograph_tables::schema::Standing;
use heliograph_testkit::Oracle;
use proptest::prelude::*;
use ruma_common::OwnedEventId;

use world::{Step, World, forest};

use super::{Outcome, Submission};

/// Feeds events in an order; what an event lacks is fetched first, as federation would.
async fn feed(world: &World, order: &[OwnedEventId]) -> Vec<(OwnedEventId, Standing)> {
    let mut standings = Vec::new();
    let mut todo: Vec<OwnedEventId> = order.iter().rev().cloned().collect();
    let mut done = HashSet::new();
    while let Some(id) = todo.pop() {
        if done.contains(&id) {
            continue;
        }
        match world.submit(&id, Submission::Live).await {
            Outcome::Stored(standing) => {
                done.insert(id.clone());
                standings.push((id, standing));
            }
            Outcome::Known(_) => {
                done.insert(id);
            }
            Outcome::NeedsEvents { auth, prev } => {
                todo.push(id);
                todo.extend(auth);
                todo.extend(prev);
            }
        }
    }
    standings
}

fn check(version: &str, steps: &[Step], orders: &[Vec<usize>]) -> Result<(), TestCaseError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut ends = HashSet::new();
        for order in orders {
            let world = World::new(version).await;
            let ids = world.make(steps);
            let order: Vec<OwnedEventId> = order
                .iter()
                .filter_map(|i| ids.get(i % ids.len().max(1)).cloned())
                .collect();
            let mut all = order;
            all.extend(ids.iter().cloned());
            let standings = feed(&world, &all).await;
            let mut oracle = Oracle::default();
            for id in world.first.iter().chain(standings.iter().map(|(id, _)| id)) {
                oracle.judge(&world, id);
            }
            for (id, standing) in &standings {
                let stored = world.state_before(id);
                prop_assert_eq!(&stored, &oracle.before[id], "state before {}", id);
                prop_assert_eq!(*standing, oracle.standing[id], "verdict on {}", id);
            }
            prop_assert_eq!(
                world.current_state(),
                oracle.current.clone(),
                "current state"
            );
            let soft = standings.iter().any(|(_, s)| *s == Standing::SoftFailed);
            if !soft {
                let mut end: Vec<_> = oracle.current.into_iter().collect();
                end.sort();
                ends.insert(end);
            }
            for id in &ids {
                let again = world.submit(id, Submission::Live).await;
                prop_assert!(matches!(again, Outcome::Known(_)), "a second time");
            }
        }
        prop_assert!(
            ends.len() <= 1,
            "permutations without soft failures end alike"
        );
        Ok(())
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn every_permutation_has_the_states_of_the_oracle(
        version in prop::sample::select(vec!["2", "3", "6", "9", "11", "12"]),
        steps in forest(14),
        orders in prop::collection::vec(prop::collection::vec(0usize..64, 0..14), 2..4),
    ) {
        check(version, &steps, &orders)?;
    }

    #[test]
    fn version_1_has_the_states_of_its_oracle(
        steps in forest(10),
        orders in prop::collection::vec(prop::collection::vec(0usize..64, 0..10), 1..3),
    ) {
        check("1", &steps, &orders)?;
    }
}

#[tokio::test]
async fn an_event_of_another_room_is_refused_and_a_missing_parent_is_told() {
    let world = World::new("12").await;
    let ids = world.make(&[Step::message(0, 1), Step::message(0, 1)]);
    let outcome = world.submit(&ids[1], Submission::Live).await;
    let Outcome::NeedsEvents { prev, .. } = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(prev, [ids[0].clone()]);
    assert_eq!(
        world.submit(&ids[0], Submission::Outlier).await,
        Outcome::Stored(Standing::Outlier)
    );
    let outcome = world.submit(&ids[1], Submission::Live).await;
    assert!(
        matches!(outcome, Outcome::NeedsEvents { .. }),
        "an outlier has no place"
    );
    for id in &ids {
        let stored = world.submit(id, Submission::Live).await;
        assert_eq!(stored, Outcome::Stored(Standing::Accepted));
    }
}
