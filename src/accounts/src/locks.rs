//! Who may change whose rows: a fixed number of locks, each with what was submitted under it and
//! does not show yet.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

use heliograph_core::ids::{Position, UserNum};
use heliograph_tables::{Layer, Overlay};
use parking_lot::{Mutex, MutexGuard};

/// What a change is exclusive about.
#[derive(Clone, Debug, Hash)]
pub(crate) enum Lock {
    /// All rows of a user.
    User(UserNum),
    /// The row of a registration token.
    Token(Box<str>),
}

/// How many locks there are: enough that two users seldom share one.
const STRIPES: usize = 256;

type Layers = VecDeque<Arc<Layer>>;

/// All locks.
pub(crate) struct Stripes(Box<[Mutex<Layers>]>);

impl Default for Stripes {
    fn default() -> Self {
        Self((0..STRIPES).map(|_| Mutex::default()).collect())
    }
}

impl Stripes {
    /// Takes locks, in the order of the stripes, so that no two changes wait for each other.
    pub(crate) fn lock(&self, locks: &[Lock]) -> Held<'_> {
        let stripes: BTreeSet<usize> = locks.iter().map(stripe_of).collect();
        let taken = stripes.into_iter().filter_map(|stripe| self.0.get(stripe));
        Held(taken.map(Mutex::lock).collect())
    }
}

fn stripe_of(lock: &Lock) -> usize {
    let mut hasher = DefaultHasher::new();
    lock.hash(&mut hasher);
    let stripes = u64::try_from(STRIPES).unwrap_or(1);
    usize::try_from(hasher.finish() % stripes).unwrap_or_default()
}

/// Locks that are held.
pub(crate) struct Held<'a>(Vec<MutexGuard<'a, Layers>>);

impl Held<'_> {
    /// What was submitted under these locks and a view at `position` does not show.
    pub(crate) fn overlay(&mut self, position: Position) -> Overlay {
        let mut layers = BTreeMap::new();
        for guard in &mut self.0 {
            while guard
                .front()
                .is_some_and(|layer| layer.position <= position)
            {
                guard.pop_front();
            }
            layers.extend(
                guard
                    .iter()
                    .map(|layer| (layer.position, Arc::clone(layer))),
            );
        }
        let mut overlay = Overlay::default();
        for layer in layers.into_values() {
            overlay.push(layer);
        }
        overlay
    }

    /// Keeps what was submitted for those who come next.
    pub(crate) fn push(&mut self, layer: &Arc<Layer>) {
        for guard in &mut self.0 {
            guard.push_back(Arc::clone(layer));
        }
    }
}
