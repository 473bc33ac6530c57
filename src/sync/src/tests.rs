//! Syncs over rooms in a store in memory: what a client has assembled is what is there.

use std::sync::Arc;

use heliograph_accounts::{Accounts, Registration};
use heliograph_core::{
    ids::RoomNum, json::Value, room_version::RoomVersion, signing::Ed25519Signer, tokens::SyncToken,
};
use heliograph_push::Push;
use heliograph_rooms::{
    Action, MembershipChange, NewRoom, Preset, ReceiptPlace, ReceiptType, Rooms, Sender,
    Transaction,
};
use heliograph_tables::{Op, Store, interner::Interner, mem::MemStore};
use heliograph_work::{ManualClock, Pool, PoolSettings, SeededRandom};
use ruma_common::OwnedRoomId;
use serde_json::Value as Json;

use crate::{Filter, Parts, Settings, Sync, SyncRequest, Tracker};

/// A server without its surface.
struct World {
    store: Arc<MemStore>,
    rooms: Rooms,
    accounts: Arc<Accounts>,
    sync: Sync,
    next_transaction: std::sync::atomic::AtomicU64,
}

impl World {
    fn new() -> Self {
        let store = Arc::new(MemStore::new());
        let dyn_store: Arc<dyn Store> = Arc::<MemStore>::clone(&store);
        let interner = Arc::new(Interner::new(100));
        let clock = Arc::new(ManualClock::new(1_700_000_000_000));
        let random = Arc::new(SeededRandom::new(1));
        let pool = Pool::new(PoolSettings {
            name: "test",
            threads: 2,
            queue: 100,
        });
        let settings = heliograph_accounts::Settings {
            server_name: "x.org".to_owned(),
            ..heliograph_accounts::Settings::default()
        };
        let accounts = Arc::new(Accounts::new(
            heliograph_accounts::Parts {
                store: Arc::clone(&dyn_store),
                interner: Arc::clone(&interner),
                pool: pool.clone(),
                clock: clock.clone(),
                random: random.clone(),
            },
            settings,
        ));
        let rooms = Rooms::new(
            heliograph_rooms::Parts {
                store: Arc::clone(&dyn_store),
                interner: Arc::clone(&interner),
                pool: pool.clone(),
                clock,
                random,
                signer: Arc::new(Ed25519Signer::from_seed("x.org", "1", &[1; 32])),
            },
            heliograph_rooms::Settings {
                event_cache: 100,
                client_event_cache: 100,
                node_cache: 100,
                presence: heliograph_rooms::PresenceSettings::default(),
                quotas: heliograph_rooms::Quotas::default(),
            },
        );
        let tracker = Arc::new(Tracker::new(Arc::clone(&dyn_store), 100));
        let parts = Parts {
            push: Arc::new(Push::new(
                Arc::clone(&dyn_store),
                Arc::clone(&interner),
                heliograph_accounts::PredefinedRules::Current,
            )),
            store: dyn_store,
            interner,
            pool,
            rooms: rooms.clone(),
            accounts: Arc::clone(&accounts),
            tracker,
            instance: 1,
            shutdown: heliograph_work::Shutdown::new(),
        };
        let sync = Sync::new(
            parts,
            Settings {
                max_timeout_ms: 1000,
                lazy_cache: 100,
                timeline_limit: 10,
                max_timeline_limit: 100,
            },
        );
        Self {
            store,
            rooms,
            accounts,
            sync,
            next_transaction: 0.into(),
        }
    }

    async fn user(&self, localpart: &str) -> Sender {
        let registration = Registration {
            localpart: Some(localpart.to_owned()),
            device: Some(heliograph_accounts::NewDevice::default()),
            ..Registration::default()
        };
        let registered = self.accounts.register(registration).await.unwrap();
        let device = registered.session.unwrap().device;
        Sender {
            user: registered.user,
            user_id: registered.user_id,
            device,
        }
    }

    async fn room(&self, creator: &Sender) -> (OwnedRoomId, RoomNum) {
        let new = NewRoom {
            version: RoomVersion::DEFAULT,
            preset: Preset::PublicChat,
            creation_content: Value::object::<&str, _>([]),
            transferred: None,
            initial_state: vec![],
            power_level_override: None,
            name: None,
            topic: None,
            invite: vec![],
            is_direct: false,
            alias: None,
            published: false,
            creator_profile: Value::object::<&str, _>([]),
        };
        let id = self.rooms.create(creator.clone(), new).await.unwrap();
        let view = self.store.view(Op::Other);
        let num = self.rooms.at(&view).find(&id).unwrap();
        (id, num)
    }

    async fn join(&self, room: RoomNum, who: &Sender) {
        self.change(room, who, who, Action::Join).await;
    }

    async fn change(&self, room: RoomNum, by: &Sender, whom: &Sender, action: Action) {
        let change = MembershipChange {
            target: whom.user_id.clone(),
            action,
            reason: None,
            content: Value::object::<&str, _>([]),
            is_direct: false,
        };
        self.rooms
            .change_membership(room, by.clone(), change)
            .await
            .unwrap();
    }

