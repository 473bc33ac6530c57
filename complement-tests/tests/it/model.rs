//! What devices put together from syncs is what a first sync tells, whatever was done.

use heliograph_complement::{TestServer, model};

#[tokio::test]
async fn what_deltas_add_up_to_is_what_a_first_sync_tells() {
    let mut server = TestServer::usual().await;
    model::run(&mut server, 1, 500, 100).await;
}
