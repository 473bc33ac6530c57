//! The operations that are measured, how often, and what is aimed at.

/// Clients that wait for a message.
pub(crate) const WAITING: u32 = 100;

/// An operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    /// A message, one after the other.
    Send,
    /// Messages, sixteen at once, in one room.
    SendAtOnce,
    /// Messages, sixteen at once, in twenty rooms.
    SendInRooms,
    /// A message in a room of 300 members.
    SendInLarge,
    /// A join of a room of 300 members.
    JoinLarge,
    /// A new room.
    CreateRoom,
    /// A message's way to one of a hundred waiting clients.
    Deliver,
    /// A first sync of an account with 40 rooms.
    FirstSync,
    /// A first sync of an account with one room of 300 members.
    FirstSyncLarge,
    /// The list of 300 members.
    Members,
    /// A sync that has nothing new.
    EmptySync,
}

impl Operation {
    /// Every operation, in the order of the measurement: the large room grows last.
    pub(crate) const ALL: [Self; 11] = [
        Self::Send,
        Self::SendAtOnce,
        Self::SendInRooms,
        Self::SendInLarge,
        Self::CreateRoom,
        Self::Deliver,
        Self::FirstSync,
        Self::FirstSyncLarge,
        Self::Members,
        Self::EmptySync,
        Self::JoinLarge,
    ];

    /// What the report calls it; also the key in `missed.txt`.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Send => "send, one after the other",
            Self::SendAtOnce => "send, 16 at once, one room",
            Self::SendInRooms => "send, 16 at once, 20 rooms",
            Self::SendInLarge => "send in a room of 300 members",
            Self::JoinLarge => "join a room of 300",
            Self::CreateRoom => "create a room",
            Self::Deliver => "delivery to each of 100 waiting clients",
            Self::FirstSync => "first sync, 40 rooms",
            Self::FirstSyncLarge => "first sync with a room of 300",
            Self::Members => "`/members` of 300",
            Self::EmptySync => "sync with nothing new",
        }
    }

    /// The aim: at most one such part of Synapse's CPU.
    pub(crate) const fn aim(self) -> f64 {
        match self {
            Self::Send | Self::SendInLarge => 33.0,
            Self::SendAtOnce => 30.0,
            Self::SendInRooms => 40.0,
            Self::JoinLarge | Self::CreateRoom => 25.0,
            Self::Deliver | Self::Members => 12.0,
            Self::FirstSync => 60.0,
            Self::FirstSyncLarge => 35.0,
            Self::EmptySync => 15.0,
        }
    }

    /// How often it is done in a quick run; for deliveries, the number of messages.
    const fn quick(self) -> u32 {
        match self {
            Self::SendAtOnce | Self::SendInRooms => 960,
            Self::SendInLarge => 200,
            Self::JoinLarge => 150,
            Self::CreateRoom => 80,
            Self::Deliver => 20,
            Self::FirstSync => 50,
            Self::FirstSyncLarge => 100,
            Self::Send | Self::Members => 400,
            Self::EmptySync => 2000,
        }
    }

    /// How often it is done.
    pub(crate) const fn count(self, quick: bool) -> u32 {
        if quick {
            self.quick()
        } else {
            self.quick() * 3
        }
    }

    /// How many operations `count` are: each message is delivered a hundred times.
    pub(crate) const fn operations(self, count: u32) -> u32 {
        match self {
            Self::Deliver => count * WAITING,
            _ => count,
        }
    }
}
