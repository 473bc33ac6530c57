//! The grammar of localparts.
//!
//! <https://spec.matrix.org/v1.19/appendices/#user-identifiers>

/// Bytes of a whole user id, at most.
pub const MAX_USER_ID_BYTES: usize = 255;

/// Why a localpart cannot be registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidLocalpart {
    /// It is empty.
    #[error("the user name is empty")]
    Empty,
    /// The user id would be longer than [`MAX_USER_ID_BYTES`].
    #[error("the user name is too long")]
    TooLong,
    /// It has characters other than `a-z`, `0-9` and `._=-/+`.
    #[error("the user name can only have the characters a-z, 0-9 and ._=-/+")]
    Characters,
}

/// The user id of a localpart that someone wants to register; upper-case ASCII letters become
/// lower-case ones.
pub(crate) fn user_id(localpart: &str, server_name: &str) -> Result<String, InvalidLocalpart> {
    if localpart.is_empty() {
        return Err(InvalidLocalpart::Empty);
    }
    let user_id = format!("@{}:{server_name}", localpart.to_ascii_lowercase());
    if user_id.len() > MAX_USER_ID_BYTES {
        return Err(InvalidLocalpart::TooLong);
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._=-/+".contains(c);
    if !localpart.chars().all(allowed) {
        return Err(InvalidLocalpart::Characters);
    }
    Ok(user_id)
}

/// The localpart of a user id of this server.
pub(crate) fn of_server<'a>(user_id: &'a str, server_name: &str) -> Option<&'a str> {
    let (localpart, server) = user_id.strip_prefix('@')?.split_once(':')?;
    (server == server_name).then_some(localpart)
}

/// The user ids that a login may mean, the likelier first: what was typed, and its lower case.
///
/// <https://spec.matrix.org/v1.19/client-server-api/#matrix-user-id>
pub(crate) fn meant(user: &str, server_name: &str) -> Vec<String> {
    let localpart = if user.starts_with('@') {
        of_server(user, server_name)
    } else {
        Some(user)
    };
    let Some(localpart) = localpart else {
        return Vec::new();
    };
    if localpart.len() > MAX_USER_ID_BYTES {
        return Vec::new();
    }
    let mut ids = vec![format!("@{localpart}:{server_name}")];
    let lower = format!("@{}:{server_name}", localpart.to_ascii_lowercase());
    if !ids.contains(&lower) {
        ids.push(lower);
    }
    ids
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_grammar_of_new_localparts() {
        let cases = [
            ("alice", Ok("@alice:x")),
            ("a.b_c=d-e/f+0", Ok("@a.b_c=d-e/f+0:x")),
            ("Alice", Ok("@alice:x")),
            ("", Err(InvalidLocalpart::Empty)),
            ("älice", Err(InvalidLocalpart::Characters)),
            ("a b", Err(InvalidLocalpart::Characters)),
            ("a:b", Err(InvalidLocalpart::Characters)),
            ("@a", Err(InvalidLocalpart::Characters)),
            ("a\0", Err(InvalidLocalpart::Characters)),
        ];
        for (localpart, expected) in cases {
            let expected = expected.map(str::to_owned);
            assert_eq!(user_id(localpart, "x"), expected, "{localpart:?}");
        }
    }

    #[test]
    fn a_user_id_has_at_most_255_bytes() {
        let longest = "a".repeat(MAX_USER_ID_BYTES - "@:x".len());
        assert_eq!(user_id(&longest, "x").unwrap().len(), MAX_USER_ID_BYTES);
        let longer = format!("{longest}a");
        assert_eq!(user_id(&longer, "x"), Err(InvalidLocalpart::TooLong));
    }

    #[test]
    fn a_login_names_a_user_by_id_or_localpart() {
        assert_eq!(meant("alice", "x"), ["@alice:x"]);
        assert_eq!(meant("@alice:x", "x"), ["@alice:x"]);
        assert_eq!(meant("Alice", "x"), ["@Alice:x", "@alice:x"]);
        assert!(meant("@alice:y", "x").is_empty());
        assert!(meant("@alice", "x").is_empty());
    }

    proptest! {
        #[test]
        fn what_is_accepted_is_a_user_id(localpart in ".{0,300}") {
            if let Ok(id) = user_id(&localpart, "example.org") {
                prop_assert!(ruma_common::UserId::parse(id.as_str()).is_ok());
                let lower = localpart.to_ascii_lowercase();
                prop_assert_eq!(of_server(&id, "example.org"), Some(lower.as_str()));
            }
        }
    }
}
