//! The one place that runs background work.

use std::{
    collections::BTreeMap,
    panic::AssertUnwindSafe,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::FutureExt as _;
use metrics::{Gauge, Histogram, counter, gauge, histogram};
use parking_lot::Mutex;
use tokio::{
    sync::Notify,
    task::JoinSet,
    time::{Instant, sleep_until, timeout_at},
};
use tracing::{Instrument as _, error, info, info_span, warn};

use crate::{
    Backoff, SharedClock, SharedRandom, Shutdown, Step, Worker, WorkerCx, WorkerError,
    pool::panic_message,
};

/// How long workers get to end their step once the process stops.
pub const STOP_DEADLINE: Duration = Duration::from_secs(8);

const FIRST_DELAY: Duration = Duration::from_millis(200);
const LONGEST_DELAY: Duration = Duration::from_mins(1);

/// Why a worker was not started.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RunnerError {
    /// One of that name runs already.
    #[error("a worker named {name} runs already")]
    NameTaken {
        /// The name of both.
        name: String,
    },
    /// The runner was told to stop.
    #[error("the process is stopping")]
    Stopping,
}

/// What a worker is about now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkerState {
    /// In a step.
    Running,
    /// Until it is woken, or its time has come.
    Waiting,
    /// After an error or a panic; wake-ups do not shorten this.
    BackingOff,
}

impl WorkerState {
    /// The state as one word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::BackingOff => "backing-off",
        }
    }
}

/// One line of the list of workers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerStatus {
    /// The name it was started under.
    pub name: String,
    /// What it is about.
    pub state: WorkerState,
    /// Steps since it was started.
    pub steps: u64,
    /// Steps that failed since the last one that succeeded.
    pub failures: u32,
    /// How far behind its input it said it was, in the input's own unit.
    pub lag: u64,
    /// What the last failed step said, until one succeeds.
    pub last_error: Option<String>,
}

/// Wakes one worker. A wake-up while it runs is not lost: it then runs once more.
#[derive(Clone, Debug)]
pub struct WakeHandle(Arc<Notify>);

impl WakeHandle {
    /// Has the worker do a step soon. Cheap, never waits.
    pub fn wake(&self) {
        self.0.notify_one();
    }
}

/// What the runner and the list know of a worker.
#[derive(Debug)]
pub(crate) struct Slot {
    name: String,
    wake: Arc<Notify>,
    steps: AtomicU64,
    lag: AtomicU64,
    lag_gauge: Gauge,
    step_seconds: Histogram,
    phase: Mutex<Phase>,
}

#[derive(Debug)]
struct Phase {
    state: WorkerState,
    failures: u32,
    last_error: Option<String>,
}

impl Slot {
    fn new<W: Worker>(name: String) -> Self {
        Self {
            name,
            wake: Arc::new(Notify::new()),
            steps: AtomicU64::new(0),
            lag: AtomicU64::new(0),
            lag_gauge: gauge!("worker_lag", "worker" => W::NAME),
            step_seconds: histogram!("worker_step_seconds", "worker" => W::NAME),
            phase: Mutex::new(Phase {
                state: WorkerState::Waiting,
                failures: 0,
                last_error: None,
            }),
        }
    }

    pub(crate) fn wake_handle(&self) -> WakeHandle {
        WakeHandle(Arc::clone(&self.wake))
    }

    pub(crate) fn set_lag(&self, lag: u64) {
        self.lag.store(lag, Ordering::Relaxed);
        self.lag_gauge
            .set(f64::from(u32::try_from(lag).unwrap_or(u32::MAX)));
    }

    fn set_state(&self, state: WorkerState) {
        self.phase.lock().state = state;
    }

    fn succeeded(&self) {
        let mut phase = self.phase.lock();
        phase.failures = 0;
        phase.last_error = None;
        phase.state = WorkerState::Waiting;
    }

    fn failed(&self, failures: u32, message: String) {
        let mut phase = self.phase.lock();
        *phase = Phase {
            state: WorkerState::BackingOff,
            failures,
            last_error: Some(message),
        };
    }

    fn status(&self) -> WorkerStatus {
        let phase = self.phase.lock();
        WorkerStatus {
            name: self.name.clone(),
            state: phase.state,
            steps: self.steps.load(Ordering::Relaxed),
            failures: phase.failures,
            lag: self.lag.load(Ordering::Relaxed),
            last_error: phase.last_error.clone(),
        }
    }
}

#[derive(Debug, Default)]
struct Running {
    tasks: JoinSet<()>,
    stopping: bool,
}

type Slots = Arc<Mutex<BTreeMap<String, Arc<Slot>>>>;

/// Starts, wakes, lists and stops workers.
///
/// A step that fails or panics is tried again after a growing delay with jitter, from 0.2 s up to a
/// minute; after a panic by a worker built anew.
#[derive(Debug)]
pub struct Runner {
    clock: SharedClock,
    random: SharedRandom,
    shutdown: Shutdown,
    slots: Slots,
    running: Mutex<Running>,
}

impl Runner {
    /// A runner without workers. Workers stop when `shutdown` is requested.
    pub fn new(clock: SharedClock, random: SharedRandom, shutdown: Shutdown) -> Self {
        let (slots, running) = (Slots::default(), Mutex::default());
        Self {
            clock,
            random,
            shutdown,
            slots,
            running,
        }
    }

    /// Starts the worker that `make` builds, under its own name. Its first step comes at once.
    ///
    /// # Errors
    ///
    /// When one of that name runs, or the runner stops.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn start<W, F>(&self, make: F) -> Result<WakeHandle, RunnerError>
    where
        W: Worker,
        F: Fn() -> W + Send + Sync + 'static,
    {
        self.start_as(W::NAME.to_owned(), make)
    }

