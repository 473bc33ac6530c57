//! A room with foreign users, and the events that their server makes.

use std::{collections::HashSet, sync::Arc};

use heliograph_accounts::{Accounts, NewDevice, Registration};
use heliograph_core::{ids::RoomNum, json::Value, pdu::Pdu, room_version::RoomVersion};
use heliograph_tables::{
    Direction, Op, Store, View,
    interner::Interner,
    mem::MemStore,
    schema::{StateRoot, TIMELINE},
};
use heliograph_testkit::{Craft, Graph, Names, Pool as Events, signer};
use heliograph_work::{ManualClock, Pool, PoolSettings, SeededRandom};
use proptest::prelude::*;
use ruma_common::{EventId, OwnedEventId, OwnedRoomId, OwnedUserId};

use crate::{NewRoom, Outcome, Parts, Preset, Rooms, Sender, Settings, Submission};

/// What a foreign user does, and on top of which earlier steps.
#[derive(Clone, Debug)]
pub(super) struct Step {
    parents: Vec<usize>,
    sender: usize,
    what: What,
}

#[derive(Clone, Debug)]
enum What {
    Message,
    Topic(u8),
    Power(usize, i64),
    JoinRules(bool),
    Membership(usize, u8),
}

impl Step {
    /// A message that follows the step `back` before it.
    pub(super) fn message(sender: usize, back: usize) -> Self {
        Self {
            parents: vec![back],
            sender,
            what: What::Message,
        }
    }
}

/// Random steps, each on top of one or two of the last few.
pub(super) fn forest(most: usize) -> impl Strategy<Value = Vec<Step>> {
    let what = prop_oneof![
        2 => Just(What::Message),
        2 => any::<u8>().prop_map(What::Topic),
        3 => (0usize..3, 0i64..110).prop_map(|(u, l)| What::Power(u, l)),
        1 => any::<bool>().prop_map(What::JoinRules),
        4 => (0usize..3, 0u8..4).prop_map(|(u, m)| What::Membership(u, m)),
    ];
    let step = (prop::collection::vec(1usize..5, 1..3), 0usize..3, what).prop_map(
        |(parents, sender, what)| Step {
            parents,
            sender,
            what,
        },
    );
    prop::collection::vec(step, 1..most)
}

pub(super) struct World {
    pub(super) store: Arc<MemStore>,
    pub(super) rooms: Rooms,
    pub(super) room: RoomNum,
    pub(super) room_id: OwnedRoomId,
    pub(super) version: RoomVersion,
    /// Local users: one who made the room, and one who is not in it.
    pub(super) locals: [Sender; 2],
    /// Events that the foreign servers have, by id.
    pub(super) pool: Events,
    /// The events of the room as it was made.
    pub(super) first: Vec<OwnedEventId>,
}

/// A foreign user.
pub(super) fn user(n: usize) -> OwnedUserId {
    OwnedUserId::try_from(format!("@f{n}:far.org")).unwrap()
}

async fn local_user(accounts: &Accounts, name: &str) -> Sender {
    let registration = Registration {
        localpart: Some(name.to_owned()),
        device: Some(NewDevice::default()),
        ..Registration::default()
    };
    let registered = accounts.register(registration).await.unwrap();
    Sender {
        user: registered.user,
        user_id: registered.user_id,
        device: registered.session.unwrap().device,
    }
}

