//! What survives when the server is killed, and when the power fails.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use heliograph_complement::{
    TestServer,
    load::{CUT_AFTER, KILL_AFTER, Load, MIN_UNANSWERED, small_buffers},
    power::{Call, Churn, Moment, PowerCut, finished, recorder, steps},
};
use rand::{SeedableRng as _, rngs::StdRng};

#[tokio::test]
async fn everything_acknowledged_survives_ten_kills_among_64_writers() {
    let mut server = TestServer::start(small_buffers()).await;
    let mut load = Load::prepare(&server).await;
    for seed in 1..=10 {
        let mut random = StdRng::seed_from_u64(seed);
        let unanswered = load.crash(&mut server, &mut random, KILL_AFTER).await;
        assert!(
            unanswered >= MIN_UNANSWERED,
            "seed {seed}: {unanswered} unanswered"
        );
        server.start_again().await;
        load.check().await;
        server.assert_no_panic();
    }
}

#[tokio::test]
#[expect(
    clippy::print_stdout,
    reason = "what the cuts fell among is told, not only that it was enough"
)]
async fn everything_acknowledged_survives_five_power_cuts_among_64_writers() {
    let mut server = TestServer::start(small_buffers()).await;
    let mut load = Load::prepare(&server).await;
    server.stop().await;
    let mut churn = Churn::default();
    for seed in 1..=5 {
        let power = PowerCut::start(&mut server).await;
        let mut random = StdRng::seed_from_u64(seed);
        let unanswered = load.crash(&mut server, &mut random, CUT_AFTER).await;
        assert!(
            unanswered >= MIN_UNANSWERED,
            "seed {seed}: {unanswered} unanswered"
        );
        let loss = power.cut(&server).await;
        assert!(
            loss.written > 0,
            "seed {seed}: the record of calls shows no write"
        );
        churn += loss.churn;
        server.start_again().await;
        load.check().await;
        server.assert_no_panic();
        server.stop().await;
    }
    println!("five cuts: {churn}");
    churn.assert_crossed();
}

/// What of one send the record of calls shows, as numbers of steps.
#[derive(Debug, Default)]
struct Order {
    log: PathBuf,
    written: Option<usize>,
    sync_begun: Option<usize>,
    synced: Option<usize>,
    answered: Option<usize>,
}

fn is_log(path: &Path, data: &Path) -> bool {
    path.starts_with(data) && path.extension().is_some_and(|name| name == "log")
}

fn is_answer(call: &Call) -> bool {
    matches!(&*call.name, "sendto" | "sendmsg" | "write" | "writev")
        && call.args.contains("\"HTTP/1.1 200")
}

#[tokio::test]
async fn each_answer_to_a_send_is_written_after_a_sync_that_began_after_the_write_to_the_log() {
    let mut server = TestServer::usual().await;
    let alice = server.user("alice").await;
    let room = alice.create_public_room().await;
    server.stop().await;
    let trace = server.folder().join("calls");
    server.wrap(&recorder(&trace, ",sendto,sendmsg", 1 << 16));
    server.start_again().await;
    let (data, process) = (server.data(), server.process());
    for number in 0..200 {
        // Twice: the log is written in blocks, and the end of one may lie within either.
        let body = format!("order-test-{number:03}. order-test-{number:03}.");
        alice.say(&room, &body).await;
    }
    server.stop().await;

    let record = finished(&trace, process).await;
    let mut sends = Vec::<Order>::new();
    let mut begun = BTreeMap::new();
    for (at, step) in steps(&record).iter().enumerate() {
        let call = &step.call;
        let file = call.file(0).unwrap_or_default();
        match (&*call.name, step.moment) {
            ("write" | "writev" | "pwrite64", Moment::End(_)) if is_log(&file, &data) => {
                let next = format!("order-test-{:03}.", sends.len());
                if call.args.contains(&next) {
                    sends.push(Order {
                        log: file,
                        written: Some(at),
                        ..Order::default()
                    });
                }
            }
            ("fdatasync" | "fsync", Moment::Begin) => {
                begun.insert(call.thread, at);
            }
            ("fdatasync" | "fsync", Moment::End(0)) => {
                let began = begun.get(&call.thread).copied();
                if let Some(last) = sends.last_mut()
                    && last.synced.is_none()
                    && last.log == file
                    && began > last.written
                {
                    (last.sync_begun, last.synced) = (began, Some(at));
                }
            }
            (_, Moment::Begin) if is_answer(call) => {
                if let Some(last) = sends.last_mut()
                    && last.answered.is_none()
                {
                    last.answered = Some(at);
                }
            }
            _ => {}
        }
    }
    assert_eq!(sends.len(), 200, "each send is written to the log once");
    for (number, send) in sends.iter().enumerate() {
        let ordered = send.written < send.sync_begun
            && send.sync_begun < send.synced
            && send.synced < send.answered
            && send.synced.is_some();
        assert!(
            ordered,
            "send {number} was answered before it was safe: {send:?}"
        );
    }
}
