//! Writers and readers while they are at work.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use reqwest::Method;
use tokio::{sync::Mutex, task::JoinSet};

use super::{
    Load,
    ledger::{Job, SharedLedger},
};
use crate::Reader;

/// How long a reader waits for news.
const LONG_POLL_MS: u32 = 1000;

/// Everybody at work.
#[derive(Debug)]
pub struct Work {
    tasks: JoinSet<()>,
    readers: Vec<Arc<Mutex<Reader>>>,
    /// Whoever sees it set ends after the answer that is on its way.
    enough: Arc<AtomicBool>,
}

impl Work {
    /// The readers, each as it stands after the answer that is on its way to it.
    pub async fn readers(&self) -> Vec<Reader> {
        let mut readers = Vec::new();
        for reader in &self.readers {
            readers.push(reader.lock().await.clone());
        }
        readers
    }
}

impl Load {
    /// Lets everybody write and read.
    pub fn begin(&mut self) -> Work {
        let mut work = Work {
            tasks: JoinSet::new(),
            readers: Vec::new(),
            enough: Arc::default(),
        };
        for job in self.jobs.clone() {
            let (ledger, enough) = (self.ledger.clone(), Arc::clone(&work.enough));
            work.tasks.spawn(write_on(job, ledger, enough));
        }
        for reader in self.readers.drain(..) {
            let (reader, enough) = (Arc::new(Mutex::new(reader)), Arc::clone(&work.enough));
            work.readers.push(Arc::clone(&reader));
            work.tasks.spawn(read_on(reader, enough));
        }
        work
    }

    /// Ends the work on a server that is up: every write is answered.
    pub async fn rest(&mut self, work: Work) {
        work.enough.store(true, Ordering::Relaxed);
        self.end(work).await;
        assert_eq!(self.ledger.unanswered(), 0, "writes without an answer");
    }

    /// Waits for the end of the work when the server is gone or nobody goes on.
    pub(super) async fn end(&mut self, mut work: Work) {
        while let Some(ended) = work.tasks.join_next().await {
            ended.expect("writers and readers end well");
        }
        self.readers = work.readers().await;
    }
}

/// Writes one after the other until it is enough or the server is gone.
async fn write_on(job: Job, ledger: SharedLedger, enough: Arc<AtomicBool>) {
    while !enough.load(Ordering::Relaxed) {
        let write = ledger.begin(&job);
        let body = Some(write.body.to_string().into_bytes());
        let answer = job
            .client
            .attempt(&write.method, &write.path, body, &[])
            .await;
        let Ok(answer) = answer else { return };
        let event = answer.ok("a write while the server is up")["event_id"]
            .as_str()
            .map(str::to_owned);
        ledger.answer(&job, &write, event);
    }
}

/// Follows everything until it is enough or the server is gone.
async fn read_on(reader: Arc<Mutex<Reader>>, enough: Arc<AtomicBool>) {
    while !enough.load(Ordering::Relaxed) {
        let mut reader = reader.lock().await;
        let path = reader.next_path(LONG_POLL_MS);
        let answer = reader.client.attempt(&Method::GET, &path, None, &[]).await;
        let Ok(answer) = answer else { return };
        let answer = answer.ok("a sync while the server is up");
        if reader.take(&answer).await.is_none() {
            return;
        }
    }
}
