//! Request bodies, read within limits.

use std::time::Duration;

use axum::extract::{FromRequest, Request};
use bytes::{Bytes, BytesMut};
use http::{StatusCode, header};
use http_body_util::BodyExt as _;
use serde::de::DeserializeOwned;

use crate::{ApiError, ErrCode, json::parse_object};

/// The limits within which bodies are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodySettings {
    /// Bytes of a body, at most; a route may set its own.
    pub max_bytes: usize,
    /// How long a client may take to send it.
    pub timeout: Duration,
}

impl Default for BodySettings {
    fn default() -> Self {
        Self {
            max_bytes: 1024 * 1024,
            timeout: Duration::from_mins(1),
        }
    }
}

/// A JSON object that must be there, read as a `T`; no Content-Type is needed.
///
/// Refused: 400 `M_NOT_JSON` when it is not JSON, `M_MISSING_PARAM` when a required key of the object
/// itself is missing, `M_BAD_JSON` for any other wrong shape or too deep nesting, 413 `M_TOO_LARGE`
/// over the limit, 408 when the client takes too long. `Box<RawValue>` keeps the object's text.
#[derive(Clone, Copy, Debug)]
pub struct Body<T>(pub T);

/// As [`Body`], where an empty body stands for `T::default()`.
#[derive(Clone, Copy, Debug)]
pub struct OptionalBody<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        parse_object(&read(request).await?).map(Self)
    }
}

impl<S: Send + Sync, T: DeserializeOwned + Default> FromRequest<S> for OptionalBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        let bytes = read(request).await?;
        if bytes.is_empty() {
            Ok(Self(T::default()))
        } else {
            parse_object(&bytes).map(Self)
        }
    }
}

async fn read(request: Request) -> Result<Bytes, ApiError> {
    let settings = request
        .extensions()
        .get::<BodySettings>()
        .copied()
        .unwrap_or_default();
    let announced = request.headers().get(header::CONTENT_LENGTH);
    let announced = announced.and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|bytes| bytes > settings.max_bytes) {
        return Err(too_large(settings.max_bytes));
    }
    let read = collect(request.into_body(), settings.max_bytes);
    tokio::time::timeout(settings.timeout, read)
        .await
        .unwrap_or_else(|_| {
            Err(ApiError::new(ErrCode::M_UNKNOWN, "The body took too long")
                .with_status(StatusCode::REQUEST_TIMEOUT))
        })
}

/// Reads a body within its limit.
async fn collect(mut body: axum::body::Body, max_bytes: usize) -> Result<Bytes, ApiError> {
    let mut kept = BytesMut::new();
    while let Some(frame) = body.frame().await {
        // After an error nobody is left to read this answer: the connection broke.
        let frame = frame.map_err(|error| {
            ApiError::new(ErrCode::M_NOT_JSON, "The body did not arrive").caused_by(error)
        })?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        if kept.len().saturating_add(data.len()) > max_bytes {
            return Err(too_large(max_bytes));
        }
        kept.extend_from_slice(&data);
    }
    Ok(kept.freeze())
}

fn too_large(max_bytes: usize) -> ApiError {
    ApiError::new(
        ErrCode::M_TOO_LARGE,
        format!("The body is over {max_bytes} bytes"),
    )
}

#[cfg(test)]
mod tests {
    use futures_util::stream;
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Default, Deserialize)]
    struct Shape {
        name: String,
    }

    fn request(body: axum::body::Body, settings: BodySettings) -> Request {
        http::Request::builder()
            .extension(settings)
            .body(body)
            .unwrap()
    }

    #[tokio::test]
    async fn a_body_is_read_up_to_its_limit() {
        let text = r#"{"name":"x"}"#;
        let exact = BodySettings {
            max_bytes: text.len(),
            ..BodySettings::default()
        };
        let Body(shape) = Body::<Shape>::from_request(request(text.into(), exact), &())
            .await
            .unwrap();
        assert_eq!(shape.name, "x");

        let short = BodySettings {
            max_bytes: text.len() - 1,
            ..exact
        };
        let error = Body::<Shape>::from_request(request(text.into(), short), &())
            .await
            .unwrap_err();
        assert_eq!(error.errcode(), Some(ErrCode::M_TOO_LARGE));
        assert_eq!(error.status(), StatusCode::PAYLOAD_TOO_LARGE);
    }

    #[tokio::test]
    async fn an_announced_length_over_the_limit_is_refused_unread() {
        let never = stream::pending::<Result<Bytes, std::io::Error>>();
        let mut request = request(
            axum::body::Body::from_stream(never),
            BodySettings::default(),
        );
        request
            .headers_mut()
            .insert(header::CONTENT_LENGTH, 10_000_000.into());
        let error = Body::<Shape>::from_request(request, &()).await.unwrap_err();
        assert_eq!(error.errcode(), Some(ErrCode::M_TOO_LARGE));
    }

    #[tokio::test]
    async fn a_slow_body_is_given_up() {
        let never = stream::pending::<Result<Bytes, std::io::Error>>();
        let settings = BodySettings {
            timeout: Duration::from_millis(1),
            ..BodySettings::default()
        };
        let request = request(axum::body::Body::from_stream(never), settings);
        let error = Body::<Shape>::from_request(request, &()).await.unwrap_err();
        assert_eq!(error.status(), StatusCode::REQUEST_TIMEOUT);
    }

    #[tokio::test]
    async fn an_empty_body_is_a_default_only_where_the_type_says_so() {
        let settings = BodySettings::default();
        let empty = || request(axum::body::Body::empty(), settings);
        let OptionalBody(shape) = OptionalBody::<Shape>::from_request(empty(), &())
            .await
            .unwrap();
        assert_eq!(shape.name, "");
        let error = Body::<Shape>::from_request(empty(), &()).await.unwrap_err();
        assert_eq!(error.errcode(), Some(ErrCode::M_NOT_JSON));
        let error = OptionalBody::<Shape>::from_request(request("x".into(), settings), &()).await;
        assert_eq!(error.unwrap_err().errcode(), Some(ErrCode::M_NOT_JSON));
    }
}
