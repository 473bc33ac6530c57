//! Presence over a clock that is moved by hand.

use std::sync::Arc;

use heliograph_core::ids::{DeviceNum, UserNum};
use heliograph_work::{Clock as _, ManualClock};
use proptest::prelude::*;

use super::*;

const ALICE: UserNum = UserNum(1);
const PHONE: DeviceNum = DeviceNum(1);
const LAPTOP: DeviceNum = DeviceNum(2);

struct World {
    clock: Arc<ManualClock>,
    presence: Presence,
}

fn world() -> World {
    with(PresenceSettings::default())
}

fn with(settings: PresenceSettings) -> World {
    let clock = Arc::new(ManualClock::new(1_000_000));
    let shared: SharedClock = Arc::<ManualClock>::clone(&clock);
    let presence = Presence::new(settings, shared, Sequence::default());
    World { clock, presence }
}

impl World {
    /// Lets time pass, and what it changes be taken in.
    fn pass(&self, ms: u64) {
        let until = self.clock.now_ms() + ms;
        while let Some(at) = self
            .presence
            .expire(self.clock.now_ms())
            .filter(|at| *at <= until)
        {
            assert!(at > self.clock.now_ms(), "nothing is due twice");
            self.clock.set(at);
        }
        self.clock.set(until);
        self.presence.expire(until);
    }

    fn state(&self) -> PresenceState {
        self.presence.of(ALICE).state
    }

    /// How many changes were told so far.
    fn changes(&self) -> u64 {
        *self.presence.changes().borrow()
    }
}

use PresenceState::{Offline, Online, Unavailable};

#[test]
fn a_device_between_two_polls_is_not_offline_and_one_that_stays_away_is() {
    let w = world();
    for _ in 0..5 {
        let polling = w.presence.poll(ALICE, PHONE, Online);
        w.pass(20_000);
        drop(polling);
        w.pass(20_000);
        assert_eq!(w.state(), Online, "EPH-03: between two polls");
    }
    let told = w.changes();
    w.pass(9_999);
    assert_eq!(w.state(), Online);
    w.pass(1);
    assert_eq!(w.state(), Offline, "EPH-03: no sync");
    assert_eq!(w.changes(), told + 1);
}

#[test]
fn the_most_active_device_wins() {
    let w = world();
    let phone = w.presence.poll(ALICE, PHONE, Unavailable);
    assert_eq!(w.state(), Unavailable, "SYN-17");
    let laptop = w.presence.poll(ALICE, LAPTOP, Online);
    assert_eq!(w.state(), Online);
    drop(laptop);
    w.pass(30_000);
    assert_eq!(
        w.state(),
        Unavailable,
        "EPH-03: the other one is still there"
    );
    let silent = w.presence.poll(ALICE, LAPTOP, Offline);
    assert_eq!(w.state(), Unavailable, "SYN-17: offline does not count");
    drop((phone, silent));
}

#[test]
fn who_does_nothing_is_idle_and_polling_alone_is_nothing() {
    let w = world();
    let mut polling = w.presence.poll(ALICE, PHONE, Online);
    w.pass(59_999);
    assert!(w.presence.of(ALICE).currently_active, "EPH-02");
    w.pass(1);
    assert!(!w.presence.of(ALICE).currently_active, "EPH-02");
    for _ in 0..9 {
        polling = w.presence.poll(ALICE, PHONE, Online);
        w.pass(30_000);
    }
    assert_eq!(w.state(), Unavailable, "EPH-03: idle");
    assert_eq!(w.presence.of(ALICE).last_active_ago_ms, Some(330_000));
    w.presence.active(ALICE, PHONE);
    assert_eq!(w.state(), Online, "EPH-03: by doing something");
    drop(polling);
}

#[test]
fn to_go_on_is_no_change() {
    let w = world();
    let first = w.presence.poll(ALICE, PHONE, Online);
    let told = w.changes();
    assert_eq!(told, 1);
    for _ in 0..100 {
        drop(w.presence.poll(ALICE, PHONE, Online));
        w.presence.active(ALICE, PHONE);
        w.presence.set(ALICE, LAPTOP, Online, None);
        w.pass(1_000);
    }
    assert_eq!(w.changes(), told, "an online of who is online wakes nobody");
    drop(first);
}

