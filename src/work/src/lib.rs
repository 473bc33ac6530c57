//! Time, randomness, threads and background work: what every other crate needs of the machine, each
//! behind a small type that a test can replace.
//!
//! It must never know Matrix: no room, user, event or error code is named here.
//!
//! Entry points: [`Clock`] and [`RandomSource`] (constructor arguments of whatever needs time or
//! chance), [`Pool`] (where synchronous code runs), [`Line`] (state that is
//! changed by one at a time), [`Worker`] and [`Runner`] (background work),
//! [`Backoff`], [`Shutdown`], and [`runtime`], which builds the one async runtime.

mod backoff;
mod clock;
mod line;
pub mod metric;
mod pool;
mod random;
mod runner;
mod runtime;
mod shutdown;
mod worker;

pub use backoff::Backoff;
pub use clock::{Clock, ManualClock, SharedClock, SystemClock};
pub use line::Line;
pub use pool::{Pool, PoolError, PoolSettings, panic_message};
pub use random::{RandomSource, RandomSourceExt, SeededRandom, SharedRandom, SystemRandom};
pub use runner::{Runner, RunnerError, STOP_DEADLINE, WakeHandle, WorkerState, WorkerStatus};
pub use runtime::{RuntimeSettings, runtime};
pub use shutdown::Shutdown;
pub use worker::{Step, Worker, WorkerCx, WorkerError};

use metric::{Kind, Metric};

/// Every metric that this crate writes.
pub const METRICS: &[Metric] = &[
    Metric {
        name: "pool_running",
        kind: Kind::Gauge,
        help: "Closures that run on the pool for synchronous code now.",
    },
    Metric {
        name: "pool_waiting",
        kind: Kind::Gauge,
        help: "Closures that wait for a thread of the pool now.",
    },
    Metric {
        name: "pool_refused_total",
        kind: Kind::Counter,
        help: "Closures that were refused because the queue of the pool was full.",
    },
    Metric {
        name: "pool_panics_total",
        kind: Kind::Counter,
        help: "Closures of the pool that ended in a panic.",
    },
    Metric {
        name: "worker_steps_total",
        kind: Kind::Counter,
        help: "Steps of background workers, by worker and result (again, idle, done, error, panic).",
    },
    Metric {
        name: "worker_step_seconds",
        kind: Kind::Histogram,
        help: "How long a step of a background worker took, by worker.",
    },
    Metric {
        name: "worker_lag",
        kind: Kind::Gauge,
        help: "How far a background worker is behind its input, in the input's own unit, by worker.",
    },
];
