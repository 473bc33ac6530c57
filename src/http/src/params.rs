//! Query and path parameters.

use axum::extract::{FromRequestParts, Path, path::ErrorKind, rejection::PathRejection};
use http::request::Parts;
use serde::de::DeserializeOwned;

use crate::{ApiError, json::missing_field};

/// The query, read as a `T`: unknown parameters are ignored, a repeated one is a `Vec`.
///
/// Refused: 400 `M_MISSING_PARAM` for a required parameter that is missing, `M_INVALID_PARAM` for a
/// bad value.
#[derive(Clone, Copy, Debug)]
pub struct Params<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let query = parts.uri.query().unwrap_or_default();
        serde_html_form::from_str(query).map(Self).map_err(|error| {
            let message = error.to_string();
            missing_field(&message).map_or_else(
                || ApiError::invalid_param(message.clone()),
                ApiError::missing_param,
            )
        })
    }
}

/// The parts of the path that a route leaves open, percent-decoded once and read as a `T`: a value,
/// a tuple in their order, or a struct by their names.
///
/// Refused: 400 `M_INVALID_PARAM` for a bad value.
#[derive(Clone, Copy, Debug)]
pub struct PathParams<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for PathParams<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        match Path::<T>::from_request_parts(parts, state).await {
            Ok(Path(value)) => Ok(Self(value)),
            Err(PathRejection::FailedToDeserializePathParams(error)) => match error.kind() {
                // The route has other parameters than its handler: a bug here.
                ErrorKind::WrongNumberOfParameters { .. } | ErrorKind::UnsupportedType { .. } => {
                    Err(ApiError::internal(error.to_string()))
                }
                _ => Err(ApiError::invalid_param(error.body_text())),
            },
            Err(other) => Err(ApiError::internal(other.to_string())),
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::{Router, routing::get};
    use http::{Request, StatusCode};
    use http_body_util::BodyExt as _;
    use ruma_common::OwnedUserId;
    use serde::Deserialize;
    use tower::ServiceExt as _;

    use super::*;

    #[derive(Deserialize)]
    struct Query {
        from: String,
        limit: Option<u32>,
        #[serde(default)]
        via: Vec<String>,
    }

    async fn answer(uri: &str) -> (StatusCode, String) {
        let query = |Params(query): Params<Query>| async move {
            format!("{}|{:?}|{}", query.from, query.limit, query.via.join(","))
        };
        let path = |PathParams((room, key)): PathParams<(String, String)>| async move {
            format!("{room}|{key}")
        };
        let user = |PathParams(user): PathParams<OwnedUserId>| async move { user.to_string() };
        let router = Router::new()
            .route("/query", get(query))
            .route("/rooms/{room}/state/{key}", get(path))
            .route("/user/{user}", get(user));
        let request = Request::get(uri).body(axum::body::Body::empty()).unwrap();
        let (head, body) = router.oneshot(request).await.unwrap().into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        (head.status, String::from_utf8(bytes.to_vec()).unwrap())
    }

    async fn refused(uri: &str, errcode: &str) {
        let (status, body) = answer(uri).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{uri}");
        assert!(body.contains(errcode), "{uri}: {body}");
    }

    #[tokio::test]
    async fn queries_are_read_with_lists_and_unknown_parameters() {
        let (status, body) = answer("/query?from=a%26b+c&via=x&other=1&via=y%3A1&limit=3").await;
        assert_eq!(
            (status, body.as_str()),
            (StatusCode::OK, "a&b c|Some(3)|x,y:1")
        );
    }

    #[tokio::test]
    async fn bad_queries_have_their_codes() {
        refused("/query", "M_MISSING_PARAM").await;
        refused("/query?limit=3", "M_MISSING_PARAM").await;
        refused("/query?from=a&limit=many", "M_INVALID_PARAM").await;
        refused("/query?from=a&limit=-1", "M_INVALID_PARAM").await;
        refused("/query?from=a&limit=99999999999", "M_INVALID_PARAM").await;
    }

    #[tokio::test]
    async fn path_segments_are_decoded_once() {
        let (status, body) = answer("/rooms/!a%2Fb%2523c%3Ax/state/%C3%A9%2B+%23").await;
        assert_eq!((status, body.as_str()), (StatusCode::OK, "!a/b%23c:x|é++#"));
    }

    #[tokio::test]
    async fn bad_path_values_are_refused() {
        assert_eq!(answer("/user/%40a%3Ab").await.1, "@a:b");
        refused("/user/nobody", "M_INVALID_PARAM").await;
        refused("/user/%ff", "M_INVALID_PARAM").await;
    }
}
