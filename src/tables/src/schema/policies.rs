//! What users have agreed to.

use bytes::Bytes;
use heliograph_core::ids::UserNum;

use crate::{
    codec::{Corrupt, Encoder, Field, Tail, Value, end, format},
    table::{AnyTable, Family, Table},
};

/// That a user has accepted a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcceptedPolicy {
    /// The version of the policy.
    pub version: Box<str>,
    /// When, in milliseconds since 1970.
    pub accepted_ts: u64,
}

impl Value for AcceptedPolicy {
    fn encode(&self, out: &mut Encoder) {
        out.field(&1u8)
            .field(&self.version)
            .field(&self.accepted_ts);
    }

    fn decode(mut from: Bytes) -> Result<Self, Corrupt> {
        format(&mut from, 1)?;
        let from = &mut from;
        let accepted = Self {
            version: Field::take(from)?,
            accepted_ts: Field::take(from)?,
        };
        end(from)?;
        Ok(accepted)
    }
}

/// (User, policy) → the last version that was accepted.
pub const ACCEPTED_POLICIES: Table<(UserNum, Tail), AcceptedPolicy> =
    Table::new("accepted_policies", Family::Accounts, 0x0621);

pub(super) const POLICY_TABLES: &[&dyn AnyTable] = &[&ACCEPTED_POLICIES];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::schema::testing::round_trip;

    proptest! {
        #[test]
        fn accepted_policies_round_trip(user: u32, id in ".{0,20}", version in ".{0,20}", ts: u64) {
            let accepted = AcceptedPolicy { version: version.into(), accepted_ts: ts };
            let key = (UserNum(user), Tail::from(id.as_str()));
            round_trip(&ACCEPTED_POLICIES, &key, &accepted);
        }
    }
}
