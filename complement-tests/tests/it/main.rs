//! Behaviours of the server, seen through HTTP. A failed assertion begins with the name of the
//! behaviour.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "tests and what they share fail by panicking"
)]

mod crashes;
