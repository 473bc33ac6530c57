//! The thread that keeps the watermark and trims the log. It sleeps while nothing is committed.

use std::{
    io,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use heliograph_core::ids::Position;
use parking_lot::{Condvar, Mutex};

use crate::{
    Durability, Settings, StorageError, committer::Committer, trim::Trimmer, watermark::LastUse,
    watermark::Watermark,
};

/// The shortest time between two writes of the watermark.
const PACE: Duration = Duration::from_secs(1);
/// How long it sleeps when nothing is committed; entries of the log grow old all the same.
const IDLE: Duration = Duration::from_hours(1);

/// Wakes the thread without costing a commit anything while it is awake.
#[derive(Default)]
pub(crate) struct Signal {
    idle: AtomicBool,
    stop: Mutex<bool>,
    told: Condvar,
}

impl Signal {
    /// Something was published.
    pub(crate) fn changed(&self) {
        if self.idle.load(Ordering::SeqCst) {
            let stop = self.stop.lock();
            self.idle.store(false, Ordering::SeqCst);
            drop(stop);
            self.told.notify_one();
        }
    }

    /// The thread is to end.
    pub(crate) fn stop(&self) {
        *self.stop.lock() = true;
        self.told.notify_one();
    }

    /// Waits until there is something to do and the pace allows it; whether to go on.
    fn wait(&self, is_changed: impl Fn() -> bool) -> bool {
        let mut stop = self.stop.lock();
        if !*stop {
            // What is published after this finds the flag set, or was seen by the question.
            self.idle.store(true, Ordering::SeqCst);
            let pause = if is_changed() {
                self.idle.store(false, Ordering::SeqCst);
                PACE
            } else {
                IDLE
            };
            self.told.wait_for(&mut stop, pause);
            self.idle.store(false, Ordering::SeqCst);
        }
        !*stop
    }
}

/// What the thread does.
pub(crate) struct Upkeep {
    committer: Arc<Committer>,
    folder: PathBuf,
    /// The position in the watermark file.
    written: Position,
    trimmer: Trimmer,
}

impl Upkeep {
    /// `written` is what the watermark file says already.
    pub(crate) fn new(
        committer: Arc<Committer>,
        folder: PathBuf,
        written: Position,
        settings: &Settings,
    ) -> Self {
        Self {
            committer,
            folder,
            written,
            trimmer: Trimmer::new(settings),
        }
    }

    /// Starts the thread.
    pub(crate) fn start(mut self) -> io::Result<JoinHandle<()>> {
        thread::Builder::new()
            .name("store-upkeep".to_owned())
            .spawn(move || {
                while self.committer.signal.wait(|| self.is_behind()) {
                    if let Err(error) = self.step() {
                        // Nothing is lost by it: the watermark is only older than it might be.
                        tracing::warn!(%error, "upkeep of the store failed, and is tried again");
                    }
                }
            })
    }

    /// Whether the watermark could say more.
    pub(crate) fn is_behind(&self) -> bool {
        let possible = match self.committer.durability() {
            Durability::Fsync => self.committer.synced(),
            Durability::Os => self.committer.position(),
        };
        possible > self.written && self.committer.check().is_ok()
    }

    /// Trims the log where it is time, and writes the watermark.
    pub(crate) fn step(&mut self) -> Result<(), StorageError> {
        self.committer.check()?;
        self.trimmer.step(&self.committer)?;
        let durability = self.committer.durability();
        let position = match durability {
            Durability::Fsync => self.committer.synced(),
            Durability::Os => self.committer.sync_published()?,
        };
        if position > self.written {
            Watermark::new(position, LastUse::from(durability)).write(&self.folder)?;
            self.written = position;
        }
        Ok(())
    }
}
