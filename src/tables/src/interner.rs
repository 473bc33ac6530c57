//! Names to numbers and back.
//!
//! A number that is not yet known durable is carried by every batch that uses it: whichever of
//! those batches is written first makes it so.

use std::{collections::HashMap, hash::Hash, sync::Arc};

use heliograph_core::ids::{RoomNum, ServerNum, TypeNum, UserNum};
use parking_lot::Mutex;
use quick_cache::sync::Cache;

use crate::{
    batch::Batch,
    codec::{Field, Plain, Tail},
    schema,
    store::StoreError,
    table::Table,
    view::{Direction, View},
};

/// A number that names are interned to.
pub trait Num: Copy + Eq + Hash + Send + Sync + Field + 'static {
    /// The first number given out.
    const FIRST: Self;
    /// The table from name to number.
    const NUMS: Table<Tail, Plain<Self>>;
    /// The table from number to name.
    const NAMES: Table<Self, Plain<Box<str>>>;

    /// The number after this one, or `None` when all are used up.
    fn following(self) -> Option<Self>;
}

/// Ties a number to its two tables.
macro_rules! interned {
    ($($num:ident => $nums:ident, $names:ident;)*) => {$(
        impl Num for $num {
            const FIRST: Self = Self(1);
            const NUMS: Table<Tail, Plain<Self>> = schema::$nums;
            const NAMES: Table<Self, Plain<Box<str>>> = schema::$names;

            fn following(self) -> Option<Self> {
                self.next()
            }
        }
    )*};
}
interned! {
    RoomNum => ROOM_NUMS, ROOM_NAMES;
    UserNum => USER_NUMS, USER_NAMES;
    ServerNum => SERVER_NUMS, SERVER_NAMES;
    TypeNum => TYPE_NUMS, TYPE_NAMES;
}

/// Numbers given out and not yet seen in a view.
struct Pending<N> {
    next: Option<N>,
    names: HashMap<Box<str>, N>,
}

/// The names of one kind.
pub struct Names<N: Num> {
    by_name: Cache<Box<str>, N>,
    by_num: Cache<N, Arc<str>>,
    pending: Mutex<Option<Pending<N>>>,
}

impl<N: Num> Names<N> {
    /// An interner with room for `capacity` names in each of its two caches.
    pub fn new(capacity: usize) -> Self {
        Self {
            by_name: Cache::new(capacity),
            by_num: Cache::new(capacity),
            pending: Mutex::new(None),
        }
    }

    /// The number of a name, if it is in memory: for those who must not wait for the disk.
    pub fn cached(&self, name: &str) -> Option<N> {
        self.by_name.get(name)
    }

    /// The number of a name, if it has a durable one.
    pub fn find(&self, view: &View, name: &str) -> Result<Option<N>, StoreError> {
        if let Some(num) = self.by_name.get(name) {
            return Ok(Some(num));
        }
        let found = view.get(&N::NUMS, &Tail::from(name))?.map(|row| row.0);
        if let Some(num) = found {
            self.by_name.insert(name.into(), num);
        }
        Ok(found)
    }

    /// The number of a name, durable or not: for those who read what they are about to write.
    pub fn find_any(&self, view: &View, name: &str) -> Result<Option<N>, StoreError> {
        if let Some(num) = self.find(view, name)? {
            return Ok(Some(num));
        }
        let pending = self.pending.lock();
        Ok(pending.as_ref().and_then(|p| p.names.get(name).copied()))
    }

    /// The number of a name, a new one if need be; `batch` then carries the rows.
    ///
    /// # Errors
    /// When the store fails to read, or, as [`StoreError::Full`], when all numbers are used up.
    pub fn intern(&self, view: &View, batch: &mut Batch, name: &str) -> Result<N, StoreError> {
        if let Some(num) = self.find(view, name)? {
            return Ok(num);
        }
        let mut pending = self.pending.lock();
        if pending.is_none() {
            let last = view.end(&N::NAMES, &(), Direction::Backward)?;
            let next = last.map_or(Some(N::FIRST), |(num, _)| num.following());
            *pending = Some(Pending {
                next,
                names: HashMap::new(),
            });
        }
        let Some(state) = pending.as_mut() else {
            return Err(StoreError::Closed);
        };
        let num = if let Some(num) = state.names.get(name) {
            *num
        } else {
            let num = state.next.ok_or(StoreError::Full)?;
            state.next = num.following();
            state.forget_durable(view)?;
            state.names.insert(name.into(), num);
            num
        };
        drop(pending);
        batch.put(&N::NUMS, &Tail::from(name), &Plain(num));
        batch.put(&N::NAMES, &num, &Plain(name.into()));
        Ok(num)
    }

    /// The name of a number.
    pub fn name(&self, view: &View, num: N) -> Result<Option<Arc<str>>, StoreError> {
        if let Some(name) = self.by_num.get(&num) {
            return Ok(Some(name));
        }
        let name: Option<Arc<str>> = view.get(&N::NAMES, &num)?.map(|row| row.0.into());
        if let Some(name) = &name {
            self.by_num.insert(num, Arc::clone(name));
        }
        Ok(name)
    }
}

impl<N: Num> Pending<N> {
    /// How many pending names are kept before those that became durable are looked for.
    const SWEEP: usize = 1024;

    fn forget_durable(&mut self, view: &View) -> Result<(), StoreError> {
        if self.names.len() < Self::SWEEP {
            return Ok(());
        }
        let mut waiting = HashMap::new();
        for (name, num) in self.names.drain() {
            if !view.has(&N::NUMS, &Tail::from(&*name))? {
                waiting.insert(name, num);
            }
        }
        self.names = waiting;
        Ok(())
    }
}

/// All names of the process.
pub struct Interner {
    /// Room ids.
    pub rooms: Names<RoomNum>,
    /// User ids.
    pub users: Names<UserNum>,
    /// Server names.
    pub servers: Names<ServerNum>,
    /// State event types.
    pub types: Names<TypeNum>,
}

impl Interner {
    /// An interner whose caches hold `capacity` names of each kind.
    pub fn new(capacity: usize) -> Self {
        Self {
            rooms: Names::new(capacity),
            users: Names::new(capacity),
            servers: Names::new(capacity),
            types: Names::new(capacity.min(1024)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{counts::Op, mem::MemStore, store::Store};

    #[test]
    fn a_number_is_carried_until_it_is_durable_and_kept_for_good() {
        let store = MemStore::new();
        let names = Names::<UserNum>::new(8);
        let view = store.view(Op::Other);
        let mut lost = Batch::new(Op::Other);
        let a = names.intern(&view, &mut lost, "@a:x").unwrap();
        let mut kept = Batch::new(Op::Other);
        assert_eq!(names.intern(&view, &mut kept, "@a:x").unwrap(), a);
        assert!(!kept.is_empty(), "the second batch carries the row too");
        store.submit(store.try_reserve().unwrap(), kept).unwrap();
        let view = store.view(Op::Other);
        let mut none = Batch::new(Op::Other);
        assert_eq!(names.intern(&view, &mut none, "@a:x").unwrap(), a);
        assert!(none.is_empty());
        assert_eq!(names.name(&view, a).unwrap().as_deref(), Some("@a:x"));
        let again = Names::<UserNum>::new(8);
        let b = again.intern(&view, &mut none, "@b:x").unwrap();
        assert_ne!(a, b);
    }
}
