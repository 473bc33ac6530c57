//! User-interactive authentication: sessions in memory, each bound to one operation, its
//! parameters and its user.
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#user-interactive-authentication-api>
//!
//! A restart forgets the sessions, and clients begin anew.

mod sessions;
#[cfg(test)]
mod tests;

use heliograph_core::ids::UserNum;
use heliograph_work::RandomSourceExt as _;
use serde_json::{Map, Value};

pub(crate) use sessions::InteractiveAuth;

use crate::{AccountError, Accounts, Inner, localpart};
use heliograph_tables::{Op, schema};
use sessions::Open;

/// Letters of a session id.
const SESSION_ID_CHARS: usize = 24;

/// Bytes of the parameters that a session keeps, at most.
const MAX_PARAMETERS_BYTES: usize = 16 * 1024;

/// A step of authentication.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// `m.login.dummy`: always succeeds.
    Dummy,
    /// `m.login.registration_token`
    RegistrationToken,
    /// `m.login.password`
    Password,
    /// `m.login.terms`: whoever does it accepts the policies that they were told.
    Terms,
}

impl Stage {
    /// The spec's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Dummy => "m.login.dummy",
            Self::RegistrationToken => "m.login.registration_token",
            Self::Password => "m.login.password",
            Self::Terms => "m.login.terms",
        }
    }

    /// The stage with the spec's name.
    pub fn parse(name: &str) -> Option<Self> {
        let all = [
            Self::Dummy,
            Self::RegistrationToken,
            Self::Password,
            Self::Terms,
        ];
        all.into_iter().find(|stage| stage.as_str() == name)
    }
}

/// What a client puts into `auth`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct AuthData {
    /// The session that it goes on with.
    pub session: Option<String>,
    /// The stage that it does now: its name, known here or not. Without one it asks whether the
    /// stages done elsewhere suffice.
    pub stage: Option<String>,
    /// The registration token.
    pub token: Option<String>,
    /// Who says to be there, by user id or localpart.
    pub user: Option<String>,
    /// The password.
    pub password: Option<String>,
}

impl std::fmt::Debug for AuthData {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AuthData")
            .field("stage", &self.stage)
            .finish_non_exhaustive()
    }
}

impl AuthData {
    /// Reads the `auth` of a request; `null` is none.
    ///
    /// # Errors
    /// [`AccountError::Invalid`] when it does not have the form that the spec demands.
    pub fn parse(auth: &Value) -> Result<Option<Self>, AccountError> {
        let fields = match auth {
            Value::Null => return Ok(None),
            Value::Object(fields) => fields,
            _ => return Err(AccountError::Invalid("auth must be an object")),
        };
        let identifier = match fields.get("identifier") {
            None | Some(Value::Null) => None,
            Some(Value::Object(identifier)) => Some(identifier),
            Some(_) => return Err(AccountError::Invalid("auth.identifier must be an object")),
        };
        let user = match identifier {
            // Other kinds of identifiers name nobody here.
            Some(id) if id.get("type").and_then(Value::as_str) == Some("m.id.user") => {
                text(id, "user")?
            }
            Some(_) => None,
            None => text(fields, "user")?,
        };
        Ok(Some(Self {
            session: text(fields, "session")?,
            stage: text(fields, "type")?,
            token: text(fields, "token")?,
            user,
            password: text(fields, "password")?,
        }))
    }
}

/// A string in an object, if it is there.
fn text(fields: &Map<String, Value>, name: &str) -> Result<Option<String>, AccountError> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(AccountError::Invalid(
            "auth has a field that must be a string",
        )),
    }
}

/// A request that needs user-interactive authentication.
#[derive(Clone)]
pub struct Interaction {
    /// Which operation: the method and the endpoint, or any other name of it.
    pub operation: String,
    /// Whose request it is; nobody's before there is an account.
    pub user: Option<UserNum>,
    /// The ways to authenticate, any of which is enough; each is the stages in their order.
    pub flows: Vec<Vec<Stage>>,
    /// The body of the request without `auth`.
    pub parameters: Map<String, Value>,
    /// The `auth` of the body.
    pub auth: Option<AuthData>,
}

// Parameters may hold a password: they stay out of logs.
impl std::fmt::Debug for Interaction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Interaction")
            .field("operation", &self.operation)
            .field("user", &self.user)
            .field("auth", &self.auth)
            .finish_non_exhaustive()
    }
}

/// What came of a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Interacted {
    /// The client is authenticated for this one request; the session is over.
    Done(Completed),
    /// It has to do more: a 401 with this body.
    More(Challenge),
}

/// A finished authentication.
#[derive(Clone, PartialEq)]
pub struct Completed {
    /// The parameters to go by: the first request's.
    pub parameters: Map<String, Value>,
    /// The registration token of that stage, to be counted when the account is made.
    pub registration_token: Option<String>,
}

impl std::fmt::Debug for Completed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Completed").finish_non_exhaustive()
    }
}

/// What a client is told to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// The session to go on with.
    pub session: String,
    /// The ways to authenticate.
    pub flows: Vec<Vec<Stage>>,
    /// The stages that are done.
    pub completed: Vec<Stage>,
    /// Why the stage that was tried did not succeed.
    pub failure: Option<StageFailure>,
}

