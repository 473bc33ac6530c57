use std::sync::Arc;

use heliograph_tables::{Op, Store, mem::MemStore};

use crate::{
    AccountError, InvalidLocalpart, NewDevice, Registration, TokenLimits,
    testing::{PASSWORD, accounts, accounts_with, over, registration, settings},
};

#[tokio::test]
async fn a_user_registers_and_is_known_by_the_token() {
    let f = accounts();
    let made = f.register("Alice").await;
    assert_eq!(made.user_id, "@alice:example.org");
    let session = made.session.unwrap();
    let who = f
        .accounts
        .authenticate(&session.access_token)
        .await
        .unwrap()
        .unwrap();
    assert_eq!((who.user, who.device), (made.user, session.device));
    assert_eq!(who.user_id, "@alice:example.org");
    assert_eq!(who.device_id, &*session.device_id);
    assert!(!who.is_admin);
    assert_eq!(session.device_id.len(), 10);
    let view = f.store.view(Op::Other);
    let found = f.accounts.find_local(&view, "@alice:example.org").unwrap();
    assert_eq!(found, Some(made.user));
    assert_eq!(
        f.accounts.find_local(&view, "@bob:example.org").unwrap(),
        None
    );
}

#[tokio::test]
async fn names_are_refused_for_the_reason_that_holds() {
    let mut settings = settings();
    settings.reserved_localparts = vec!["admin".to_owned()];
    let f = accounts_with(settings);
    f.register("alice").await;
    let refusal = async |name: &str| {
        let available = f.accounts.username_available(name).await.unwrap_err();
        let registered = f.accounts.register(registration(name)).await.unwrap_err();
        assert_eq!(available.to_string(), registered.to_string());
        registered
    };
    assert!(matches!(refusal("alice").await, AccountError::UserInUse));
    assert!(matches!(refusal("ALICE").await, AccountError::UserInUse));
    assert!(matches!(
        refusal("admin").await,
        AccountError::ReservedUsername
    ));
    assert!(matches!(
        refusal("Admin").await,
        AccountError::ReservedUsername
    ));
    let characters = AccountError::InvalidUsername(InvalidLocalpart::Characters);
    assert_eq!(refusal("a b").await.to_string(), characters.to_string());
    assert_eq!(
        f.accounts.username_available("Bob").await.unwrap(),
        "@bob:example.org"
    );
}

#[tokio::test]
async fn without_a_name_one_is_made_and_without_a_device_none() {
    let f = accounts();
    let made = f.accounts.register(Registration::default()).await.unwrap();
    assert!(made.session.is_none());
    let localpart = made.user_id.localpart();
    assert!(localpart.len() == 10 && localpart.chars().all(|c| c.is_ascii_digit()));
    let login = f
        .accounts
        .log_in_with_password(localpart, String::new(), NewDevice::default());
    assert!(
        matches!(login.await, Err(AccountError::BadCredentials)),
        "no password, no login"
    );
}

