//! Reading everything, to see that it is whole.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use bytes::Bytes;
use heliograph_core::ids::Position;
use heliograph_tables::{
    Direction, Family, StoreError,
    schema::{self, by_prefix},
};
use rocksdb::ReadOptions;

use crate::{
    Settings, StorageError, backup,
    database::rocksdb_folder,
    engine::Engine,
    life,
    manifest::Manifest,
    snapshot::Scan,
    watermark::{LastUse, Watermark},
};

/// Problems that are listed one by one; more are counted only.
const MAX_PROBLEMS: usize = 100;

/// What [`verify`] found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Rows read, by table.
    pub rows: BTreeMap<&'static str, u64>,
    /// The epoch, where it could be read.
    pub epoch: Option<u64>,
    /// The last position, where it could be read.
    pub position: Option<Position>,
    /// What is wrong, one line each, at most 100 of them. Empty: everything is whole.
    pub problems: Vec<String>,
    /// How many problems there are.
    pub problem_count: usize,
}

impl Report {
    fn problem(&mut self, problem: String) {
        self.problem_count = self.problem_count.saturating_add(1);
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push(problem);
        }
    }
}

/// Checks a backup or the folder of a store that no server uses at the moment: the sums of a
/// backup's files, the checksum of every data block, that every row decodes, that the log has no
/// gap, and that nothing that was on disk is missing. Changes nothing. Blocks for as long as it
/// takes to read everything.
///
/// # Errors
/// When the folder cannot be read at all. What is found to be wrong with it is in the report.
pub fn verify(path: impl AsRef<Path>, settings: &Settings) -> Result<Report, StorageError> {
    let path = path.as_ref();
    let mut report = Report::default();
    let manifest = match Manifest::read(path) {
        Ok(manifest) => manifest,
        Err(StorageError::Damaged(what)) => {
            report.problem(what);
            return Ok(report);
        }
        Err(error) => return Err(error),
    };
    let rocksdb = match &manifest {
        Some(manifest) => {
            for problem in manifest.check(path)? {
                report.problem(problem);
            }
            path.join(backup::ROCKSDB)
        }
        None => rocksdb_folder(path),
    };
    if !rocksdb.is_dir() {
        report.problem(format!("{}: neither a store nor a backup", path.display()));
        return Ok(report);
    }
    match Engine::open_read_only(&rocksdb, settings) {
        Ok(engine) => {
            let engine = Arc::new(engine);
            check_rows(&engine, &mut report);
            check_log(&engine, &mut report);
        }
        Err(error) => report.problem(error.to_string()),
    }
    match manifest {
        Some(manifest) => check_against(&manifest, &mut report),
        None => check_watermark(path, &mut report),
    }
    Ok(report)
}

/// Reads every block of every table file and decodes every row, also those that were replaced or
/// deleted and are not yet gone.
fn check_rows(engine: &Engine, report: &mut Report) {
    for family in Family::ALL {
        if let Err(error) = check_family(engine, family, report) {
            report.problem(format!("family {}: {error}", family.name()));
        }
    }
}

fn check_family(engine: &Engine, family: Family, report: &mut Report) -> Result<(), StoreError> {
    let mut options = ReadOptions::default();
    options.set_verify_checksums(true);
    options.fill_cache(false);
    options.set_readahead_size(1024 * 1024);
    #[expect(
        deprecated,
        reason = "a deleted range would be skipped, and its blocks with it"
    )]
    options.set_ignore_range_deletions(true);
    let mut rows = engine
        .db
        .raw_iterator_cf_opt(engine.family(family)?, options);
    rows.seek_to_first();
    for row in Scan::forward(rows) {
        let (key, value) = row?;
        match check_row(family, &key, value) {
            Ok(table) => {
                let count = report.rows.entry(table).or_default();
                *count = count.saturating_add(1);
            }
            Err(problem) => report.problem(problem),
        }
    }
    Ok(())
}

/// Decodes one row; the name of its table.
fn check_row(family: Family, key: &Bytes, value: Bytes) -> Result<&'static str, String> {
    let shown = || {
        let start = key.get(..key.len().min(32)).unwrap_or(key);
        crate::files::hex(start)
    };
    let prefix = match key.as_ref() {
        [high, low, ..] => u16::from_be_bytes([*high, *low]),
        _ => {
            return Err(format!(
                "family {}: key {}: too short",
                family.name(),
                shown()
            ));
        }
    };
    let table = by_prefix(prefix)
        .filter(|table| table.family() == family)
        .ok_or_else(|| format!("family {}: key {}: of no table", family.name(), shown()))?;
    table
        .check(key.clone(), value)
        .map_err(|error| format!("table {}: key {}: {error}", table.name(), shown()))?;
    Ok(table.name())
}

/// The log has no gap and ends with the database.
fn check_log(engine: &Arc<Engine>, report: &mut Report) {
    let view = life::view(engine, &Arc::default());
    let mut last: Option<Position> = None;
    for row in view.scan(&schema::LOG, &(), Direction::Forward) {
        let position = match row {
            Ok((position, _)) => position,
            Err(error) => {
                report.problem(format!("the log: {error}"));
                return;
            }
        };
        if let Some(last) = last
            && last.next() != Some(position)
        {
            report.problem(format!("the log has a gap between {last} and {position}"));
        }
        last = Some(position);
    }
    match life::read(&view) {
        Ok(Some(life)) => {
            report.epoch = Some(life.epoch);
            report.position = Some(life.last);
        }
        Ok(None) => report.problem("there is no database".to_owned()),
        Err(error) => report.problem(error.to_string()),
    }
}

/// The database in a backup is the one that the manifest speaks of.
fn check_against(manifest: &Manifest, report: &mut Report) {
    let expected = (Some(manifest.epoch), Some(Position(manifest.position)));
    if (report.epoch, report.position) != expected {
        report.problem(format!(
            "the manifest says epoch {} and position {}, the database {:?} and {:?}",
            manifest.epoch, manifest.position, report.epoch, report.position
        ));
    }
}

/// Nothing is missing of what was on disk.
fn check_watermark(store: &Path, report: &mut Report) {
    let watermark = match Watermark::read(store) {
        Ok(Some(watermark)) => watermark,
        Ok(None) => {
            report.problem("the file `watermark` is missing".to_owned());
            return;
        }
        Err(error) => {
            report.problem(error.to_string());
            return;
        }
    };
    if let (Some(last), LastUse::RunningFsync | LastUse::RunningOs | LastUse::Closed) =
        (report.position, watermark.last_use)
        && last < watermark.position()
    {
        report.problem(format!(
            "the last position is {last}, but {} was on disk once: acknowledged writes are lost",
            watermark.position()
        ));
    }
}
