//! State that one piece of work at a time changes, first come, first served.
//!
//! Work waits in line. Whoever is given the state goes to the pool with it and does all the work
//! that is in line, that of others too: handing a thread over costs about as much as a short piece
//! of work does.

use std::{collections::VecDeque, sync::Arc};

use parking_lot::Mutex;
use tokio::sync::{Mutex as FairMutex, OwnedMutexGuard, oneshot};
use tracing::Span;

use crate::{Pool, PoolError};

/// Pieces of work that one closure of the pool does at most, so that others get their thread too.
const MAX_AT_ONCE: usize = 64;

/// A piece of work that waits; it sends its value by itself.
type Piece<S> = Box<dyn FnOnce(&mut S) + Send>;

/// State, and the work that waits for it.
#[derive(Debug)]
pub struct Line<S> {
    state: Arc<FairMutex<S>>,
    waiting: Mutex<Waiting<S>>,
}

/// Pieces by the number of their place, ascending.
struct Waiting<S> {
    next: u64,
    pieces: VecDeque<(u64, Piece<S>)>,
}

impl<S> std::fmt::Debug for Waiting<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Waiting")
            .field("next", &self.next)
            .field("pieces", &self.pieces.len())
            .finish()
    }
}

/// A place in line; given up, with the work in it, by a future that nobody polls to its end.
struct Place<'a, S> {
    line: &'a Line<S>,
    number: u64,
}

impl<S> Drop for Place<'_, S> {
    fn drop(&mut self) {
        let mut waiting = self.line.waiting.lock();
        let found = waiting
            .pieces
            .binary_search_by_key(&self.number, |(number, _)| *number);
        let piece = found.ok().and_then(|at| waiting.pieces.remove(at));
        drop(waiting);
        drop(piece);
    }
}

