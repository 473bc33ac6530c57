//! JSON in and out.

use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use serde::{Serialize, de::DeserializeOwned, de::IgnoredAny};

use crate::{ApiError, ErrCode};

/// Arrays and objects within each other, at most, in a request body.
pub const MAX_NESTING: usize = 100;

const APPLICATION_JSON: HeaderValue = HeaderValue::from_static("application/json");

/// A value as a JSON answer with status 200.
#[derive(Clone, Copy, Debug)]
pub struct Json<T>(pub T);

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        json_response(StatusCode::OK, &self.0)
    }
}

/// Bytes that are JSON already, as an answer with status 200.
#[derive(Clone, Debug)]
pub struct JsonBytes(pub Bytes);

impl IntoResponse for JsonBytes {
    fn into_response(self) -> Response {
        ([(header::CONTENT_TYPE, APPLICATION_JSON)], self.0).into_response()
    }
}

pub(crate) fn json_response<T: Serialize>(status: StatusCode, value: &T) -> Response {
    match serde_json::to_vec(value) {
        Ok(bytes) => (status, JsonBytes(bytes.into())).into_response(),
        // Maps with keys that are not strings, or a Serialize that fails: a bug here.
        Err(error) => ApiError::internal(error).into_response(),
    }
}

/// Reads a request body: a JSON object, as all of the specification's are.
pub(crate) fn parse_object<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    let text = std::str::from_utf8(bytes)
        .map_err(|_| ApiError::new(ErrCode::M_NOT_JSON, "The body is not UTF-8"))?;
    // serde_json limits the depth of values that it builds, not of those that it skips or keeps raw.
    if is_nested_deeper(text, MAX_NESTING) {
        let message = format!("The body is nested deeper than {MAX_NESTING} levels");
        return Err(ApiError::bad_json(message));
    }
    // Derived structs also read arrays, by position.
    let is_object = text
        .trim_start_matches([' ', '\t', '\n', '\r'])
        .starts_with('{');
    if !is_object {
        return Err(match serde_json::from_str::<IgnoredAny>(text) {
            Ok(_) => ApiError::bad_json("The body is not a JSON object"),
            Err(error) => not_json(&error),
        });
    }
    serde_json::from_str(text).map_err(|error| explain::<T>(text, &error))
}

/// Why a text is not a `T`. It is parsed again: the first error may be one of shape before one of
/// syntax, and says nothing of where in the object it was.
fn explain<T: DeserializeOwned>(text: &str, first: &serde_json::Error) -> ApiError {
    if let Err(error) = serde_json::from_str::<IgnoredAny>(text) {
        return not_json(&error);
    }
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let Err(error) = serde_path_to_error::deserialize::<_, T>(&mut deserializer) else {
        return ApiError::bad_json(first.to_string());
    };
    let at_top = error.path().iter().next().is_none();
    let message = error.inner().to_string();
    match missing_field(&message) {
        Some(name) if at_top => ApiError::missing_param(name),
        _ if at_top => ApiError::bad_json(message),
        _ => ApiError::bad_json(format!("{}: {message}", error.path())),
    }
}

fn not_json(error: &serde_json::Error) -> ApiError {
    ApiError::new(
        ErrCode::M_NOT_JSON,
        format!("The body is not JSON: {error}"),
    )
}

/// The name in serde's own words for a field that is missing; serde offers it in no other form.
pub(crate) fn missing_field(message: &str) -> Option<&str> {
    let rest = message.strip_prefix("missing field `")?;
    rest.split_once('`').map(|(name, _)| name)
}

