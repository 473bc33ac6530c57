//! The report of a run, in Markdown.

use std::fmt::Write as _;

use heliograph_complement::measure::verdict;

use crate::{
    Result,
    curves::{Commit, Curve},
    directory::Directory,
    send,
    send::Compared,
    starts::{STARTS, Starts},
    storm,
    syncs::Account,
};

/// Why an aim is missed, by what was measured: `NAME: REASON` a line.
const MISSED: &str = include_str!("../missed.txt");
/// Characters of the longest bar.
const LONGEST: f64 = 50.0;

/// All figures of a run.
#[derive(Debug)]
pub(crate) struct Report {
    /// The machine and the compiler.
    pub(crate) machine: String,
    /// The load average when the run began and when it ended.
    pub(crate) load: [f64; 2],
    /// Sends beside the floor.
    pub(crate) sends: Vec<Compared>,
    /// Starts.
    pub(crate) starts: Vec<Starts>,
    /// Syncs of a server.
    pub(crate) accounts: Vec<Account>,
    /// The directory of published rooms.
    pub(crate) directories: Vec<Directory>,
    /// Messages with and without a storm of presence.
    pub(crate) weathers: storm::Compared,
    /// Committing.
    pub(crate) commits: Vec<Commit>,
    /// State trees and resolution.
    pub(crate) state: Vec<Curve>,
    /// Sync.
    pub(crate) sync: Vec<Curve>,
    /// Push rules for all members of a room.
    pub(crate) push: Vec<Curve>,
}

impl Report {
    /// The text of the report.
    pub(crate) fn text(&self) -> Result<String> {
        let [begun, ended] = self.load;
        let mut text = format!(
            "# Benchmarks\n\n\
             Written by `heliograph-bench`. Do not edit: `make bench` writes it again.\n\n\
             Machine: {}; load average (one minute) {begun:.1} at the start and {ended:.1} at the \
             end, the load of the benchmarks itself included.\n\n",
            self.machine
        );
        self.write_sends(&mut text)?;
        self.write_starts(&mut text)?;
        self.write_commits(&mut text)?;
        write_curves(&mut text, STATE, &self.state)?;
        self.write_accounts(&mut text)?;
        write_curves(&mut text, SYNC, &self.sync)?;
        write_curves(&mut text, PUSH, &self.push)?;
        text.push_str("For each member:\n\n");
        for curve in &self.push {
            writeln!(text, "`{}`:\n", curve.name)?;
            write_bars(&mut text, &each(curve)?, time)?;
        }
        self.write_directories(&mut text)?;
        write_storm(&mut text, &self.weathers)?;
        // Every section ends with an empty line and begins with one.
        Ok(text.trim_end().replace("\n\n\n", "\n\n") + "\n")
    }

    fn write_sends(&self, text: &mut String) -> Result<()> {
        text.push_str(FLOOR);
        writeln!(text, "{}\n", send::method())?;
        text.push_str(
            "| load | | ours | floor | ratio | aim | met |\n|---|---|---|---|---|---|---|\n",
        );
        for compared in &self.sends {
            let name = match compared.at_once {
                1 => "one after the other".to_owned(),
                count => format!("{count} at once, one room"),
            };
            let (ours, floor, aim) = (compared.ours, compared.floor, compared.aim);
            let ratio = ours.cpu / floor.cpu;
            let verdict = verdict(MISSED, &format!("send, {name}"), ratio <= aim);
            writeln!(
                text,
                "| {name} | CPU s for 1,000 | {:.3} | {:.3} | {ratio:.2} | ≤ {aim:.0} | {verdict} |\n\
                 | | waits a send | {:.1} | {:.1} | {:.2} | | |\n\
                 | | sends a second | {:.0} | {:.0} | {:.2} | | |",
                ours.cpu,
                floor.cpu,
                ours.waits,
                floor.waits,
                ours.waits / floor.waits,
                ours.rate,
                floor.rate,
                ours.rate / floor.rate
            )?;
        }
        text.push('\n');
        Ok(())
    }

    fn write_starts(&self, text: &mut String) -> Result<()> {
        writeln!(
            text,
            "## Starts\n\n\
             Milliseconds from the start of the process until it has answered 200 to `/health`, \
             {STARTS} starts on a disk; the harness looks for the server's address every 3 ms. \
             Wall time.\n\n\
             | folder | median | fastest | slowest | aim | met |\n|---|---|---|---|---|---|"
        )?;
        for starts in &self.starts {
            let (folder, aim) = (starts.folder, starts.aim);
            let [fastest, slowest] = [starts.times.first(), starts.times.last()];
            let [fastest, slowest] =
                [fastest, slowest].map(|time| time.copied().unwrap_or(f64::NAN));
            let median = starts.median();
            let verdict = verdict(MISSED, &format!("start on {folder}"), median <= aim);
            writeln!(
                text,
                "| {folder} | {median:.1} | {fastest:.1} | {slowest:.1} | ≤ {aim:.0} | {verdict} |"
            )?;
        }
        text.push('\n');
        Ok(())
    }

