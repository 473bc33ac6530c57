//! Rooms: the DAG, authorisation, state, resolution, the timeline, visibility, receipts, typing.
//!
//! This crate must never know HTTP, errcodes or the network: what other servers have is fetched
//! elsewhere and submitted here.
//!
//! Entry points: [`Rooms`] (changes, one writer a room), [`RoomsView`] (reading at one moment),
//! [`state`] (the trees and resolution).

mod aliases;
mod append;
mod bundles;
mod content;
mod create;
mod directory;
mod draft;
mod ephemeral;
mod erasures;
mod error;
mod events;
mod foreign;
mod guests;
mod history;
mod join_rules;
mod live;
mod live_facts;
mod loading;
mod membership;
mod presence;
mod profiles;
mod quotas;
mod reading;
mod receipts;
mod redactions;
mod relating;
mod relations;
mod resolve;
mod rooms_view;
mod send;
mod serving;
mod sharing;
mod spaces;
pub mod state;
mod summary;
mod surroundings;
mod threads;
mod timestamps;
mod typing;
mod upgrade;
mod user_directory;
mod visibility;
mod work;

use std::sync::{Arc, atomic::AtomicU64};

use heliograph_core::signing::Signer;
use heliograph_tables::{Overlay, Store, interner::Interner};
use heliograph_work::{Line, Pool, RandomSourceExt, SharedClock, SharedRandom};

pub use bundles::Related;
pub use create::{InitialState, NewRoom, Preset};
pub use directory::{DirectoryPage, DirectoryQuery};
pub use draft::Draft;
pub use ephemeral::Sequence;
pub use error::RoomError;
pub use events::Events;
pub use foreign::{Outcome, Submission};
pub use history::{Page, PageRequest, after, place_of_position};
pub use join_rules::JoinRules;
pub use membership::{Action, MembershipChange};
pub use presence::{MAX_STATUS_BYTES, Polling, Presence, PresenceSettings, PresenceState, Shown};
pub use quotas::Quotas;
pub use reading::StateReader;
pub use receipts::{ReceiptPlace, ReceiptRow, ReceiptType, since as receipts_since};
pub use relating::{MAX_RECURSION_DEPTH, RelatedBy, RelationsRequest};
pub use rooms_view::RoomsView;
pub use send::{Sender, Transaction};
pub use serving::{Form, Presenter, Reader, SharedEvent, push_string};
pub use sharing::Sharing;
pub use spaces::{Hierarchy, HierarchyQuery, SpaceRoom};
pub use summary::{RoomDetails, RoomSummary};
pub use timestamps::Nearest;
pub use typing::Typing;
pub use upgrade::Upgrade;
pub use user_directory::UserSearch;
pub use visibility::{HistoryVisibility, Visibility};

use crate::{
    aliases::Names,
    directory::Directory,
    live::Registry,
    serving::{SharedEvents, Statuses},
    sharing::SharedRooms,
    state::States,
};

/// Sizes of this crate's caches, in entries, and how presence is kept.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Parsed events.
    pub event_cache: usize,
    /// Events as clients get them.
    pub client_event_cache: usize,
    /// Nodes of the state trees.
    pub node_cache: usize,
    /// How presence is kept.
    pub presence: PresenceSettings,
    /// What one user may have.
    pub quotas: Quotas,
}

/// What the crate is built from.
pub struct Parts {
    /// The database.
    pub store: Arc<dyn Store>,
    /// The names of the process.
    pub interner: Arc<Interner>,
    /// Where synchronous code runs.
    pub pool: Pool,
    /// The time.
    pub clock: SharedClock,
    /// Randomness, for room ids.
    pub random: SharedRandom,
    /// This server's name and signing key.
    pub signer: Arc<dyn Signer>,
}

/// All rooms of this server.
#[derive(Clone)]
pub struct Rooms {
    pub(crate) inner: Arc<Inner>,
}

/// What all changes and all readers share.
pub(crate) struct Inner {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) interner: Arc<Interner>,
    pub(crate) pool: Pool,
    pub(crate) clock: SharedClock,
    random: SharedRandom,
    pub(crate) signer: Arc<dyn Signer>,
    pub(crate) events: Events,
    pub(crate) shared: SharedEvents,
    pub(crate) statuses: Statuses,
    pub(crate) states: States,
    pub(crate) live: Registry,
    pub(crate) typing: Typing,
    pub(crate) presence: Presence,
    pub(crate) shared_rooms: SharedRooms,
    ephemeral: Sequence,
    pub(crate) names: Names,
    pub(crate) directory: Directory,
    pub(crate) quotas: Quotas,
    /// The time that the last create event was given, milliseconds since the Unix epoch.
    pub(crate) last_create_ms: AtomicU64,
}

impl Rooms {
    /// Rooms over a store.
    pub fn new(parts: Parts, settings: Settings) -> Self {
        let Parts {
            store,
            interner,
            pool,
            clock,
            random,
            signer,
        } = parts;
        let ephemeral = Sequence::default();
        let presence = Presence::new(settings.presence, Arc::clone(&clock), ephemeral.clone());
        Self {
            inner: Arc::new(Inner {
                store,
                interner,
                pool,
                clock,
                random,
                signer,
                events: Events::new(settings.event_cache),
                shared: SharedEvents::new(settings.client_event_cache),
                statuses: Statuses::new(settings.client_event_cache),
                states: States::new(settings.node_cache),
                live: Registry::default(),
                typing: Typing::new(ephemeral.clone()),
                presence,
                shared_rooms: SharedRooms::default(),
                ephemeral,
                directory: Directory::default(),
                names: Names::new(Line::new(Overlay::default())),
                quotas: settings.quotas,
                last_create_ms: AtomicU64::new(0),
            }),
        }
    }

    /// Who is typing.
    pub fn typing(&self) -> &Typing {
        &self.inner.typing
    }

    /// Who is online.
    pub fn presence(&self) -> &Presence {
        &self.inner.presence
    }

    /// The number of the last change of what is kept in memory only.
    pub fn ephemeral_sequence(&self) -> u64 {
        self.inner.ephemeral.current()
    }
}

impl Inner {
    /// This server's name.
    pub(crate) fn server_name(&self) -> &str {
        self.signer.server_name()
    }

    /// Whether a user id is of this server.
    pub(crate) fn is_local(&self, user_id: &str) -> bool {
        user_id
            .split_once(':')
            .is_some_and(|(_, server)| server == self.server_name())
    }

    /// Random letters, for names that must not be guessed.
    pub(crate) fn random_letters(&self, len: usize) -> String {
        self.random.letters_and_digits(len)
    }
}