/// Whether arrays and objects stand within each other more than `limit` deep. For text that is not
/// JSON the answer is of no use, and harmless.
fn is_nested_deeper(text: &str, limit: usize) -> bool {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in text.bytes() {
        match (in_string, byte) {
            (true, _) if escaped => escaped = false,
            (true, b'\\') => escaped = true,
            (_, b'"') => in_string = !in_string,
            (false, b'[' | b'{') => {
                depth += 1;
                if depth > limit {
                    return true;
                }
            }
            (false, b']' | b'}') => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::Deserialize;
    use serde_json::{Value, value::RawValue};

    use super::*;

    #[derive(Debug, Deserialize)]
    struct Shape {
        name: String,
        #[serde(default)]
        inner: Option<Inner>,
    }

    #[derive(Debug, Deserialize)]
    struct Inner {
        id: u8,
    }

    fn errcode(body: &[u8]) -> &'static str {
        parse_object::<Shape>(body)
            .unwrap_err()
            .errcode()
            .unwrap()
            .as_str()
    }

    #[test]
    fn an_object_of_the_right_shape_is_read_and_unknown_keys_ignored() {
        let shape: Shape =
            parse_object(br#" {"name":"x","inner":{"id":1,"more":[]},"other":{}} "#).unwrap();
        assert_eq!(shape.name, "x");
        assert_eq!(shape.inner.unwrap().id, 1);
    }

    #[test]
    fn each_kind_of_bad_body_has_its_code() {
        for (body, expected) in [
            (&b""[..], "M_NOT_JSON"),
            (b"  ", "M_NOT_JSON"),
            (b"{", "M_NOT_JSON"),
            (b"hello", "M_NOT_JSON"),
            (b"{\"name\":\"\xff\"}", "M_NOT_JSON"),
            (br#"{"name":"x"} trailing"#, "M_NOT_JSON"),
            // Of the wrong shape before it stops being JSON.
            (br#"{"name":1, oops"#, "M_NOT_JSON"),
            (br"[]", "M_BAD_JSON"),
            (br#"["x"]"#, "M_BAD_JSON"),
            (br#""x""#, "M_BAD_JSON"),
            (br"null", "M_BAD_JSON"),
            (br#"{"name":1}"#, "M_BAD_JSON"),
            (br#"{"name":null}"#, "M_BAD_JSON"),
            (br#"{"name":"\ud800"}"#, "M_BAD_JSON"),
            (br#"{"name":"x","inner":{}}"#, "M_BAD_JSON"),
            (br#"{"name":"x","inner":{"id":1e999}}"#, "M_BAD_JSON"),
            (br#"{"name":"x","name":"y"}"#, "M_BAD_JSON"),
            (br"{}", "M_MISSING_PARAM"),
            (br#"{"inner":{"id":3}}"#, "M_MISSING_PARAM"),
        ] {
            assert_eq!(errcode(body), expected, "{}", String::from_utf8_lossy(body));
        }
    }

    #[test]
    fn the_message_names_the_place() {
        let message = parse_object::<Shape>(br#"{"name":"x","inner":{"id":"y"}}"#).unwrap_err();
        assert!(message.to_string().contains("inner.id"), "{message}");
    }

    #[test]
    fn nesting_is_limited_also_where_values_are_kept_raw() {
        let nested = |depth: usize| {
            format!(
                "{}{}{}",
                r#"{"a":"#.repeat(depth - 1),
                "{}",
                "}".repeat(depth - 1)
            )
        };
        assert!(parse_object::<Box<RawValue>>(nested(MAX_NESTING).as_bytes()).is_ok());
        let error = parse_object::<Box<RawValue>>(nested(MAX_NESTING + 1).as_bytes()).unwrap_err();
        assert_eq!(error.errcode(), Some(ErrCode::M_BAD_JSON));
        let flat = format!(r#"{{"a":"{}\"{{"}}"#, "[".repeat(500));
        assert!(parse_object::<Value>(flat.as_bytes()).is_ok());
    }

    proptest! {
        #[test]
        fn no_body_panics(body in proptest::collection::vec(any::<u8>(), 0..64)) {
            prop_assert!(parse_object::<Shape>(&body).is_err());
        }

        #[test]
        fn no_text_made_of_json_pieces_panics(body in r#"[{}\[\]":,\\a1 ]{0,40}"#) {
            prop_assert_eq!(
                parse_object::<Value>(body.as_bytes()).is_ok(),
                serde_json::from_str::<serde_json::Map<String, Value>>(&body).is_ok()
            );
        }
    }
}
