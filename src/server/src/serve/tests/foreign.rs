//! Events of a fake server come into rooms of a whole server in every order, while clients read
//! over the network: there is one order for all of them.

mod client;
mod feed;
mod reader;

use std::{cell::RefCell, collections::BTreeSet};

use client::Client;
use feed::Feed;
use heliograph_rooms::Rooms;
use reader::{Clock, Reader};

use super::*;

/// What clients reach, and what federation will call.
struct Served {
    base: String,
    rooms: Rooms,
    database: Arc<Database>,
}

/// Runs a server until `ask` has asked what it wants.
fn with_rooms<F: Future<Output = ()>>(ask: impl FnOnce(Served) -> F) {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(folder.path());
    config.registration.enabled = true;
    config.registration.open_to_everyone = true;
    config.rate_limits.enabled = false;
    let shutdown = Shutdown::new();
    let runtime = runtime(&config).unwrap();
    let entered = runtime.enter();
    let domain = Domain::open(&config, shutdown.clone()).unwrap();
    drop(entered);
    let (rooms, database) = (domain.rooms.clone(), Arc::clone(&domain.database));
    let (file, to_close) = (folder.path().join("addresses"), Arc::clone(&database));
    let told = file.clone();
    let stop = async move {
        let lines = fs::read_to_string(told).unwrap();
        let base = lines.lines().next().unwrap().to_owned();
        ask(Served {
            base,
            rooms,
            database,
        })
        .await;
    };
    let served = serve(&config, domain, None, shutdown, Some(file), stop);
    runtime.block_on(served).unwrap();
    runtime.shutdown_timeout(Duration::from_secs(1));
    to_close.close().unwrap();
}

/// Rounds of one run.
const ROUNDS: usize = 21;

/// Asserts that an order has grown only at its end and by history that came since `then`.
fn assert_grown(before: &[String], now: &[String], feed: &Feed<'_>, then: u64) {
    let news = |id: &&String| feed.history.get(*id).is_none_or(|came| *came <= then);
    let kept: Vec<&String> = now.iter().filter(news).collect();
    assert!(kept.len() >= before.len(), "something is gone");
    let same = kept.into_iter().zip(before).all(|(now, then)| now == then);
    assert!(same, "what was told has changed");
}

/// The rounds, with readers of `often` after each and `rarely` after every sixth.
async fn rounds(
    feed: &mut Feed<'_>,
    (clock, witness): (&Clock, &Client),
    often: &mut Reader,
    rarely: &mut Reader,
) {
    let (mut before, mut then) = (Vec::new(), clock.tick());
    for round in 0..ROUNDS {
        feed.round().await;
        match round % 10 {
            2 => feed.fail_softly().await,
            3 => feed.open_gap().await,
            5 => feed.forge().await,
            7 => feed.fill_gap().await,
            8 => {
                // A gap that is there and filled between two syncs, with one event of news.
                often.follow(clock).await;
                feed.open_gap().await;
                feed.fill_gap().await;
            }
            9 => feed.give_what_was_before().await,
            _ => {}
        }
        often.follow(clock).await;
        if round % 6 == 5 {
            rarely.follow(clock).await;
        }
        if round % 5 == 4 {
            let now = witness.all(feed.room_id.as_str(), "b", 30).await;
            assert_grown(&before, &now, feed, then);
            (before, then) = (now, clock.tick());
        }
    }
    feed.settle().await;
    feed.fill_gap().await;
    let now = witness.all(feed.room_id.as_str(), "f", 30).await;
    assert_grown(&before, &now, feed, then);
}

/// One room, one fake, four readers.
async fn run(served: &Served, locals: &[Client], version: &str, seed: u64) -> BTreeSet<String> {
    let clock = Clock::default();
    let parts = (served.rooms.clone(), Arc::clone(&served.database));
    let mut feed = Feed::new(parts, version, seed, &clock, locals).await;
    let room = feed.room_id.to_string();
    let odd = seed % 2 == 1;
    let mut often = Reader::new(&locals[0], &room, 3, odd);
    let mut rarely = Reader::new(&locals[1], &room, 10, !odd);
    let mut waiting = Reader::new(&locals[2], &room, 5, true);
    often.follow(&clock).await;
    let last = RefCell::new(None);
    let feeding = async {
        rounds(&mut feed, (&clock, &locals[3]), &mut often, &mut rarely).await;
        let id = feed.say_last().await;
        last.replace(Some(id));
        // Whoever waits is woken once more, now that the last event is known.
        feed.say_last().await;
    };
    tokio::join!(feeding, waiting.read_until(&clock, &last));
    often.follow(&clock).await;
    rarely.follow(&clock).await;
    waiting.follow(&clock).await;

    let who = format!("version {version}, seed {seed}");
    let order = locals[3].all(&room, "b", 7).await;
    assert_eq!(order, locals[3].all(&room, "f", 50).await, "{who}");
    feed.learn();
    feed.assert_order(&order);
    for (name, reader) in [("often", often), ("rarely", rarely), ("waiting", waiting)] {
        reader.assert_saw(&order, &feed.history, &format!("{who}, {name}"));
    }
    feed.kinds()
}

#[test]
fn there_is_one_order_for_all_readers_whatever_another_server_sends() {
    with_rooms(|served| async move {
        let mut locals = Vec::new();
        for name in ["alice", "bob", "carol", "dan"] {
            locals.push(Client::register(&served.base, name).await);
        }
        for version in ["1", "6", "10", "11", "12"] {
            let mut kinds = BTreeSet::new();
            for seed in 1..4 {
                kinds.extend(run(&served, &locals, version, seed).await);
            }
            let all = ["Accepted", "Rejected", "SoftFailed"].map(str::to_owned);
            assert_eq!(kinds, BTreeSet::from(all), "version {version}");
        }
    });
}
