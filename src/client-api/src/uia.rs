//! User-interactive authentication, as requests and answers.
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#user-interactive-authentication-api>

use heliograph_accounts::{
    Accounts, AuthData, Challenge, Completed, Interacted, Interaction, Stage, StageFailure,
};
use heliograph_core::ids::UserNum;
use heliograph_http::{ApiError, ErrCode};
use serde_json::{Map, Value, json};

use crate::errors::account_error;

/// An operation that needs user-interactive authentication.
pub(crate) struct Operation<'a> {
    /// Its method and endpoint.
    pub(crate) name: &'a str,
    /// Whose it is, if there is an account.
    pub(crate) user: Option<UserNum>,
    /// The ways to authenticate.
    pub(crate) flows: Vec<Vec<Stage>>,
    /// What clients are told for stages that need it, by the stage.
    pub(crate) params: Map<String, Value>,
}

impl<'a> Operation<'a> {
    /// An operation for which the user gives the password again.
    pub(crate) fn by_password(name: &'a str, user: UserNum) -> Self {
        Self {
            name,
            user: Some(user),
            flows: vec![vec![Stage::Password]],
            params: Map::new(),
        }
    }

    /// Lets the request with this body through, or answers what is to be done first.
    ///
    /// # Errors
    /// 401 with flows, session and what is completed; 400 for a malformed `auth`.
    pub(crate) async fn authenticate(
        self,
        accounts: &Accounts,
        mut body: Map<String, Value>,
    ) -> Result<Completed, ApiError> {
        let auth = body.remove("auth").unwrap_or(Value::Null);
        let auth = AuthData::parse(&auth).map_err(account_error)?;
        let interaction = Interaction {
            operation: self.name.to_owned(),
            user: self.user,
            flows: self.flows,
            parameters: body,
            auth,
        };
        match accounts
            .interact(interaction)
            .await
            .map_err(account_error)?
        {
            Interacted::Done(completed) => Ok(completed),
            Interacted::More(challenge) => Err(answer(&challenge, self.params)),
        }
    }
}

/// The 401 that says what is to be done.
fn answer(challenge: &Challenge, params: Map<String, Value>) -> ApiError {
    let names = |stages: &[Stage]| -> Vec<&str> { stages.iter().map(|s| s.as_str()).collect() };
    let flows: Vec<Value> = challenge
        .flows
        .iter()
        .map(|flow| json!({ "stages": names(flow) }))
        .collect();
    let mut fields = Map::new();
    fields.insert("flows".to_owned(), Value::Array(flows));
    fields.insert("params".to_owned(), Value::Object(params));
    fields.insert(
        "session".to_owned(),
        Value::from(challenge.session.as_str()),
    );
    if !challenge.completed.is_empty() {
        fields.insert("completed".to_owned(), json!(names(&challenge.completed)));
    }
    if let Some(failure) = challenge.failure {
        fields.insert("errcode".to_owned(), Value::from(errcode(failure).as_str()));
        fields.insert("error".to_owned(), Value::from(failure.to_string()));
    }
    ApiError::challenge(fields)
}

/// The errcode of a stage that did not succeed.
pub(crate) const fn errcode(failure: StageFailure) -> ErrCode {
    match failure {
        StageFailure::Unrecognised => ErrCode::M_UNRECOGNIZED,
        StageFailure::Incomplete => ErrCode::M_MISSING_PARAM,
        StageFailure::OutOfOrder | StageFailure::BadPassword | StageFailure::BadToken => {
            ErrCode::M_FORBIDDEN
        }
    }
}
