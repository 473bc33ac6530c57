//! The domain crates over one open database: the same for the server and for commands.

use std::{
    fs::{DirBuilder, File},
    io,
    os::unix::fs::DirBuilderExt,
    path::Path,
    sync::Arc,
    time::Duration,
};

use heliograph_accounts::Accounts;
use heliograph_conf::Config;
use heliograph_core::signing::Signer;
use heliograph_federation::keys;
use heliograph_push::Push;
use heliograph_rooms::Rooms;
use heliograph_storage::Database;
use heliograph_sync::{Sync, Tracker};
use heliograph_tables::{Store, interner::Interner};
use heliograph_work::{
    Pool, PoolSettings, RandomSourceExt, RuntimeSettings, SharedClock, SharedRandom, Shutdown,
    SystemClock, SystemRandom,
};

use crate::{admin::Admin, cli::Failure, settings};

/// Names kept in memory, of each kind.
const NAMES: usize = 16_384;
/// Users for whom long-polls may wait.
const WATCHED_USERS: usize = 65_536;
/// Threads of the blocking pool beside those that change and read rooms.
const OTHER_BLOCKING_THREADS: usize = 4;

/// Everything that works on the database.
pub(crate) struct Domain {
    pub(crate) database: Arc<Database>,
    pub(crate) signer: Arc<dyn Signer>,
    pub(crate) accounts: Arc<Accounts>,
    pub(crate) rooms: Rooms,
    pub(crate) tracker: Arc<Tracker>,
    pub(crate) sync: Sync,
    pub(crate) pool: Pool,
    pub(crate) clock: SharedClock,
    pub(crate) random: SharedRandom,
}

impl Domain {
    /// Opens the database and puts the crates together.
    pub(crate) fn open(config: &Config, shutdown: Shutdown) -> Result<Self, Failure> {
        let (clock, random) = (SystemClock::shared(), SystemRandom::shared());
        let folder = settings::database_folder(config);
        make_private_folder(&config.storage.path).map_err(Failure::other)?;
        let key_file = settings::signing_key(config);
        let signer: Arc<dyn Signer> = Arc::new(
            keys::load_or_make(&key_file, &config.server.name, &*random).map_err(Failure::other)?,
        );
        let database = Database::open(folder, settings::storage(config)).map_err(Failure::other)?;
        let store: Arc<dyn Store> = Arc::<Database>::clone(&database);
        let interner = Arc::new(Interner::new(NAMES));
        let pool = Pool::new(PoolSettings {
            name: "store",
            threads: config.storage.threads.get(),
            queue: config.storage.queue.get(),
        });
        let accounts = Arc::new(Accounts::new(
            heliograph_accounts::Parts {
                store: Arc::clone(&store),
                interner: Arc::clone(&interner),
                pool: pool.clone(),
                clock: Arc::clone(&clock),
                random: Arc::clone(&random),
            },
            settings::accounts(config),
        ));
        let rooms = Rooms::new(
            heliograph_rooms::Parts {
                store: Arc::clone(&store),
                interner: Arc::clone(&interner),
                pool: pool.clone(),
                clock: Arc::clone(&clock),
                random: Arc::clone(&random),
                signer: Arc::clone(&signer),
            },
            settings::rooms(config),
        );
        let tracker = Arc::new(Tracker::new(Arc::clone(&store), WATCHED_USERS));
        let which = settings::predefined_rules(config);
        let push = Arc::new(Push::new(Arc::clone(&store), Arc::clone(&interner), which));
        let parts = heliograph_sync::Parts {
            store,
            interner,
            pool: pool.clone(),
            rooms: rooms.clone(),
            accounts: Arc::clone(&accounts),
            push,
            tracker: Arc::clone(&tracker),
            instance: random.number(),
            shutdown,
        };
        let sync = Sync::new(parts, settings::sync(config));
        Ok(Self {
            database,
            signer,
            accounts,
            rooms,
            tracker,
            sync,
            pool,
            clock,
            random,
        })
    }

    /// What does the operators' wishes.
    pub(crate) fn admin(&self, config: &Config) -> Admin {
        Admin {
            accounts: Arc::clone(&self.accounts),
            database: Arc::clone(&self.database),
            server_name: config.server.name.clone(),
            signing_key: settings::signing_key(config),
        }
    }
}

/// Makes a folder that only this user can look into, and those above it, so that they stay. One
/// that is there already is left as it is.
pub(crate) fn make_private_folder(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let parent = path.parent().filter(|p| !p.as_os_str().is_empty());
    let parent = parent.unwrap_or(Path::new("."));
    make_private_folder(parent)?;
    DirBuilder::new().mode(0o700).create(path)?;
    File::open(parent)?.sync_all()
}

/// The runtime that the configuration asks for.
pub(crate) fn runtime(config: &Config) -> Result<tokio::runtime::Runtime, Failure> {
    let threads = config
        .storage
        .threads
        .get()
        .saturating_add(OTHER_BLOCKING_THREADS);
    heliograph_work::runtime(RuntimeSettings {
        async_threads: config.server.async_threads.get(),
        blocking_threads: threads,
        blocking_keep_alive: Duration::from_secs(5),
    })
    .map_err(Failure::other)
}