impl<S: Send + 'static> Line<S> {
    /// A line with nobody in it.
    pub fn new(state: S) -> Self {
        Self {
            state: Arc::new(FairMutex::new(state)),
            waiting: Mutex::new(Waiting {
                next: 0,
                pieces: VecDeque::new(),
            }),
        }
    }

    /// Does `work` on a thread of the pool when it is its turn, in the caller's tracing span, and
    /// returns its value.
    ///
    /// The future may be dropped: work that is still in line then is never done; work that has
    /// begun runs to its end. Work that panics leaves the state as it was when it did.
    ///
    /// # Errors
    ///
    /// Those of [`Pool::run`].
    pub async fn run<T, F>(self: &Arc<Self>, pool: &Pool, work: F) -> Result<T, PoolError>
    where
        T: Send + 'static,
        F: FnOnce(&mut S) -> T + Send + 'static,
    {
        let (value, mut done) = oneshot::channel();
        let (span, its_pool) = (Span::current(), pool.clone());
        let _place = self.enter(Box::new(move |state| {
            // The caller may be gone: what was done stands.
            drop(value.send(its_pool.piece(&span, || work(state))));
        }));
        loop {
            let state = tokio::select! {
                biased;
                value = &mut done => return value.unwrap_or(Err(PoolError::Stopping)),
                state = Arc::clone(&self.state).lock_owned() => state,
            };
            let line = Arc::clone(self);
            pool.run(move || line.serve(state)).await?;
        }
    }

    /// Looks at the state, unless somebody works on it.
    pub fn peek<T>(&self, look: impl FnOnce(&S) -> T) -> Option<T> {
        self.state.try_lock().ok().map(|state| look(&state))
    }

    fn enter(&self, piece: Piece<S>) -> Place<'_, S> {
        let mut waiting = self.waiting.lock();
        let number = waiting.next;
        waiting.next = number.saturating_add(1);
        waiting.pieces.push_back((number, piece));
        drop(waiting);
        Place { line: self, number }
    }

    /// Does what is in line, one piece after the other.
    fn serve(&self, mut state: OwnedMutexGuard<S>) {
        for _ in 0..MAX_AT_ONCE {
            let first = self.waiting.lock().pieces.pop_front();
            let Some((_, piece)) = first else {
                return;
            };
            piece(&mut state);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{SyncSender, sync_channel};

    use futures_util::{future::join_all, poll};

    use super::*;
    use crate::PoolSettings;

    fn pool() -> Pool {
        Pool::new(PoolSettings {
            name: "line",
            threads: 2,
            queue: 0,
        })
    }

    /// A line whose state somebody works on until the sender is dropped, and the work's future.
    async fn held() -> (Arc<Line<Vec<usize>>>, SyncSender<()>, impl Future) {
        let line = Arc::new(Line::new(Vec::new()));
        let (release, released) = sync_channel::<()>(0);
        let (begun, has_begun) = oneshot::channel();
        let task = Arc::clone(&line);
        let mut holder = Box::pin(async move {
            task.run(&pool(), move |_| {
                begun.send(()).unwrap();
                released.recv().ok();
            })
            .await
        });
        assert!(poll!(&mut holder).is_pending());
        has_begun.await.unwrap();
        (line, release, holder)
    }

    #[tokio::test]
    async fn all_who_wait_are_served_in_their_order_on_one_thread() {
        let (line, release, holder) = held().await;
        let pool = pool();
        let mut waiting: Vec<_> = (0..3 * MAX_AT_ONCE)
            .map(|number| {
                let work = move |state: &mut Vec<usize>| {
                    state.push(number);
                    (number, std::thread::current().id())
                };
                Box::pin(line.run(&pool, work))
            })
            .collect();
        for one in &mut waiting {
            assert!(poll!(one).is_pending());
        }
        drop(release);
        let values: Vec<_> = join_all(waiting).await.into_iter().flatten().collect();
        holder.await;
        let numbers: Vec<usize> = values.iter().map(|(number, _)| *number).collect();
        assert_eq!(numbers, (0..3 * MAX_AT_ONCE).collect::<Vec<_>>());
        assert_eq!(line.peek(Clone::clone), Some(numbers));
        let first = values.first().map(|(_, thread)| *thread);
        assert!(
            values[..MAX_AT_ONCE - 1]
                .iter()
                .all(|(_, thread)| Some(*thread) == first)
        );
    }

    #[tokio::test]
    async fn whoever_goes_away_takes_the_work_out_of_the_line() {
        let (line, release, holder) = held().await;
        let pool = pool();
        let owned = Arc::new(());
        let in_work = Arc::clone(&owned);
        let mut gone = Box::pin(line.run(&pool, move |state| {
            drop(in_work);
            state.push(1);
        }));
        let mut stays = Box::pin(line.run(&pool, |state| state.push(2)));
        assert!(poll!(&mut gone).is_pending() && poll!(&mut stays).is_pending());
        drop(gone);
        assert_eq!(Arc::strong_count(&owned), 1, "what the work held is free");
        drop(release);
        stays.await.unwrap();
        holder.await;
        assert_eq!(line.peek(Clone::clone), Some(vec![2]));
    }

    #[tokio::test]
    async fn a_panic_is_the_error_of_one_and_the_others_are_served() {
        let (line, release, holder) = held().await;
        let pool = pool();
        let mut bad = Box::pin(line.run(&pool, |state| {
            state.push(1);
            panic!("bad luck")
        }));
        let mut good = Box::pin(line.run(&pool, |state| state.push(2)));
        assert!(poll!(&mut bad).is_pending() && poll!(&mut good).is_pending());
        drop(release);
        let (bad, good): (Result<(), _>, _) = (bad.await, good.await);
        holder.await;
        let message = "bad luck".to_owned();
        assert_eq!(bad, Err(PoolError::Panicked { message }));
        assert_eq!(good, Ok(()));
        assert_eq!(line.peek(Clone::clone), Some(vec![1, 2]));
    }

    #[tokio::test]
    async fn a_full_pool_refuses_and_leaves_nothing_in_line() {
        let (release, released) = sync_channel::<()>(0);
        let full = Pool::new(PoolSettings {
            name: "full",
            threads: 1,
            queue: 0,
        });
        let mut holder = Box::pin(full.run(move || released.recv().ok()));
        assert!(poll!(&mut holder).is_pending());
        let line = Arc::new(Line::new(Vec::<usize>::new()));
        let refused = line.run(&full, |state| state.push(1)).await;
        assert_eq!(refused, Err(PoolError::Full));
        drop(release);
        holder.await.unwrap();
        line.run(&full, |state| state.push(2)).await.unwrap();
        assert_eq!(line.peek(Clone::clone), Some(vec![2]));
    }
}
