//! The one handle on RocksDB that everything here shares.

use std::{path::Path, sync::Arc};

use heliograph_tables::{Family, StoreError, batch::Stamped, batch::StampedBatch};
use rocksdb::{
    Cache, ColumnFamily, DB, FlushOptions, WriteBatch, WriteBufferManager, WriteOptions,
};

use crate::{Settings, StorageError, options};

/// An open RocksDB with the memory that it shares among its families.
pub(crate) struct Engine {
    pub(crate) db: DB,
    cache: Cache,
    buffers: WriteBufferManager,
}

impl Engine {
    /// Opens for writing, creating what is not there.
    pub(crate) fn open(path: &Path, settings: &Settings) -> Result<Self, StorageError> {
        let (cache, buffers) = memory(settings);
        let options = options::database(settings, &buffers)?;
        let families = options::families(settings, &cache, false);
        let db = DB::open_cf_descriptors(&options, path, families)?;
        Ok(Self { db, cache, buffers })
    }

    /// Opens for reading only: nothing in the folder changes.
    pub(crate) fn open_read_only(path: &Path, settings: &Settings) -> Result<Self, StorageError> {
        let (cache, buffers) = memory(settings);
        let mut options = options::database(settings, &buffers)?;
        options.create_if_missing(false);
        options.create_missing_column_families(false);
        // Damage within the log is to be found here; a torn end is not damage.
        options.set_wal_recovery_mode(rocksdb::DBRecoveryMode::TolerateCorruptedTailRecords);
        let families = options::families(settings, &cache, true);
        let db = DB::open_cf_descriptors_read_only(&options, path, families, false)?;
        Ok(Self { db, cache, buffers })
    }

    /// The handle of a family.
    pub(crate) fn family(&self, family: Family) -> Result<&ColumnFamily, StoreError> {
        self.db
            .cf_handle(family.name())
            .ok_or_else(|| StoreError::Read(format!("no family {}", family.name()).into()))
    }

    /// Writes batches as one, without waiting for the disk.
    pub(crate) fn write(&self, batches: &[Arc<StampedBatch>]) -> Result<(), StoreError> {
        let mut writes = WriteBatch::default();
        for write in batches.iter().flat_map(|batch| &batch.writes) {
            match write {
                Stamped::Put(family, key, value) => {
                    writes.put_cf(self.family(*family)?, key, value);
                }
                Stamped::Delete(family, key) => writes.delete_cf(self.family(*family)?, key),
                // RocksDB fails a write that holds a range the wrong way round.
                Stamped::DeleteRange(family, from, to) if from < to => {
                    writes.delete_range_cf(self.family(*family)?, from, to);
                }
                Stamped::DeleteRange(..) => {}
            }
        }
        self.db
            .write_opt(writes, &WriteOptions::default())
            .map_err(|e| read_error(&e))
    }

    /// Hands the write-ahead log to the operating system and, with `sync`, to the disk.
    pub(crate) fn flush_wal(&self, sync: bool) -> Result<(), StoreError> {
        self.db.flush_wal(sync).map_err(|e| read_error(&e))
    }

    /// Writes all rows in memory to table files, so that the next start has nothing to replay.
    pub(crate) fn flush(&self) -> Result<(), StorageError> {
        let families = Family::ALL
            .into_iter()
            .map(|family| self.family(family))
            .collect::<Result<Vec<_>, _>>()?;
        let families: Vec<_> = families.iter().collect();
        Ok(self.db.flush_cfs_opt(&families, &FlushOptions::default())?)
    }

    /// Bytes of blocks in memory.
    pub(crate) fn cache_bytes(&self) -> usize {
        self.cache.get_usage()
    }

    /// Bytes of rows that are not yet in table files.
    pub(crate) fn buffer_bytes(&self) -> usize {
        self.buffers.get_usage()
    }
}

/// The block cache and the budget of the write buffers.
fn memory(settings: &Settings) -> (Cache, WriteBufferManager) {
    let cache = Cache::new_lru_cache(settings.cache_bytes);
    let buffers = WriteBufferManager::new_write_buffer_manager(settings.write_buffer_bytes, false);
    (cache, buffers)
}

/// An error of RocksDB as the port names it.
pub(crate) fn read_error(error: &rocksdb::Error) -> StoreError {
    StoreError::Read(error.to_string().into())
}
