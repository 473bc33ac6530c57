//! Incremental syncs of accounts in 10 to 10,000 rooms, over a store in memory, from the request to
//! the encoded answer.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a benchmark may stop"
)]

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock, Mutex},
};

use divan::Bencher;
use heliograph_accounts::{Accounts, NewDevice, Registration};
use heliograph_core::{
    ids::RoomNum, json::Value, room_version::RoomVersion, signing::Ed25519Signer, tokens::SyncToken,
};
use heliograph_push::Push;
use heliograph_rooms::{NewRoom, Preset, Rooms, Sender, Transaction};
use heliograph_sync::{Filter, Parts, Settings, Sync, SyncRequest, Tracker};
use heliograph_tables::{Op, Store, interner::Interner, mem::MemStore};
use heliograph_work::{
    ManualClock, Pool, PoolSettings, SeededRandom, SharedClock, SharedRandom, Shutdown,
};
use serde_json::Value as Json;
use tokio::runtime::Runtime;

const ROOMS: [u32; 4] = [10, 100, 1_000, 10_000];

fn main() {
    divan::main();
}

/// An account in so many rooms, made once.
fn account(rooms: u32) -> Arc<Account> {
    static ACCOUNTS: LazyLock<Mutex<HashMap<u32, Arc<Account>>>> = LazyLock::new(Mutex::default);
    let mut accounts = ACCOUNTS.lock().unwrap();
    let account = accounts
        .entry(rooms)
        .or_insert_with(|| Arc::new(Account::new(rooms)));
    Arc::clone(account)
}

/// From the newest token.
#[divan::bench(args = ROOMS, sample_size = 20)]
fn nothing_new(bencher: Bencher<'_, '_>, rooms: u32) {
    let account = account(rooms);
    account.bench(bencher, &account.tracked, account.newest, 0);
}

/// From the token before one message, which the tracker knows of.
#[divan::bench(args = ROOMS, sample_size = 20)]
fn one_event(bencher: Bencher<'_, '_>, rooms: u32) {
    let account = account(rooms);
    account.bench(bencher, &account.tracked, account.before_message, 1);
}

/// The same after a restart: the tracker began later, and all rooms of the account are looked at.
#[divan::bench(args = ROOMS, sample_count = 20, sample_size = 1)]
fn one_event_untracked(bencher: Bencher<'_, '_>, rooms: u32) {
    let account = account(rooms);
    account.bench(bencher, &account.untracked, account.before_message, 1);
}

/// A user in many rooms, with one message sent after all were made.
struct Account {
    runtime: Runtime,
    user: Sender,
    /// With a tracker that saw the message.
    tracked: Sync,
    /// With one that began after it.
    untracked: Sync,
    before_message: SyncToken,
    newest: SyncToken,
}

impl Account {
    fn new(rooms: u32) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .build()
            .unwrap();
        let server = Server::new();
        let (user, room) = runtime.block_on(server.user_in_rooms(rooms));
        let tracker = server.tracker();
        let tracked = server.sync(Arc::clone(&tracker));
        let before_message = token(&runtime.block_on(answer(&tracked, &user, None)));
        runtime.block_on(server.say(&user, room));
        tracker.catch_up().unwrap();
        let untracked = server.sync(server.tracker());
        let newest = token(&runtime.block_on(answer(&tracked, &user, Some(before_message))));
        Self {
            runtime,
            user,
            tracked,
            untracked,
            before_message,
            newest,
        }
    }

    /// Measures a sync, once its answer was found to tell of so many rooms.
    fn bench(&self, bencher: Bencher<'_, '_>, sync: &Sync, since: SyncToken, rooms: usize) {
        let sync_now = || self.runtime.block_on(answer(sync, &self.user, Some(since)));
        let told: Json = serde_json::from_str(&sync_now()).unwrap();
        let joined = told["rooms"]["join"].as_object();
        assert_eq!(joined.map_or(0, serde_json::Map::len), rooms, "{told}");
        bencher.bench(sync_now);
    }
}

async fn answer(sync: &Sync, user: &Sender, since: Option<SyncToken>) -> String {
    let request = SyncRequest {
        user: user.user,
        device: user.device,
        since,
        filter: Arc::new(Filter::parse("{}").unwrap()),
        full_state: false,
        use_state_after: false,
        old_state_after: false,
        timeout_ms: 0,
        set_presence: heliograph_rooms::PresenceState::Offline,
    };
    sync.sync(request).await.unwrap()
}

