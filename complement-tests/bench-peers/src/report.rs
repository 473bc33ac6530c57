//! The report of a run, in Markdown.

use std::fmt::Write as _;

use heliograph_complement::measure::verdict;

use crate::{Result, load::Figure, operation::Operation};

/// Why an aim is missed, by the name of the operation: `NAME: REASON` a line.
const MISSED: &str = include_str!("../missed.txt");
/// Aims in MiB, and in KiB a message.
const IDLE_AIM: f64 = 30.0;
const AFTER_AIM: f64 = 80.0;
const DISK_AIM: f64 = 0.7;

/// A figure of ours and one of Synapse's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pair<T> {
    /// Ours.
    pub(crate) ours: T,
    /// Synapse's.
    pub(crate) synapse: T,
}

/// One operation's outcome.
#[derive(Debug)]
pub(crate) struct Row {
    /// What was done.
    pub(crate) operation: Operation,
    /// How often.
    pub(crate) count: u32,
    /// What it used.
    pub(crate) figures: Pair<Figure>,
    /// The machine's load average at the end of each.
    pub(crate) load: Pair<f64>,
}

/// All figures of a run.
#[derive(Debug)]
pub(crate) struct Report {
    /// Whether it was a quick run.
    pub(crate) quick: bool,
    /// Synapse's version.
    pub(crate) version: String,
    /// The operations.
    pub(crate) rows: Vec<Row>,
    /// Memory before the load, in MiB.
    pub(crate) idle: Pair<f64>,
    /// Memory ten idle minutes after the load, in MiB.
    pub(crate) after: Option<Pair<f64>>,
    /// Disk a message, in KiB.
    pub(crate) disk: Pair<f64>,
    /// Minutes that the run took.
    pub(crate) minutes: f64,
}

impl Report {
    /// The text of the report.
    pub(crate) fn text(&self) -> Result<String> {
        let (mut table, mut walls) = (String::new(), String::new());
        for row in &self.rows {
            row.write(&mut table, &mut walls)?;
        }
        absolute(&mut table, "memory (PSS) idle, MiB", self.idle, IDLE_AIM)?;
        let after = "memory ten idle minutes after the load, MiB";
        match self.after {
            Some(pair) => absolute(&mut table, after, pair, AFTER_AIM)?,
            None => writeln!(
                table,
                "| {after} | | | | ≤ {AFTER_AIM} | not in a quick run |"
            )?,
        }
        let disk = "disk a message, KiB, flushed and compacted";
        absolute(&mut table, disk, self.disk, DISK_AIM)?;
        let (kind, command) = if self.quick {
            ("quick", "QUICK=1 make bench-peers")
        } else {
            ("whole", "make bench-peers")
        };
        let (version, minutes) = (&self.version, self.minutes);
        let head = format!(
            "# Beside Synapse\n\n\
             Written by a {kind} run of `heliograph-bench-peers`, which took {minutes:.0} minutes. \
             Do not edit: `{command}` writes it again.\n\n\
             Heliograph and Synapse {version} did the same, in turn, on one machine. While one was \
             measured, the other was frozen (SIGSTOP).\n"
        );
        Ok([&head, SET_UP, TABLE, &table, WALLS, &walls].concat())
    }
}

const SET_UP: &str = "
* Heliograph: as shipped, `durability = \"fsync\"`, rate limits off, only warnings logged; its
  accounts made with the shared secret. Password hashing was made cheap, as no operation here hashes.
* Synapse: one process, SQLite, rooms of version 12 as ours; rate limits, statistics, outside key
  servers and the cache of answers to `/sync` off, only warnings logged; its accounts made through
  an application service. Its write-ahead log is synced as SQLite does by default.
* Both with presence, push rules, counts and receipts, as shipped; on temporary folders, one HTTP/1.1
  connection for each request at once, no TLS, on the loopback interface.
* CPU: user and system time of the server's process, from `/proc/PID/stat` (10 ms steps), until it
  rests after the last answer. PSS from `/proc/PID/smaps_rollup`. Disk: growth of the store's files
  (compacted; Synapse: after `VACUUM`) by messages of sixteen words.
";

const TABLE: &str = "
## CPU, memory, disk

CPU seconds of the server for 1,000 operations, unless a unit is given. An aim of 1/33 is met when
ours is at most a 33rd of Synapse's.

| operation | ours | Synapse | ratio | aim | met |
|---|---|---|---|---|---|
";

const WALLS: &str = "
## Wall time

Seconds for the number of operations given, and the machine's load average (one minute) at the end.
They say little about the servers: the clients ran on the same cores, and whatever else did.

| operation | number | ours, s | load | Synapse, s | load |
|---|---|---|---|---|---|
";

impl Row {
    fn write(&self, table: &mut String, walls: &mut String) -> Result<()> {
        let (operation, figures) = (self.operation, self.figures);
        let (name, aim) = (operation.name(), operation.aim());
        let (ours, synapse) = (figures.ours.cpu, figures.synapse.cpu);
        // Less than a tick of the clock: the ratio is at least what one tick gives.
        let count = operation.operations(self.count);
        let tick = 10.0 / f64::from(count);
        let part = synapse / ours.max(tick);
        writeln!(
            table,
            "| {name} | {ours:.3} | {synapse:.2} | 1/{part:.1} | 1/{aim} | {} |",
            verdict(MISSED, name, part >= aim)
        )?;
        let load = self.load;
        writeln!(
            walls,
            "| {name} | {count} | {:.1} | {:.1} | {:.1} | {:.1} |",
            figures.ours.wall, load.ours, figures.synapse.wall, load.synapse
        )?;
        Ok(())
    }
}

fn absolute(table: &mut String, name: &str, pair: Pair<f64>, aim: f64) -> Result<()> {
    let Pair { ours, synapse } = pair;
    let (part, verdict) = (synapse / ours, verdict(MISSED, name, ours <= aim));
    writeln!(
        table,
        "| {name} | {ours:.2} | {synapse:.2} | 1/{part:.1} | ≤ {aim} | {verdict} |"
    )?;
    Ok(())
}
