//! The words by which users of this server are found: those of their names and of their ids.
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#user-directory>

use std::collections::BTreeSet;

use heliograph_core::ids::UserNum;
use heliograph_tables::{
    Direction, StoreError, View,
    batch::PRESENT,
    codec::Tail,
    schema::{Account, Profile, USER_WORDS, UserWord},
};

use crate::change::Change;

/// Bytes of a word that count.
const MAX_WORD_BYTES: usize = 64;

type Words = BTreeSet<Box<str>>;

/// What users are searched for: each of its words is to be the beginning of one of theirs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SearchTerm(Words);

impl SearchTerm {
    /// Reads what somebody typed; a word that begins with `@` is the beginning of a user id.
    pub fn parse(text: &str) -> Self {
        let mut words = Words::new();
        for part in text.split_whitespace() {
            if part.len() > 1 && part.starts_with('@') {
                words.insert(cut(&part.to_lowercase()));
            } else {
                add_words(part, &mut words);
            }
        }
        Self(words)
    }

    /// Whether it finds a user with this id and display name.
    pub fn finds(&self, user_id: &str, displayname: Option<&str>) -> bool {
        let theirs = words(user_id, displayname);
        self.0.iter().all(|word| {
            let mut from = theirs.range(word.clone()..);
            from.next().is_some_and(|first| first.starts_with(&**word))
        })
    }

    /// The users of this server who may be found, read one after the other: all who have the word
    /// that is the longest here. Who has several such words comes several times.
    pub fn candidates<'a>(
        &self,
        view: &'a View,
    ) -> impl Iterator<Item = Result<UserNum, StoreError>> + use<'a> {
        let words = self.0.iter();
        let longest = words.max_by_key(|word| word.len());
        let rows = longest.map(|word| {
            let end = format!("{word}{}", char::MAX);
            let (from, to) = (Tail(word.clone()), Tail(end.into()));
            view.range(&USER_WORDS, &from, &to, Direction::Forward)
        });
        let rows = rows.into_iter().flatten();
        rows.map(|row| row.map(|(UserWord { user, .. }, _)| user))
    }
}

/// What a user is found by.
fn words(user_id: &str, displayname: Option<&str>) -> Words {
    let mut words = Words::new();
    words.insert(cut(&user_id.to_lowercase()));
    let localpart = user_id.split_once(':').map_or(user_id, |(local, _)| local);
    add_words(localpart, &mut words);
    add_words(displayname.unwrap_or_default(), &mut words);
    words
}

fn add_words(text: &str, to: &mut Words) {
    let text = text.to_lowercase();
    let words = text.split(|c: char| !c.is_alphanumeric());
    to.extend(words.filter(|word| !word.is_empty()).map(cut));
}

/// The beginning of a word, as much as counts.
fn cut(word: &str) -> Box<str> {
    word.get(..word.floor_char_boundary(MAX_WORD_BYTES))
        .unwrap_or(word)
        .into()
}

impl Change<'_> {
    /// Writes the rows of a user whose display name was `before` and is `after`; `None` where there
    /// was no account, or is none. Guests are not found.
    pub(crate) fn index_words(
        &mut self,
        (user, user_id): (UserNum, &str),
        account: &Account,
        before: Option<&Profile>,
        after: Option<&Profile>,
    ) {
        if account.guest {
            return;
        }
        let of = |profile: Option<&Profile>| {
            let words = profile.map(|profile| words(user_id, profile.displayname.as_deref()));
            words.unwrap_or_default()
        };
        let (before, after) = (of(before), of(after));
        let row = |word: &str| UserWord {
            word: word.into(),
            user,
        };
        for word in before.difference(&after) {
            self.batch.delete(&USER_WORDS, &row(word));
        }
        for word in after.difference(&before) {
            self.batch.put(&USER_WORDS, &row(word), &PRESENT);
        }
    }
}

#[cfg(test)]
mod tests {
    use heliograph_tables::{Op, Store as _};

    use super::*;
    use crate::{ProfileField, testing::accounts};

    #[test]
    fn a_term_finds_by_beginnings_of_words_whatever_the_case() {
        let finds = |term: &str| {
            let id = "@alice_b:example.org";
            SearchTerm::parse(term).finds(id, Some("Älice O'Hara-Müller"))
        };
        for term in [
            "älice",
            "ÄLI",
            "o'hara",
            "müll äl",
            "alice",
            "b",
            "alice_b",
            "@alice",
            "@ALICE_B:ex",
            "@alice_b:example.org",
            "hara @alice",
        ] {
            assert!(finds(term), "{term}");
        }
        for term in [
            "lice",
            "@lice",
            "müller bob",
            "example",
            "@alice_b:other",
            "haram",
        ] {
            assert!(!finds(term), "{term}");
        }
    }

    #[tokio::test]
    async fn the_rows_follow_the_name_and_end_with_the_account() {
        let f = accounts();
        let alice = f.register("alice").await.user;
        let bob = f.register("bob").await.user;
        let found = |term: &str| {
            let view = f.store.view(Op::Other);
            let found = SearchTerm::parse(term).candidates(&view);
            found.collect::<Result<BTreeSet<_>, _>>().unwrap()
        };
        let name = async |name: &str| {
            let name = Some(name.to_owned());
            let field = ProfileField::Displayname;
            f.accounts
                .set_profile_field(alice, field, name)
                .await
                .unwrap();
        };
        assert_eq!(found("ali"), [alice].into());
        assert_eq!(found(""), [].into());
        name("Bobbing Alice").await;
        assert_eq!(found("bob"), [alice, bob].into());
        assert_eq!(found("bobb"), [alice].into());
        name("Carol").await;
        assert_eq!(found("bob"), [bob].into());
        assert_eq!(found("carol"), [alice].into());
        assert_eq!(found("alice"), [alice].into());
        f.accounts.deactivate(alice).await.unwrap();
        assert_eq!(found("alice"), [].into());
        assert_eq!(found("@"), [].into());
        assert_eq!(found("carol"), [].into());
    }
}
