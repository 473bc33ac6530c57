//! What the store tells about itself.

use std::time::Duration;

use heliograph_tables::{Op, counts::Counts};
use heliograph_work::metric::{Kind, Metric};
use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};

const POSITION: &str = "heliograph_store_position";
const GROUP_BATCHES: &str = "heliograph_store_group_batches";
const SYNC_SECONDS: &str = "heliograph_store_sync_seconds";
const QUEUE_PLACES: &str = "heliograph_store_queue_places_in_use";
const CACHE_BYTES: &str = "heliograph_store_cache_bytes";
const BUFFER_BYTES: &str = "heliograph_store_write_buffer_bytes";
const READ_ONLY: &str = "heliograph_store_read_only";
const KEYS_READ: &str = "heliograph_store_keys_read_total";
const BYTES_READ: &str = "heliograph_store_bytes_read_total";
const KEYS_WRITTEN: &str = "heliograph_store_keys_written_total";
const BYTES_WRITTEN: &str = "heliograph_store_bytes_written_total";
const NODES_READ: &str = "heliograph_store_nodes_read_total";
const NODES_WRITTEN: &str = "heliograph_store_nodes_written_total";
const NODE_BYTES_READ: &str = "heliograph_store_node_bytes_read_total";
const NODE_BYTES_WRITTEN: &str = "heliograph_store_node_bytes_written_total";

/// Every metric of this crate.
pub const METRICS: &[Metric] = &[
    Metric {
        name: POSITION,
        kind: Kind::Gauge,
        help: "The last published position of the log.",
    },
    Metric {
        name: GROUP_BATCHES,
        kind: Kind::Histogram,
        help: "Batches that were made safe together.",
    },
    Metric {
        name: SYNC_SECONDS,
        kind: Kind::Histogram,
        help: "How long it took to hand a commit group to the disk.",
    },
    Metric {
        name: QUEUE_PLACES,
        kind: Kind::Gauge,
        help: "Batches on their way to disk, and places kept for batches being prepared.",
    },
    Metric {
        name: CACHE_BYTES,
        kind: Kind::Gauge,
        help: "Bytes of blocks, indexes and filters in memory.",
    },
    Metric {
        name: BUFFER_BYTES,
        kind: Kind::Gauge,
        help: "Bytes of rows in memory that are not yet in table files.",
    },
    Metric {
        name: READ_ONLY,
        kind: Kind::Gauge,
        help: "1 when writing failed and is refused until a restart, else 0.",
    },
    Metric {
        name: NODES_READ,
        kind: Kind::Counter,
        help: "State tree nodes among the keys looked up, by operation.",
    },
    Metric {
        name: NODES_WRITTEN,
        kind: Kind::Counter,
        help: "State tree nodes among the keys put, by operation.",
    },
    Metric {
        name: NODE_BYTES_READ,
        kind: Kind::Counter,
        help: "Bytes of state tree nodes among the bytes found, by operation.",
    },
    Metric {
        name: NODE_BYTES_WRITTEN,
        kind: Kind::Counter,
        help: "Bytes of state tree nodes among the bytes put, by operation.",
    },
    Metric {
        name: KEYS_READ,
        kind: Kind::Counter,
        help: "Keys looked up, by operation.",
    },
    Metric {
        name: BYTES_READ,
        kind: Kind::Counter,
        help: "Bytes of the keys and values found, by operation.",
    },
    Metric {
        name: KEYS_WRITTEN,
        kind: Kind::Counter,
        help: "Keys put or deleted, by operation.",
    },
    Metric {
        name: BYTES_WRITTEN,
        kind: Kind::Counter,
        help: "Bytes of the keys and values put, by operation.",
    },
];

/// The metrics, resolved once.
pub(crate) struct Handles {
    group_batches: Histogram,
    sync_seconds: Histogram,
    position: Gauge,
    queue_places: Gauge,
    cache_bytes: Gauge,
    buffer_bytes: Gauge,
    read_only: Gauge,
    operations: Vec<OpHandles>,
}

struct OpHandles {
    op: Op,
    keys_read: Counter,
    bytes_read: Counter,
    keys_written: Counter,
    bytes_written: Counter,
    nodes_read: Counter,
    nodes_written: Counter,
    node_bytes_read: Counter,
    node_bytes_written: Counter,
}

/// What is read off the store when metrics are asked for.
pub(crate) struct Gauges {
    pub(crate) position: u64,
    pub(crate) queue_places: usize,
    pub(crate) cache_bytes: usize,
    pub(crate) buffer_bytes: usize,
    pub(crate) read_only: bool,
}

impl Handles {
    /// Asks the installed recorder for every handle.
    pub(crate) fn resolve() -> Self {
        let operations = Op::ALL.map(|op| OpHandles {
            op,
            keys_read: counter!(KEYS_READ, "op" => op.name()),
            bytes_read: counter!(BYTES_READ, "op" => op.name()),
            keys_written: counter!(KEYS_WRITTEN, "op" => op.name()),
            bytes_written: counter!(BYTES_WRITTEN, "op" => op.name()),
            nodes_read: counter!(NODES_READ, "op" => op.name()),
            nodes_written: counter!(NODES_WRITTEN, "op" => op.name()),
            node_bytes_read: counter!(NODE_BYTES_READ, "op" => op.name()),
            node_bytes_written: counter!(NODE_BYTES_WRITTEN, "op" => op.name()),
        });
        Self {
            group_batches: histogram!(GROUP_BATCHES),
            sync_seconds: histogram!(SYNC_SECONDS),
            position: gauge!(POSITION),
            queue_places: gauge!(QUEUE_PLACES),
            cache_bytes: gauge!(CACHE_BYTES),
            buffer_bytes: gauge!(BUFFER_BYTES),
            read_only: gauge!(READ_ONLY),
            operations: operations.into(),
        }
    }

    /// A group was synced.
    pub(crate) fn group(&self, batches: usize, sync: Duration) {
        self.group_batches.record(float(batches));
        self.sync_seconds.record(sync.as_secs_f64());
    }

    /// Sets what is not set as it happens.
    pub(crate) fn refresh<'a>(&self, gauges: &Gauges, counts: impl Fn(Op) -> &'a Counts) {
        use std::sync::atomic::Ordering::Relaxed;
        #[expect(
            clippy::cast_precision_loss,
            clippy::as_conversions,
            reason = "a gauge is a float; positions stay exact below 2^53"
        )]
        self.position.set(gauges.position as f64);
        self.queue_places.set(float(gauges.queue_places));
        self.cache_bytes.set(float(gauges.cache_bytes));
        self.buffer_bytes.set(float(gauges.buffer_bytes));
        self.read_only.set(f64::from(u8::from(gauges.read_only)));
        for handles in &self.operations {
            let counts = counts(handles.op);
            for (handle, count) in [
                (&handles.keys_read, &counts.keys_read),
                (&handles.bytes_read, &counts.bytes_read),
                (&handles.keys_written, &counts.keys_written),
                (&handles.bytes_written, &counts.bytes_written),
                (&handles.nodes_read, &counts.nodes_read),
                (&handles.nodes_written, &counts.nodes_written),
                (&handles.node_bytes_read, &counts.node_bytes_read),
                (&handles.node_bytes_written, &counts.node_bytes_written),
            ] {
                handle.absolute(count.load(Relaxed));
            }
        }
    }
}

/// A size as a gauge takes it.
#[expect(
    clippy::cast_precision_loss,
    clippy::as_conversions,
    reason = "sizes in memory stay exact below 2^53"
)]
const fn float(size: usize) -> f64 {
    size as f64
}
