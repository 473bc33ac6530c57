//! Where synchronous code runs: a bounded number of threads behind a bounded queue.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use metrics::{Counter, Gauge, counter, gauge};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::spawn_blocking,
};
use tracing::{Span, error};

/// The bounds of a [`Pool`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolSettings {
    /// What the pool is called in metrics and logs.
    pub name: &'static str,
    /// Closures that run at once; at least 1. The runtime must allow as many blocking threads, for
    /// all pools together.
    pub threads: usize,
    /// Closures that wait for a thread before new ones are refused.
    pub queue: usize,
}

/// Why a closure gave no value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PoolError {
    /// Too many wait already; the closure did not run. Tell the client to come back later.
    #[error("too much work is waiting")]
    Full,
    /// The closure panicked. What it had submitted before stands.
    #[error("the work panicked: {message}")]
    Panicked {
        /// What the panic said.
        message: String,
    },
    /// The process is stopping; the closure may not have run.
    #[error("the pool is stopping")]
    Stopping,
}

/// Runs synchronous code off the async threads. Clones share the threads and the queue.
///
/// Threads are borrowed from the runtime for the time of a closure, so that an idle pool has none.
#[derive(Clone, Debug)]
pub struct Pool {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    name: &'static str,
    /// One permit a closure that runs or waits.
    admission: Arc<Semaphore>,
    /// One permit a closure that runs; fair, so the queue is first come, first served.
    threads: Arc<Semaphore>,
    waiting: Gauge,
    running: Gauge,
    refused: Counter,
    panics: Counter,
}

/// Keeps a gauge one higher until it is dropped, also by a future that nobody polls to its end.
struct Counted(Gauge);

impl Counted {
    fn new(gauge: &Gauge) -> Self {
        gauge.increment(1.0);
        Self(gauge.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}

impl Pool {
    /// A pool with these bounds.
    pub fn new(settings: PoolSettings) -> Self {
        let threads = settings.threads.clamp(1, Semaphore::MAX_PERMITS);
        let admission = threads
            .saturating_add(settings.queue)
            .min(Semaphore::MAX_PERMITS);
        let name = settings.name;
        Self {
            inner: Arc::new(Inner {
                name,
                admission: Arc::new(Semaphore::new(admission)),
                threads: Arc::new(Semaphore::new(threads)),
                waiting: gauge!("pool_waiting", "pool" => name),
                running: gauge!("pool_running", "pool" => name),
                refused: counter!("pool_refused_total", "pool" => name),
                panics: counter!("pool_panics_total", "pool" => name),
            }),
        }
    }

    /// Runs `work` on a thread of the pool, in the caller's tracing span, and returns its value.
    ///
    /// The future may be dropped: a closure that still waits then never runs; one that has begun
    /// runs to its end.
    ///
    /// # Errors
    ///
    /// [`PoolError::Full`] at once when the queue is full, the others as they say.
    pub async fn run<T, F>(&self, work: F) -> Result<T, PoolError>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        let inner = &self.inner;
        let Ok(admitted) = Arc::clone(&inner.admission).try_acquire_owned() else {
            inner.refused.increment(1);
            return Err(PoolError::Full);
        };
        let thread = self.thread().await?;
        let running = Counted::new(&inner.running);
        let (span, pool) = (Span::current(), self.clone());
        let task = spawn_blocking(move || {
            // The permits go back when the closure has ended, not when its caller has read the
            // answer or gone away.
            let _held = (admitted, thread, running);
            pool.piece(&span, work)
        });
        task.await.unwrap_or(Err(PoolError::Stopping))
    }

    /// Whether all threads have something to do: what can wait should.
    pub fn is_busy(&self) -> bool {
        self.inner.threads.available_permits() == 0
    }

    /// Runs one of several pieces of work that share a closure of the pool, in the tracing span of
    /// whoever asked for it: a panic ends this piece and no other.
    pub(crate) fn piece<T>(&self, span: &Span, work: impl FnOnce() -> T) -> Result<T, PoolError> {
        catch_unwind(AssertUnwindSafe(|| span.in_scope(work))).map_err(|payload| {
            let message = panic_message(&*payload);
            self.inner.panics.increment(1);
            let pool = self.inner.name;
            span.in_scope(|| error!(pool, message, "synchronous work panicked"));
            PoolError::Panicked { message }
        })
    }

    async fn thread(&self) -> Result<OwnedSemaphorePermit, PoolError> {
        let _waiting = Counted::new(&self.inner.waiting);
        let permit = Arc::clone(&self.inner.threads).acquire_owned().await;
        permit.map_err(|_| PoolError::Stopping)
    }
}

/// What a panic said, as caught by `catch_unwind`; most say it in text.
pub fn panic_message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| payload.downcast_ref::<&'static str>().copied());
    text.unwrap_or("a panic without a message").to_owned()
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use super::*;

    fn pool(threads: usize, queue: usize) -> Pool {
        Pool::new(PoolSettings {
            name: "test",
            threads,
            queue,
        })
    }

    #[tokio::test]
    async fn a_closure_gives_its_value_from_another_thread() {
        let here = std::thread::current().id();
        let there = pool(1, 0)
            .run(|| std::thread::current().id())
            .await
            .unwrap();
        assert_ne!(here, there);
    }

    #[tokio::test]
    async fn a_panic_is_an_error_and_the_thread_is_free_again() {
        let pool = pool(1, 0);
        let error = pool.run(|| panic!("no {}", "luck")).await.unwrap_err();
        assert_eq!(
            error,
            PoolError::Panicked {
                message: "no luck".to_owned()
            }
        );
        let error = pool.run(|| panic!("plain")).await.unwrap_err();
        assert_eq!(
            error,
            PoolError::Panicked {
                message: "plain".to_owned()
            }
        );
        assert_eq!(pool.run(|| 1).await, Ok(1));
    }

    #[tokio::test]
    async fn a_full_queue_refuses_and_the_bound_on_threads_holds() {
        let pool = pool(1, 1);
        let (release, released) = sync_channel::<()>(0);
        let (begun, has_begun) = sync_channel::<()>(1);
        let first = pool.run(move || {
            begun.send(()).unwrap();
            released.recv().unwrap();
            1
        });
        let second = pool.run(|| 2);
        tokio::pin!(first, second);
        assert!(futures_util::poll!(first.as_mut()).is_pending());
        has_begun.recv().unwrap();
        assert!(futures_util::poll!(second.as_mut()).is_pending());
        assert_eq!(pool.run(|| 3).await, Err(PoolError::Full));
        assert_eq!(pool.inner.threads.available_permits(), 0);
        release.send(()).unwrap();
        assert_eq!(first.await, Ok(1));
        assert_eq!(second.await, Ok(2));
        assert_eq!(pool.run(|| 4).await, Ok(4));
    }

    #[tokio::test]
    async fn a_dropped_caller_that_waits_gives_its_place_back() {
        let pool = pool(1, 1);
        let (release, released) = sync_channel::<()>(0);
        let first = pool.run(move || released.recv().unwrap());
        tokio::pin!(first);
        assert!(futures_util::poll!(first.as_mut()).is_pending());
        {
            let second = pool.run(|| ());
            tokio::pin!(second);
            assert!(futures_util::poll!(second.as_mut()).is_pending());
        }
        let third = pool.run(|| 3);
        tokio::pin!(third);
        assert!(futures_util::poll!(third.as_mut()).is_pending());
        release.send(()).unwrap();
        assert_eq!(third.await, Ok(3));
    }
}
