//! Forks on which state resolution versions 1 and 2 differ, worked by hand.
//!
//! <https://spec.matrix.org/v1.19/rooms/v1/#state-resolution>
//! <https://spec.matrix.org/v1.19/rooms/v2/#state-resolution>
//!
//! The forks on which they differ have one shape, on top of the power levels P (f0 has 100, f1 50, f2 0; 50 for
//! state, kicks and bans), d being the depth of P:
//!
//! ```text
//!     P ─── M1 ─── M2 ─── A ──┐        A: depth d+3, second 3
//!     └──── B ────────────────┴─ J     B: depth d+1, second 50
//! ```
//!
//! A and B stand at one key. Version 1 goes by depth, from the least: B comes before A. Version 2
//! goes by power and time: of two events that may take power away, the one of the greater power
//! comes first; all others follow, and, being authorised by the same P, the earlier comes first:
//! A before B.

use heliograph_tables::schema::Standing;
use heliograph_testkit::{Craft, Graph};
use ruma_common::OwnedEventId;

use super::world::World;
use crate::{Outcome, Submission};

/// One event of a fork: its sender, type, key and content.
type Said = (&'static str, &'static str, &'static str, String);

/// Which of A and B stands in the state at J, whichever comes first.
async fn winner(version: &str, said: impl Fn(&World) -> [Said; 2]) -> char {
    let [one, other] = [
        winner_of(version, &said, false).await,
        winner_of(version, &said, true).await,
    ];
    assert_eq!(one, other, "version {version}");
    one
}

async fn winner_of(version: &str, said: impl Fn(&World) -> [Said; 2], b_first: bool) -> char {
    let world = World::new(version).await;
    let make = |(sender, event_type, key, content): &Said, prev: &OwnedEventId, nth| {
        world.craft(Craft {
            sender,
            event_type,
            state_key: Some(key),
            content,
            prev: vec![prev.clone()],
            nth,
            ..Craft::default()
        })
    };
    let power = (
        "@f0:far.org",
        "m.room.power_levels",
        "",
        world.power_content(1, 50),
    );
    let power = make(&power, world.first.last().unwrap(), 0);
    let first = world.message(&[&power], 1);
    let second = world.message(&[&first], 2);
    let [said_a, said_b] = said(&world);
    let (a, b) = (make(&said_a, &second, 3), make(&said_b, &power, 50));
    let depth = |id: &OwnedEventId| world.pdu(id).unwrap().depth();
    assert_eq!(
        (depth(&a), depth(&b)),
        (depth(&power) + 3, depth(&power) + 1)
    );
    let mut all = vec![&power, &first, &second, &a, &b];
    if b_first {
        all = vec![&power, &b, &first, &second, &a];
    }
    for id in all {
        let stored = world.submit(id, Submission::Live).await;
        assert_eq!(
            stored,
            Outcome::Stored(Standing::Accepted),
            "version {version}"
        );
    }
    let join = world.message(&[&a, &b], 60);
    world.submit(&join, Submission::Live).await;
    let at = (said_a.1.to_owned(), said_a.2.to_owned());
    let stands = world.state_before(&join)[&at].clone();
    assert_eq!(world.current_state()[&at], stands);
    match stands {
        id if id == a => 'A',
        id if id == b => 'B',
        other => panic!("{other}"),
    }
}

/// Two topics. Version 1 takes the newest by depth that the state allows: A. Version 2 applies A,
/// then B over it.
#[tokio::test]
async fn of_two_topics_version_1_takes_the_deeper_and_version_2_the_later() {
    let topics = |_: &World| {
        ["a", "b"].map(|topic| {
            let content = format!(r#"{{"topic":"{topic}"}}"#);
            ("@f0:far.org", "m.room.topic", "", content)
        })
    };
    assert_eq!(winner("1", topics).await, 'A');
    assert_eq!(winner("2", topics).await, 'B');
}

/// Two power levels: f0 (100) lets those with 40 kick, f1 (50) those with 30. Version 1 begins with
/// B, which is not checked; it leaves f0 at 100, so A is allowed and takes its place. Version 2
/// begins with A, of the greater power; B changes 40 to 30, which f1 with 50 may, and takes its
/// place.
#[tokio::test]
async fn of_two_power_levels_version_1_takes_the_deeper_and_version_2_the_weaker_last() {
    let levels = |world: &World| {
        let kick = |level: u8| {
            let all = world.power_content(1, 50);
            all.replace(r#""kick":50"#, &format!(r#""kick":{level}"#))
        };
        [
            ("@f0:far.org", "m.room.power_levels", "", kick(40)),
            ("@f1:far.org", "m.room.power_levels", "", kick(30)),
        ]
    };
    assert_eq!(winner("1", levels).await, 'A');
    assert_eq!(winner("2", levels).await, 'B');
}

/// f0 kicks f2, while f2 changes their profile. Version 1 begins with the profile; the kick is
/// allowed over it and takes its place: f2 is out. In version 2 the kick, which takes power away,
/// comes first; the profile is a join, which the public room allows after a kick: f2 is in.
#[tokio::test]
async fn of_a_kick_and_a_profile_version_1_takes_the_kick_and_version_2_the_profile() {
    let members = |_: &World| {
        let kick = r#"{"membership":"leave"}"#.to_owned();
        let profile = r#"{"displayname":"two","membership":"join"}"#.to_owned();
        [
            ("@f0:far.org", "m.room.member", "@f2:far.org", kick),
            ("@f2:far.org", "m.room.member", "@f2:far.org", profile),
        ]
    };
    assert_eq!(winner("1", members).await, 'A');
    assert_eq!(winner("2", members).await, 'B');
}

/// What stands in the state at J in version 1 of a fork on which what A's sender may do is taken
/// from them on the other side, by Q; all of it whichever side comes first:
///
/// ```text
///     P ─── M1 ─── M2 ─── A ──┐        A: by f1, who has 50 at P, depth d+3
///     └──── Q ─── B ──────────┴─ J     Q: f0 leaves f1 with 0, depth d+1; B: by f0, depth d+2
/// ```
///
/// A is allowed where it stands, by P; so no check but that of the resolution keeps it out.
async fn stands_after_demotion(version: &str, [a, b]: [Said; 2], b_first: bool) -> String {
    let world = World::new(version).await;
    let make = |(sender, event_type, key, content): &Said, prev: &OwnedEventId, nth| {
        world.craft(Craft {
            sender,
            event_type,
            state_key: Some(key),
            content,
            prev: vec![prev.clone()],
            nth,
            ..Craft::default()
        })
    };
    let levels = |of_f1| {
        let content = world.power_content(1, of_f1);
        ("@f0:far.org", "m.room.power_levels", "", content)
    };
    let power = make(&levels(50), world.first.last().unwrap(), 0);
    let first = world.message(&[&power], 1);
    let second = world.message(&[&first], 2);
    let at = (a.1.to_owned(), a.2.to_owned());
    let a = make(&a, &second, 3);
    let demotion = make(&levels(0), &power, 4);
    let b = make(&b, &demotion, 5);
    let (a_side, b_side) = ([&first, &second, &a], [&demotion, &b]);
    let sides: Vec<&OwnedEventId> = if b_first {
        b_side.into_iter().chain(a_side).collect()
    } else {
        a_side.into_iter().chain(b_side).collect()
    };
    for id in [&power].into_iter().chain(sides) {
        // What comes second may fail softly: its side of the fork counts at J all the same.
        let stored = world.submit(id, Submission::Live).await;
        let sound = [Standing::Accepted, Standing::SoftFailed].map(Outcome::Stored);
        assert!(sound.contains(&stored), "{stored:?}");
    }
    let join = world.message(&[&a, &b], 60);
    world.submit(&join, Submission::Live).await;
    let stands = world.state_before(&join)[&at].clone();
    assert_eq!(world.current_state()[&at], stands);
    [(a, "A"), (b, "B"), (demotion, "Q")]
        .into_iter()
        .find(|(id, _)| *id == stands)
        .map_or_else(|| stands.to_string(), |(_, name)| name.to_owned())
}

/// Each round of version 1 takes the deepest that the state settled so far allows, and A, the
/// deepest, is nowhere allowed once Q stands:
///
/// - power levels {Q, A}, where B is a topic: Q, the less deep, is not checked; A is by f1, who has
///   0 under Q at the key itself: not allowed, so Q stands. Wherever A is no power levels the round
///   is {P, Q}: P is not checked, Q by f0 with 100 is allowed, so Q stands for the rounds after it.
/// - join rules {B, A}: B is not checked; A by f1, who has 0 now, is not allowed.
/// - members {B, A}: by B f2 changes their profile, by A f1 kicks f2: B is not checked, and a kick
///   by f1 with 0 is not allowed over it.
/// - the rest {B, A}, two topics: from the deepest on, A by f1 with 0 is not allowed, B by f0 is.
///
/// Without the check A stands in each.
#[tokio::test]
async fn version_1_takes_nothing_that_the_rounds_before_do_not_allow() {
    let world = World::new("1").await;
    let power = world.power_content(1, 50);
    let power = power.replace(r#""kick":50"#, r#""kick":40"#);
    let say = |content: &str| content.to_owned();
    let (f0, f1, f2) = ("@f0:far.org", "@f1:far.org", "@f2:far.org");
    let topic = |by, text| {
        let content = format!(r#"{{"topic":"{text}"}}"#);
        (by, "m.room.topic", "", content)
    };
    let rules = |by, rule| {
        let content = format!(r#"{{"join_rule":"{rule}"}}"#);
        (by, "m.room.join_rules", "", content)
    };
    let kick = say(r#"{"membership":"leave"}"#);
    let profile = say(r#"{"displayname":"two","membership":"join"}"#);
    for ([a, b], stands) in [
        (
            [(f1, "m.room.power_levels", "", power), topic(f0, "b")],
            "Q",
        ),
        ([rules(f1, "invite"), rules(f0, "public")], "B"),
        (
            [
                (f1, "m.room.member", f2, kick),
                (f2, "m.room.member", f2, profile),
            ],
            "B",
        ),
        ([topic(f1, "a"), topic(f0, "b")], "B"),
    ] {
        for b_first in [false, true] {
            let said = [a.clone(), b.clone()];
            let found = stands_after_demotion("1", said, b_first).await;
            assert_eq!(found, stands, "{} {b_first}", a.1);
        }
    }
}
