//! Accounts over a store in memory, with a clock that stands still and cheap passwords.

use std::sync::Arc;

use bytes::Bytes;
use heliograph_tables::{
    Corrupt, Direction, Encoder, Field, Op, Store, Table, interner::Interner, mem::MemStore,
    schema::Raw, table::AnyTable,
};
use heliograph_work::{ManualClock, Pool, PoolSettings, SeededRandom};

use crate::{Accounts, HashCost, NewDevice, Parts, Registered, Registration, Settings};

/// Accounts and what they stand on.
pub(crate) struct Fixture {
    pub(crate) accounts: Accounts,
    pub(crate) store: Arc<MemStore>,
    pub(crate) clock: Arc<ManualClock>,
}

/// The bytes of a key after its table's prefix.
struct Rest(Bytes);

impl Field for Rest {
    fn put(&self, out: &mut Encoder) {
        out.raw(&self.0);
    }

    fn take(from: &mut Bytes) -> Result<Self, Corrupt> {
        Ok(Self(from.split_to(from.len())))
    }
}

/// The password of every user of the tests.
pub(crate) const PASSWORD: &str = "correct horse";

/// Settings for tests.
pub(crate) fn settings() -> Settings {
    Settings {
        server_name: "example.org".to_owned(),
        hash_cost: HashCost::CHEAPEST,
        ..Settings::default()
    }
}

/// Accounts with the settings of tests.
pub(crate) fn accounts() -> Fixture {
    accounts_with(settings())
}

/// Accounts with other settings.
pub(crate) fn accounts_with(settings: Settings) -> Fixture {
    over(Arc::new(MemStore::new()), settings)
}

/// Accounts over a store that may have some already.
pub(crate) fn over(store: Arc<MemStore>, settings: Settings) -> Fixture {
    let clock = Arc::new(ManualClock::new(1_000_000));
    let pool = Pool::new(PoolSettings {
        name: "test",
        threads: 4,
        queue: 1_000,
    });
    let (shared_store, shared_clock) = (Arc::clone(&store), Arc::clone(&clock));
    let parts = Parts {
        store: shared_store,
        interner: Arc::new(Interner::new(100)),
        pool,
        clock: shared_clock,
        random: Arc::new(SeededRandom::new(7)),
    };
    Fixture {
        accounts: Accounts::new(parts, settings),
        store,
        clock,
    }
}

/// What registers a user with a device.
pub(crate) fn registration(localpart: &str) -> Registration {
    Registration {
        localpart: Some(localpart.to_owned()),
        password: Some(PASSWORD.to_owned()),
        device: Some(NewDevice::default()),
        ..Registration::default()
    }
}

impl Fixture {
    /// All rows of a table, as bytes.
    pub(crate) fn rows_of(&self, table: &dyn AnyTable) -> Vec<(Bytes, Bytes)> {
        let raw = Table::<Rest, Raw>::new(table.name(), table.family(), table.prefix());
        let view = self.store.view(Op::Other);
        let rows = view.scan(&raw, &(), Direction::Forward);
        rows.map(|row| row.unwrap())
            .map(|(key, value)| (raw.key(&key).0.into(), value.0))
            .collect()
    }

    /// Registers a user with a device.
    pub(crate) async fn register(&self, localpart: &str) -> Registered {
        self.accounts
            .register(registration(localpart))
            .await
            .unwrap()
    }
}
