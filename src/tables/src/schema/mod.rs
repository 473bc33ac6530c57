//! Every table of the database, one file an area, and the list of them all.
//!
//! A prefix is never used again for another table.

mod accounts;
mod directory;
mod event_rows;
mod meta;
mod names;
mod passwords;
mod policies;
mod push;
mod relations;
mod rooms;
#[cfg(test)]
mod testing;
mod tokens;
mod users;

pub use accounts::*;
pub use directory::*;
pub use event_rows::*;
pub use meta::*;
pub use names::*;
pub use passwords::*;
pub use policies::*;
pub use push::*;
pub use relations::*;
pub use rooms::*;
pub use tokens::*;
pub use users::*;

use crate::table::AnyTable;

/// The version of this schema. A database with a newer compatibility version is refused.
pub const SCHEMA_VERSION: u32 = 1;

/// The oldest schema whose readers can use a database that this code has written.
pub const COMPATIBILITY_VERSION: u32 = 1;

/// Every table by area, for walks over the whole database, for the fuzz targets and the tests.
pub const ALL: &[&[&dyn AnyTable]] = &[
    META_TABLES,
    NAME_TABLES,
    EVENT_TABLES,
    RELATION_TABLES,
    ROOM_TABLES,
    DIRECTORY_TABLES,
    USER_TABLES,
    ACCOUNT_TABLES,
    TOKEN_TABLES,
    POLICY_TABLES,
    PUSH_TABLES,
];

/// The table with a prefix.
pub fn by_prefix(prefix: u16) -> Option<&'static dyn AnyTable> {
    ALL.iter()
        .copied()
        .flatten()
        .copied()
        .find(|table| table.prefix() == prefix)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::ALL;

    #[test]
    fn no_two_tables_share_a_prefix_or_a_name() {
        let tables: Vec<_> = ALL.iter().copied().flatten().collect();
        let prefixes: BTreeSet<_> = tables.iter().map(|t| t.prefix()).collect();
        let names: BTreeSet<_> = tables.iter().map(|t| t.name()).collect();
        assert_eq!((prefixes.len(), names.len()), (tables.len(), tables.len()));
    }
}
