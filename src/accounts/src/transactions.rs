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
    Ok(view
        .get(&schema::TRANSACTIONS, &key.row())?
        .map(|row| row.0))
}

/// Puts the first answer to a transaction beside its effect.
pub fn remember(batch: &mut Batch, key: &TransactionKey, answer: &[u8]) {
    let row = Plain(Bytes::copy_from_slice(answer));
    batch.put(&schema::TRANSACTIONS, &key.row(), &row);
}

#[cfg(test)]
mod tests {
    use heliograph_tables::{Op, Store, mem::MemStore};
    use proptest::prelude::*;

    use super::*;
    use crate::testing::accounts;

    fn key(scope: &str, id: &str) -> TransactionKey {
        TransactionKey {
            user: UserNum(1),
            device: DeviceNum(2),
            scope: scope.into(),
            id: id.into(),
        }
    }

    fn submit(store: &MemStore, batch: Batch) {
        store.submit(store.try_reserve().unwrap(), batch).unwrap();
    }

    proptest! {
        /// No scope and id run together into another scope and id.
        #[test]
        fn a_transaction_is_found_by_its_whole_key(
            a in ("[ab/]{0,3}", "[ab/]{0,3}"),
            b in ("[ab/]{0,3}", "[ab/]{0,3}"),
        ) {
            let store = MemStore::new();
            let (first, second) = (key(&a.0, &a.1), key(&b.0, &b.1));
            let mut batch = Batch::new(Op::Send);
            remember(&mut batch, &first, b"$first");
            submit(&store, batch);
            let view = store.view(Op::Send);
            let found = find(&view, &first).unwrap();
            prop_assert_eq!(found.as_deref(), Some(&b"$first"[..]));
            prop_assert_eq!(find(&view, &second).unwrap().is_some(), first == second);
            let elsewhere = TransactionKey { device: DeviceNum(3), ..first };
            prop_assert_eq!(find(&view, &elsewhere).unwrap(), None);
        }
    }

    #[tokio::test]
    async fn answers_go_with_their_device() {
        let f = accounts();
        let made = f.register("alice").await;
        let session = made.session.unwrap();
        let key = TransactionKey {
            user: made.user,
            device: session.device,
            ..key("send", "1")
        };
        let mut batch = Batch::new(Op::Send);
        remember(&mut batch, &key, b"$event");
        submit(&f.store, batch);
        assert!(find(&f.store.view(Op::Send), &key).unwrap().is_some());
        f.accounts.log_out(made.user, session.device).await.unwrap();
        assert_eq!(find(&f.store.view(Op::Send), &key).unwrap(), None);
    }
}
