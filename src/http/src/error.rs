//! What a handler answers when it cannot do what was asked.

use std::{borrow::Cow, error::Error, fmt, sync::Arc, time::Duration};

use axum::response::{IntoResponse, Response};
use heliograph_work::PoolError;
use http::{HeaderValue, StatusCode, header};
use serde_json::{Map, Value};

use crate::{ErrCode, json::json_response};

/// Any error, as a source that is logged and never shown.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// An error answer: status, `errcode`, `error`, and whatever else the endpoint defines.
///
/// <https://spec.matrix.org/v1.19/client-server-api/#standard-error-response>
pub struct ApiError(Box<Inner>);

struct Inner {
    status: StatusCode,
    errcode: Option<ErrCode>,
    message: Cow<'static, str>,
    extra: Map<String, Value>,
    retry_after: Option<Duration>,
    source: Option<BoxError>,
}

/// What an error answer tells the layer that logs it and knows the request id.
#[derive(Clone)]
pub(crate) struct ErrorReport {
    pub(crate) errcode: &'static str,
    /// Nothing but the request id is to be told to the client.
    pub(crate) hides_cause: bool,
    pub(crate) source: Option<Arc<dyn Error + Send + Sync>>,
}

impl ApiError {
    /// An error with the code's own status. The message is for developers of clients.
    pub fn new(errcode: ErrCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Inner {
            status: errcode.status(),
            errcode: Some(errcode),
            message: message.into(),
            extra: Map::new(),
            retry_after: None,
            source: None,
        }))
    }

    /// 500: something broke here. The cause is logged with the request id, and the client is told
    /// only that id.
    pub fn internal(source: impl Into<BoxError>) -> Self {
        Self::new(ErrCode::M_UNKNOWN, "Internal server error").caused_by(source)
    }

    /// 503: the server cannot do this now, for instance because its disk is full. The cause is
    /// logged with the request id, and the client is told only that id.
    pub fn unavailable(source: impl Into<BoxError>) -> Self {
        Self::new(ErrCode::M_UNKNOWN, "The server cannot do this now")
            .with_status(StatusCode::SERVICE_UNAVAILABLE)
            .caused_by(source)
    }

    /// 429, with both the header and the field that say when to come back.
    ///
    /// <https://spec.matrix.org/v1.19/client-server-api/#rate-limiting>
    pub fn limit_exceeded(retry_after: Duration) -> Self {
        let retry_after_ms = u64::try_from(retry_after.as_millis()).unwrap_or(u64::MAX);
        let mut error = Self::new(ErrCode::M_LIMIT_EXCEEDED, "Too many requests")
            .with("retry_after_ms", retry_after_ms.max(1));
        error.0.retry_after = Some(retry_after);
        error
    }

    /// 401: no access token.
    pub fn missing_token() -> Self {
        Self::new(ErrCode::M_MISSING_TOKEN, "Missing access token")
    }

    /// 401: the token is not, or no longer, one of this server's.
    ///
    /// <https://spec.matrix.org/v1.19/client-server-api/#soft-logout>
    pub fn unknown_token(soft_logout: bool) -> Self {
        Self::new(ErrCode::M_UNKNOWN_TOKEN, "Unknown access token").with("soft_logout", soft_logout)
    }

    /// 401 without an `errcode`: the stages of user-interactive authentication that are left.
    ///
    /// <https://spec.matrix.org/v1.19/client-server-api/#user-interactive-authentication-api>
    pub fn challenge(fields: Map<String, Value>) -> Self {
        let mut error = Self::new(ErrCode::M_UNAUTHORIZED, "Authentication required");
        error.0.errcode = None;
        error.0.extra = fields;
        error
    }

    /// 404 for a path that no route has.
    pub fn unrecognized() -> Self {
        Self::new(ErrCode::M_UNRECOGNIZED, "Unrecognized request")
    }

    /// 400: the parameter of that name is required.
    pub fn missing_param(name: &str) -> Self {
        Self::new(
            ErrCode::M_MISSING_PARAM,
            format!("Missing parameter: {name}"),
        )
    }

    /// 400: a parameter has a bad value.
    pub fn invalid_param(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrCode::M_INVALID_PARAM, message)
    }

    /// 400: JSON of the wrong shape.
    pub fn bad_json(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrCode::M_BAD_JSON, message)
    }

    /// 403: a rule forbids it.
    pub fn forbidden(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrCode::M_FORBIDDEN, message)
    }

    /// 404: there is no such thing, or not for this user.
    pub fn not_found(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrCode::M_NOT_FOUND, message)
    }

    /// The same with another status, where an endpoint defines one.
    #[must_use]
    pub fn with_status(mut self, status: StatusCode) -> Self {
        self.0.status = status;
        self
    }

    /// The same with one more field in its body, as `soft_logout`, `session` or `completed`.
    /// `errcode` and `error` cannot be replaced.
    #[must_use]
    pub fn with(mut self, field: &str, value: impl Into<Value>) -> Self {
        self.0.extra.insert(field.to_owned(), value.into());
        self
    }

    /// The same with its cause, which is logged once and never shown.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<BoxError>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// The status of the answer.
    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    /// The code of the answer; `None` for the challenges of user-interactive authentication.
    pub fn errcode(&self) -> Option<ErrCode> {
        self.0.errcode
    }

    fn body(&self) -> Map<String, Value> {
        let mut body = self.0.extra.clone();
        if let Some(errcode) = self.0.errcode {
            body.insert("errcode".to_owned(), errcode.as_str().into());
            body.insert("error".to_owned(), self.0.message.as_ref().into());
        }
        body
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let errcode = self.0.errcode.map_or("-", ErrCode::as_str);
        write!(
            f,
            "{} {errcode}: {}",
            self.0.status.as_u16(),
            self.0.message
        )
    }
}

