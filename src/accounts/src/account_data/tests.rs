use std::{collections::BTreeMap, sync::atomic::Ordering};

use heliograph_tables::Store;
use proptest::prelude::*;

use super::*;
use crate::testing::{Fixture, accounts, accounts_with, settings};

const ROOMS: [Option<RoomNum>; 3] = [None, Some(RoomNum(1)), Some(RoomNum(2))];
const KINDS: [&str; 4] = ["a", "ab", "b", "org.example.é"];

fn as_map(rows: Vec<AccountDataRow>) -> BTreeMap<String, String> {
    rows.into_iter()
        .map(|row| (row.kind.into(), row.content.into()))
        .collect()
}

#[derive(Clone, Debug)]
enum Change {
    Set(usize, usize, u8),
    Delete(usize, usize),
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        3 => (0..ROOMS.len(), 0..KINDS.len(), any::<u8>()).prop_map(|(r, k, v)| Change::Set(r, k, v)),
        1 => (0..ROOMS.len(), 0..KINDS.len()).prop_map(|(r, k)| Change::Delete(r, k)),
    ]
}

type Model = BTreeMap<(usize, usize), (u64, String)>;

async fn apply(f: &Fixture, user: UserNum, model: &mut Model, change: &Change) {
    match *change {
        Change::Set(r, k, v) => {
            let content = format!("{{\"v\": {v}}}");
            f.accounts
                .set_account_data(user, ROOMS[r], KINDS[k], &content)
                .await
                .unwrap();
            let position = f.store.view(Op::Other).position().0;
            model.insert((r, k), (position, content));
        }
        Change::Delete(r, k) => {
            let deleted = f
                .accounts
                .delete_account_data(user, ROOMS[r], KINDS[k])
                .await
                .unwrap();
            let known = model
                .get(&(r, k))
                .is_some_and(|(_, content)| content != DELETED);
            assert_eq!(deleted, known);
            if known {
                let position = f.store.view(Op::Other).position().0;
                model.insert((r, k), (position, DELETED.to_owned()));
            }
        }
    }
}

/// What is told of what was deleted; nothing is set to it.
const DELETED: &str = "{}";

/// What a model holds of a room, set after a position.
fn expected(model: &Model, room: usize, after: u64) -> BTreeMap<String, String> {
    model
        .iter()
        .filter(|((r, _), (position, _))| *r == room && *position > after)
        .map(|((_, k), (_, content))| (KINDS[*k].to_owned(), content.clone()))
        .collect()
}

fn check_reading(f: &Fixture, user: UserNum, model: &Model) {
    let view = f.store.view(Op::Other);
    for (r, room) in ROOMS.into_iter().enumerate() {
        let mut all = as_map(f.accounts.all_account_data(&view, user, room).unwrap());
        assert_eq!(all.remove(PUSH_RULES).is_some(), room.is_none());
        let mut present = expected(model, r, 0);
        present.retain(|_, content| content != DELETED);
        assert_eq!(all, present);
        for after in 0..=view.position().0 {
            let since = f
                .accounts
                .account_data_since(&view, user, room, Position(after));
            assert_eq!(as_map(since.unwrap()), expected(model, r, after));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn what_is_read_is_what_was_set(changes in prop::collection::vec(change(), 0..20)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let f = accounts();
            // Another user's rows stand beside: none may show.
            let (user, other) = (f.register("alice").await.user, f.register("bob").await.user);
            let mut model = Model::new();
            apply(&f, other, &mut Model::new(), &Change::Set(0, 0, 1)).await;
            for change in &changes {
                apply(&f, user, &mut model, change).await;
            }
            check_reading(&f, user, &model);
            let used = f.store.view(Op::Other).get(&schema::ACCOUNT_DATA_BYTES, &user).unwrap();
            let rows = model.iter().map(|((_, k), (_, content))| {
                let kept = if content == DELETED { "" } else { content.as_str() };
                cost(&Tail::from(KINDS[*k]), &Bytes::copy_from_slice(kept.as_bytes()))
            });
            assert_eq!(used.map_or(0, |row| row.0), rows.sum::<u64>());
        });
    }
}

#[tokio::test]
async fn changes_before_publishing_stand_on_each_other() {
    let f = accounts();
    let user = f.register("alice").await.user;
    let from = f.store.view(Op::Other).position();
    f.store.hold();
    let mut waiting = tokio::task::JoinSet::new();
    for v in 0..10 {
        let accounts = f.accounts.clone();
        waiting.spawn(async move {
            accounts
                .set_account_data(user, None, "k", &format!("{{\"v\":{v}}}"))
                .await
        });
    }
    let written = &f.store.counts().of(Op::UserData).keys_written;
    // Five keys the first time, six when an older one is taken out of the order.
    while written.load(Ordering::SeqCst) < 4 + 9 * 5 {
        tokio::task::yield_now().await;
    }
    f.store.release();
    for done in waiting.join_all().await {
        done.unwrap();
    }
    let view = f.store.view(Op::Other);
    let rows = f
        .accounts
        .account_data_since(&view, user, None, from)
        .unwrap();
    assert_eq!(
        rows.len(),
        1,
        "each took the one before it out of the order"
    );
    let order = view.scan(
        &schema::ACCOUNT_DATA_BY_POSITION,
        &(user,),
        Direction::Forward,
    );
    assert_eq!(order.count(), 1);
}

