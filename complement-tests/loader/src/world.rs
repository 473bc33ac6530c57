//! The engine over a store of its own, without a server.

use std::{fs, path::Path, sync::Arc};

use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use heliograph_accounts::{Accounts, NewDevice, Registration};
use heliograph_core::{
    ids::RoomNum,
    json::Value,
    room_version::RoomVersion,
    signing::{Ed25519Signer, Signer},
};
use heliograph_rooms::{NewRoom, Preset, Rooms, Sender};
use heliograph_storage::{Database, Durability};
use heliograph_tables::{Op, Store, interner::Interner};
use heliograph_work::{Pool, PoolSettings, SystemClock, SystemRandom};
use ruma_common::OwnedRoomId;

use crate::{Result, SERVER_NAME};

/// Bytes of log that are kept: what tests read of it is young.
const LOG_BYTES: u64 = 16 * 1024 * 1024;
/// Bytes of rows in memory: large, so that rows are rewritten less often.
const BUFFER_BYTES: usize = 128 * 1024 * 1024;

/// Signs everything alike: half of the time of a load would be spent on signing, and nobody checks
/// the signatures of events that a server has in its store.
struct SameSignature {
    signer: Ed25519Signer,
    signature: [u8; 64],
}

impl SameSignature {
    fn of(signer: Ed25519Signer) -> Self {
        let signature = signer.sign(b"everything");
        Self { signer, signature }
    }
}

impl Signer for SameSignature {
    fn server_name(&self) -> &str {
        self.signer.server_name()
    }

    fn key_id(&self) -> &str {
        self.signer.key_id()
    }

    fn public_key(&self) -> [u8; 32] {
        self.signer.public_key()
    }

    fn sign(&self, _message: &[u8]) -> [u8; 64] {
        self.signature
    }
}

/// A user with a device.
#[derive(Clone)]
pub(crate) struct User {
    pub(crate) sender: Sender,
    pub(crate) token: String,
}

/// What a server would have open.
#[derive(Clone)]
pub(crate) struct World {
    database: Arc<Database>,
    accounts: Arc<Accounts>,
    pub(crate) rooms: Rooms,
}

impl World {
    /// A new store in a server's data folder, and a signing key.
    pub(crate) fn open(data: &Path) -> Result<Self> {
        let seed = [7; 32];
        let key = format!("ed25519 a_loaded {}\n", STANDARD_NO_PAD.encode(seed));
        fs::write(data.join("signing.key"), key)?;
        let signer = Ed25519Signer::from_seed(SERVER_NAME, "a_loaded", &seed);
        let settings = heliograph_storage::Settings {
            durability: Durability::Os,
            write_buffer_bytes: BUFFER_BYTES,
            max_total_wal_bytes: 1 << 30,
            log_max_bytes: LOG_BYTES,
            ..heliograph_storage::Settings::default()
        };
        let database = Database::open(data.join("database"), settings)?;
        let store: Arc<dyn Store> = Arc::<Database>::clone(&database);
        let (clock, random) = (SystemClock::shared(), SystemRandom::shared());
        let interner = Arc::new(Interner::new(1 << 17));
        let pool = Pool::new(PoolSettings {
            name: "loader",
            threads: 4,
            queue: 1000,
        });
        let accounts = Arc::new(Accounts::new(
            heliograph_accounts::Parts {
                store: Arc::clone(&store),
                interner: Arc::clone(&interner),
                pool: pool.clone(),
                clock: Arc::clone(&clock),
                random: Arc::clone(&random),
            },
            heliograph_accounts::Settings {
                server_name: SERVER_NAME.to_owned(),
                ..heliograph_accounts::Settings::default()
            },
        ));
        let rooms = Rooms::new(
            heliograph_rooms::Parts {
                store,
                interner,
                pool,
                clock,
                random,
                signer: Arc::new(SameSignature::of(signer)),
            },
            heliograph_rooms::Settings {
                event_cache: 4096,
                client_event_cache: 16,
                node_cache: 1 << 16,
                presence: heliograph_rooms::PresenceSettings::default(),
                quotas: heliograph_rooms::Quotas::default(),
            },
        );
        Ok(Self {
            database,
            accounts,
            rooms,
        })
    }

    /// A new user, without a password.
    pub(crate) async fn user(&self, localpart: &str) -> Result<User> {
        let registration = Registration {
            localpart: Some(localpart.to_owned()),
            device: Some(NewDevice::default()),
            ..Registration::default()
        };
        let registered = self.accounts.register(registration).await?;
        let session = registered.session.ok_or("no device")?;
        Ok(User {
            sender: Sender {
                user: registered.user,
                user_id: registered.user_id,
                device: session.device,
            },
            token: session.access_token,
        })
    }

    /// A new public room.
    pub(crate) async fn room(&self, creator: &User, name: &str) -> Result<(OwnedRoomId, RoomNum)> {
        self.new_room(creator, name, false).await
    }

    /// A new public room, in the directory if it is published.
    pub(crate) async fn new_room(
        &self,
        creator: &User,
        name: &str,
        published: bool,
    ) -> Result<(OwnedRoomId, RoomNum)> {
        let nothing = || Value::object::<&str, _>([]);
        let new = NewRoom {
            version: RoomVersion::DEFAULT,
            preset: Preset::PublicChat,
            // More rooms are made than there are milliseconds: what is created alike at the same time
            // is the same room.
            creation_content: Value::object([("fixture", Value::from(name))]),
            transferred: None,
            initial_state: Vec::new(),
            power_level_override: None,
            name: Some(name.to_owned()),
            topic: None,
            invite: Vec::new(),
            is_direct: false,
            alias: None,
            published,
            creator_profile: nothing(),
        };
        let id = self.rooms.create(creator.sender.clone(), new).await?;
        let view = self.database.view(Op::Other);
        let num = self.rooms.at(&view).find(&id)?;
        Ok((id, num))
    }

    /// Writes everything to disk.
    pub(crate) fn close(self) -> Result<()> {
        self.database.close()?;
        Ok(())
    }
}