#[tokio::test]
async fn of_many_who_want_a_name_one_gets_it() {
    let f = accounts();
    f.store.hold();
    let wanted: Vec<_> = (0..8)
        .map(|_| {
            let accounts = f.accounts.clone();
            Box::pin(async move { accounts.register(registration("alice")).await })
        })
        .collect();
    let mut wanted: tokio::task::JoinSet<_> = wanted.into_iter().collect();
    let mut refused = 0;
    while refused < 7 {
        // All but one are refused while nothing is published yet: the one that waits comes first.
        match wanted.join_next().await.unwrap().unwrap() {
            Err(AccountError::UserInUse) => refused += 1,
            other => panic!("{other:?}"),
        }
    }
    f.store.release();
    assert!(wanted.join_next().await.unwrap().unwrap().is_ok());
    assert_eq!(f.accounts.list(None, 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn nothing_is_answered_before_it_is_published() {
    let f = accounts();
    f.store.hold();
    let accounts = f.accounts.clone();
    let mut waiting = Box::pin(async move { accounts.register(registration("alice")).await });
    // The answer needs the publishing, so whatever comes first is not the answer.
    let mut published = f.store.published();
    tokio::select! {
        biased;
        _ = &mut waiting => panic!("answered too early"),
        () = until_submitted(&f) => {}
    }
    f.store.release();
    waiting.await.unwrap();
    assert!(published.borrow_and_update().0 > 0);
}

/// Waits until something was written under [`Op::Account`].
async fn until_submitted(f: &crate::testing::Fixture) {
    use std::sync::atomic::Ordering;
    let written = &f.store.counts().of(Op::Account).keys_written;
    while written.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn secrets_are_stored_as_hashes_only() {
    let f = accounts();
    let made = f.register("alice").await;
    let token = made.session.unwrap().access_token;
    let mut rows = 0;
    for table in heliograph_tables::schema::ALL.iter().copied().flatten() {
        for (key, value) in f.rows_of(*table) {
            rows += 1;
            for secret in [
                PASSWORD.as_bytes(),
                token.as_bytes(),
                &token.as_bytes()[4..],
            ] {
                let within = |bytes: &[u8]| bytes.windows(secret.len()).any(|w| w == secret);
                assert!(!within(&key) && !within(&value), "{}", table.name());
            }
            table.check(key, value).unwrap();
        }
    }
    assert!(rows > 5, "the rows were looked at");
}

#[tokio::test]
async fn accounts_live_on_in_the_store() {
    let store = Arc::new(MemStore::new());
    let f = over(Arc::clone(&store), settings());
    let made = f.register("alice").await;
    let session = made.session.unwrap();
    let again = over(store, settings());
    let who = again
        .accounts
        .authenticate(&session.access_token)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(who.user, made.user);
    let login =
        again
            .accounts
            .log_in_with_password("alice", PASSWORD.to_owned(), NewDevice::default());
    assert_eq!(login.await.unwrap().0, made.user);
}

#[tokio::test]
async fn a_new_password_ends_the_other_devices_unless_told_otherwise() {
    let f = accounts();
    let made = f.register("alice").await;
    let first = made.session.unwrap();
    let log_in = async |password: &str| {
        let login =
            f.accounts
                .log_in_with_password("alice", password.to_owned(), NewDevice::default());
        login.await.map(|(_, session)| session)
    };
    let second = log_in(PASSWORD).await.unwrap();
    let known = async |token: &str| f.accounts.authenticate(token).await.unwrap().is_some();
    let set = async |password: &str, logout: bool| {
        let keep = Some(first.device);
        f.accounts
            .set_password(made.user, password.to_owned(), logout, keep)
            .await
            .unwrap();
    };
    set("another horse", false).await;
    assert!(known(&first.access_token).await && known(&second.access_token).await);
    assert!(matches!(
        log_in(PASSWORD).await,
        Err(AccountError::BadCredentials)
    ));
    set("a third horse", true).await;
    assert!(known(&first.access_token).await && !known(&second.access_token).await);
    assert!(log_in("a third horse").await.is_ok());
    let weak = f
        .accounts
        .set_password(made.user, "weak".to_owned(), true, None)
        .await;
    assert!(matches!(weak, Err(AccountError::WeakPassword(8))));
}

#[tokio::test]
async fn a_deactivated_user_is_gone_and_the_name_stays_taken() {
    let f = accounts();
    let mut wanted = registration("alice");
    wanted.displayname = Some("Alice".to_owned());
    let made = f.accounts.register(wanted).await.unwrap();
    let user = made.user;
    let token = made.session.unwrap().access_token;
    f.accounts
        .set_account_data(user, None, "m.direct", "{}")
        .await
        .unwrap();
    let filter = f.accounts.add_filter(user, "{}").await.unwrap();
    f.accounts.deactivate(user).await.unwrap();
    f.accounts.deactivate(user).await.unwrap();

    assert_eq!(f.accounts.authenticate(&token).await.unwrap(), None);
    assert!(f.accounts.devices(user).await.unwrap().is_empty());
    assert_eq!(
        f.accounts
            .account_data(user, None, "m.direct")
            .await
            .unwrap(),
        None
    );
    assert_eq!(f.accounts.filter(user, &filter).await.unwrap(), None);
    let profile = f.accounts.profile_of("@alice:example.org").await;
    assert!(matches!(profile, Err(AccountError::UnknownUser)));
    let login = f
        .accounts
        .log_in_with_password("alice", PASSWORD.to_owned(), NewDevice::default());
    assert!(matches!(login.await, Err(AccountError::Deactivated)));
    let again = f.accounts.register(registration("alice")).await;
    assert!(matches!(again, Err(AccountError::UserInUse)));
    let set = f
        .accounts
        .set_account_data(user, None, "m.direct", "{}")
        .await;
    assert!(matches!(set, Err(AccountError::Deactivated)));
}

#[tokio::test]
async fn an_administrator_is_known_at_once() {
    let f = accounts();
    let made = f.register("alice").await;
    let token = made.session.unwrap().access_token;
    let is_admin = async || {
        f.accounts
            .authenticate(&token)
            .await
            .unwrap()
            .unwrap()
            .is_admin
    };
    assert!(!is_admin().await);
    f.accounts.set_admin(made.user, true).await.unwrap();
    assert!(is_admin().await);
    f.accounts.set_admin(made.user, false).await.unwrap();
    assert!(!is_admin().await);
}

#[tokio::test]
async fn lists_go_on_where_they_ended() {
    let f = accounts();
    for name in ["a", "b", "c"] {
        f.register(name).await;
    }
    let names = |users: &[crate::UserInfo]| {
        users
            .iter()
            .map(|user| user.user_id.localpart().to_owned())
            .collect::<Vec<_>>()
    };
    let first = f.accounts.list(None, 2).await.unwrap();
    assert_eq!(names(&first), ["a", "b"]);
    let rest = f.accounts.list(Some(first[1].user), 2).await.unwrap();
    assert_eq!(names(&rest), ["c"]);
}

#[tokio::test]
async fn uses_of_a_registration_token_are_counted_and_never_exceeded() {
    let f = accounts();
    let limits = TokenLimits {
        uses_allowed: Some(2),
        expires_ts: None,
    };
    let token = f
        .accounts
        .add_registration_token(None, limits)
        .await
        .unwrap();
    let mut wanted = tokio::task::JoinSet::new();
    for i in 0..6 {
        let (accounts, token) = (f.accounts.clone(), token.clone());
        wanted.spawn(async move {
            let mut registration = registration(&format!("user{i}"));
            registration.registration_token = Some(token);
            accounts.register(registration).await
        });
    }
    let made = wanted.join_all().await;
    assert_eq!(made.iter().filter(|made| made.is_ok()).count(), 2);
    let refused = |made: &Result<_, _>| matches!(made, Err(AccountError::BadRegistrationToken));
    assert_eq!(made.iter().filter(|made| refused(made)).count(), 4);
    assert_eq!(f.accounts.registration_tokens().await.unwrap()[0].uses, 2);
    assert_eq!(f.accounts.list(None, 10).await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_registration_token_ends_with_its_time() {
    let mut settings = settings();
    settings.registration_tokens = vec!["for all".to_owned()];
    let f = accounts_with(settings);
    let limits = TokenLimits {
        uses_allowed: None,
        expires_ts: Some(2_000_000),
    };
    f.accounts
        .add_registration_token(Some("t.~-_0".to_owned()), limits)
        .await
        .unwrap();
    let valid = async |token: &str| f.accounts.is_registration_token_valid(token).await.unwrap();
    assert!(valid("t.~-_0").await && valid("for all").await);
    f.clock.set(2_000_000);
    assert!(!valid("t.~-_0").await && valid("for all").await);
    assert!(!valid("").await && !valid("for al").await);
    f.accounts
        .delete_registration_token("t.~-_0")
        .await
        .unwrap();
    let gone = f.accounts.delete_registration_token("t.~-_0").await;
    assert!(matches!(gone, Err(AccountError::UnknownToken)));
    for bad in ["", "a b", &"a".repeat(65)] {
        let made = f
            .accounts
            .add_registration_token(Some(bad.to_owned()), limits)
            .await;
        assert!(matches!(made, Err(AccountError::Invalid(_))), "{bad}");
    }
}
