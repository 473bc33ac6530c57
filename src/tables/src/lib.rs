//! What is stored, as types: tables with typed keys and values, batches, views, the log's records,
//! and an in-memory store for tests.
//!
//! This crate must never know RocksDB, and never a rule of Matrix: it says how rows look, not when
//! they are right. It compiles and fuzzes without the database.
//!
//! Entry points: [`Table`] (one per kind of row, all listed in [`schema::ALL`]), [`Batch`] (all
//! writes of one operation), [`View`] (reading at one position), [`Store`] (the port that the
//! database implements) and [`mem::MemStore`].

pub mod batch;
pub mod codec;
pub mod counts;
pub mod interner;
pub mod log;
pub mod mem;
pub mod overlay;
pub mod schema;
pub mod store;
pub mod table;
pub mod view;

pub use batch::Batch;
pub use codec::{Corrupt, Encoder, Field, Value};
pub use counts::{Counts, Op};
pub use log::Record;
pub use overlay::{Layer, Overlay};
pub use store::{Completion, Permit, Store, StoreError, Submitted};
pub use table::{Family, Table};
pub use view::{Direction, View};
