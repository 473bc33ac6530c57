use serde_json::json;

use super::*;
use crate::{
    TokenLimits,
    testing::{Fixture, PASSWORD, accounts, accounts_with, settings},
};

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields,
        other => panic!("not an object: {other}"),
    }
}

fn interaction(flows: &[&[Stage]], auth: Option<AuthData>) -> Interaction {
    Interaction {
        operation: "POST register".to_owned(),
        user: None,
        flows: flows.iter().map(|flow| flow.to_vec()).collect(),
        parameters: object(json!({ "username": "alice" })),
        auth,
    }
}

fn stage(session: Option<&str>, stage: Stage) -> AuthData {
    AuthData {
        session: session.map(str::to_owned),
        stage: Some(stage.as_str().to_owned()),
        ..AuthData::default()
    }
}

fn with_token(session: Option<&str>, token: &str) -> AuthData {
    AuthData {
        token: Some(token.to_owned()),
        ..stage(session, Stage::RegistrationToken)
    }
}

async fn challenge(f: &Fixture, interaction: Interaction) -> Challenge {
    match f.accounts.interact(interaction).await.unwrap() {
        Interacted::More(challenge) => challenge,
        Interacted::Done(_) => panic!("done already"),
    }
}

async fn completed(f: &Fixture, interaction: Interaction) -> Completed {
    match f.accounts.interact(interaction).await.unwrap() {
        Interacted::Done(completed) => completed,
        Interacted::More(challenge) => panic!("not done: {challenge:?}"),
    }
}

#[tokio::test]
async fn a_request_without_auth_gets_flows_and_a_session() {
    let f = accounts();
    let flows: &[&[Stage]] = &[&[Stage::Dummy]];
    let first = challenge(&f, interaction(flows, None)).await;
    assert_eq!(first.flows, [[Stage::Dummy]]);
    assert!(first.completed.is_empty() && first.failure.is_none());
    let done = completed(
        &f,
        interaction(flows, Some(stage(Some(&first.session), Stage::Dummy))),
    )
    .await;
    assert_eq!(done.parameters, object(json!({ "username": "alice" })));
    assert_eq!(f.accounts.inner.interactive_auth.len(), 0);
    let again = interaction(flows, Some(stage(Some(&first.session), Stage::Dummy)));
    let again = f.accounts.interact(again).await;
    assert!(
        matches!(again, Err(AccountError::UnknownSession)),
        "a session is used once"
    );
}

#[tokio::test]
async fn one_stage_can_be_done_without_asking_first() {
    let f = accounts();
    completed(
        &f,
        interaction(&[&[Stage::Dummy]], Some(stage(None, Stage::Dummy))),
    )
    .await;
}

#[tokio::test]
async fn stages_go_in_order_and_are_remembered() {
    let mut settings = settings();
    settings.registration_tokens = vec!["sesame".to_owned()];
    let f = accounts_with(settings);
    let flows: &[&[Stage]] = &[&[Stage::RegistrationToken, Stage::Dummy]];
    let early = challenge(&f, interaction(flows, Some(stage(None, Stage::Dummy)))).await;
    assert_eq!(early.failure, Some(StageFailure::OutOfOrder));
    let id = Some(early.session.as_str());
    let alien = challenge(&f, interaction(flows, Some(stage(id, Stage::Password)))).await;
    assert_eq!(alien.failure, Some(StageFailure::Unrecognised));
    let bare = challenge(
        &f,
        interaction(flows, Some(stage(id, Stage::RegistrationToken))),
    )
    .await;
    assert_eq!(bare.failure, Some(StageFailure::Incomplete));
    let wrong = challenge(&f, interaction(flows, Some(with_token(id, "open")))).await;
    assert_eq!(wrong.failure, Some(StageFailure::BadToken));
    assert!(wrong.completed.is_empty());
    let half = challenge(&f, interaction(flows, Some(with_token(id, "sesame")))).await;
    assert_eq!(
        (half.failure, half.completed),
        (None, vec![Stage::RegistrationToken])
    );
    let done = completed(&f, interaction(flows, Some(stage(id, Stage::Dummy)))).await;
    assert_eq!(done.registration_token.as_deref(), Some("sesame"));
}