impl fmt::Debug for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiError({self}, caused by {:?})", self.0.source)
    }
}

impl Error for ApiError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        let source = self.0.source.as_deref()?;
        Some(source)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = json_response(self.0.status, &self.body());
        if let Some(retry_after) = self.0.retry_after {
            // Whole seconds, rounded up: a client that waits for them is not refused again.
            let seconds = retry_after.as_secs() + u64::from(retry_after.subsec_nanos() > 0);
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)));
        }
        let inner = *self.0;
        response.extensions_mut().insert(ErrorReport {
            errcode: inner.errcode.map_or("", ErrCode::as_str),
            hides_cause: inner.status.is_server_error() && inner.source.is_some(),
            source: inner.source.map(Arc::from),
        });
        response
    }
}

impl From<PoolError> for ApiError {
    fn from(error: PoolError) -> Self {
        match error {
            // Clients know to come back after a 429; after a 503 many give up.
            PoolError::Full => Self::limit_exceeded(Duration::from_secs(1)).caused_by(error),
            PoolError::Panicked { .. } => Self::internal(error),
            PoolError::Stopping => Self::unavailable(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;
    use serde_json::json;

    use super::*;

    async fn parts(error: ApiError) -> (StatusCode, http::HeaderMap, Value) {
        let (head, body) = error.into_response().into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        (
            head.status,
            head.headers,
            serde_json::from_slice(&bytes).unwrap(),
        )
    }

    #[tokio::test]
    async fn an_error_is_json_with_its_code_and_fields() {
        let (status, headers, body) = parts(ApiError::unknown_token(true)).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED);
        assert_eq!(headers[header::CONTENT_TYPE], "application/json");
        let expected = json!({
            "errcode": "M_UNKNOWN_TOKEN", "error": "Unknown access token", "soft_logout": true
        });
        assert_eq!(body, expected);
    }

    #[tokio::test]
    async fn retry_after_is_rounded_up_to_whole_seconds() {
        let (status, headers, body) =
            parts(ApiError::limit_exceeded(Duration::from_millis(1_200))).await;
        assert_eq!(status, StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(headers[header::RETRY_AFTER], "2");
        assert_eq!(body["retry_after_ms"], 1_200);
    }

    #[tokio::test]
    async fn a_challenge_has_no_errcode() {
        let fields = json!({ "flows": [], "session": "x" })
            .as_object()
            .unwrap()
            .clone();
        let (status, _, body) = parts(ApiError::challenge(fields)).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED);
        assert_eq!(body, json!({ "flows": [], "session": "x" }));
    }

    #[tokio::test]
    async fn a_cause_is_not_shown_and_fields_do_not_replace_the_code() {
        let error = ApiError::internal("disk /dev/sda on fire").with("errcode", "M_FINE");
        let (status, _, body) = parts(error).await;
        assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(
            body,
            json!({ "errcode": "M_UNKNOWN", "error": "Internal server error" })
        );
    }
}
