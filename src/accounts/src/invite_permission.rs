//! Who may not be invited.
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#invite-permission>

use heliograph_core::ids::UserNum;
use heliograph_tables::{StoreError, View};

use crate::account_data;

/// The type of account data that says so.
const INVITE_PERMISSION_CONFIG: &str = "m.invite_permission_config";

/// Whether a user blocks all invites.
pub fn blocks_invites(view: &View, user: UserNum) -> Result<bool, StoreError> {
    let content = account_data::global_object(view, user, INVITE_PERMISSION_CONFIG)?;
    let action = content.and_then(|mut content| content.remove("default_action"));
    Ok(action.is_some_and(|action| action == "block"))
}
