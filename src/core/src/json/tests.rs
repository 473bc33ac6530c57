//! Tests of canonical JSON.

use proptest::prelude::*;

use super::*;

fn canonical(text: &str) -> Result<String, JsonError> {
    parse(text.as_bytes(), Numbers::Strict).map(|v| v.to_canonical_string())
}

#[test]
fn the_examples_of_the_specification() {
    for (given, expected) in [
        ("{}", "{}"),
        (r#"{"one": 1, "two": "Two"}"#, r#"{"one":1,"two":"Two"}"#),
        (r#"{"b": "2", "a": "1"}"#, r#"{"a":"1","b":"2"}"#),
        (r#"{"a": "日本語"}"#, r#"{"a":"日本語"}"#),
        (r#"{"本": 2, "日": 1}"#, r#"{"日":1,"本":2}"#),
        (r#"{"a": "\u65E5"}"#, r#"{"a":"日"}"#),
        (r#"{"a": null}"#, r#"{"a":null}"#),
        (r#"{"a": -0}"#, r#"{"a":0}"#),
    ] {
        assert_eq!(canonical(given).as_deref(), Ok(expected));
    }
}

#[test]
fn numbers_at_the_limit_and_one_past_it() {
    for good in ["9007199254740991", "-9007199254740991", "0", "10"] {
        assert_eq!(canonical(good).as_deref(), Ok(good), "EVT-12");
    }
    for bad in [
        "9007199254740992",
        "-9007199254740992",
        "1.0",
        "1e3",
        "99999999999999999999",
    ] {
        assert!(
            matches!(canonical(bad), Err(JsonError::Number(_))),
            "EVT-12: {bad}"
        );
        let loose = parse(bad.as_bytes(), Numbers::Loose).unwrap();
        assert_eq!(loose.to_canonical_string(), bad, "kept as written");
        assert!(loose.check(Numbers::Strict, 0).is_err());
        assert!(loose.check(Numbers::Loose, 0).is_ok());
    }
}

#[test]
fn what_is_not_json_is_refused() {
    for bad in [
        "",
        "{",
        "[1,]",
        "{\"a\":1,}",
        "01",
        "1.",
        "+1",
        "nul",
        "\"\\u12\"",
        "\"\\ud800\"",
        "\"\\ud800\\u0020\"",
        "\"\\udc00\"",
        "\"\u{1}\"",
        "\"a",
        "{a:1}",
        "1 2",
        "NaN",
        "\"\\u+123\"",
    ] {
        assert!(matches!(canonical(bad), Err(JsonError::Syntax(_))), "{bad}");
    }
    assert!(parse(b"\"\xff\"", Numbers::Strict).is_err());
}

#[test]
fn the_deepest_nesting_and_one_deeper() {
    let nested = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
    assert!(canonical(&nested(MAX_DEPTH)).is_ok());
    assert_eq!(canonical(&nested(MAX_DEPTH + 1)), Err(JsonError::TooDeep));
    let value = parse(nested(MAX_DEPTH - 1).as_bytes(), Numbers::Strict).unwrap();
    assert_eq!(value.check(Numbers::Strict, 1), Ok(()));
    assert_eq!(value.check(Numbers::Strict, 2), Err(JsonError::TooDeep));
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        (-(1i64 << 53) + 1..1i64 << 53).prop_map(Value::from),
        any::<String>().prop_map(Value::String),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::Array),
            prop::collection::btree_map(any::<String>(), inner, 0..6).prop_map(Value::Object),
        ]
    })
}

/// Whether a text counts as JSON here and elsewhere, or is kept out by its numbers alone.
fn agrees_with_another_parser(bytes: &[u8]) -> bool {
    let ours = parse(bytes, Numbers::Strict);
    let theirs = serde_json::from_slice::<serde_json::Value>(bytes);
    match ours {
        Ok(_) => theirs.is_ok(),
        Err(JsonError::Number(_)) => true,
        Err(JsonError::TooDeep) => bytes.len() > MAX_DEPTH,
        Err(JsonError::Syntax(_)) => theirs.is_err(),
    }
}

proptest! {
    #[test]
    fn canonical_forms_are_read_back_and_are_json_to_others(value in value()) {
        let text = value.to_canonical_string();
        prop_assert_eq!(parse(text.as_bytes(), Numbers::Strict), Ok(value));
        let other: serde_json::Value = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(serde_json::to_string(&other).unwrap(), text);
    }

    #[test]
    fn garbage_is_an_error_never_a_panic(bytes: Vec<u8>) {
        prop_assert!(agrees_with_another_parser(&bytes));
    }

    #[test]
    fn what_is_nearly_json_is_judged_as_by_another_parser(
        value in value(),
        changes in prop::collection::vec((0usize..4096, any::<u8>()), 1..4),
    ) {
        let mut bytes = value.to_canonical_string().into_bytes();
        for (at, byte) in changes {
            let at = at % bytes.len();
            bytes[at] = byte;
        }
        prop_assert!(agrees_with_another_parser(&bytes));
    }
}
