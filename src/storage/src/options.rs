//! RocksDB's settings, by what is stored and how it is read.

use heliograph_tables::Family;
use rocksdb::{
    BlockBasedIndexType, BlockBasedOptions, Cache, ColumnFamilyDescriptor, DBCompressionType,
    DBRecoveryMode, InfoLogger, LogLevel, Options, WriteBufferManager,
};

use crate::{Settings, StorageError};

/// How a family is read, and what that asks of its table files.
struct Tuning {
    /// Bytes of a data block before compression: large where compression pays, small where rows
    /// are read singly.
    block_bytes: usize,
    /// Whether keys are looked up singly, so that a filter spares reading blocks.
    filter: bool,
    /// Bytes of a compression dictionary at the bottom level, 0 for none.
    dictionary_bytes: i32,
}

const fn tuning(family: Family) -> Tuning {
    match family {
        Family::Events => Tuning {
            block_bytes: 16 * 1024,
            filter: true,
            dictionary_bytes: 16 * 1024,
        },
        Family::State | Family::Index | Family::Accounts | Family::Media => Tuning {
            block_bytes: 8 * 1024,
            filter: true,
            dictionary_bytes: 0,
        },
        Family::Log | Family::Queues => Tuning {
            block_bytes: 16 * 1024,
            filter: false,
            dictionary_bytes: 0,
        },
    }
}

/// The settings of the whole database.
pub(crate) fn database(
    settings: &Settings,
    buffers: &WriteBufferManager,
) -> Result<Options, StorageError> {
    // Preallocation is only reachable by name. Its blocks would count as disk in use, and are of
    // no help to a log that is synced in small groups.
    let mut options = Options::default().get_options_from_string("allow_fallocate=false")?;
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    options.set_paranoid_checks(true);

    // The committer hands the log to the system and syncs it itself, once a group.
    options.set_manual_wal_flush(true);
    options.set_max_total_wal_size(settings.max_total_wal_bytes);
    options.set_track_and_verify_wals_in_manifest(true);
    options.set_recycle_log_file_num(0);
    // A torn end is what a power cut leaves; that nothing acknowledged is missing is checked
    // against the watermark.
    options.set_wal_recovery_mode(DBRecoveryMode::PointInTime);

    options.set_write_buffer_manager(buffers);
    options.set_max_open_files(i32::from(settings.max_open_files));
    options.set_skip_stats_update_on_db_open(true);
    options.set_max_background_jobs(2);
    options.set_manifest_preallocation_size(64 * 1024);
    options.set_stats_dump_period_sec(0);
    options.set_stats_persist_period_sec(0);

    // One thread writes at a time: what serves many costs more than it brings.
    options.set_allow_concurrent_memtable_write(false);
    options.set_enable_write_thread_adaptive_yield(false);
    log_to_tracing(&mut options);
    Ok(options)
}

/// Warnings of RocksDB go where ours go; nothing is written beside the data.
pub(crate) fn log_to_tracing(options: &mut Options) {
    options.set_log_level(LogLevel::Warn);
    options.set_info_logger(InfoLogger::new_callback_logger(
        LogLevel::Warn,
        |level, text| match level {
            LogLevel::Error | LogLevel::Fatal => {
                tracing::error!(target: "rocksdb", "{}", text.trim());
            }
            LogLevel::Warn => tracing::warn!(target: "rocksdb", "{}", text.trim()),
            LogLevel::Debug | LogLevel::Info | LogLevel::Header => {}
        },
    ));
}

/// Every family with its settings. With `every_block`, iterators pass through each block, also
/// where they could jump over older versions of a row.
pub(crate) fn families(
    settings: &Settings,
    cache: &Cache,
    every_block: bool,
) -> Vec<ColumnFamilyDescriptor> {
    let describe = |name, tuning: &Tuning| {
        let mut options = family_options(settings, cache, tuning);
        if every_block {
            options.set_max_sequential_skip_in_iterations(u64::MAX);
        }
        ColumnFamilyDescriptor::new(name, options)
    };
    let mut all: Vec<_> = Family::ALL
        .into_iter()
        .map(|family| describe(family.name(), &tuning(family)))
        .collect();
    // RocksDB insists on it; it stays empty.
    all.push(describe(
        rocksdb::DEFAULT_COLUMN_FAMILY_NAME,
        &tuning(Family::Queues),
    ));
    all
}

fn family_options(settings: &Settings, cache: &Cache, tuning: &Tuning) -> Options {
    const ZSTD_LEVEL: i32 = 3;
    // The default of zlib, which zstd takes as "by level".
    const WINDOW_BITS: i32 = -14;

    let mut blocks = BlockBasedOptions::default();
    blocks.set_block_cache(cache);
    blocks.set_block_size(tuning.block_bytes);
    blocks.set_cache_index_and_filter_blocks(true);
    blocks.set_cache_index_and_filter_blocks_with_high_priority(true);
    blocks.set_pin_top_level_index_and_filter(true);
    // In parts, so that a large file's index and filter need not be in memory whole.
    blocks.set_index_type(BlockBasedIndexType::TwoLevelIndexSearch);
    blocks.set_partition_filters(true);
    blocks.set_metadata_block_size(4096);
    if tuning.filter {
        blocks.set_bloom_filter(10.0, false);
        blocks.set_whole_key_filtering(true);
        blocks.set_optimize_filters_for_memory(true);
    }

    let mut options = Options::default();
    options.set_block_based_table_factory(&blocks);
    options.set_write_buffer_size(settings.write_buffer_bytes / 2);
    options.set_max_write_buffer_number(3);
    // Small, since an idle family keeps its first block.
    options.set_arena_block_size(64 * 1024);
    options.set_level_compaction_dynamic_level_bytes(true);
    options.set_target_file_size_base(32 * 1024 * 1024);
    options.set_compression_type(DBCompressionType::Lz4);
    options.set_bottommost_compression_type(DBCompressionType::Zstd);
    options.set_bottommost_compression_options(
        WINDOW_BITS,
        ZSTD_LEVEL,
        0,
        tuning.dictionary_bytes,
        true,
    );
    if tuning.dictionary_bytes > 0 {
        let train = tuning.dictionary_bytes.saturating_mul(32);
        options.set_bottommost_zstd_max_train_bytes(train, true);
    }
    options
}