/// Why a stage did not succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StageFailure {
    /// It is no stage of this operation.
    #[error("this stage is not part of any flow")]
    Unrecognised,
    /// Another stage comes first.
    #[error("another stage comes first")]
    OutOfOrder,
    /// What the stage needs is not there.
    #[error("the stage lacks a parameter")]
    Incomplete,
    /// User or password is wrong, or the user is not the one whose request it is.
    #[error("wrong user name or password")]
    BadPassword,
    /// The registration token is not, or no longer, good.
    #[error("the registration token is not valid")]
    BadToken,
}

impl Accounts {
    /// Goes one step on with the authentication of a request. Without a session in `auth` one
    /// begins; a flow of one stage may then be done at once.
    ///
    /// # Errors
    /// [`AccountError::UnknownSession`]; [`AccountError::OperationChanged`] when the parameters are
    /// other than the session's first; [`AccountError::TooLarge`] for huge parameters; those of the
    /// store and of the pool.
    pub async fn interact(&self, interaction: Interaction) -> Result<Interacted, AccountError> {
        let inner = &self.inner;
        let Interaction {
            operation,
            user,
            flows,
            parameters,
            auth,
        } = interaction;
        let auth = auth.unwrap_or_default();
        let now_ms = inner.clock.now_ms();
        let id = match &auth.session {
            Some(id) => {
                inner
                    .interactive_auth
                    .resume(id, &operation, user, &parameters, now_ms)?;
                id.clone()
            }
            None => {
                if size_of(&parameters) > MAX_PARAMETERS_BYTES {
                    return Err(AccountError::TooLarge("the request"));
                }
                let id = inner.random.letters_and_digits(SESSION_ID_CHARS);
                let open = Open::new(operation, user, flows.clone(), parameters);
                inner.interactive_auth.begin(id.clone(), open, now_ms);
                id
            }
        };
        let failure = match auth.stage {
            Some(_) => inner.try_stage(&id, user, &auth).await?.err(),
            None => None,
        };
        let now_ms = inner.clock.now_ms();
        if let Some(completed) = inner.interactive_auth.finish(&id, now_ms)? {
            return Ok(Interacted::Done(completed));
        }
        let completed = inner.interactive_auth.completed(&id, now_ms)?;
        Ok(Interacted::More(Challenge {
            session: id,
            flows,
            completed,
            failure,
        }))
    }

    /// Does a stage of a session from elsewhere than the request: a fallback page.
    ///
    /// <https://spec.matrix.org/v1.19/client-server-api/#fallback>
    ///
    /// # Errors
    /// [`AccountError::UnknownSession`]; those of the store and of the pool.
    pub async fn complete_stage(
        &self,
        auth: &AuthData,
    ) -> Result<Result<(), StageFailure>, AccountError> {
        let id = auth
            .session
            .as_deref()
            .ok_or(AccountError::UnknownSession)?;
        let user = self
            .inner
            .interactive_auth
            .user(id, self.inner.clock.now_ms())?;
        self.inner.try_stage(id, user, auth).await
    }
}

/// Bytes of parameters as text.
fn size_of(parameters: &Map<String, Value>) -> usize {
    serde_json::to_string(parameters).map_or(usize::MAX, |text| text.len())
}

impl Inner {
    /// Tries a stage, and notes it as done if it succeeds.
    async fn try_stage(
        self: &std::sync::Arc<Self>,
        id: &str,
        user: Option<UserNum>,
        auth: &AuthData,
    ) -> Result<Result<(), StageFailure>, AccountError> {
        let Some(stage) = auth.stage.as_deref().and_then(Stage::parse) else {
            return Ok(Err(StageFailure::Unrecognised));
        };
        let now_ms = self.clock.now_ms();
        if let Err(failure) = self.interactive_auth.may_do(id, stage, now_ms)? {
            return Ok(Err(failure));
        }
        let token = match stage {
            Stage::Dummy | Stage::Terms => None,
            Stage::RegistrationToken => {
                let Some(token) = &auth.token else {
                    return Ok(Err(StageFailure::Incomplete));
                };
                if !self.is_token_valid(token, Some(id)).await? {
                    return Ok(Err(StageFailure::BadToken));
                }
                Some(token.clone())
            }
            Stage::Password => {
                let Some(password) = auth.password.clone() else {
                    return Ok(Err(StageFailure::Incomplete));
                };
                if !self
                    .is_password_of(user, auth.user.as_deref(), password)
                    .await?
                {
                    return Ok(Err(StageFailure::BadPassword));
                }
                None
            }
        };
        self.interactive_auth
            .done(id, stage, token, self.clock.now_ms())?;
        Ok(Ok(()))
    }

    /// Whether this is the password of the user whose request it is, who may be named again.
    ///
    /// # Errors
    /// [`AccountError::OtherUser`] when somebody else is named, whatever the password: no other
    /// will do, so the client has nothing to try again.
    async fn is_password_of(
        self: &std::sync::Arc<Self>,
        user: Option<UserNum>,
        named: Option<&str>,
        password: String,
    ) -> Result<bool, AccountError> {
        let server_name = &self.settings.server_name;
        let named = named.map(|named| localpart::meant(named, server_name));
        let stored = self
            .read(Op::Account, move |inner, view| {
                let Some(user) = user else { return Ok(None) };
                let user_id = inner.user_id(view, user)?;
                if named.is_some_and(|ids| !ids.iter().any(|id| *id == user_id)) {
                    return Err(AccountError::OtherUser);
                }
                let account = view.get(&schema::ACCOUNTS, &user)?;
                Ok(account.and_then(|account| account.password))
            })
            .await?;
        self.passwords.verify(password, stored).await
    }
}
