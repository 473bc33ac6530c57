//! Filling rooms, for test fixtures.

use heliograph_core::ids::RoomNum;
use heliograph_tables::Op;

use crate::{Draft, RoomError, Rooms};

impl Rooms {
    /// Sends many events, one after the other, as one batch: each is made and checked as any other
    /// event, but none is told apart from the others in the log. For test fixtures.
    ///
    /// # Errors
    /// As for sending each of them; then nothing of the batch is stored.
    pub async fn load(&self, room: RoomNum, drafts: Vec<Draft>) -> Result<(), RoomError> {
        self.change(room, Op::Other, move |work| {
            for draft in drafts {
                work.send(draft, None)?;
            }
            Ok(())
        })
        .await
    }
}