fn token(answer: &str) -> SyncToken {
    let answer: Json = serde_json::from_str(answer).unwrap();
    SyncToken::decode(answer["next_batch"].as_str().unwrap()).unwrap()
}

/// Rooms and accounts over a store in memory.
struct Server {
    store: Arc<MemStore>,
    interner: Arc<Interner>,
    pool: Pool,
    rooms: Rooms,
    accounts: Arc<Accounts>,
}

impl Server {
    fn new() -> Self {
        let store = Arc::new(MemStore::new());
        let interner = Arc::new(Interner::new(16_384));
        let clock: SharedClock = Arc::new(ManualClock::new(1_700_000_000_000));
        let random: SharedRandom = Arc::new(SeededRandom::new(1));
        let pool = Pool::new(PoolSettings {
            name: "bench",
            threads: 2,
            queue: 100,
        });
        let settings = heliograph_accounts::Settings {
            server_name: "x.org".to_owned(),
            ..heliograph_accounts::Settings::default()
        };
        let accounts = heliograph_accounts::Parts {
            store: Arc::<MemStore>::clone(&store),
            interner: Arc::clone(&interner),
            pool: pool.clone(),
            clock: Arc::clone(&clock),
            random: Arc::clone(&random),
        };
        let rooms = heliograph_rooms::Parts {
            store: Arc::<MemStore>::clone(&store),
            interner: Arc::clone(&interner),
            pool: pool.clone(),
            clock,
            random,
            signer: Arc::new(Ed25519Signer::from_seed("x.org", "1", &[1; 32])),
        };
        // The sizes of a server's caches, as its configuration has them by default.
        let caches = heliograph_rooms::Settings {
            event_cache: 4096,
            client_event_cache: 4096,
            node_cache: 32_768,
            presence: heliograph_rooms::PresenceSettings::default(),
            quotas: heliograph_rooms::Quotas::default(),
        };
        Self {
            rooms: Rooms::new(rooms, caches),
            accounts: Arc::new(Accounts::new(accounts, settings)),
            store,
            interner,
            pool,
        }
    }

    fn tracker(&self) -> Arc<Tracker> {
        Arc::new(Tracker::new(Arc::<MemStore>::clone(&self.store), 100))
    }

    fn sync(&self, tracker: Arc<Tracker>) -> Sync {
        let store: Arc<dyn Store> = Arc::<MemStore>::clone(&self.store);
        let parts = Parts {
            push: Arc::new(Push::new(
                Arc::clone(&store),
                Arc::clone(&self.interner),
                heliograph_accounts::PredefinedRules::Current,
            )),
            store,
            interner: Arc::clone(&self.interner),
            pool: self.pool.clone(),
            rooms: self.rooms.clone(),
            accounts: Arc::clone(&self.accounts),
            tracker,
            instance: 1,
            shutdown: Shutdown::new(),
        };
        let settings = Settings {
            max_timeout_ms: 1000,
            lazy_cache: 100,
            timeline_limit: 10,
            max_timeline_limit: 100,
        };
        Sync::new(parts, settings)
    }

    /// A user who made so many rooms, and the one in the middle.
    async fn user_in_rooms(&self, rooms: u32) -> (Sender, RoomNum) {
        let registration = Registration {
            localpart: Some("user".to_owned()),
            device: Some(NewDevice::default()),
            ..Registration::default()
        };
        let registered = self.accounts.register(registration).await.unwrap();
        let user = Sender {
            user: registered.user,
            user_id: registered.user_id,
            device: registered.session.unwrap().device,
        };
        let mut middle = None;
        for n in 0..rooms {
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
            let id = self.rooms.create(user.clone(), new).await.unwrap();
            if n == rooms / 2 {
                let view = self.store.view(Op::Other);
                middle = Some(self.rooms.at(&view).find(&id).unwrap());
            }
        }
        (user, middle.unwrap())
    }

    async fn say(&self, user: &Sender, room: RoomNum) {
        let transaction = Transaction {
            scope: "send".to_owned(),
            id: "1".to_owned(),
        };
        let content = Value::object([("body", Value::from("a message"))]);
        let kind = "m.room.message".to_owned();
        let sent = self
            .rooms
            .send_message(room, user.clone(), kind, content, transaction);
        sent.await.unwrap();
    }
}
