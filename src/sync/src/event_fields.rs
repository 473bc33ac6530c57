//! `event_fields` of a filter: the keys that events keep.
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3useruseridfilter_request_filter>
//!
//! A dot separates the levels of a path; a dot or backslash within a key has a backslash before it.

use serde_json::{Map, Value};

/// An event's JSON with nothing but the keys named by `fields`.
pub(crate) fn keep_fields(event: &str, fields: &[String]) -> String {
    let Ok(Value::Object(event)) = serde_json::from_str(event) else {
        return "{}".to_owned();
    };
    let mut kept = Map::new();
    for field in fields {
        copy(&event, &mut kept, &path(field));
    }
    Value::Object(kept).to_string()
}

/// The keys of a path.
fn path(field: &str) -> Vec<String> {
    let mut keys = vec![String::new()];
    let mut chars = field.chars();
    while let Some(c) = chars.next() {
        let escaped = if c == '\\' { chars.next() } else { None };
        match (c, escaped, keys.last_mut()) {
            (_, Some(next), Some(key)) => key.push(next),
            ('.', None, _) => keys.push(String::new()),
            (c, None, Some(key)) => key.push(c),
            (_, _, None) => {}
        }
    }
    keys
}

/// Copies what a path leads to, with the objects on the way.
fn copy(from: &Map<String, Value>, to: &mut Map<String, Value>, path: &[String]) {
    let Some((key, rest)) = path.split_first() else {
        return;
    };
    let Some(value) = from.get(key) else { return };
    if rest.is_empty() {
        to.insert(key.clone(), value.clone());
    } else if let Value::Object(inner) = value {
        let place = to
            .entry(key.clone())
            .or_insert_with(|| Value::Object(Map::new()));
        if let Value::Object(place) = place {
            copy(inner, place, rest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_named_keys_are_kept() {
        let event = r#"{"type":"m.x","content":{"body":"b","a.b":1,"c":{"d":2}},"sender":"@a:b"}"#;
        let fields = [
            "type",
            "content.body",
            "content.a\\.b",
            "content.c.d",
            "nothing.here",
        ];
        let kept = keep_fields(event, &fields.map(str::to_owned));
        let kept: Value = serde_json::from_str(&kept).unwrap();
        let expected = serde_json::json!({"type":"m.x","content":{"body":"b","a.b":1,"c":{"d":2}}});
        assert_eq!(kept, expected, "SYN-03");
    }
}
