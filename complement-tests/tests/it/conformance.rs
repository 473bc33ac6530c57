//! What Complement taught: behaviours that its tests demand and that ours did not see.

mod accounts;
mod rooms;
mod syncing;
