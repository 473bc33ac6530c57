//! Which policies users have accepted, and in which version.
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#terms-of-service-at-registration>

use heliograph_core::ids::UserNum;
use heliograph_tables::{
    Direction, Op,
    codec::Tail,
    schema::{self, AcceptedPolicy},
};

use crate::{AccountError, Accounts, change::Change};

/// A version of a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyVersion {
    /// Which policy.
    pub id: Box<str>,
    /// Which version of it.
    pub version: Box<str>,
}

/// Notes that a user accepts policies.
pub(crate) fn accept(change: &mut Change<'_>, user: UserNum, policies: &[PolicyVersion]) {
    for policy in policies {
        let row = AcceptedPolicy {
            version: policy.version.clone(),
            accepted_ts: change.now_ms,
        };
        let key = (user, Tail(policy.id.clone()));
        change.batch.put(&schema::ACCEPTED_POLICIES, &key, &row);
    }
}

impl Accounts {
    /// The policies that a user has accepted: the last version of each, and when, in milliseconds
    /// since 1970.
    ///
    /// # Errors
    /// Those of the store and of the pool.
    pub async fn accepted_policies(
        &self,
        user: UserNum,
    ) -> Result<Vec<(PolicyVersion, u64)>, AccountError> {
        self.inner
            .read(Op::Account, move |_, view| {
                let rows = view.scan(&schema::ACCEPTED_POLICIES, &(user,), Direction::Forward);
                rows.map(|row| {
                    let ((_, id), row) = row?;
                    let version = row.version;
                    Ok((PolicyVersion { id: id.0, version }, row.accepted_ts))
                })
                .collect()
            })
            .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{accounts, registration};

    #[tokio::test]
    async fn what_was_accepted_at_registration_is_known() {
        let f = accounts();
        let policy = PolicyVersion {
            id: "privacy".into(),
            version: "1.2".into(),
        };
        let mut alice = registration("alice");
        alice.accepted_policies = vec![policy.clone()];
        let (alice, bob) = (
            f.accounts.register(alice).await.unwrap().user,
            f.register("bob").await,
        );
        let accepted = f.accounts.accepted_policies(alice).await.unwrap();
        assert_eq!(accepted, [(policy, 1_000_000)]);
        let accepted = f.accounts.accepted_policies(bob.user).await.unwrap();
        assert_eq!(accepted, []);
    }
}
