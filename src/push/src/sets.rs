//! Sets of rules, each kept once for all users who have the same.

use std::sync::Arc;

use bytes::Bytes;
use heliograph_accounts::{PredefinedRules, push_rules_with};
use heliograph_core::ids::UserNum;
use heliograph_tables::{StoreError, View};
use quick_cache::{Weighter, sync::Cache};

use crate::rules::{RuleSet, USER};

/// Bytes of sets that are kept, about.
const MAX_BYTES: u64 = 64 << 20;
/// Sets that this is about enough for.
const SETS: usize = 16_384;

/// What a set takes.
#[derive(Clone)]
struct ByBytes;

impl Weighter<Bytes, Arc<RuleSet>> for ByBytes {
    fn weight(&self, key: &Bytes, set: &Arc<RuleSet>) -> u64 {
        let bytes = key.len().saturating_add(set.size_bytes());
        u64::try_from(bytes).unwrap_or(u64::MAX).max(1)
    }
}

/// Sets of rules by what their users have changed.
pub struct RuleSets {
    which: PredefinedRules,
    predefined: Arc<RuleSet>,
    own: Cache<Bytes, Arc<RuleSet>, ByBytes>,
}

impl Default for RuleSets {
    fn default() -> Self {
        Self::new(PredefinedRules::default())
    }
}

impl RuleSets {
    /// Sets in which these rules are predefined.
    pub fn new(which: PredefinedRules) -> Self {
        Self {
            which,
            predefined: Arc::new(RuleSet::read(&push_rules_with(which, None, USER))),
            own: Cache::with_weighter(SETS, MAX_BYTES, ByBytes),
        }
    }

    /// Which rules are predefined.
    pub(crate) const fn which(&self) -> PredefinedRules {
        self.which
    }

    /// The rules of one who changed nothing.
    pub fn predefined(&self) -> Arc<RuleSet> {
        Arc::clone(&self.predefined)
    }

    /// The rules of one who changed this, as [`heliograph_accounts::push_rule_changes`] tells it.
    pub fn with(&self, changes: &Bytes) -> Arc<RuleSet> {
        if let Some(set) = self.own.get(changes) {
            return set;
        }
        let rules = push_rules_with(self.which, Some(changes), USER);
        let set = Arc::new(RuleSet::read(&rules));
        self.own.insert(changes.clone(), Arc::clone(&set));
        set
    }

    /// A user's rules, and what the user has changed of the predefined ones, if anything.
    ///
    /// # Errors
    /// Those of the store.
    pub fn of(
        &self,
        view: &View,
        user: UserNum,
    ) -> Result<(Arc<RuleSet>, Option<Bytes>), StoreError> {
        let changes = heliograph_accounts::push_rule_changes(view, user)?;
        let set = match &changes {
            Some(changes) => self.with(changes),
            None => self.predefined(),
        };
        Ok((set, changes))
    }
}
