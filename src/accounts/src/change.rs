//! How a change is made: place in the queue, lock, view, rule, submit, unlock, wait until safe.

use std::sync::Arc;

use heliograph_core::ids::UserNum;
use heliograph_tables::{
    Batch, Completion, Op, Permit, View,
    schema::{self, Account},
};

use crate::{AccountError, Inner, locks::Lock};

/// A change in the making, under its locks.
pub(crate) struct Change<'a> {
    pub(crate) inner: &'a Inner,
    /// What is read: everything submitted so far under these locks.
    pub(crate) view: View,
    /// What will be written.
    pub(crate) batch: Batch,
    /// The time.
    pub(crate) now_ms: u64,
    /// Tokens whose sessions are not what they were.
    pub(crate) revoked: Vec<[u8; 32]>,
}

impl Change<'_> {
    /// The account of a user who can act.
    pub(crate) fn account(&self, user: UserNum) -> Result<Account, AccountError> {
        let account = self.view.get(&schema::ACCOUNTS, &user)?;
        let account = account.ok_or(AccountError::UnknownUser)?;
        if account.deactivated {
            return Err(AccountError::Deactivated);
        }
        Ok(account)
    }
}

impl Inner {
    /// Makes a change; the answer comes once it is safe and visible. If the future is dropped
    /// before that, the change is made whole or not at all.
    pub(crate) async fn change<T, F>(
        self: &Arc<Self>,
        op: Op,
        locks: Vec<Lock>,
        rule: F,
    ) -> Result<T, AccountError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Change<'_>) -> Result<T, AccountError> + Send + 'static,
    {
        let permit = self.store.reserve().await?;
        let inner = Arc::clone(self);
        let (answer, completion) = self
            .pool
            .run(move || inner.change_now(permit, op, &locks, rule))
            .await??;
        if let Some(completion) = completion {
            completion.published().await?;
        }
        Ok(answer)
    }

    fn change_now<T>(
        &self,
        permit: Permit,
        op: Op,
        locks: &[Lock],
        rule: impl FnOnce(&mut Change<'_>) -> Result<T, AccountError>,
    ) -> Result<(T, Option<Completion>), AccountError> {
        let mut held = self.stripes.lock(locks);
        let view = self.store.view(op);
        let overlay = held.overlay(view.position());
        let leans_on_unpublished = !overlay.is_empty();
        let mut change = Change {
            inner: self,
            view: view.under(overlay),
            batch: Batch::new(op),
            now_ms: self.clock.now_ms(),
            revoked: Vec::new(),
        };
        let answer = rule(&mut change)?;
        let Change { batch, revoked, .. } = change;
        // "Nothing to do" is only true once what made it so is safe: an empty batch waits for that.
        if batch.is_empty() && !leans_on_unpublished {
            return Ok((answer, None));
        }
        let submitted = self.store.submit(permit, batch)?;
        held.push(&submitted.layer);
        self.sessions.revoke(submitted.position, &revoked);
        Ok((answer, Some(submitted.completion)))
    }

    /// Reads on the pool.
    pub(crate) async fn read<T, F>(self: &Arc<Self>, op: Op, question: F) -> Result<T, AccountError>
    where
        T: Send + 'static,
        F: FnOnce(&Self, &View) -> Result<T, AccountError> + Send + 'static,
    {
        let inner = Arc::clone(self);
        self.pool
            .run(move || question(&inner, &inner.store.view(op)))
            .await?
    }
}
