//! Accounts.

use crate::table::AnyTable;

pub(super) const ACCOUNT_TABLES: &[&dyn AnyTable] = &[];
