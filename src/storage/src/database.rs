//! The database: opened, read, written, closed.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicBool, atomic::Ordering},
    thread::JoinHandle,
};

use heliograph_core::ids::Position;
use heliograph_tables::{
    Batch, Op, Permit, Store, StoreError, Submitted, View, counts::AllCounts, log::Read,
    store::Reserve,
};
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::{
    Settings, StorageError,
    checkpoint::LEFTOVER,
    committer::Committer,
    engine::Engine,
    files, life, metric,
    reserve::block_on,
    upkeep::Upkeep,
    watermark::{LastUse, Watermark},
    writer,
};

/// The folder of RocksDB in that of a store.
pub(crate) fn rocksdb_folder(store: &Path) -> PathBuf {
    store.join("rocksdb")
}

/// An open database; see [`Store`] for reading and writing.
///
/// Views keep the files open beyond this value's end. Dropping it ends its threads, after what was
/// submitted is written; only [`Database::close`] makes it a clean stop.
pub struct Database {
    pub(crate) committer: Arc<Committer>,
    pub(crate) folder: PathBuf,
    pub(crate) settings: Settings,
    epoch: u64,
    pub(crate) backup: Mutex<()>,
    threads: Mutex<Threads>,
    closed: AtomicBool,
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Database")
            .field("folder", &self.folder)
            .field("epoch", &self.epoch)
            .finish_non_exhaustive()
    }
}

impl Database {
    /// Opens the store in a folder, making a new one where there is none.
    ///
    /// Reads a few rows, whatever the size. After an unclean stop what is in the write-ahead log
    /// is replayed, at most [`Settings::max_total_wal_bytes`].
    ///
    /// # Errors
    /// When the folder cannot be used, is in use, was written by a later release
    /// ([`StorageError::Newer`]), or lost what had been on disk ([`StorageError::BehindWatermark`],
    /// [`StorageError::NoCurrent`], [`StorageError::Damaged`]).
    pub fn open(path: impl AsRef<Path>, settings: Settings) -> Result<Arc<Self>, StorageError> {
        let (database, upkeep) = Self::open_without_upkeep(path.as_ref(), settings)?;
        let thread = upkeep.start().map_err(StorageError::io(&database.folder))?;
        database.threads.lock().upkeep = Some(thread);
        Ok(Arc::new(database))
    }

    /// Opens, and leaves it to the caller to start the upkeep or to do its steps.
    pub(crate) fn open_without_upkeep(
        path: &Path,
        settings: Settings,
    ) -> Result<(Self, Upkeep), StorageError> {
        let folder = path.to_owned();
        let rocksdb = rocksdb_folder(&folder);
        files::make_folder(&rocksdb)?;
        refuse_without_current(&rocksdb)?;
        let watermark = Watermark::read(&folder)?;
        let engine = Arc::new(Engine::open(&rocksdb, &settings)?);
        // Only now is the folder ours alone.
        files::remove_folder(&folder.join(LEFTOVER))?;
        let counts = Arc::<AllCounts>::default();
        let life = life::begin(&engine, watermark.as_ref(), &settings, &counts)?;
        // Replayed rows are in table files or in the log that was just found whole, yet perhaps
        // not on disk: a crash of the process leaves them to the system.
        engine.flush_wal(true)?;
        let running = Watermark::new(life.last, LastUse::from(settings.durability));
        running.write(&folder)?;

        let committer = Committer::new(engine, life.last, counts, &settings);
        let committer = Arc::new(committer);
        let database = Self {
            committer: Arc::clone(&committer),
            folder: folder.clone(),
            epoch: life.epoch,
            backup: Mutex::new(()),
            threads: Mutex::default(),
            closed: AtomicBool::new(false),
            settings,
        };
        let upkeep = Upkeep::new(
            Arc::clone(&committer),
            folder.clone(),
            life.last,
            &database.settings,
        );
        let writers = writer::start(&committer).map_err(StorageError::io(&folder))?;
        database.threads.lock().writers = writers;
        Ok((database, upkeep))
    }

    /// Writes what was submitted, refuses more, writes everything to table files and says in the
    /// watermark that the stop was clean. Blocks: not for threads that must not. Further calls do
    /// nothing.
    ///
    /// # Errors
    /// When writing failed, now or before; the next start then replays the log.
    pub fn close(&self) -> Result<(), StorageError> {
        if self.closed.swap(true, Ordering::SeqCst) {
            return Ok(());
        }
        self.end_threads();
        match self.committer.check() {
            Ok(()) | Err(StoreError::Closed) => {}
            Err(failed) => return Err(failed.into()),
        }
        let engine = &self.committer.engine;
        let last = self.committer.sync_published()?;
        engine.flush()?;
        engine.db.cancel_all_background_work(true);
        Watermark::new(last, LastUse::Closed).write(&self.folder)
    }

