//! Whom a user ignores.
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#ignoring-users>

use heliograph_core::ids::UserNum;
use heliograph_tables::{
    StoreError, View,
    codec::Tail,
    schema::{self, GLOBAL},
};

/// The type of account data that lists ignored users.
const IGNORED_USER_LIST: &str = "m.ignored_user_list";

/// The ids of the users whom a user ignores, as the account data has them: not all need be ids.
pub fn ignored_users(view: &View, user: UserNum) -> Result<Vec<String>, StoreError> {
    let key = (user, GLOBAL, Tail::from(IGNORED_USER_LIST));
    let row = view.get(&schema::ACCOUNT_DATA, &key)?;
    Ok(row.map_or_else(Vec::new, |row| listed(&row.content)))
}

/// The keys of `ignored_users`; a content of another shape ignores nobody.
fn listed(content: &[u8]) -> Vec<String> {
    let content: Option<serde_json::Value> = serde_json::from_slice(content).ok();
    let users = content.as_ref().and_then(|c| c.get("ignored_users"));
    users
        .and_then(serde_json::Value::as_object)
        .map_or_else(Vec::new, |users| users.keys().cloned().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_keys_of_an_object_are_ignored() {
        assert_eq!(
            listed(br#"{"ignored_users":{"@a:b":{},"@c:d":1}}"#),
            ["@a:b", "@c:d"]
        );
        for content in ["", "{}", "[]", r#"{"ignored_users":["@a:b"]}"#] {
            assert!(listed(content.as_bytes()).is_empty(), "{content}");
        }
    }
}
