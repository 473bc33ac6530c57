//! Forged, foreign, circular and far too many events.

use heliograph_core::{json::Value, signing::SignatureError};
use heliograph_tables::schema::Standing;
use heliograph_testkit::{Craft, Graph};
use ruma_common::OwnedEventId;

use super::{craft::VERSIONS, world::World};
use crate::{NewRoom, Outcome, Preset, RoomError, Submission};

/// References to events, as versions 1 and 2 write them.
fn references(ids: &[&str]) -> Value {
    let pair = |id: &&str| Value::Array(vec![Value::from(*id), Value::object::<&str, _>([])]);
    Value::Array(ids.iter().map(pair).collect())
}

/// An event of the room with an id of its sender's choice, and these events before it.
fn named(world: &World, name: &str, prev: &[&str], auth: &[&str]) -> OwnedEventId {
    let tip = world.first.last().unwrap();
    let base = world.message(&[tip], 1);
    let mut all: Vec<String> = world
        .pdu(&base)
        .unwrap()
        .auth_event_ids()
        .map(ToString::to_string)
        .collect();
    all.extend(auth.iter().map(ToString::to_string));
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    world.remade(&base, |event| {
        event.insert("event_id", Value::from(name));
        event.insert("prev_events", references(prev));
        event.insert("auth_events", references(&all));
    })
}

/// Where ids are hashes no event can name itself; in versions 1 and 2 it can.
#[tokio::test]
async fn events_before_each_other_are_asked_for_and_never_walked() {
    for version in ["1", "2"] {
        let world = World::new(version).await;
        let [a_id, b_id, own_id] = ["$a:far.org", "$b:far.org", "$own:far.org"];
        let a = named(&world, a_id, &[b_id], &[]);
        let b = named(&world, b_id, &[a_id], &[]);
        let own = named(&world, own_id, &[own_id], &[]);
        let before = world.timeline();
        for round in 0..2 {
            for (id, lacks) in [(&a, &b), (&b, &a), (&own, &own)] {
                let needs = Outcome::NeedsEvents {
                    auth: vec![],
                    prev: vec![lacks.clone()],
                };
                assert_eq!(
                    world.submit(id, Submission::Live).await,
                    needs,
                    "round {round}"
                );
            }
            for id in [&a, &b, &own] {
                // As outliers they come in, but have no place that another could stand upon.
                world.submit(id, Submission::Outlier).await;
            }
        }
        let first = *before.keys().next().unwrap();
        for chunk in [vec![a.clone(), b.clone()], vec![own.clone()]] {
            let refused = world.history(&chunk, world.state_ids(), first).await;
            assert!(matches!(refused, Err(RoomError::Invalid(_))), "{refused:?}");
        }
        assert_eq!(world.timeline(), before);
        // A state that is given ends the chase: each has its place once, and the room goes on.
        let after_gap = Submission::LiveAfterGap(world.state_ids());
        let stored = world.submit(&a, after_gap.clone()).await;
        assert_eq!(stored, Outcome::Stored(Standing::Accepted));
        let stored = world.submit(&b, Submission::Live).await;
        assert_eq!(stored, Outcome::Stored(Standing::Accepted));
        let known = world.submit(&a, after_gap).await;
        assert_eq!(known, Outcome::Known(Standing::Accepted));
        let said = world.say("on").await;
        let new = world.all_ids().split_off(before.len());
        assert_eq!(new, [a, b, said.clone()], "version {version}");
        assert_eq!(world.head().extremities, [world.idx(&said).unwrap()]);
    }
}

#[tokio::test]
async fn auth_events_that_cite_each_other_are_asked_for_and_never_stored() {
    for version in ["1", "2"] {
        let world = World::new(version).await;
        let tip = world.first.last().unwrap().to_string();
        let [a_id, b_id, own_id] = ["$a:far.org", "$b:far.org", "$own:far.org"];
        let a = named(&world, a_id, &[&tip], &[b_id]);
        let b = named(&world, b_id, &[&tip], &[a_id]);
        let own = named(&world, own_id, &[&tip], &[own_id]);
        for (id, lacks) in [(&a, &b), (&b, &a), (&own, &own)] {
            let after_gap = Submission::LiveAfterGap(world.state_ids());
            for submission in [Submission::Live, Submission::Outlier, after_gap] {
                let needs = Outcome::NeedsEvents {
                    auth: vec![lacks.clone()],
                    prev: vec![],
                };
                assert_eq!(world.submit(id, submission).await, needs);
            }
            assert_eq!(world.idx(id), None);
        }
        world.assert_auth_gen_falls();
    }
}