/// Rooms over a store in memory, and two local users.
async fn server(store: &Arc<MemStore>) -> (Rooms, [Sender; 2]) {
    let dyn_store: Arc<dyn Store> = Arc::<MemStore>::clone(store);
    let interner = Arc::new(Interner::new(100));
    let clock = Arc::new(ManualClock::new(1_700_000_000_000));
    let random = Arc::new(SeededRandom::new(1));
    let pool = Pool::new(PoolSettings {
        name: "test",
        threads: 1,
        queue: 100,
    });
    let accounts = Accounts::new(
        heliograph_accounts::Parts {
            store: Arc::clone(&dyn_store),
            interner: Arc::clone(&interner),
            pool: pool.clone(),
            clock: clock.clone(),
            random: random.clone(),
        },
        heliograph_accounts::Settings {
            server_name: "x.org".to_owned(),
            ..heliograph_accounts::Settings::default()
        },
    );
    let signer = Arc::new(signer("x.org"));
    let parts = Parts {
        store: dyn_store,
        interner,
        pool,
        clock,
        random,
        signer,
    };
    let sizes = Settings {
        event_cache: 500,
        client_event_cache: 100,
        node_cache: 500,
        presence: crate::PresenceSettings::default(),
        quotas: crate::Quotas::default(),
    };
    let rooms = Rooms::new(parts, sizes);
    let alice = local_user(&accounts, "alice").await;
    let bob = local_user(&accounts, "bob").await;
    (rooms, [alice, bob])
}

impl Graph for World {
    fn version(&self) -> RoomVersion {
        self.version
    }

    fn pdu(&self, id: &EventId) -> Option<Arc<Pdu>> {
        if let Some(pdu) = self.pool.get(id) {
            return Some(pdu);
        }
        let view = self.view();
        let idx = self.rooms.at(&view).event(self.room, id).unwrap()?;
        Some(self.rooms.inner.events.pdu(&view, self.room, idx).unwrap())
    }
}

