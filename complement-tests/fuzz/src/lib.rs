//! Fuzz targets: functions of arbitrary bytes, each of which demands that what decodes has the
//! properties that the rest of the server builds on.
//!
//! It must never know the database: everything here compiles without RocksDB. The tests of this
//! crate run every target over its seeds and some thousand mutations of them; `make fuzz` runs the
//! same functions under libFuzzer, which looks for bytes that reach new code.
//!
//! Entry points: [`TARGETS`], and one function for each of them.

mod events;
mod filters;
mod json;
mod push_rules;
mod states;
mod sync_tokens;
mod tables;

#[cfg(test)]
mod tests;

use std::fmt::Debug;

pub use events::events;
pub use filters::filters;
pub use json::json;
pub use push_rules::push_rules;
pub use states::{nodes, states};
pub use sync_tokens::sync_tokens;
pub use tables::tables;

/// One of the targets.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name; with dashes and `fuzz-` before it, that of its binary.
    pub name: &'static str,
    /// The target; it panics on a finding.
    pub run: fn(&[u8]),
    /// Bytes that lead deep into the code, to begin with.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// Every target.
pub const TARGETS: &[Target] = &[
    Target {
        name: "events",
        run: events,
        seeds: events::seeds,
    },
    Target {
        name: "filters",
        run: filters,
        seeds: filters::seeds,
    },
    Target {
        name: "json",
        run: json,
        seeds: json::seeds,
    },
    Target {
        name: "nodes",
        run: nodes,
        seeds: states::node_seeds,
    },
    Target {
        name: "push_rules",
        run: push_rules,
        seeds: push_rules::seeds,
    },
    Target {
        name: "states",
        run: states,
        seeds: states::seeds,
    },
    Target {
        name: "sync_tokens",
        run: sync_tokens,
        seeds: sync_tokens::seeds,
    },
    Target {
        name: "tables",
        run: tables,
        seeds: tables::seeds,
    },
];

/// What must succeed here, whatever the bytes were.
#[track_caller]
fn must<T, E: Debug>(result: Result<T, E>, what: &str) -> T {
    match result {
        Ok(value) => value,
        Err(error) => panic!("{what}: {error:?}"),
    }
}

/// The first byte, and the rest; zero and nothing of no bytes.
fn choice(data: &[u8]) -> (u8, &[u8]) {
    data.split_first()
        .map_or((0, data), |(first, rest)| (*first, rest))
}