/// A thousand events on twenty branches, each with a topic of its own: three messages join them.
#[tokio::test]
async fn a_flood_of_branches_is_joined_by_a_few_messages() {
    let world = World::new("12").await;
    let tip = world.first.last().unwrap().clone();
    let mut branches: Vec<OwnedEventId> = (0..20).map(|n| world.topic(&tip, n)).collect();
    for branch in &branches {
        let stored = world.submit(branch, Submission::Live).await;
        assert_eq!(stored, Outcome::Stored(Standing::Accepted));
    }
    for n in 20..1000 {
        let branch = &mut branches[n % 20];
        *branch = world.message(&[branch], n);
        let stored = world.submit(branch, Submission::Live).await;
        assert_eq!(stored, Outcome::Stored(Standing::Accepted));
    }
    assert_eq!(world.head().extremities.len(), 20);
    assert_eq!(world.timeline().len(), world.first.len() + 1000);
    let topic = ("m.room.topic".to_owned(), String::new());
    let before = world.current_state()[&topic].clone();
    for tips in [11, 2, 1, 1] {
        let said = world.say(&format!("{tips}")).await;
        let parents = world.pdu(&said).unwrap().prev_event_ids().count();
        assert!(parents <= 10, "{parents} parents");
        assert_eq!(world.head().extremities.len(), tips);
    }
    assert_eq!(
        world.current_state()[&topic],
        before,
        "joining changes no state"
    );
}

