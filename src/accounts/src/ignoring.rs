//! Whom a user ignores.
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#ignoring-users>

use heliograph_core::ids::UserNum;
use heliograph_tables::{StoreError, View};
use serde_json::Value;

use crate::account_data;

/// The type of account data that lists ignored users.
const IGNORED_USER_LIST: &str = "m.ignored_user_list";

/// The ids of the users whom a user ignores, as the account data has them: not all need be ids. A
/// content of another shape ignores nobody.
pub fn ignored_users(view: &View, user: UserNum) -> Result<Vec<String>, StoreError> {
    let content = account_data::global_object(view, user, IGNORED_USER_LIST)?;
    let users = content.as_ref().and_then(|c| c.get("ignored_users"));
    let users = users.and_then(Value::as_object);
    Ok(users.map_or_else(Vec::new, |users| users.keys().cloned().collect()))
}

#[cfg(test)]
mod tests {
    use heliograph_tables::{Op, Store as _};

    use super::*;
    use crate::testing::accounts;

    #[tokio::test]
    async fn only_the_keys_of_an_object_are_ignored() {
        let f = accounts();
        let user = f.register("alice").await.user;
        for (content, expected) in [
            (
                r#"{"ignored_users":{"@a:b":{},"@c:d":1}}"#,
                &["@a:b", "@c:d"][..],
            ),
            ("{}", &[]),
            (r#"{"ignored_users":["@a:b"]}"#, &[]),
        ] {
            let set = f
                .accounts
                .set_account_data(user, None, IGNORED_USER_LIST, content);
            set.await.unwrap();
            let ignored = ignored_users(&f.store.view(Op::Other), user).unwrap();
            assert_eq!(ignored, expected, "{content}");
        }
    }
}