    fn end_threads(&self) {
        let Threads { upkeep, writers } = std::mem::take(&mut *self.threads.lock());
        // Upkeep first: it submits batches.
        self.committer.signal.stop();
        join(upkeep);
        self.committer.begin_close();
        join(writers);
    }

    /// Whether writes are taken; if not, why.
    ///
    /// # Errors
    /// [`StoreError::ReadOnly`] after a failed write, [`StoreError::Closed`] after the end.
    pub fn health(&self) -> Result<(), StoreError> {
        self.committer.check()
    }

    /// A place in the commit queue, at once.
    ///
    /// # Errors
    /// [`StoreError::Full`] when all are taken; as [`Self::health`] when writes are refused.
    pub fn try_reserve(&self) -> Result<Permit, StoreError> {
        self.committer.try_reserve()
    }

    /// Waits for a place in the commit queue on a thread that may block.
    ///
    /// # Errors
    /// As [`Self::health`].
    pub fn reserve_blocking(&self) -> Result<Permit, StoreError> {
        block_on(self.committer.reserve())
    }

    /// What was read and written so far, by operation.
    pub fn counts(&self) -> &AllCounts {
        self.committer.counts()
    }

    /// Sets the gauges and counters that are not set as things happen. Call it before metrics are
    /// rendered; describe them once with [`crate::METRICS`].
    pub fn refresh_metrics(&self) {
        let committer = &self.committer;
        let gauges = metric::Gauges {
            position: committer.position().0,
            queue_places: committer.places_in_use(),
            cache_bytes: committer.engine.cache_bytes(),
            buffer_bytes: committer.engine.buffer_bytes(),
            read_only: matches!(committer.check(), Err(StoreError::ReadOnly(_))),
        };
        committer
            .metrics
            .refresh(&gauges, |op| committer.counts().of(op));
    }

    /// Commits many batches without syncing each group, and at the end everything at once. For
    /// test fixtures: what others write meanwhile is not synced either before it is acknowledged.
    /// Blocks.
    ///
    /// # Errors
    /// As [`Store::submit`].
    pub fn load(&self, batches: impl IntoIterator<Item = Batch>) -> Result<Position, StorageError> {
        let unsynced = self.committer.without_syncing();
        let mut last = None;
        for batch in batches {
            let permit = self.reserve_blocking()?;
            last = Some(self.committer.submit(permit, batch)?.completion);
        }
        if let Some(last) = last {
            // They are published in order.
            last.published_blocking()?;
        }
        drop(unsynced);
        let position = self.committer.sync_published()?;
        self.committer.signal.changed();
        self.committer.engine.flush()?;
        Ok(position)
    }

    /// Writes everything to table files and sorts them into their levels, as compaction would in
    /// the long run. Blocks for as long as it takes to rewrite the database.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn compact(&self) -> Result<(), StorageError> {
        let engine = &self.committer.engine;
        engine.flush()?;
        for family in heliograph_tables::Family::ALL {
            let handle = engine.family(family)?;
            let all: Option<&[u8]> = None;
            engine.db.compact_range_cf(handle, all, all);
        }
        Ok(())
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        self.end_threads();
    }
}

impl Store for Database {
    fn view(&self, op: Op) -> View {
        self.committer.view(op)
    }

    fn reserve(&self) -> Reserve<'_> {
        Box::pin(self.committer.reserve())
    }

    fn submit(&self, permit: Permit, batch: Batch) -> Result<Submitted, StoreError> {
        self.committer.submit(permit, batch)
    }

    fn published(&self) -> watch::Receiver<Position> {
        self.committer.subscribe()
    }

    fn log_after(&self, after: Position, limit: usize) -> Result<Read, StoreError> {
        self.committer.log_after(after, limit)
    }

    fn epoch(&self) -> u64 {
        self.epoch
    }
}

/// The threads of an open database.
#[derive(Default)]
struct Threads {
    upkeep: Option<JoinHandle<()>>,
    writers: Vec<JoinHandle<()>>,
}

fn join(threads: impl IntoIterator<Item = JoinHandle<()>>) {
    for thread in threads {
        if thread.join().is_err() {
            tracing::error!("a thread of the store had panicked");
        }
    }
}

/// RocksDB would begin an empty database where CURRENT is missing, and remove the other files.
fn refuse_without_current(rocksdb: &Path) -> Result<(), StorageError> {
    if rocksdb.join("CURRENT").exists() {
        return Ok(());
    }
    for entry in fs::read_dir(rocksdb).map_err(StorageError::io(rocksdb))? {
        let entry = entry.map_err(StorageError::io(rocksdb))?;
        let name = PathBuf::from(entry.file_name());
        let extension = name.extension().and_then(|e| e.to_str());
        if matches!(extension, Some("sst" | "log")) {
            return Err(StorageError::NoCurrent(rocksdb.to_owned()));
        }
    }
    Ok(())
}