#[tokio::test]
async fn signatures_and_hashes_are_checked_in_every_version() {
    for version in VERSIONS {
        let world = World::new(version).await;
        let tip = world.first.last().unwrap().clone();
        let id = world.message(&[&tip], 1);
        let event = || Value::Object(world.pdu(&id).unwrap().object().unwrap());
        let verify = |event: &Value| world.verify(event.as_object().unwrap());

        let signed = |server: &str, key_id: &str, of: &Value| {
            let mut event = event();
            let own = of.get("signatures").and_then(|s| s.get("far.org")).unwrap();
            let signature = own.get("ed25519:1").unwrap().clone();
            let own = Value::object([(key_id, signature)]);
            event.insert("signatures", Value::object([(server, own)]));
            event
        };
        let other = world.message(&[&tip], 2);
        let other = Value::Object(world.pdu(&other).unwrap().object().unwrap());
        let forged = SignatureError::Forged("far.org".into());
        let missing = SignatureError::Missing("far.org".into());
        let verdict = |event: &Value| verify(event).map(|_| ()).unwrap_err();
        assert_eq!(
            verdict(&signed("far.org", "ed25519:1", &other)),
            forged,
            "version {version}"
        );
        assert_eq!(verdict(&signed("far.org", "ed25519:9", &event())), missing);
        assert_eq!(verdict(&signed("away.org", "ed25519:1", &event())), missing);
        let mut bare = event();
        bare.remove("signatures");
        assert_eq!(verdict(&bare), missing, "version {version}");
        // Another sender would need the signature of their server.
        let mut stolen = event();
        stolen.insert("sender", Value::from("@g:away.org"));
        assert!(verify(&stolen).is_err(), "version {version}");
        let mut moved = event();
        moved.insert("depth", Value::from(7));
        assert_eq!(verdict(&moved), forged, "version {version}");

        // What is not as its hash says is taken for redacted.
        let mut changed = event();
        changed.insert("content", Value::object([("body", Value::from("changed"))]));
        let verified = verify(&changed).unwrap();
        assert_eq!(verified.pdu().event_id(), id);
        assert_eq!(verified.pdu().content_json(), "{}", "version {version}");
        let stored = world
            .rooms
            .submit(world.room, verified, Submission::Live)
            .await
            .unwrap();
        assert_eq!(stored, Outcome::Stored(Standing::Accepted));
        let view = world.view();
        let presenter = world.rooms.at(&view).presenter(world.room, None).unwrap();
        let shown = presenter.event(world.idx(&id).unwrap()).unwrap();
        assert!(shown.contains(r#""content":{}"#), "{shown}");
    }
}

#[tokio::test]
async fn an_auth_event_of_another_room_is_never_found_here() {
    for version in VERSIONS {
        let world = World::new(version).await;
        let nothing = Value::object::<&str, _>([]);
        let new = NewRoom {
            version: world.version,
            preset: Preset::PublicChat,
            creation_content: nothing.clone(),
            transferred: None,
            initial_state: vec![],
            power_level_override: None,
            name: None,
            topic: None,
            invite: vec![],
            is_direct: false,
            alias: None,
            published: false,
            creator_profile: nothing,
        };
        let other_id = world
            .rooms
            .create(world.locals[0].clone(), new)
            .await
            .unwrap();
        let view = world.view();
        let other = world.rooms.at(&view).find(&other_id).unwrap();
        assert_ne!(other, world.room, "two rooms made alike at once are two");
        let rules = {
            let state = world.rooms.at(&view).state(other);
            let head = world.rooms.at(&view).head(other).unwrap();
            state
                .pdu(head.state, "m.room.power_levels", "")
                .unwrap()
                .unwrap()
        };
        let theirs = world.keep(heliograph_core::pdu::Pdu::clone(&rules));
        let tip = world.first.last().unwrap().clone();
        let mut auth: Vec<OwnedEventId> = {
            let message = world.message(&[&tip], 1);
            world
                .pdu(&message)
                .unwrap()
                .auth_event_ids()
                .map(ToOwned::to_owned)
                .collect()
        };
        auth.push(theirs.clone());
        let citing = world.craft(Craft {
            sender: "@f0:far.org",
            event_type: "m.room.message",
            content: "{}",
            prev: vec![tip],
            auth: Some(auth),
            ..Craft::default()
        });
        let needs = Outcome::NeedsEvents {
            auth: vec![theirs.clone()],
            prev: vec![],
        };
        assert_eq!(
            world.submit(&citing, Submission::Live).await,
            needs,
            "version {version}"
        );
        for submission in [Submission::Outlier, Submission::Live] {
            let refused = world.try_submit(&theirs, submission).await;
            assert!(
                matches!(refused, Err(RoomError::Invalid(_))),
                "version {version}: {refused:?}"
            );
        }
        assert_eq!(world.idx(&citing), None, "version {version}");
    }
}

/// What the rules say of the auth events that an event names.
#[tokio::test]
async fn auth_events_that_are_rejected_needless_or_lacking_reject_what_names_them() {
    for version in VERSIONS {
        let world = World::new(version).await;
        let tip = world.first.last().unwrap().clone();
        let by_f0 = |content: &str, auth: Option<Vec<OwnedEventId>>| {
            world.craft(Craft {
                sender: "@f0:far.org",
                event_type: "m.room.message",
                content,
                prev: vec![tip.clone()],
                auth,
                ..Craft::default()
            })
        };
        // One without power takes it.
        let rejected = world.craft(Craft {
            sender: "@f2:far.org",
            event_type: "m.room.power_levels",
            state_key: Some(""),
            content: &world.power_content(2, 100),
            prev: vec![tip.clone()],
            ..Craft::default()
        });
        let stored = world.submit(&rejected, Submission::Live).await;
        assert_eq!(
            stored,
            Outcome::Stored(Standing::Rejected),
            "version {version}"
        );
        let topic = world.topic(&tip, 1);
        world.submit(&topic, Submission::Outlier).await;
        let right: Vec<OwnedEventId> = {
            let pdu = world.pdu(&by_f0("{}", None)).unwrap();
            pdu.auth_event_ids().map(ToOwned::to_owned).collect()
        };
        let kind = |id: &OwnedEventId| world.pdu(id).unwrap().type_str().to_owned();
        let without = |gone: &str| -> Vec<OwnedEventId> {
            right
                .iter()
                .filter(|id| kind(id) != gone)
                .cloned()
                .collect()
        };
        let with = |more: &OwnedEventId| right.iter().chain([more]).cloned().collect::<Vec<_>>();
        let mut by_rejected = without("m.room.power_levels");
        by_rejected.push(rejected.clone());
        for (name, auth) in [
            ("a rejected event", by_rejected),
            ("an event that authorises nothing", with(&topic)),
            ("two of one key", with(&right[0])),
            ("no membership", without("m.room.member")),
        ] {
            let id = by_f0(&format!(r#"{{"body":"{name}"}}"#), Some(auth));
            let stored = world.submit(&id, Submission::Live).await;
            assert_eq!(
                stored,
                Outcome::Stored(Standing::Rejected),
                "version {version}: {name}"
            );
        }
        let sound = by_f0(r#"{"body":"sound"}"#, Some(right.clone()));
        let stored = world.submit(&sound, Submission::Live).await;
        assert_eq!(
            stored,
            Outcome::Stored(Standing::Accepted),
            "version {version}"
        );
    }
}

#[tokio::test]
async fn a_room_is_not_created_twice() {
    for version in VERSIONS {
        let world = World::new(version).await;
        let create = world.pdu(&world.first[0]).unwrap();
        let again = world.craft(Craft {
            sender: "@f0:far.org",
            event_type: "m.room.create",
            state_key: Some(""),
            content: create.content_json(),
            auth: Some(vec![]),
            ..Craft::default()
        });
        let before = world.state_ids();
        for submission in [Submission::Live, Submission::Outlier] {
            let refused = world.try_submit(&again, submission).await;
            assert!(
                matches!(refused, Err(RoomError::Invalid(_))),
                "version {version}: {refused:?}"
            );
        }
        assert_eq!(world.state_ids(), before);
    }
}