    /// As [`Runner::start`], for one of several workers of a kind: `name` tells them apart in the
    /// list, while metrics go by [`Worker::NAME`].
    ///
    /// # Errors
    ///
    /// When one of that name runs, or the runner stops.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn start_as<W, F>(&self, name: String, make: F) -> Result<WakeHandle, RunnerError>
    where
        W: Worker,
        F: Fn() -> W + Send + Sync + 'static,
    {
        let mut running = self.running.lock();
        if running.stopping || self.shutdown.is_requested() {
            return Err(RunnerError::Stopping);
        }
        while running.tasks.try_join_next().is_some() {}
        let slot = Arc::new(Slot::new::<W>(name.clone()));
        {
            let mut slots = self.slots.lock();
            if slots.contains_key(&name) {
                return Err(RunnerError::NameTaken { name });
            }
            slots.insert(name.clone(), Arc::clone(&slot));
        }
        let wake = slot.wake_handle();
        let cx = WorkerCx {
            clock: Arc::clone(&self.clock),
            shutdown: self.shutdown.clone(),
            slot,
        };
        let drive = Drive {
            make,
            cx,
            random: Arc::clone(&self.random),
        };
        let listed = Listed {
            name,
            slots: Arc::clone(&self.slots),
        };
        running.tasks.spawn(async move {
            let _listed = listed;
            drive.run().await;
        });
        Ok(wake)
    }

    /// The workers that run now, by name.
    pub fn list(&self) -> Vec<WorkerStatus> {
        self.slots
            .lock()
            .values()
            .map(|slot| slot.status())
            .collect()
    }

    /// Asks all workers to stop, waits until they have ended their step, and drops those that have
    /// not by `deadline`; returns the names of these.
    pub async fn stop(&self, deadline: Duration) -> Vec<String> {
        self.shutdown.request();
        let mut tasks = {
            let mut running = self.running.lock();
            running.stopping = true;
            std::mem::take(&mut running.tasks)
        };
        let until = Instant::now() + deadline;
        while let Ok(Some(_)) = timeout_at(until, tasks.join_next()).await {}
        let late = self.list().into_iter().map(|status| status.name).collect();
        tasks.shutdown().await;
        late
    }
}

/// Takes a worker off the list when its task ends, however it ends.
struct Listed {
    name: String,
    slots: Slots,
}

impl Drop for Listed {
    fn drop(&mut self) {
        self.slots.lock().remove(&self.name);
    }
}

/// What runs one worker.
struct Drive<F> {
    make: F,
    cx: WorkerCx,
    random: SharedRandom,
}

/// How a step ended.
enum Outcome {
    Step(Step),
    Error(WorkerError),
    Panic(String),
}

impl Outcome {
    fn as_str(&self) -> &'static str {
        match self {
            Self::Step(Step::Again) => "again",
            Self::Step(Step::Idle | Step::IdleUntil(_)) => "idle",
            Self::Step(Step::Done) => "done",
            Self::Error(_) => "error",
            Self::Panic(_) => "panic",
        }
    }
}

impl<W: Worker, F: Fn() -> W> Drive<F> {
    async fn run(self) {
        let slot = &self.cx.slot;
        let mut worker = None;
        let mut backoff = Backoff::new(FIRST_DELAY, LONGEST_DELAY);
        while !self.cx.shutdown.is_requested() {
            let message = match self.step(&mut worker).await {
                Outcome::Step(step) => {
                    backoff.succeeded();
                    slot.succeeded();
                    match step {
                        // Other tasks of this thread get their turn between two steps.
                        Step::Again => tokio::task::yield_now().await,
                        Step::Idle => self.wait(None).await,
                        Step::IdleUntil(at) => self.wait(Some(at)).await,
                        Step::Done => {
                            info!(worker = slot.name, "worker is done");
                            return;
                        }
                    }
                    continue;
                }
                Outcome::Error(error) => {
                    warn!(worker = slot.name, %error, "step failed");
                    error.to_string()
                }
                Outcome::Panic(message) => {
                    error!(
                        worker = slot.name,
                        message, "step panicked; the worker is built anew"
                    );
                    worker = None;
                    message
                }
            };
            let delay = backoff.failed(&*self.random);
            slot.failed(backoff.failures(), message);
            tokio::select! {
                () = self.cx.shutdown.requested() => {}
                () = tokio::time::sleep(delay) => {}
            }
        }
    }

    async fn step(&self, worker: &mut Option<W>) -> Outcome {
        let slot = &self.cx.slot;
        slot.set_state(WorkerState::Running);
        let began = Instant::now();
        let step = async {
            let worker = worker.get_or_insert_with(&self.make);
            worker.step(&self.cx).await
        };
        let span = info_span!("worker", worker = slot.name);
        let outcome = match AssertUnwindSafe(step).catch_unwind().instrument(span).await {
            Ok(Ok(step)) => Outcome::Step(step),
            Ok(Err(error)) => Outcome::Error(error),
            Err(payload) => Outcome::Panic(panic_message(&*payload)),
        };
        slot.step_seconds.record(began.elapsed());
        slot.steps.fetch_add(1, Ordering::Relaxed);
        counter!("worker_steps_total", "worker" => W::NAME, "result" => outcome.as_str())
            .increment(1);
        outcome
    }

    async fn wait(&self, until: Option<Instant>) {
        let time_has_come = async {
            match until {
                Some(at) => sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = self.cx.shutdown.requested() => {}
            () = self.cx.slot.wake.notified() => {}
            () = time_has_come => {}
        }
    }
}

#[cfg(test)]
mod tests;
