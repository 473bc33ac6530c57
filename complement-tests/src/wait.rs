//! Waiting for a condition.

use std::time::{Duration, Instant};

/// Calls `condition` until it gives something.
///
/// # Panics
///
/// After `limit`, saying `what` did not come.
pub async fn wait_for<T>(
    what: &str,
    limit: Duration,
    mut condition: impl FnMut() -> Option<T>,
) -> T {
    let began = Instant::now();
    let mut looks = tokio::time::interval(Duration::from_millis(3));
    loop {
        looks.tick().await;
        if let Some(found) = condition() {
            return found;
        }
        assert!(began.elapsed() < limit, "waited {limit:?} for {what}");
    }
}
