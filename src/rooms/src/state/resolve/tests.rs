//! Resolution by trees and short chains is resolution of whole states.

mod room;
mod steps;

use std::sync::atomic::Ordering;

use heliograph_core::{
    ids::{EventIdx, UserNum},
    room_version::RoomVersion,
};
use heliograph_tables::{Op, Store, schema::StateRoot};
use proptest::prelude::*;

use self::{
    room::{ROOM, Room, at, view_of},
    steps::step,
};
use super::membership_of;
use crate::state::{MemberEntry, NodeWriter, StateChange, States};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// In rooms of every version, forked at random, every merge says the same as whole states do.
    #[test]
    fn resolution_by_trees_is_resolution_of_whole_states(
        steps in prop::collection::vec(step(), 10..60),
    ) {
        for version in RoomVersion::ALL {
            let mut room = Room::new(version);
            for step in &steps {
                room.step(step);
            }
            let tips: Vec<_> = (5..room.events.len())
                .rev()
                .step_by(3)
                .take(4)
                .map(|event| EventIdx(u32::try_from(event).unwrap()))
                .collect();
            room.state_before(&tips);
        }
    }
}

/// A ban on one side of a fork wins over what the banned did on the other.
#[test]
fn a_ban_undoes_what_the_banned_set_at_the_same_time() {
    for version in RoomVersion::ALL.into_iter().skip(1) {
        let mut room = Room::new(version);
        let start = EventIdx(5);
        let ban = r#"{"membership":"ban"}"#;
        let ban = room
            .send(&[start], "@a:x.org", ("m.room.member", "@b:x.org"), ban, 5)
            .unwrap();
        let topic = r#"{"topic":"mine"}"#;
        let topic = room
            .send(&[start], "@b:x.org", ("m.room.topic", ""), topic, 4)
            .unwrap();
        let (state, resolved) = room.state_before(&[ban, topic]);
        // The fork that wins whole is kept as it is.
        assert_eq!(resolved, room.after[at(ban)].1);
        assert_eq!(room.conflicts, 1);
        let member = state.get(&("m.room.member".into(), "@b:x.org".to_owned()));
        assert_eq!(
            member,
            Some(&room.events[at(ban)].event_id().to_owned()),
            "version {}",
            version.as_str()
        );
        let topic = state.get(&("m.room.topic".into(), String::new()));
        assert_eq!(topic, None, "version {}", version.as_str());
    }
}

/// One state alone, or the same twice, is itself; of none there is nothing.
#[test]
fn nothing_to_resolve_is_nothing_to_do() {
    let room = Room::new(RoomVersion::DEFAULT);
    let view = view_of(&room.store);
    let state = room.after[5].1;
    let mut nodes = NodeWriter::none(ROOM);
    for (roots, expected) in [
        (vec![], StateRoot::EMPTY),
        (vec![state], state),
        (vec![state, state], state),
    ] {
        let found = room
            .states
            .resolve(&view, &mut nodes, room.version, &room, &roots)
            .unwrap();
        assert_eq!(found, expected);
    }
}

/// A resolution reads what the states differ in, not what they share.
#[test]
fn the_cost_is_that_of_the_difference() {
    let mut costs = Vec::new();
    for members in [10u32, 10_000] {
        let mut room = Room::new(RoomVersion::DEFAULT);
        let join = room.events[4].clone();
        // Members that share one event stand for a crowd: nothing may look at them.
        let crowd: Vec<_> = (1000..1000 + members)
            .map(|user| {
                let membership = membership_of(&join);
                StateChange::Member(
                    UserNum(user),
                    Some(MemberEntry {
                        event: EventIdx(4),
                        membership,
                    }),
                )
            })
            .collect();
        let mut nodes = NodeWriter::new(ROOM, room.next_node);
        let state = room.after[5].1;
        let state = room
            .states
            .apply(&view_of(&room.store), &mut nodes, state, &crowd)
            .unwrap();
        room.publish(&nodes);
        room.after[5].1 = state;
        let topic = |n: u8| format!(r#"{{"topic":"{n}"}}"#);
        let parent = [EventIdx(5)];
        let forks = [1, 2].map(|n| {
            let event = room
                .send(&parent, "@a:x.org", ("m.room.topic", ""), &topic(n), 7)
                .unwrap();
            room.after[at(event)].1
        });
        room.states = States::new(1);
        let mut nodes = NodeWriter::new(ROOM, room.next_node);
        let view = room.store.view(Op::Foreign);
        room.states
            .resolve(&view, &mut nodes, room.version, &room, &forks)
            .unwrap();
        let counts = room.store.counts().of(Op::Foreign);
        costs.push(counts.nodes_read.load(Ordering::Relaxed));
    }
    assert!(costs[1] <= 4 * costs[0], "{costs:?}");
}
