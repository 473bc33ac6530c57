//! What operations read and wrote, as `/metrics` tells it.

use std::collections::BTreeMap;

/// What one operation read and wrote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Keys looked up.
    pub keys_read: u64,
    /// Bytes of what was found.
    pub bytes_read: u64,
    /// Keys put or deleted.
    pub keys_written: u64,
    /// Bytes put.
    pub bytes_written: u64,
    /// Nodes of state trees among the keys read.
    pub nodes_read: u64,
    /// Nodes of state trees among the keys written.
    pub nodes_written: u64,
    /// Bytes of nodes of state trees among the bytes found.
    pub node_bytes_read: u64,
    /// Bytes of nodes of state trees among the bytes put.
    pub node_bytes_written: u64,
}

/// The figures of all operations at one moment.
#[derive(Clone, Debug, Default)]
pub struct Costs(BTreeMap<(String, String), u64>);

impl Costs {
    /// Reads the text of `/metrics`.
    pub fn parse(text: &str) -> Self {
        let figures = text.lines().filter_map(|line| {
            let (name, rest) = line
                .strip_prefix("heliograph_store_")?
                .split_once("{op=\"")?;
            let (op, value) = rest.split_once("\"} ")?;
            Some(((name.to_owned(), op.to_owned()), value.trim().parse().ok()?))
        });
        Self(figures.collect())
    }

    /// What `op` cost between two moments. An operation that the server does not count is a
    /// failure: its cost would seem to be nothing.
    pub fn between(&self, later: &Self, op: &str) -> Cost {
        let figure = |name: &str| {
            let key = (format!("{name}_total"), op.to_owned());
            let after = later.0.get(&key);
            let after = after.unwrap_or_else(|| panic!("/metrics has no {name} of {op}"));
            after - self.0.get(&key).copied().unwrap_or(0)
        };
        Cost {
            keys_read: figure("keys_read"),
            bytes_read: figure("bytes_read"),
            keys_written: figure("keys_written"),
            bytes_written: figure("bytes_written"),
            nodes_read: figure("nodes_read"),
            nodes_written: figure("nodes_written"),
            node_bytes_read: figure("node_bytes_read"),
            node_bytes_written: figure("node_bytes_written"),
        }
    }
}