#[tokio::test]
async fn a_session_can_be_finished_after_a_fallback_page() {
    let f = accounts();
    let flows: &[&[Stage]] = &[&[Stage::Dummy]];
    let first = challenge(&f, interaction(flows, None)).await;
    let auth = stage(Some(&first.session), Stage::Dummy);
    assert_eq!(f.accounts.complete_stage(&auth).await.unwrap(), Ok(()));
    let only_session = AuthData {
        stage: None,
        ..auth
    };
    let mut bare = interaction(flows, Some(only_session));
    bare.parameters.clear();
    let done = completed(&f, bare).await;
    assert_eq!(done.parameters, object(json!({ "username": "alice" })));
}

#[tokio::test]
async fn a_session_holds_to_its_operation_its_user_and_its_parameters() {
    let f = accounts();
    let flows: &[&[Stage]] = &[&[Stage::Dummy]];
    let first = challenge(&f, interaction(flows, None)).await;
    let go_on = || interaction(flows, Some(stage(Some(&first.session), Stage::Dummy)));

    let mut other = go_on();
    other.operation = "POST delete_devices".to_owned();
    let other = f.accounts.interact(other).await;
    assert!(matches!(other, Err(AccountError::UnknownSession)));
    let mut other = go_on();
    other.user = Some(UserNum(9));
    let other = f.accounts.interact(other).await;
    assert!(matches!(other, Err(AccountError::UnknownSession)));
    let mut other = go_on();
    other.parameters = object(json!({ "username": "mallory" }));
    let other = f.accounts.interact(other).await;
    assert!(matches!(other, Err(AccountError::OperationChanged)));
    completed(&f, go_on()).await;
}

#[tokio::test]
async fn parameters_may_come_after_the_flows_were_asked_for() {
    let f = accounts();
    let flows: &[&[Stage]] = &[&[Stage::RegistrationToken, Stage::Dummy]];
    let mut first = interaction(flows, None);
    first.parameters.clear();
    let first = challenge(&f, first).await;
    let id = Some(first.session.as_str());
    challenge(&f, interaction(flows, Some(with_token(id, "wrong")))).await;
    let mut other = interaction(flows, Some(stage(id, Stage::Dummy)));
    other.parameters = object(json!({ "username": "mallory" }));
    let other = f.accounts.interact(other).await;
    assert!(matches!(other, Err(AccountError::OperationChanged)));
}

#[tokio::test]
async fn a_password_is_that_of_the_one_who_asks() {
    let f = accounts();
    let (alice, bob) = (f.register("alice").await, f.register("bob").await);
    let flows: &[&[Stage]] = &[&[Stage::Password]];
    let tries = [
        (Some("@alice:example.org"), PASSWORD, true),
        (Some("alice"), PASSWORD, true),
        (None, PASSWORD, true),
        (Some("@bob:example.org"), PASSWORD, false),
        (Some("@alice:elsewhere.org"), PASSWORD, false),
        (Some("alice"), "wrong horse", false),
    ];
    for (named, password, right) in tries {
        let somebody_else =
            named.is_some_and(|named| !["@alice:example.org", "alice"].contains(&named));
        let auth = AuthData {
            user: named.map(str::to_owned),
            password: Some(password.to_owned()),
            ..stage(None, Stage::Password)
        };
        let mut asked = interaction(flows, Some(auth));
        asked.user = Some(alice.user);
        let answer = f.accounts.interact(asked).await;
        if somebody_else {
            assert!(matches!(answer, Err(AccountError::OtherUser)), "{named:?}");
            continue;
        }
        match answer.unwrap() {
            Interacted::Done(_) => assert!(right, "{named:?} {password}"),
            Interacted::More(more) => {
                assert!(!right, "{named:?} {password}");
                assert_eq!(more.failure, Some(StageFailure::BadPassword));
            }
        }
    }
    assert_ne!(alice.user, bob.user);
}

