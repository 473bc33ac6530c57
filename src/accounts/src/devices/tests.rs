use heliograph_core::ids::Position;
use heliograph_tables::{Op, Record, Store, log::Read};

use super::*;
use crate::testing::{Fixture, PASSWORD, accounts};

async fn log_in(f: &Fixture, device: NewDevice) -> Session {
    let login = f
        .accounts
        .log_in_with_password("alice", PASSWORD.to_owned(), device);
    login.await.unwrap().1
}

fn device(device_id: &str, name: &str) -> NewDevice {
    NewDevice {
        device_id: Some(device_id.to_owned()),
        initial_display_name: Some(name.to_owned()),
        refreshable: false,
    }
}

async fn is_known(f: &Fixture, session: &Session) -> bool {
    f.accounts
        .authenticate(&session.access_token)
        .await
        .unwrap()
        .is_some()
}

fn records_after(f: &Fixture, after: Position) -> Vec<Record> {
    match f.store.log_after(after, 100).unwrap() {
        Read::Entries(entries) => entries.iter().flat_map(|e| e.entry.0.to_vec()).collect(),
        Read::Trimmed => panic!("trimmed"),
    }
}

#[tokio::test]
async fn a_known_device_is_kept_and_its_earlier_token_ends() {
    let f = accounts();
    let user = f.register("alice").await.user;
    let first = log_in(&f, device("PHONE", "My phone")).await;
    assert!(is_known(&f, &first).await);
    let second = log_in(&f, device("PHONE", "Another name")).await;
    assert_eq!(
        (second.device, &second.device_id),
        (first.device, &first.device_id)
    );
    assert!(!is_known(&f, &first).await && is_known(&f, &second).await);
    let info = f.accounts.device_by_id(user, "PHONE").await.unwrap();
    assert_eq!(info.display_name.as_deref(), Some("My phone"));
    assert_eq!(f.accounts.devices(user).await.unwrap().len(), 2);
}

#[tokio::test]
async fn passwords_are_checked_and_users_found_by_id_or_localpart() {
    let f = accounts();
    let user = f.register("alice").await.user;
    let try_in = async |name: &str, password: &str| {
        let login =
            f.accounts
                .log_in_with_password(name, password.to_owned(), NewDevice::default());
        login.await.map(|(user, _)| user)
    };
    for name in ["alice", "@alice:example.org", "Alice", "@ALICE:example.org"] {
        assert_eq!(try_in(name, PASSWORD).await.unwrap(), user);
    }
    for (name, password) in [
        ("alice", "wrong horse"),
        ("alice", ""),
        ("nobody", PASSWORD),
        ("@alice:elsewhere.org", PASSWORD),
        ("", PASSWORD),
    ] {
        let refused = try_in(name, password).await;
        assert!(
            matches!(refused, Err(AccountError::BadCredentials)),
            "{name} {password}"
        );
    }
}

#[tokio::test]
async fn logging_out_removes_the_device_and_says_so() {
    let f = accounts();
    let made = f.register("alice").await;
    let (user, first) = (made.user, made.session.unwrap());
    let second = log_in(&f, NewDevice::default()).await;
    assert!(is_known(&f, &first).await && is_known(&f, &second).await);
    let before = f.store.view(Op::Other).position();
    f.accounts.log_out(user, first.device).await.unwrap();
    assert!(!is_known(&f, &first).await && is_known(&f, &second).await);
    assert_eq!(
        records_after(&f, before),
        [
            Record::DeviceRemoved {
                user,
                device: first.device
            },
            Record::DevicesChanged { user }
        ]
    );
    // Its id may be taken again, its number never is.
    let again = log_in(&f, device(&first.device_id, "new")).await;
    assert_ne!(again.device, first.device);
    f.accounts.log_out_everywhere(user).await.unwrap();
    assert!(!is_known(&f, &second).await && !is_known(&f, &again).await);
    assert!(f.accounts.devices(user).await.unwrap().is_empty());
    // Logging out twice is no error.
    f.accounts.log_out(user, first.device).await.unwrap();
}

#[tokio::test]
async fn an_unpublished_logout_is_not_forgotten_by_the_cache() {
    let f = accounts();
    let made = f.register("alice").await;
    let session = made.session.unwrap();
    assert!(is_known(&f, &session).await);
    f.store.hold();
    let accounts = f.accounts.clone();
    let logout = Box::pin(async move { accounts.log_out(made.user, session.device).await });
    let mut logout: tokio::task::JoinSet<_> = std::iter::once(logout).collect();
    let token = session.access_token.clone();
    // Until it is published a look-up still finds it; that must not stay in memory.
    while f.accounts.inner.sessions.revoked_at() == 0 {
        f.accounts.authenticate(&token).await.unwrap();
        // An answer from memory lets nobody else run.
        tokio::task::yield_now().await;
    }
    f.accounts.authenticate(&token).await.unwrap();
    f.store.release();
    logout.join_next().await.unwrap().unwrap().unwrap();
    assert_eq!(f.accounts.authenticate(&token).await.unwrap(), None);
}

