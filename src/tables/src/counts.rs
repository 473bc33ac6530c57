//! What an operation read and wrote: keys and bytes, counted, never timed.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::table::Family;

/// What a view or a batch is for; the label under which its cost is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Op {
    /// Anything not named below.
    Other,
    /// Sending a message-like event.
    Send,
    /// Setting a state event that is not a membership.
    State,
    /// Changing a membership.
    Membership,
    /// Creating a room.
    CreateRoom,
    /// A sync without a token.
    InitialSync,
    /// A sync with a token.
    Sync,
    /// Reading history.
    History,
    /// Reading state or members.
    ReadState,
    /// Taking in an event from another server.
    Foreign,
    /// Accounts, devices, tokens.
    Account,
    /// Checking an access token.
    Authenticate,
    /// Account data, receipts and markers.
    UserData,
    /// Opening the store.
    Open,
}

impl Op {
    /// Every operation.
    pub const ALL: [Self; 14] = [
        Self::Other,
        Self::Send,
        Self::State,
        Self::Membership,
        Self::CreateRoom,
        Self::InitialSync,
        Self::Sync,
        Self::History,
        Self::ReadState,
        Self::Foreign,
        Self::Account,
        Self::Authenticate,
        Self::UserData,
        Self::Open,
    ];

    /// The label in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Other => "other",
            Self::Send => "send",
            Self::State => "state",
            Self::Membership => "membership",
            Self::CreateRoom => "create_room",
            Self::InitialSync => "initial_sync",
            Self::Sync => "sync",
            Self::History => "history",
            Self::ReadState => "read_state",
            Self::Foreign => "foreign",
            Self::Account => "account",
            Self::Authenticate => "authenticate",
            Self::UserData => "user_data",
            Self::Open => "open",
        }
    }
}

/// Keys and bytes of one operation.
#[derive(Debug, Default)]
pub struct Counts {
    /// Keys looked up, whether they were there or not.
    pub keys_read: AtomicU64,
    /// Bytes of the keys and values found.
    pub bytes_read: AtomicU64,
    /// Keys put or deleted.
    pub keys_written: AtomicU64,
    /// Bytes of the keys and values put.
    pub bytes_written: AtomicU64,
    /// State tree nodes among the keys read.
    pub nodes_read: AtomicU64,
    /// State tree nodes among the keys written.
    pub nodes_written: AtomicU64,
    /// Bytes of state tree nodes among the bytes read.
    pub node_bytes_read: AtomicU64,
    /// Bytes of state tree nodes among the bytes written.
    pub node_bytes_written: AtomicU64,
}

impl Counts {
    /// Counts one key read, with the bytes that it brought.
    pub fn read(&self, family: Family, bytes: usize) {
        count((&self.keys_read, &self.bytes_read), bytes);
        if family == Family::State {
            count((&self.nodes_read, &self.node_bytes_read), bytes);
        }
    }

    /// Counts one key written, with its bytes.
    pub fn wrote(&self, family: Family, bytes: usize) {
        count((&self.keys_written, &self.bytes_written), bytes);
        if family == Family::State {
            count((&self.nodes_written, &self.node_bytes_written), bytes);
        }
    }
}

fn count((keys, sum): (&AtomicU64, &AtomicU64), bytes: usize) {
    keys.fetch_add(1, Ordering::Relaxed);
    sum.fetch_add(u64::try_from(bytes).unwrap_or(u64::MAX), Ordering::Relaxed);
}

/// The counts of every operation of one store.
#[derive(Debug, Default)]
pub struct AllCounts([Counts; Op::ALL.len()]);

impl AllCounts {
    /// The counts of one operation.
    pub fn of(&self, op: Op) -> &Counts {
        let [first, ..] = &self.0;
        Op::ALL
            .iter()
            .zip(&self.0)
            .find(|(o, _)| **o == op)
            .map_or(first, |(_, c)| c)
    }

    /// Every operation with its counts.
    pub fn iter(&self) -> impl Iterator<Item = (Op, &Counts)> {
        Op::ALL.into_iter().zip(&self.0)
    }
}