#[tokio::test]
async fn the_servers_own_types_cannot_be_set() {
    let f = accounts();
    let user = f.register("alice").await.user;
    for kind in ["m.fully_read", "m.push_rules"] {
        for room in [None, Some(RoomNum(1))] {
            let set = f.accounts.set_account_data(user, room, kind, "{}").await;
            assert!(matches!(set, Err(AccountError::NotSettable)));
            let deleted = f.accounts.delete_account_data(user, room, kind).await;
            assert!(matches!(deleted, Err(AccountError::NotSettable)));
        }
    }
}

#[tokio::test]
async fn contents_are_objects_and_bounded() {
    let f = accounts();
    let user = f.register("alice").await.user;
    let set = async |kind: &str, content: &str| {
        f.accounts.set_account_data(user, None, kind, content).await
    };
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(200), "]".repeat(200));
    for content in ["", "[]", "1", "null", "{", "{}{}", "{\"a\":}", &deep] {
        let set = set("k", content).await;
        assert!(matches!(set, Err(AccountError::Invalid(_))), "{content}");
    }
    let longest = format!("{{\"a\":\"{}\"}}", "x".repeat(MAX_CONTENT_BYTES - 8));
    assert_eq!(longest.len(), MAX_CONTENT_BYTES);
    set("k", &longest).await.unwrap();
    let longer = set("k", &format!("{longest} ")).await;
    assert!(matches!(longer, Err(AccountError::TooLarge(_))));
    set(&"k".repeat(MAX_TYPE_BYTES), "{}").await.unwrap();
    let longer = set(&"k".repeat(MAX_TYPE_BYTES + 1), "{}").await;
    assert!(matches!(longer, Err(AccountError::TooLarge(_))));
    assert!(matches!(set("", "{}").await, Err(AccountError::Invalid(_))));
}

#[tokio::test]
async fn one_user_has_so_many_bytes_and_gets_them_back() {
    let mut settings = settings();
    settings.account_data_bytes = 3 * (ROW_OVERHEAD_BYTES + 1) + 2 * 7;
    let f = accounts_with(settings);
    let user = f.register("alice").await.user;
    let set = async |kind: &str| {
        let content = r#"{"a":1}"#;
        f.accounts.set_account_data(user, None, kind, content).await
    };
    set("a").await.unwrap();
    set("b").await.unwrap();
    set("b").await.unwrap();
    assert!(matches!(set("c").await, Err(AccountError::TooMany(_))));
    let deleted = f.accounts.delete_account_data(user, None, "a").await;
    assert!(deleted.unwrap());
    set("c").await.unwrap();
    assert!(matches!(set("d").await, Err(AccountError::TooMany(_))));
}

#[tokio::test]
async fn push_rules_are_the_specs_until_they_are_changed() {
    let f = accounts();
    let user = f.register("alice").await.user;
    let rules = f.accounts.push_rules(user).await.unwrap();
    let which = crate::PredefinedRules::Current;
    let expected = crate::push_rules::predefined(which, "@alice:example.org").to_string();
    assert_eq!(*rules, *expected);
    let direct = f
        .accounts
        .account_data(user, None, PUSH_RULES)
        .await
        .unwrap();
    assert_eq!(direct.as_deref(), Some(&*expected));
    assert_eq!(
        f.accounts
            .account_data(user, Some(RoomNum(1)), PUSH_RULES)
            .await
            .unwrap(),
        None
    );
    let nobody = f.accounts.push_rules(UserNum(99)).await;
    assert!(matches!(nobody, Err(AccountError::UnknownUser)));
}

#[tokio::test]
async fn reading_what_is_new_costs_by_what_is_new() {
    let f = accounts();
    let user = f.register("alice").await.user;
    for i in 0..200 {
        f.accounts
            .set_account_data(user, None, &format!("old{i}"), "{}")
            .await
            .unwrap();
    }
    let after = f.store.view(Op::Other).position();
    f.accounts
        .set_account_data(user, None, "new", "{}")
        .await
        .unwrap();
    let view = f.store.view(Op::Sync);
    let rows = f
        .accounts
        .account_data_since(&view, user, None, after)
        .unwrap();
    assert_eq!(rows.len(), 1);
    let read = f
        .store
        .counts()
        .of(Op::Sync)
        .keys_read
        .load(Ordering::SeqCst);
    assert_eq!(read, 2, "a row of the order and the row itself");
}
