//! The one async runtime of the process.

use std::{io, time::Duration};

/// How many threads the process runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RuntimeSettings {
    /// Threads for async code; at least 1.
    pub async_threads: usize,
    /// At most this many threads for blocking code: the sum of all [`crate::PoolSettings::threads`], and
    /// a few for name look-ups and files; at least 1.
    pub blocking_threads: usize,
    /// A thread for blocking code ends after this long without work, and gives its memory back.
    pub blocking_keep_alive: Duration,
}

impl Default for RuntimeSettings {
    fn default() -> Self {
        Self {
            async_threads: 2,
            blocking_threads: 24,
            blocking_keep_alive: Duration::from_secs(5),
        }
    }
}

/// Builds the runtime on which everything async runs, with timers and I/O.
///
/// # Errors
///
/// When the operating system gives no threads or no event queue.
pub fn runtime(settings: RuntimeSettings) -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(settings.async_threads.max(1))
        .max_blocking_threads(settings.blocking_threads.max(1))
        .thread_keep_alive(settings.blocking_keep_alive)
        .thread_name("heliograph")
        .enable_all()
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_runtime_runs_async_and_blocking_code() {
        let settings = RuntimeSettings {
            async_threads: 0,
            blocking_threads: 0,
            ..RuntimeSettings::default()
        };
        let runtime = runtime(settings).unwrap();
        let answer = runtime.block_on(async { tokio::task::spawn_blocking(|| 42).await.unwrap() });
        assert_eq!(answer, 42);
    }
}
