//! Who is still to leave their rooms, as their account was ended. A row is written in the batch that
//! ends the account, and goes once its user is in no room any more: what a restart interrupts is
//! done again.
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#account-deactivation>

use heliograph_core::ids::UserNum;
use heliograph_tables::{Batch, Direction, Op, batch::PRESENT, schema};
use tokio::sync::watch;

use crate::{AccountError, Accounts, locks::Lock};

/// Says that somebody is to leave; the rows say who.
#[derive(Debug)]
pub(crate) struct Departures(watch::Sender<u64>);

impl Default for Departures {
    fn default() -> Self {
        Self(watch::Sender::new(0))
    }
}

impl Departures {
    /// Has whoever waits look at the rows.
    pub(crate) fn tell(&self) {
        self.0.send_modify(|noted| *noted = noted.saturating_add(1));
    }
}

impl Accounts {
    /// Changes when somebody is to leave their rooms.
    pub fn departures_noted(&self) -> watch::Receiver<u64> {
        self.inner.departures.0.subscribe()
    }

    /// A user who is still to leave their rooms, if there is any.
    ///
    /// # Errors
    /// Those of the store and of the pool.
    pub async fn next_departing(&self) -> Result<Option<UserNum>, AccountError> {
        self.inner
            .read(Op::Account, |_, view| {
                let mut rows = view.scan(&schema::DEPARTURES, &(), Direction::Forward);
                Ok(rows.next().transpose()?.map(|(user, _)| user))
            })
            .await
    }

    /// Notes that a user has left all their rooms.
    ///
    /// # Errors
    /// Those of the store and of the pool.
    pub async fn departed(&self, user: UserNum) -> Result<(), AccountError> {
        self.inner
            .change(Op::Account, vec![Lock::User(user)], move |change| {
                change.batch.delete(&schema::DEPARTURES, &user);
                Ok(())
            })
            .await
    }
}

/// Notes that a user is to leave their rooms.
pub(crate) fn note(batch: &mut Batch, user: UserNum) {
    batch.put(&schema::DEPARTURES, &user, &PRESENT);
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::testing::{accounts, over, settings};

    #[tokio::test]
    async fn who_is_to_leave_is_known_until_it_is_done_also_after_a_restart() {
        let f = accounts();
        let (alice, bob) = (f.register("alice").await.user, f.register("bob").await.user);
        assert_eq!(f.accounts.next_departing().await.unwrap(), None);
        let noted = f.accounts.departures_noted();
        for user in [bob, alice, alice] {
            f.accounts.deactivate(user).await.unwrap();
        }
        assert!(noted.has_changed().unwrap());
        let again = over(Arc::clone(&f.store), settings());
        assert_eq!(again.accounts.next_departing().await.unwrap(), Some(alice));
        again.accounts.departed(alice).await.unwrap();
        assert_eq!(again.accounts.next_departing().await.unwrap(), Some(bob));
        again.accounts.departed(bob).await.unwrap();
        // To deactivate twice is to do nothing.
        again.accounts.deactivate(bob).await.unwrap();
        assert_eq!(again.accounts.next_departing().await.unwrap(), None);
    }
}
