//! What a user hides from others, as account data of a type of this server's own says:
//! `docs/privacy.md`.

use heliograph_core::ids::UserNum;
use heliograph_tables::{StoreError, View};
use serde_json::{Map, Value};

use crate::account_data;

/// The type of account data that says what a user hides.
pub const PRIVACY: &str = "org.heliograph.privacy";

/// What a user hides from others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Privacy {
    /// Others are shown that the user is offline.
    pub hide_presence: bool,
    /// Nobody is told that the user types.
    pub hide_typing: bool,
    /// Receipts are the user's own: private ones.
    pub hide_receipts: bool,
}

/// What a user hides.
pub fn privacy(view: &View, user: UserNum) -> Result<Privacy, StoreError> {
    let content = account_data::global_object(view, user, PRIVACY)?;
    Ok(content.map_or_else(Privacy::default, |content| Privacy::of(&content)))
}

impl Privacy {
    /// What is not `true` hides nothing.
    fn of(content: &Map<String, Value>) -> Self {
        let is_set = |key: &str| content.get(key) == Some(&Value::Bool(true));
        Self {
            hide_presence: is_set("hide_presence"),
            hide_typing: is_set("hide_typing"),
            hide_receipts: is_set("hide_receipts"),
        }
    }
}