#[tokio::test]
async fn a_token_for_one_is_not_given_to_two() {
    let f = accounts();
    let limits = TokenLimits {
        uses_allowed: Some(1),
        expires_ts: None,
    };
    let token = f
        .accounts
        .add_registration_token(None, limits)
        .await
        .unwrap();
    let flows: &[&[Stage]] = &[&[Stage::RegistrationToken, Stage::Dummy]];
    let first = challenge(&f, interaction(flows, Some(with_token(None, &token)))).await;
    assert_eq!(first.failure, None);
    assert!(
        !f.accounts
            .is_registration_token_valid(&token)
            .await
            .unwrap()
    );
    assert_eq!(
        f.accounts.registration_tokens().await.unwrap()[0].pending,
        1
    );
    let second = challenge(&f, interaction(flows, Some(with_token(None, &token)))).await;
    assert_eq!(second.failure, Some(StageFailure::BadToken));
    // The same session may say it again.
    let id = Some(first.session.as_str());
    let again = challenge(&f, interaction(flows, Some(with_token(id, &token)))).await;
    assert_eq!(again.failure, None);
    // A session that is given up gives the token back.
    f.clock.advance(sessions::SESSION_LIFE_MS);
    let third = challenge(&f, interaction(flows, Some(with_token(None, &token)))).await;
    assert_eq!(third.failure, None);
}

#[tokio::test]
async fn sessions_end_after_their_time_and_are_bounded() {
    let mut settings = settings();
    settings.interactive_sessions = 3;
    let f = accounts_with(settings);
    let flows: &[&[Stage]] = &[&[Stage::Dummy]];
    let first = challenge(&f, interaction(flows, None)).await;
    for _ in 0..3 {
        challenge(&f, interaction(flows, None)).await;
    }
    assert_eq!(f.accounts.inner.interactive_auth.len(), 3);
    let go_on = interaction(flows, Some(stage(Some(&first.session), Stage::Dummy)));
    let pushed_out = f.accounts.interact(go_on).await;
    assert!(matches!(pushed_out, Err(AccountError::UnknownSession)));

    let last = challenge(&f, interaction(flows, None)).await;
    f.clock.advance(sessions::SESSION_LIFE_MS);
    let go_on = interaction(flows, Some(stage(Some(&last.session), Stage::Dummy)));
    let late = f.accounts.interact(go_on).await;
    assert!(matches!(late, Err(AccountError::UnknownSession)));
    assert_eq!(f.accounts.inner.interactive_auth.len(), 0);
}

#[tokio::test]
async fn huge_parameters_are_refused() {
    let f = accounts();
    let mut huge = interaction(&[&[Stage::Dummy]], None);
    let text = "a".repeat(MAX_PARAMETERS_BYTES);
    huge.parameters.insert("x".to_owned(), text.into());
    let huge = f.accounts.interact(huge).await;
    assert!(matches!(huge, Err(AccountError::TooLarge(_))));
}

#[test]
fn auth_is_read_as_clients_write_it() {
    let auth = AuthData::parse(&json!({
        "type": "m.login.password",
        "session": "s",
        "identifier": { "type": "m.id.user", "user": "alice" },
        "user": "ignored",
        "password": "p",
    }));
    let auth = auth.unwrap().unwrap();
    assert_eq!(auth.user.as_deref(), Some("alice"));
    assert_eq!(auth.stage.as_deref(), Some("m.login.password"));
    assert!(!format!("{auth:?}").contains("\"p\""), "no secret in logs");
    let old = AuthData::parse(&json!({ "type": "m.login.password", "user": "bob" }));
    assert_eq!(old.unwrap().unwrap().user.as_deref(), Some("bob"));
    assert_eq!(AuthData::parse(&Value::Null).unwrap(), None);
    for wrong in [
        json!("x"),
        json!([]),
        json!({ "session": 1 }),
        json!({ "identifier": "x" }),
    ] {
        assert!(AuthData::parse(&wrong).is_err(), "{wrong}");
    }
}
