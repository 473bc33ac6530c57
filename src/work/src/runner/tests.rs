use std::sync::atomic::AtomicU32;

use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::*;
use crate::{ManualClock, SeededRandom};

fn runner() -> Runner {
    let clock = Arc::new(ManualClock::new(1_000));
    Runner::new(clock, Arc::new(SeededRandom::new(1)), Shutdown::new())
}

/// Reports each step and does what it is told next.
struct Told {
    steps: Sender<u32>,
    orders: Arc<tokio::sync::Mutex<Receiver<Order>>>,
    built: u32,
}

enum Order {
    Step(Step),
    Fail,
    Panic,
    WaitForShutdown,
    Hang,
}

impl Worker for Told {
    const NAME: &'static str = "told";

    async fn step(&mut self, cx: &WorkerCx) -> Result<Step, WorkerError> {
        self.steps
            .send(self.built)
            .await
            .map_err(WorkerError::new)?;
        let order = self.orders.lock().await.recv().await;
        match order {
            None => Ok(Step::Idle),
            Some(Order::Step(step)) => Ok(step),
            Some(Order::Fail) => Err(WorkerError::new("no network")),
            Some(Order::Panic) => panic!("a bug"),
            Some(Order::WaitForShutdown) => {
                cx.shutdown().requested().await;
                Ok(Step::Idle)
            }
            Some(Order::Hang) => std::future::pending().await,
        }
    }
}

struct Bench {
    runner: Runner,
    wake: WakeHandle,
    steps: Receiver<u32>,
    orders: Sender<Order>,
}

fn bench() -> Bench {
    let runner = runner();
    let (sender, steps) = channel(1);
    let (orders, receiver) = channel(8);
    let receiver = Arc::new(tokio::sync::Mutex::new(receiver));
    let built = AtomicU32::new(0);
    let wake = runner
        .start(move || Told {
            steps: sender.clone(),
            orders: Arc::clone(&receiver),
            built: built.fetch_add(1, Ordering::SeqCst),
        })
        .unwrap();
    Bench {
        runner,
        wake,
        steps,
        orders,
    }
}

impl Bench {
    async fn order(&mut self, order: Order) -> u32 {
        self.orders.send(order).await.unwrap();
        self.steps.recv().await.unwrap()
    }

    async fn until(&self, state: WorkerState) -> WorkerStatus {
        loop {
            let status = self.runner.list().remove(0);
            if status.state == state {
                return status;
            }
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn again_runs_on_and_idle_waits_for_a_wake_up() {
    let mut bench = bench();
    bench.order(Order::Step(Step::Again)).await;
    bench.order(Order::Step(Step::Idle)).await;
    let status = bench.until(WorkerState::Waiting).await;
    assert_eq!((status.steps, status.failures), (2, 0));
    bench.wake.wake();
    bench.order(Order::Step(Step::Idle)).await;
    assert_eq!(bench.until(WorkerState::Waiting).await.steps, 3);
}

#[tokio::test]
async fn a_wake_up_during_a_step_is_not_lost() {
    let mut bench = bench();
    assert_eq!(bench.steps.recv().await, Some(0));
    bench.wake.wake();
    bench.orders.send(Order::Step(Step::Idle)).await.unwrap();
    assert_eq!(bench.steps.recv().await, Some(0));
}

#[tokio::test]
async fn idle_until_ends_by_itself() {
    let mut bench = bench();
    bench
        .order(Order::Step(Step::IdleUntil(
            Instant::now() + Duration::from_millis(3),
        )))
        .await;
    assert_eq!(bench.steps.recv().await, Some(0));
}

#[tokio::test]
async fn a_failed_step_is_tried_again_by_the_same_worker() {
    let mut bench = bench();
    bench.order(Order::Fail).await;
    let status = bench.until(WorkerState::BackingOff).await;
    assert_eq!(status.failures, 1);
    assert_eq!(status.last_error.as_deref(), Some("no network"));
    assert_eq!(bench.order(Order::Step(Step::Idle)).await, 0);
    let status = bench.until(WorkerState::Waiting).await;
    assert_eq!((status.failures, status.last_error), (0, None));
}

#[tokio::test]
async fn a_panic_builds_the_worker_anew() {
    let mut bench = bench();
    assert_eq!(bench.order(Order::Panic).await, 0);
    assert_eq!(bench.order(Order::Step(Step::Idle)).await, 1);
}

#[tokio::test]
async fn a_worker_that_is_done_leaves_the_list_and_its_name() {
    let mut bench = bench();
    let taken = bench
        .runner
        .start(|| -> Told { unreachable!("the name is taken") })
        .unwrap_err();
    assert_eq!(
        taken,
        RunnerError::NameTaken {
            name: "told".to_owned()
        }
    );
    bench.order(Order::Step(Step::Done)).await;
    while !bench.runner.list().is_empty() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn stopping_waits_for_the_step_and_drops_what_is_late() {
    let mut bench = bench();
    bench.order(Order::WaitForShutdown).await;
    assert_eq!(bench.runner.stop(STOP_DEADLINE).await, Vec::<String>::new());

    let mut bench = self::bench();
    bench.order(Order::Hang).await;
    assert_eq!(bench.runner.stop(Duration::from_millis(1)).await, ["told"]);
    assert!(bench.runner.list().is_empty());
    let refused = bench
        .runner
        .start(|| -> Told { unreachable!("the runner stops") })
        .unwrap_err();
    assert_eq!(refused, RunnerError::Stopping);
}

#[tokio::test]
async fn instants_follow_the_clock_and_are_bounded() {
    let cx = WorkerCx {
        clock: Arc::new(ManualClock::new(1_000)),
        shutdown: Shutdown::new(),
        slot: Arc::new(Slot::new::<Told>("x".to_owned())),
    };
    let before = Instant::now();
    assert!(cx.instant_at(0) <= Instant::now());
    assert!(cx.instant_at(61_000) >= before + Duration::from_mins(1));
    assert!(cx.instant_at(u64::MAX) <= Instant::now() + WorkerCx::LONGEST_IDLE);
}
