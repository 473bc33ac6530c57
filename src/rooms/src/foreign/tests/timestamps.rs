//! The event nearest to a moment, among servers whose clocks lie.

use heliograph_tables::Direction;
use heliograph_testkit::EPOCH_MS;

use super::world::World;
use crate::{Outcome, Reader, Submission};

/// Whether the clock of the event so many behind the first lies.
const fn lies(n: usize) -> bool {
    n % 7 == 3
}

#[tokio::test]
async fn clocks_that_lie_mislead_nobody() {
    let world = World::new("12").await;
    let mut tip = world.first.last().unwrap().clone();
    let mut sent = Vec::new();
    for n in 0..150 {
        let far = if n % 2 == 0 { 1 } else { 100_000_000 };
        let nth = if lies(n) { far + n } else { 1000 + 10 * n };
        tip = world.message(&[&tip], nth);
        let stored = world.submit(&tip, Submission::Live).await;
        assert!(matches!(stored, Outcome::Stored(_)), "{stored:?}");
        sent.push((tip.clone(), EPOCH_MS + u64::try_from(nth).unwrap()));
    }
    let view = world.view();
    let alice = &world.locals[0];
    let reader = Reader {
        user: alice.user,
        device: alice.device,
    };
    let at = world.rooms.at(&view);
    let presenter = at.presenter(world.room, Some(reader)).unwrap();
    for (n, (event, ts)) in sent.iter().enumerate().filter(|(n, _)| !lies(*n)) {
        for (direction, asked) in [
            (Direction::Forward, *ts),
            (Direction::Forward, ts - 4),
            (Direction::Backward, *ts),
            (Direction::Backward, ts + 4),
        ] {
            let found = presenter.nearest_to(asked, direction).unwrap().unwrap();
            assert_eq!(
                found.origin_server_ts, *ts,
                "EVT-22: event {n}, {direction:?}"
            );
            assert_eq!(Some(found.event), world.idx(event), "EVT-22: event {n}");
        }
    }
}
