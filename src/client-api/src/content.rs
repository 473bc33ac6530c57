//! JSON that becomes part of an event.

use heliograph_core::json::{self, Numbers, Value};
use heliograph_http::{ApiError, ErrCode};
use serde_json::value::RawValue;

/// Reads a request's body, or a part of it, as the content of an event.
///
/// Which numbers are allowed depends on the room's version, and is for the room to say.
///
/// # Errors
/// 400 `M_BAD_JSON` when it is not an object.
pub(crate) fn event_content(raw: &RawValue) -> Result<Value, ApiError> {
    let value = any(raw)?;
    if matches!(value, Value::Object(_)) {
        Ok(value)
    } else {
        Err(ApiError::bad_json("The content must be an object"))
    }
}

/// Reads a part of a body as JSON for an event.
pub(crate) fn any(raw: &RawValue) -> Result<Value, ApiError> {
    json::parse(raw.get().as_bytes(), Numbers::Loose)
        .map_err(|error| ApiError::new(ErrCode::M_BAD_JSON, error.to_string()))
}