    async fn say(&self, room: RoomNum, who: &Sender, text: &str) -> String {
        let n = self
            .next_transaction
            .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let transaction = Transaction {
            scope: "send".to_owned(),
            id: n.to_string(),
        };
        let content = Value::object([("body", Value::from(text))]);
        let sent = self.rooms.send_message(
            room,
            who.clone(),
            "m.room.message".to_owned(),
            content,
            transaction,
        );
        sent.await.unwrap().to_string()
    }

    async fn sync(&self, who: &Sender, since: Option<&Json>, filter: &str) -> Json {
        let since = since.map(|s| SyncToken::decode(s["next_batch"].as_str().unwrap()).unwrap());
        let request = SyncRequest {
            user: who.user,
            device: who.device,
            since,
            filter: Arc::new(Filter::parse(filter).unwrap()),
            full_state: false,
            use_state_after: false,
            old_state_after: false,
            timeout_ms: 0,
            set_presence: heliograph_rooms::PresenceState::Offline,
        };
        serde_json::from_str(&self.sync.sync(request).await.unwrap()).unwrap()
    }
}

/// The ids of the events in a room's timeline.
fn timeline(sync: &Json, room: &str) -> Vec<String> {
    let events = sync["rooms"]["join"][room]["timeline"]["events"].as_array();
    events
        .into_iter()
        .flatten()
        .map(|e| e["event_id"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn a_new_room_is_told_whole_and_then_what_is_new() {
    let world = World::new();
    let alice = world.user("alice").await;
    let (id, room) = world.room(&alice).await;
    let first = world.sync(&alice, None, "{}").await;
    let joined = &first["rooms"]["join"][id.as_str()];
    let types: Vec<&str> = joined["timeline"]["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["type"].as_str().unwrap())
        .collect();
    assert_eq!(
        types[..3],
        ["m.room.create", "m.room.member", "m.room.power_levels"],
        "SYN-10"
    );
    assert_eq!(joined["summary"]["m.joined_member_count"], 1);
    let nothing = world.sync(&alice, Some(&first), "{}").await;
    assert_eq!(nothing["rooms"], Json::Null, "SYN-11");
    let hello = world.say(room, &alice, "hello").await;
    let next = world.sync(&alice, Some(&nothing), "{}").await;
    assert_eq!(timeline(&next, id.as_str()), [hello], "SYN-11");
    let event = &next["rooms"]["join"][id.as_str()]["timeline"]["events"][0];
    assert_eq!(event["unsigned"]["transaction_id"], "0", "SYN-37");
    assert_eq!(event["unsigned"]["membership"], "join", "SYN-38");
    assert_eq!(event["room_id"], Json::Null, "SYN-39");
}

#[tokio::test]
async fn a_gap_is_limited_and_its_state_comes_before_the_timeline() {
    let world = World::new();
    let (alice, bob) = (world.user("alice").await, world.user("bob").await);
    let (id, room) = world.room(&alice).await;
    let first = world.sync(&alice, None, "{}").await;
    world.join(room, &bob).await;
    for n in 0..5 {
        world.say(room, &bob, &n.to_string()).await;
    }
    let filter = r#"{"room":{"timeline":{"limit":2}}}"#;
    let next = world.sync(&alice, Some(&first), filter).await;
    let joined = &next["rooms"]["join"][id.as_str()];
    assert_eq!(joined["timeline"]["limited"], true, "SYN-12");
    assert_eq!(timeline(&next, id.as_str()).len(), 2, "SYN-12");
    assert_eq!(
        joined["state"]["events"][0]["state_key"], "@bob:x.org",
        "SYN-11"
    );
    assert_eq!(joined["summary"]["m.joined_member_count"], 2, "SYN-27");
    assert_eq!(joined["summary"]["m.heroes"][0], "@bob:x.org", "SYN-27");
}

#[tokio::test]
async fn invites_leaves_and_joins_move_a_room_from_section_to_section() {
    let world = World::new();
    let (alice, bob) = (world.user("alice").await, world.user("bob").await);
    let (id, room) = world.room(&alice).await;
    let start = world.sync(&bob, None, "{}").await;
    world.change(room, &alice, &bob, Action::Invite).await;
    let invited = world.sync(&bob, Some(&start), "{}").await;
    let stripped = &invited["rooms"]["invite"][id.as_str()]["invite_state"]["events"];
    let types: Vec<&str> = stripped
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["type"].as_str().unwrap())
        .collect();
    assert!(types.contains(&"m.room.create"), "SYN-20: {types:?}");
    world.join(room, &bob).await;
    let joined = world.sync(&bob, Some(&invited), "{}").await;
    let state = &joined["rooms"]["join"][id.as_str()];
    assert!(
        state["timeline"]["events"].as_array().unwrap().len() > 5,
        "SYN-25"
    );
    world.change(room, &alice, &bob, Action::Kick).await;
    world.say(room, &alice, "not for bob").await;
    let left = world.sync(&bob, Some(&joined), "{}").await;
    let events = left["rooms"]["leave"][id.as_str()]["timeline"]["events"]
        .as_array()
        .unwrap();
    assert_eq!(
        events.last().unwrap()["content"]["membership"],
        "leave",
        "SYN-22"
    );
    assert_eq!(left["rooms"]["join"], Json::Null);
    let after = world.sync(&bob, Some(&left), "{}").await;
    assert_eq!(after["rooms"], Json::Null, "SYN-22: once");
}

#[tokio::test]
async fn receipts_and_account_data_are_told_once() {
    let world = World::new();
    let (alice, bob) = (world.user("alice").await, world.user("bob").await);
    let (id, room) = world.room(&alice).await;
    world.join(room, &bob).await;
    let said = world.say(room, &alice, "read this").await;
    let start = world.sync(&alice, None, "{}").await;
    let event = ruma_common::OwnedEventId::try_from(said.as_str()).unwrap();
    for kind in [ReceiptType::Read, ReceiptType::ReadPrivate] {
        let place = ReceiptPlace {
            room,
            user: bob.user,
            kind,
            thread: "".into(),
        };
        world.rooms.set_receipt(place, event.clone()).await.unwrap();
    }
    let content = r#"{"a":1}"#;
    world
        .accounts
        .set_account_data(alice.user, Some(room), "x", content)
        .await
        .unwrap();
    world
        .accounts
        .set_account_data(alice.user, None, "y", content)
        .await
        .unwrap();
    let next = world.sync(&alice, Some(&start), "{}").await;
    let joined = &next["rooms"]["join"][id.as_str()];
    let receipts = &joined["ephemeral"]["events"][0]["content"][&said];
    assert!(receipts["m.read"]["@bob:x.org"]["ts"].is_number(), "SYN-34");
    assert_eq!(
        receipts["m.read.private"],
        Json::Null,
        "private ones are the user's own"
    );
    assert_eq!(joined["account_data"]["events"][0]["type"], "x", "SYN-33");
    assert_eq!(next["account_data"]["events"][0]["type"], "y", "SYN-33");
    let after = world.sync(&alice, Some(&next), "{}").await;
    assert_eq!(after.as_object().unwrap().len(), 1, "nothing new: {after}");
}

#[tokio::test]
async fn lazy_members_come_with_their_messages_and_not_again() {
    let world = World::new();
    let (alice, bob) = (world.user("alice").await, world.user("bob").await);
    let (id, room) = world.room(&alice).await;
    world.join(room, &bob).await;
    world.say(room, &alice, "hello").await;
    let filter = r#"{"room":{"timeline":{"limit":1},"state":{"lazy_load_members":true}}}"#;
    let first = world.sync(&alice, None, filter).await;
    let members = |sync: &Json| -> Vec<String> {
        let events = sync["rooms"]["join"][id.as_str()]["state"]["events"]
            .as_array()
            .cloned();
        let events = events.unwrap_or_default().into_iter();
        events
            .filter(|e| e["type"] == "m.room.member")
            .map(|e| e["state_key"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(members(&first), ["@alice:x.org"], "SYN-07");
    world.say(room, &bob, "hi").await;
    let next = world.sync(&alice, Some(&first), filter).await;
    assert_eq!(members(&next), ["@bob:x.org"], "SYN-07");
    world.say(room, &bob, "again").await;
    let last = world.sync(&alice, Some(&next), filter).await;
    assert_eq!(members(&last), Vec::<String>::new(), "SYN-07: not again");
}

#[tokio::test]
async fn a_token_of_another_life_of_the_data_or_of_the_future_is_none() {
    let world = World::new();
    let alice = world.user("alice").await;
    let (id, room) = world.room(&alice).await;
    let first = world.sync(&alice, None, "{}").await;
    let token = SyncToken::decode(first["next_batch"].as_str().unwrap()).unwrap();
    world.say(room, &alice, "hello").await;
    let whole = timeline(&world.sync(&alice, None, "{}").await, id.as_str());
    let other_life = SyncToken {
        epoch: token.epoch.wrapping_add(1),
        ..token
    };
    let future = SyncToken {
        position: heliograph_core::ids::Position(token.position.0 + 1000),
        ..token
    };
    for (token, what) in [(other_life, "of another life"), (future, "of the future")] {
        let since = serde_json::json!({ "next_batch": token.encode() });
        let told = world.sync(&alice, Some(&since), "{}").await;
        assert_eq!(timeline(&told, id.as_str()), whole, "a token {what}");
    }
    let next = world.sync(&alice, Some(&first), "{}").await;
    assert_eq!(
        timeline(&next, id.as_str()).len(),
        1,
        "its own token goes on"
    );
}