impl World {
    /// A public room in which the foreign users 0 to 2 have joined, the first two with power. The
    /// same arguments make the same events.
    pub(super) async fn new(version: &str) -> Self {
        let version = RoomVersion::try_from(version).unwrap();
        let store = Arc::new(MemStore::new());
        let (rooms, locals) = server(&store).await;
        let nothing = Value::object::<&str, _>([]);
        let mut users = vec![
            ("@f0:far.org", Value::from(100)),
            ("@f1:far.org", Value::from(50)),
        ];
        if !version
            .rules()
            .authorization
            .explicitly_privilege_room_creators
        {
            users.push(("@alice:x.org", Value::from(100)));
        }
        let new = NewRoom {
            version,
            preset: Preset::PublicChat,
            creation_content: nothing.clone(),
            transferred: None,
            initial_state: vec![],
            power_level_override: Some(Value::object([("users", Value::object(users))])),
            name: None,
            topic: None,
            invite: vec![],
            is_direct: false,
            alias: None,
            published: false,
            creator_profile: nothing,
        };
        let room_id = rooms.create(locals[0].clone(), new).await.unwrap();
        let room = rooms.at(&store.view(Op::Other)).find(&room_id).unwrap();
        let (pool, first) = (Events::default(), vec![]);
        let mut world = Self {
            store,
            rooms,
            room,
            room_id,
            version,
            locals,
            pool,
            first,
        };
        world.first = world.all_ids();
        for n in 0..3 {
            let (content, key) = (r#"{"membership":"join"}"#, user(n));
            let tip = world.first.last().cloned().unwrap();
            let id = world.event(n, ("m.room.member", Some(key.as_str())), content, &[tip], n);
            let outcome = world.submit(&id, Submission::Live).await;
            assert!(matches!(outcome, Outcome::Stored(_)), "{outcome:?}");
            world.first.push(id);
        }
        world
    }

    pub(super) fn view(&self) -> View {
        self.store.view(Op::Other)
    }

    /// Ids of all events with a place, in timeline order.
    pub(super) fn all_ids(&self) -> Vec<OwnedEventId> {
        let view = self.view();
        let rows = view.scan(&TIMELINE, &(self.room,), Direction::Forward);
        rows.map(|row| {
            let idx = row.unwrap().1.event;
            let pdu = self.rooms.inner.events.pdu(&view, self.room, idx).unwrap();
            pdu.event_id().to_owned()
        })
        .collect()
    }

    /// Makes an event of a foreign user; its auth events are the last of their keys on the way back
    /// along first parents.
    fn event(
        &self,
        sender: usize,
        (event_type, key): (&str, Option<&str>),
        content: &str,
        prev: &[OwnedEventId],
        nth: usize,
    ) -> OwnedEventId {
        self.craft(Craft {
            sender: user(sender).as_str(),
            event_type,
            state_key: key,
            content,
            prev: prev.to_vec(),
            nth,
            ..Craft::default()
        })
    }

    /// Makes the events of steps, without submitting them.
    pub(super) fn make(&self, steps: &[Step]) -> Vec<OwnedEventId> {
        let mut ids: Vec<OwnedEventId> = vec![self.first.last().unwrap().clone()];
        for (nth, step) in steps.iter().enumerate() {
            let back = |back: &usize| ids[ids.len().saturating_sub(*back)].clone();
            let mut prev: Vec<OwnedEventId> = step.parents.iter().map(back).collect();
            prev.dedup();
            let (event_type, key, content) = self.says(&step.what);
            let key = key.as_deref();
            ids.push(self.event(step.sender, (event_type, key), &content, &prev, 100 + nth));
        }
        ids.remove(0);
        let mut seen = HashSet::new();
        ids.retain(|id| seen.insert(id.clone()));
        ids
    }

    /// Type, state key and content of what is done.
    fn says(&self, what: &What) -> (&'static str, Option<String>, String) {
        match what {
            What::Message => ("m.room.message", None, r#"{"body":"x"}"#.to_owned()),
            What::Topic(t) => (
                "m.room.topic",
                Some(String::new()),
                format!(r#"{{"topic":"{t}"}}"#),
            ),
            What::Power(u, level) => (
                "m.room.power_levels",
                Some(String::new()),
                self.power_content(*u, *level),
            ),
            What::JoinRules(open) => {
                let rule = if *open { "public" } else { "invite" };
                let content = format!(r#"{{"join_rule":"{rule}"}}"#);
                ("m.room.join_rules", Some(String::new()), content)
            }
            What::Membership(u, m) => {
                let word = ["join", "leave", "ban", "invite"][usize::from(*m)];
                let content = format!(r#"{{"membership":"{word}"}}"#);
                ("m.room.member", Some(user(*u).to_string()), content)
            }
        }
    }

    pub(super) fn power_content(&self, changed: usize, level: i64) -> String {
        let mut users = vec![
            ("@f0:far.org".to_owned(), 100),
            ("@f1:far.org".to_owned(), 50),
        ];
        if !self
            .version
            .rules()
            .authorization
            .explicitly_privilege_room_creators
        {
            users.push(("@alice:x.org".to_owned(), 100));
        }
        users.retain(|(name, _)| *name != user(changed).as_str());
        users.push((user(changed).to_string(), level));
        let users: Vec<String> = users
            .iter()
            .map(|(name, level)| format!(r#""{name}":{level}"#))
            .collect();
        format!(
            r#"{{"users":{{{}}},"state_default":50,"kick":50,"ban":50}}"#,
            users.join(",")
        )
    }

    /// Submits an event of the foreign server.
    pub(super) async fn submit(&self, id: &EventId, submission: Submission) -> Outcome {
        self.try_submit(id, submission).await.unwrap()
    }

    fn names(&self, root: StateRoot) -> Names {
        let view = self.view();
        let events = self.rooms.at(&view).state(self.room).all(root).unwrap();
        let name = |idx| {
            let pdu = self.rooms.inner.events.pdu(&view, self.room, idx).unwrap();
            let key = (
                pdu.type_str().to_owned(),
                pdu.state_key().unwrap().to_owned(),
            );
            (key, pdu.event_id().to_owned())
        };
        events.into_iter().map(name).collect()
    }

    /// The state before a stored event.
    pub(super) fn state_before(&self, id: &EventId) -> Names {
        let view = self.view();
        let idx = self.rooms.at(&view).event(self.room, id).unwrap().unwrap();
        let status = crate::history::status(&view, self.room, idx).unwrap();
        self.names(status.state_before)
    }

    /// The room's current state.
    pub(super) fn current_state(&self) -> Names {
        let head = self.rooms.at(&self.view()).head(self.room).unwrap();
        self.names(head.state)
    }
}
