//! First answers to requests with a transaction id, so that a repeat gets the same.
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#transaction-identifiers>
//!
//! The owner of the effect looks and remembers under its own lock, in the batch of the effect. Rows
//! go with their device.

use bytes::Bytes;
use heliograph_core::ids::{DeviceNum, UserNum};
use heliograph_tables::{
    Batch, StoreError, View,
    codec::{Plain, Tail},
    schema,
};

/// Bytes of a transaction id, at most.
pub const MAX_TRANSACTION_ID_BYTES: usize = 255;

/// A transaction id with what it is unique within.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransactionKey {
    /// The user.
    pub user: UserNum,
    /// The device.
    pub device: DeviceNum,
    /// The endpoint and the parts of its path.
    pub scope: Box<str>,
    /// The id that the client chose, at most [`MAX_TRANSACTION_ID_BYTES`].
    pub id: Box<str>,
}

impl TransactionKey {
    fn row(&self) -> (UserNum, DeviceNum, Box<str>, Tail) {
        (
            self.user,
            self.device,
            self.scope.clone(),
            Tail(self.id.clone()),
        )
    }
}

/// The first answer to a transaction, if it was done.
pub fn find(view: &View, key: &TransactionKey) -> Result<Option<Bytes>, StoreError> {
    Ok(view.get(&schema::TRANSACTIONS, &key.row())?.map(|row| row.0))
}

/// Puts the first answer to a transaction beside its effect.
pub fn remember(batch: &mut Batch, key: &TransactionKey, answer: &[u8]) {
    let row = Plain(Bytes::copy_from_slice(answer));
    batch.put(&schema::TRANSACTIONS, &key.row(), &row);
}
