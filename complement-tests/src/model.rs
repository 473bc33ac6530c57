//! Random operations of several users on several devices. Whatever they do, what a device has put
//! together from one sync after the other is what a first sync would tell it.
//!
//! Operations may be refused, but never fail. In between, the server is killed.

use std::time::Duration;

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng, seq::IndexedRandom as _};

use crate::{Client, TestServer};

mod operations;
mod view;

use operations::Operations;
use view::View;

/// How long a device and a first sync may differ: names go into rooms a little later.
const PATIENCE: Duration = Duration::from_mins(1);
/// Names of the users.
const USERS: [&str; 4] = ["ada", "bela", "cleo", "dino"];
/// Timeline limits of the devices of a user: one has gaps all the time.
const LIMITS: [usize; 2] = [2, 30];
/// The timeline limit of the first syncs that devices are compared with.
const FRESH_LIMIT: usize = 40;
/// Steps after which all devices are looked at, and not only one.
const ALL_AFTER: usize = 25;

/// A device, and what it believes.
struct Device {
    client: Client,
    limit: usize,
    view: View,
}

/// Does `steps` random operations that `seed` decides, and kills the server after each `kill_after`.
/// Gives how many were accepted.
///
/// # Panics
/// When a device believes something else than a first sync tells, and when an operation fails.
pub async fn run(server: &mut TestServer, seed: u64, steps: usize, kill_after: usize) -> usize {
    let mut random = StdRng::seed_from_u64(seed);
    let mut devices = Vec::new();
    for name in USERS {
        let name = format!("{name}{seed}");
        let first = server.user(&name).await;
        let second = first.login(&name).await;
        for (client, limit) in [first, second].into_iter().zip(LIMITS) {
            let view = View::default();
            devices.push(Device {
                client,
                limit,
                view,
            });
        }
    }
    let clients: Vec<Client> = devices.iter().map(|device| device.client.clone()).collect();
    let mut operations = Operations::new(clients);
    for step in 1..=steps {
        let what = operations.step(&mut random).await;
        let what = format!("seed {seed}, step {step}: {what}");
        if step % ALL_AFTER == 0 || step == steps {
            for device in &mut devices {
                device.assert_right(&what).await;
            }
        } else {
            let at = random.random_range(0..devices.len());
            devices[at].assert_right(&what).await;
        }
        if step % kill_after == 0 {
            server.kill();
            server.start_again().await;
        }
    }
    server.assert_no_panic();
    let accepted = operations.accepted;
    assert!(
        accepted > steps / 3,
        "{accepted} of {steps} operations were accepted"
    );
    accepted
}

impl Device {
    /// Syncs on and demands that the device believes what a first sync tells it.
    async fn assert_right(&mut self, what: &str) {
        let begun = std::time::Instant::now();
        loop {
            let delta = self.client.sync(&self.query(self.limit)).await;
            self.view.take(&delta);
            let fresh = Self::first_sync(&self.client).await;
            let Some(difference) = self.view.difference(&fresh) else {
                return;
            };
            assert!(
                begun.elapsed() < PATIENCE,
                "SYN-11: {what}: {} on {}: {difference}",
                self.client.user_id,
                self.client.device_id
            );
        }
    }

    fn query(&self, limit: usize) -> String {
        let since = self.view.since.as_deref();
        let since = since.map_or_else(String::new, |since| format!("&since={since}"));
        format!("timeout=0{since}&filter={}", filter(limit))
    }

    async fn first_sync(client: &Client) -> View {
        let mut view = View::default();
        let query = format!("timeout=0&filter={}", filter(FRESH_LIMIT));
        view.take(&client.sync(&query).await);
        view
    }
}

/// A filter in a query: this many events a room, counts by thread, no presence.
fn filter(limit: usize) -> String {
    let filter = serde_json::json!({
        "presence": { "not_types": ["*"] },
        "room": { "timeline": { "limit": limit, "unread_thread_notifications": true } },
    });
    crate::client::encoded(&filter.to_string())
}

/// One of some, if there is any.
fn any<'a, T>(random: &mut StdRng, of: &'a [T]) -> Option<&'a T> {
    of.choose(random)
}
