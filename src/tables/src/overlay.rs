//! What an owner has submitted and no view shows yet, laid over a view.
//!
//! A room takes many events per sync of the disk: the next one is checked against what the last
//! one will have written.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use bytes::Bytes;
use heliograph_core::ids::Position;

use crate::table::Family;

/// The rows of one submitted batch.
#[derive(Debug)]
pub struct Layer {
    /// The position of the batch.
    pub position: Position,
    pub(crate) rows: BTreeMap<(Family, Vec<u8>), Option<Bytes>>,
    pub(crate) ranges: Vec<(Family, Vec<u8>, Vec<u8>)>,
}

/// Layers, oldest first, that stand over a view.
#[derive(Clone, Debug, Default)]
pub struct Overlay(VecDeque<Arc<Layer>>);

impl Overlay {
    /// Adds the newest layer.
    pub fn push(&mut self, layer: Arc<Layer>) {
        self.0.push_back(layer);
    }

    /// Drops the layers that a view at `position` shows by itself.
    pub fn forget_up_to(&mut self, position: Position) {
        while self
            .0
            .front()
            .is_some_and(|layer| layer.position <= position)
        {
            self.0.pop_front();
        }
    }

    /// Whether there is nothing to lay over.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The position of the newest layer.
    pub fn newest(&self) -> Option<Position> {
        self.0.back().map(|layer| layer.position)
    }

    /// What the layers say of a key: `None` when they are silent, `Some(None)` when it is deleted.
    #[expect(
        clippy::option_option,
        reason = "silent and deleted are different answers"
    )]
    pub(crate) fn get(&self, family: Family, key: &[u8]) -> Option<Option<Bytes>> {
        let owned = (family, key.to_vec());
        for layer in self.0.iter().rev() {
            if let Some(row) = layer.rows.get(&owned) {
                return Some(row.clone());
            }
            if layer
                .ranges
                .iter()
                .any(|(f, a, b)| *f == family && **a <= *key && *key < **b)
            {
                return Some(None);
            }
        }
        None
    }

    /// All that the layers say of the keys from `from` up to, without, `to`.
    pub(crate) fn range(&self, family: Family, from: &[u8], to: &[u8]) -> Changes {
        let mut changes = Changes::default();
        let bounds = (family, from.to_vec())..(family, to.to_vec());
        for layer in &self.0 {
            for (f, a, b) in layer.ranges.iter().filter(|(f, ..)| *f == family) {
                changes.rows.retain(|key, _| key < a || key >= b);
                changes.ranges.push((*f, a.clone(), b.clone()));
            }
            if bounds.start < bounds.end {
                for ((_, key), row) in layer.rows.range(bounds.clone()) {
                    changes.rows.insert(key.clone(), row.clone());
                }
            }
        }
        changes
    }
}

/// What layers change within one range of keys.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    pub(crate) rows: BTreeMap<Vec<u8>, Option<Bytes>>,
    ranges: Vec<(Family, Vec<u8>, Vec<u8>)>,
}

impl Changes {
    /// Whether a row of the view below still shows.
    pub(crate) fn shows(&self, key: &[u8]) -> bool {
        !self.rows.contains_key(key)
            && !self
                .ranges
                .iter()
                .any(|(_, a, b)| **a <= *key && *key < **b)
    }
}
