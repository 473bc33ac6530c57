//! Committing with 1 to 64 writers: batches a second, how many share a sync, CPU a batch.

use std::{
    error::Error,
    fs, io,
    io::Write as _,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use bytes::Bytes;
use heliograph_core::ids::{Position, RoomNum};
use heliograph_storage::{Database, Durability, Settings};
use heliograph_tables::{
    Batch, Op, Record, Store,
    codec::{Plain, Tail},
    schema,
};
use metrics::{
    Counter, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit,
};

const WRITERS: [u32; 7] = [1, 2, 4, 8, 16, 32, 64];
const LASTS: Duration = Duration::from_secs(2);

/// About what sending a message writes: ten rows, some hundred bytes.
fn batch(writer: u32, i: u64) -> Batch {
    let mut batch = Batch::new(Op::Send);
    let name = Tail::from(format!("{writer}/{i}").as_str());
    let event = Bytes::from(vec![b'e'; 400]);
    batch.put(&schema::SECRETS, &name, &Plain(event));
    for row in 0..8u64 {
        let name = Tail::from(format!("{writer}/{i}/{row}").as_str());
        batch.put(&schema::CURSORS, &name, &Plain(Position(row)));
    }
    batch.record(Record::CurrentState {
        room: RoomNum(writer),
    });
    batch
}

/// Counts what the store records of its groups.
#[derive(Default)]
struct Groups(Arc<Count>);

#[derive(Default)]
struct Count(AtomicU64);

impl HistogramFn for Count {
    fn record(&self, _value: f64) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Recorder for Groups {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
        Counter::noop()
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        if key.name().ends_with("_group_batches") {
            Histogram::from_arc(Arc::clone(&self.0))
        } else {
            Histogram::noop()
        }
    }
}

/// CPU time of this process so far, in ticks of 10 ms.
fn cpu_ticks() -> io::Result<u64> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let fields = after_name.split_whitespace().skip(11).take(2);
    Ok(fields.filter_map(|field| field.parse::<u64>().ok()).sum())
}

fn run(durability: Durability, writers: u32) -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let settings = Settings {
        durability,
        ..Settings::default()
    };
    let recorder = Groups::default();
    let database =
        metrics::with_local_recorder(&recorder, || Database::open(folder.path(), settings))?;
    let batches = AtomicU64::new(0);
    let ticks = cpu_ticks()?;
    let begun = Instant::now();
    thread::scope(|scope| {
        for writer in 0..writers {
            let (database, batches) = (&database, &batches);
            scope.spawn(move || {
                let mut i = 0;
                while begun.elapsed() < LASTS {
                    let committed = database
                        .reserve_blocking()
                        .and_then(|permit| database.submit(permit, batch(writer, i)))
                        .and_then(|submitted| submitted.completion.published_blocking());
                    if committed.is_err() {
                        break;
                    }
                    batches.fetch_add(1, Ordering::Relaxed);
                    i += 1;
                }
            });
        }
    });
    let seconds = begun.elapsed().as_secs_f64();
    let count = batches.load(Ordering::Relaxed);
    let cpu_ms = cpu_ticks()?.saturating_sub(ticks).saturating_mul(10);
    let (count_f, groups_f) = (float(count), float(recorder.0.0.load(Ordering::Relaxed)));
    writeln!(
        io::stdout(),
        "{durability:?}\t{writers}\t{:.0}\t{:.1}\t{:.3}\t{:.3}",
        count_f / seconds,
        count_f / groups_f.max(1.0),
        seconds * 1000.0 * f64::from(writers) / count_f.max(1.0),
        float(cpu_ms) / count_f.max(1.0),
    )?;
    database.close()?;
    Ok(())
}

#[expect(
    clippy::cast_precision_loss,
    clippy::as_conversions,
    reason = "counts of a benchmark"
)]
const fn float(count: u64) -> f64 {
    count as f64
}

fn main() -> Result<(), Box<dyn Error>> {
    writeln!(
        io::stdout(),
        "durability\twriters\tbatches/s\tbatches/group\tms/batch\tCPU ms/batch"
    )?;
    for durability in [Durability::Fsync, Durability::Os] {
        for writers in WRITERS {
            run(durability, writers)?;
        }
    }
    Ok(())
}