#[tokio::test]
async fn tokens_of_other_shapes_are_unknown_without_a_look() {
    let f = accounts();
    let session = f.register("alice").await.session.unwrap();
    let token = session.access_token;
    let reads = || {
        let counts = f.store.counts().of(Op::Authenticate);
        counts.keys_read.load(std::sync::atomic::Ordering::SeqCst)
    };
    let before = reads();
    for bad in [
        "",
        "hlg_",
        "x",
        &token[1..],
        &token[..token.len() - 1],
        &format!("{token}A"),
    ] {
        assert_eq!(f.accounts.authenticate(bad).await.unwrap(), None, "{bad}");
    }
    assert_eq!(reads(), before);
    assert!(f.accounts.authenticate(&token).await.unwrap().is_some());
    let looked = reads();
    assert!(looked > before);
    assert!(f.accounts.authenticate(&token).await.unwrap().is_some());
    assert_eq!(reads(), looked, "known tokens are answered from memory");
}

#[tokio::test]
async fn devices_are_renamed_and_deleted_by_id() {
    let f = accounts();
    let made = f.register("alice").await;
    let (user, own) = (made.user, made.session.unwrap());
    let phone = log_in(&f, device("PHONE", "phone")).await;
    let rename =
        async |id: &str, name: Option<String>| f.accounts.rename_device(user, id, name).await;
    rename("PHONE", Some("other".to_owned())).await.unwrap();
    let info = f.accounts.device_by_id(user, "PHONE").await.unwrap();
    assert_eq!(info.display_name.as_deref(), Some("other"));
    let unknown = rename("NONE", None).await;
    assert!(matches!(unknown, Err(AccountError::UnknownDevice)));
    let long = "é".repeat(MAX_DEVICE_NAME_CHARS);
    rename("PHONE", Some(long.clone())).await.unwrap();
    let longer = rename("PHONE", Some(long + "a")).await;
    assert!(matches!(longer, Err(AccountError::TooLarge(_))));

    let ids = vec!["PHONE".to_owned(), "NONE".to_owned(), "PHONE".to_owned()];
    f.accounts.delete_devices(user, ids).await.unwrap();
    let gone = f.accounts.device_by_id(user, "PHONE").await;
    assert!(matches!(gone, Err(AccountError::UnknownDevice)));
    assert!(!is_known(&f, &phone).await && is_known(&f, &own).await);
    let view = f.store.view(Op::Other);
    let account = view.get(&schema::ACCOUNTS, &user).unwrap().unwrap();
    assert_eq!(account.devices, 1);
    assert!(
        f.accounts
            .device(&view, user, own.device)
            .unwrap()
            .is_some()
    );
    assert!(
        f.accounts
            .device(&view, user, phone.device)
            .unwrap()
            .is_none()
    );
}

#[tokio::test]
async fn device_ids_are_bounded() {
    let f = accounts();
    let user = f.register("alice").await.user;
    let log_in = async |id: &str| f.accounts.log_in(user, device(id, "x")).await;
    let longest = "a".repeat(MAX_DEVICE_ID_BYTES);
    assert!(log_in(&longest).await.is_ok());
    let longer = log_in(&format!("{longest}a")).await;
    assert!(matches!(longer, Err(AccountError::TooLarge(_))));
    assert!(matches!(log_in("").await, Err(AccountError::Invalid(_))));
    assert!(matches!(log_in("a\0").await, Err(AccountError::Invalid(_))));
}

#[tokio::test]
async fn when_a_device_was_seen_is_written_now_and_then() {
    let f = accounts();
    let session = f.register("alice").await.session.unwrap();
    let who = f
        .accounts
        .authenticate(&session.access_token)
        .await
        .unwrap()
        .unwrap();
    let seen = async || {
        let info = f
            .accounts
            .device_by_id(who.user, &session.device_id)
            .await
            .unwrap();
        info.last_seen.map(|seen| (seen.ts, seen.ip.into_string()))
    };
    assert_eq!(seen().await, None);
    f.accounts.seen(&who, "10.0.0.1").await.unwrap();
    assert_eq!(seen().await, Some((1_000_000, "10.0.0.1".to_owned())));
    let every_ms = f.accounts.inner.settings.last_seen_every_ms;
    f.clock.advance(every_ms - 1);
    f.accounts.seen(&who, "10.0.0.2").await.unwrap();
    assert_eq!(seen().await, Some((1_000_000, "10.0.0.1".to_owned())));
    f.clock.advance(1);
    f.accounts.seen(&who, "10.0.0.3").await.unwrap();
    assert_eq!(
        seen().await,
        Some((1_000_000 + every_ms, "10.0.0.3".to_owned()))
    );
    f.clock.set(5);
    f.accounts.seen(&who, "10.0.0.4").await.unwrap();
    assert_eq!(seen().await, Some((5, "10.0.0.4".to_owned())));
}
