//! The two threads that write, sync and publish, taking turns.
//!
//! A thread takes all that waits, writes it, and waits for the other one's sync to end. Then it
//! writes what has come meanwhile, lets the other one begin the next group, syncs and publishes.
//! So group n+1 is written while n is synced, nobody waits on purpose for company, and a lone
//! batch wakes one thread only.

use std::{
    collections::VecDeque,
    io,
    sync::Arc,
    thread::{self, JoinHandle},
    time::Instant,
};

use heliograph_tables::{StoreError, batch::StampedBatch};

use crate::{
    committer::{Committer, State, Waiting, refuse},
    snapshot::Frozen,
};

/// Bytes of batches that one write of RocksDB takes, unless a single batch is larger.
const MAX_WRITE_BYTES: usize = 16 * 1024 * 1024;

/// Starts the threads.
pub(crate) fn start(committer: &Arc<Committer>) -> io::Result<Vec<JoinHandle<()>>> {
    ["store-commit-1", "store-commit-2"]
        .into_iter()
        .map(|name| {
            let committer = Arc::clone(committer);
            thread::Builder::new().name(name.to_owned()).spawn(move || {
                let _on_panic = FailOnPanic(&committer);
                while let Some((number, group)) = take_group(&committer) {
                    commit(&committer, number, group);
                }
            })
        })
        .collect()
}

/// A panic must not leave callers waiting for answers that never come.
struct FailOnPanic<'a>(&'a Committer);

impl Drop for FailOnPanic<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.fail(&"a commit thread panicked".into());
        }
    }
}

/// Waits for something to write; `None` when there will be nothing any more.
fn take_group(committer: &Committer) -> Option<(u64, Vec<Waiting>)> {
    let mut queue = committer.queue.lock();
    loop {
        if matches!(queue.state, State::Failed(_)) {
            return None;
        }
        if queue.waiting.is_empty() && matches!(queue.state, State::Closing) {
            return None;
        }
        if !queue.writing && !queue.waiting.is_empty() {
            queue.writing = true;
            let number = queue.begun;
            queue.begun = number.saturating_add(1);
            return Some((number, take_some(&mut queue.waiting)));
        }
        committer.work.wait(&mut queue);
    }
}

/// What one write takes from the front of the queue.
fn take_some(waiting: &mut VecDeque<Waiting>) -> Vec<Waiting> {
    let mut bytes = 0usize;
    let fitting = waiting
        .iter()
        .take_while(|next| {
            let first = bytes == 0;
            bytes = bytes.saturating_add(next.bytes.max(1));
            first || bytes <= MAX_WRITE_BYTES
        })
        .count();
    waiting.drain(..fitting).collect()
}

/// Writes, syncs and publishes a group; on failure nothing is ever written again.
fn commit(committer: &Arc<Committer>, number: u64, mut group: Vec<Waiting>) {
    let failed = match prepare(committer, number, &mut group) {
        Ok(snapshot) => match sync(committer, &group) {
            Ok(()) => {
                committer.publish(snapshot, group);
                let mut queue = committer.queue.lock();
                queue.done = number.saturating_add(1);
                drop(queue);
                committer.turn.notify_one();
                return;
            }
            Err(error) => error,
        },
        Err(error) => error,
    };
    let reason: Arc<str> = match failed {
        StoreError::ReadOnly(reason) => reason,
        other => other.to_string().into(),
    };
    committer.fail(&reason);
    refuse(group, &reason);
}

/// Writes the group, waits for its turn, writes what came meanwhile, and takes the snapshot that
/// shows exactly this group and those before.
fn prepare(
    committer: &Arc<Committer>,
    number: u64,
    group: &mut Vec<Waiting>,
) -> Result<Frozen, StoreError> {
    write(committer, group)?;
    let mut queue = committer.queue.lock();
    while queue.done != number {
        if let State::Failed(reason) = &queue.state {
            return Err(StoreError::ReadOnly(Arc::clone(reason)));
        }
        committer.turn.wait(&mut queue);
    }
    let more = take_some(&mut queue.waiting);
    drop(queue);
    if !more.is_empty() {
        let written = write(committer, &more);
        group.extend(more);
        written?;
    }
    let snapshot = Frozen::now(Arc::clone(&committer.engine));
    let mut queue = committer.queue.lock();
    queue.writing = false;
    let go_on = !queue.waiting.is_empty();
    let closing = !matches!(queue.state, State::Open);
    drop(queue);
    if closing {
        // The other thread may wait for work that this one has taken.
        committer.work.notify_all();
    } else if go_on {
        committer.work.notify_one();
    }
    Ok(snapshot)
}

fn write(committer: &Committer, group: &[Waiting]) -> Result<(), StoreError> {
    #[cfg(test)]
    if committer
        .faults
        .write
        .load(std::sync::atomic::Ordering::SeqCst)
    {
        return Err(StoreError::Read("a test asked for a failed write".into()));
    }
    let batches: Vec<Arc<StampedBatch>> = group.iter().map(|w| Arc::clone(&w.batch)).collect();
    committer.engine.write(&batches)
}

fn sync(committer: &Committer, group: &[Waiting]) -> Result<(), StoreError> {
    let Some(last) = group.last() else {
        return Ok(());
    };
    let begun = Instant::now();
    committer.sync(last.batch.position)?;
    committer.metrics.group(group.len(), begun.elapsed());
    Ok(())
}