#[test]
fn changes_in_quick_succession_are_told_as_one() {
    let w = world();
    w.presence.set(ALICE, PHONE, Online, None);
    let (told, mut watched) = (w.changes(), w.presence.changes());
    watched.mark_unchanged();
    for n in 0..100 {
        let status: Arc<str> = format!("status {n}").into();
        w.presence.set(ALICE, PHONE, Online, Some(status));
    }
    assert_eq!(w.changes(), told, "throttled");
    assert!(
        watched.has_changed().unwrap(),
        "there is a time to wait for"
    );
    w.pass(250);
    assert_eq!(w.changes(), told + 1, "the last one is told");
    assert_eq!(w.presence.of(ALICE).status.as_deref(), Some("status 99"));
}

#[test]
fn memory_is_bounded_and_who_is_online_is_kept() {
    let settings = PresenceSettings {
        max_users: 8,
        ..PresenceSettings::default()
    };
    let w = with(settings);
    let alice = w.presence.poll(ALICE, PHONE, Online);
    for number in 2..100 {
        w.presence.set(UserNum(number), PHONE, Online, None);
        w.pass(30_000);
        let all = w.presence.inner.all.lock();
        assert!(all.users.len() <= 8 && all.by_change.len() <= 8);
        assert!(all.due.len() <= 8);
    }
    assert_ne!(w.state(), Offline, "who is there is not forgotten");
    drop(alice);
}

#[test]
fn what_is_off_is_silent() {
    let settings = PresenceSettings {
        enabled: false,
        ..PresenceSettings::default()
    };
    let w = with(settings);
    let polling = w.presence.poll(ALICE, PHONE, Online);
    w.presence.set(ALICE, PHONE, Online, None);
    assert_eq!((w.state(), w.changes()), (Offline, 0), "EPH-04");
    drop(polling);
}

#[derive(Clone, Debug)]
enum Deed {
    Poll(u32, PresenceState),
    Stop,
    Set(u32, PresenceState),
    Active(u32),
    Pass(u64),
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let state = prop::sample::select(vec![Offline, Unavailable, Online]);
    let deed = prop_oneof![
        (0..3u32, state.clone()).prop_map(|(device, state)| Deed::Poll(device, state)),
        Just(Deed::Stop),
        (0..3u32, state).prop_map(|(device, state)| Deed::Set(device, state)),
        (0..3u32).prop_map(Deed::Active),
        (0..400_000u64).prop_map(Deed::Pass),
    ];
    prop::collection::vec(deed, 0..40)
}

proptest! {
    /// Whatever happens: once time has passed by the least amount, what was told is what is so, and
    /// a reader who takes in every change knows it.
    #[test]
    fn what_was_told_is_what_is_so(deeds in deeds()) {
        let w = world();
        let mut polling = Vec::new();
        for deed in deeds {
            match deed {
                Deed::Poll(device, state) => {
                    polling.push(w.presence.poll(ALICE, DeviceNum(device), state));
                }
                Deed::Stop => drop(polling.pop()),
                Deed::Set(device, state) => w.presence.set(ALICE, DeviceNum(device), state, None),
                Deed::Active(device) => w.presence.active(ALICE, DeviceNum(device)),
                Deed::Pass(ms) => w.pass(ms),
            }
            w.pass(250);
            let all = w.presence.inner.all.lock();
            let told = all.users.get(&ALICE).map(|user| user.told().state);
            prop_assert!(all.by_change.len() <= 1 && all.due.len() <= 1);
            let soon = all.due.first().is_some_and(|(at, _)| *at <= w.clock.now_ms() + 250);
            drop(all);
            prop_assert!(soon || told.unwrap_or_default() == w.state());
        }
        drop(polling);
        w.pass(1_000_000);
        prop_assert_eq!(w.state(), Offline);
        prop_assert_eq!(w.presence.expire(w.clock.now_ms()), None, "nothing is left to be done");
    }
}
