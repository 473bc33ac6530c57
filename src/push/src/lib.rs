//! Push rules: read once, asked about each event once for all who have the same.
//!
//! This crate must never know HTTP, push gateways or how a sync is told.
//!
//! Entry points: [`RuleSets`] (each user's rules), [`RuleSet::outcome`] (what is done with an
//! event), [`Push`] (both over a store) and [`Push::counts`] (what a user has not read).

mod conditions;
mod counts;
mod event;
mod glob;
mod push;
mod rules;
mod sets;
mod unread;

pub use counts::{Budget, Counts, Place};
pub use event::{Path, PushEvent};
pub use glob::{Glob, MAX_PATTERN_CHARS, fold};
pub use push::{Came, Push, Who};
pub use rules::{Outcome, RuleSet, Surroundings};
pub use sets::RuleSets;