    fn write_accounts(&self, text: &mut String) -> Result<()> {
        text.push_str(ACCOUNTS);
        for account in &self.accounts {
            let rooms = grouped(&account.rooms.to_string());
            let Account {
                nothing,
                one,
                restarted,
                ..
            } = account;
            writeln!(
                text,
                "| {rooms} | {nothing:.3} | {one:.3} | {restarted:.2} |"
            )?;
        }
        text.push_str("\nWith one message, CPU of a sync by rooms:\n\n");
        let point = |account: &Account| (account.rooms.to_string(), account.one * 1e6);
        let points: Vec<_> = self.accounts.iter().map(point).collect();
        write_bars(text, &points, time)
    }

    fn write_directories(&self, text: &mut String) -> Result<()> {
        text.push_str(DIRECTORY);
        for directory in &self.directories {
            let rooms = grouped(&directory.rooms.to_string());
            let Directory {
                first,
                page,
                later,
                rare,
                common,
                ..
            } = directory;
            writeln!(
                text,
                "| {rooms} | {first:.0} | {page:.3} | {later:.3} | {rare:.3} | {common:.3} |"
            )?;
        }
        text.push('\n');
        Ok(())
    }

    fn write_commits(&self, text: &mut String) -> Result<()> {
        text.push_str(COMMITS);
        for commit in &self.commits {
            let durability = commit.durability.to_lowercase();
            writeln!(
                text,
                "| {durability} | {} | {:.0} | {:.1} | {:.3} | {:.3} |",
                commit.writers, commit.rate, commit.group, commit.wait_ms, commit.cpu_ms
            )?;
        }
        let synced = self.commits.iter().filter(|c| c.durability == "Fsync");
        let points: Vec<_> = synced.map(|c| (c.writers.clone(), c.rate)).collect();
        text.push_str("\nBatches a second by writers, each batch synced:\n\n");
        write_bars(text, &points, |rate| format!("{rate:.0}"))?;
        Ok(())
    }
}

const FLOOR: &str = "
## Sends beside the floor

The floor is a bare axum handler (`complement-tests/bench/src/floor`) on the same allocator, as many
threads and the same settings of HTTP: it compares the token with a constant, parses the body, makes
the event of a version 12 room, hashes and signs it, appends it to a file, syncs it with those that
wait beside it, and answers. It knows no rooms, members, power levels, indexes or transaction ids.

";

const COMMITS: &str = "
## Committing

`src/storage/benches/commit.rs`: threads that submit a batch (ten rows, some 600 bytes, about what a
send writes) and wait until it is published, two seconds for each line. CPU is the whole process's,
the writers' own work included.

| durability | writers | batches/s | batches a group | ms a batch | CPU ms a batch |
|---|---|---|---|---|---|
";

const STATE: &str = "
## State trees and resolution

`src/rooms/benches/state.rs`: `look_up` finds one member in a state of so many, `change` makes the
new nodes of one changed member and encodes them, `difference` finds what differs between two states
one change apart, `page` reads a hundred members from the middle; nodes in memory. `resolution`
resolves two states that differ in so many keys, with nothing in memory. Medians of wall times.

";

const ACCOUNTS: &str = "
## Sync by rooms in the account

CPU milliseconds of the server for one incremental sync, over HTTP, by rooms that the account is in:
with nothing new; with one message since the token, and the server up since before it; and the same
from a token older than the server's start, of whose changes the server has nothing in memory, so
that it looks at each room. The server with 10,000 rooms also has a room of 100,000 members and the
1,000,000 events; the message is in that long room.

| rooms | nothing new | one message | one message, after a restart |
|---|---|---|---|
";

const DIRECTORY: &str = "
## The directory of published rooms

By rooms in it, over HTTP: wall milliseconds of the first request after a start, which reads the
directory; then CPU milliseconds of the server for the first page of 20 rooms, for the page after it,
and for searches whose term one room has, and every room.

| rooms | first request, ms | a page | the next page | a rare term | a common term |
|---|---|---|---|---|---|
";

const STORM: &str = "
## Messages in a storm of presence

";

const SYNC: &str = "
The delta engine alone (`src/sync/benches/delta.rs`): an incremental sync of an account in so many rooms, over a store in
memory, to the encoded answer. `nothing_new` is from the newest token, `one_event` from the token
before one message. `one_event_untracked` is the same from a token older than what the tracker of
changes holds, as after a restart of the server: it looks at each of the account's rooms. Medians of
wall times.

";

const PUSH: &str = "
## Push rules for one event

`src/push/benches/rules.rs`: one message is read, and the rules of all members of a room are asked
about it; so many members, with the predefined rules, or a tenth of them with rules that nobody else
has. Nothing is known beforehand. Medians of wall times, for all members together:

";

/// A curve divided by its sizes.
fn each(curve: &Curve) -> Result<Vec<(String, f64)>> {
    let points = curve.points.iter();
    points
        .map(|(size, all)| Ok((size.clone(), all / size.parse::<f64>()?)))
        .collect()
}

fn write_curves(text: &mut String, head: &str, curves: &[Curve]) -> Result<()> {
    text.push_str(head);
    for curve in curves {
        writeln!(text, "`{}`:\n", curve.name)?;
        write_bars(text, &curve.points, time)?;
    }
    Ok(())
}

/// Messages in both weathers.
fn write_storm(text: &mut String, weathers: &storm::Compared) -> Result<()> {
    let storm::Compared { calm, storm } = weathers;
    text.push_str(STORM);
    writeln!(text, "{}\n", storm::method())?;
    text.push_str(
        "| a message | ms | calm | storm | ratio | aim | met |\n|---|---|---|---|---|---|---|\n",
    );
    for (name, calm, storm) in [
        ("is answered", &calm.answered, &storm.answered),
        ("has arrived", &calm.arrived, &storm.arrived),
    ] {
        for of_hundred in [50, 99] {
            let [calm, storm] = [calm, storm].map(|times| storm::percentile(times, of_hundred));
            let (ratio, aim) = (storm / calm, storm::AIM);
            let key = format!("a message {name} in a storm, p{of_hundred}");
            let verdict = verdict(MISSED, &key, ratio <= aim);
            writeln!(
                text,
                "| {name} | p{of_hundred} | {calm:.2} | {storm:.2} | {ratio:.2} | ≤ {aim:.1} | {verdict} |"
            )?;
        }
    }
    writeln!(
        text,
        "\nThe storm: {:.0} changes and {:.0} answers to `/sync` with presence a second; the \
         server used {:.0} % of a core in it, {:.0} % without it.\n",
        storm.changes(),
        storm.told(),
        storm.cpu() * 100.0,
        calm.cpu() * 100.0
    )?;
    Ok(())
}

/// A line for each point, with a bar as long as its value.
fn write_bars(
    text: &mut String,
    points: &[(String, f64)],
    show: impl Fn(f64) -> String,
) -> Result<()> {
    let most = points.iter().map(|(_, value)| *value).fold(0.0, f64::max);
    for (size, value) in points {
        let bar = bar(value / most);
        writeln!(text, "    {:>7}  {:>9}  {bar}", grouped(size), show(*value))?;
    }
    text.push('\n');
    Ok(())
}

/// A bar for a part of the longest; never without any length.
fn bar(part: f64) -> String {
    let whole = (1_u32..=50).take_while(|n| f64::from(*n) <= part * LONGEST + 0.5);
    "#".repeat(whole.count().max(1))
}

/// A whole number with commas between thousands.
fn grouped(number: &str) -> String {
    let mut text = String::new();
    for (place, digit) in number.chars().enumerate() {
        if place > 0 && (number.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn time(nanoseconds: f64) -> String {
    let units = [(1e9, "s"), (1e6, "ms"), (1e3, "µs")];
    let unit = units.into_iter().find(|(size, _)| nanoseconds >= *size);
    let (size, name) = unit.unwrap_or((1.0, "ns"));
    let value = nanoseconds / size;
    let digits = if value < 10.0 {
        2
    } else {
        usize::from(value < 100.0)
    };
    format!("{value:.digits$} {name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_shown_for_people() {
        let shown = [1.0, 15.26, 999.0, 1_500.0, 98_765.0, 2_000_000.0, 3e9].map(time);
        let expected = [
            "1.00 ns", "15.3 ns", "999 ns", "1.50 µs", "98.8 µs", "2.00 ms", "3.00 s",
        ];
        assert_eq!(shown, expected);
        assert_eq!(
            ["7", "1000", "100000"].map(grouped),
            ["7", "1,000", "100,000"]
        );
        assert_eq!([0.0, 0.5, 1.0].map(|part| bar(part).len()), [1, 25, 50]);
    }
}
