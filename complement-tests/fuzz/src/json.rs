//! Canonical JSON, beside `serde_json`.

use heliograph_core::{
    hashing::{content_hash, sha256},
    json::{JsonError, Numbers, Value, parse},
};
use serde::de::IgnoredAny;

use crate::must;

/// Texts as JSON: the canonical form is a fixed point, its hash is that of every text of the same
/// value, and `serde_json` agrees about what is JSON and what it says.
///
/// # Panics
/// When a property does not hold.
pub fn json(data: &[u8]) {
    let loose = parse(data, Numbers::Loose);
    let other: Result<serde_json::Value, _> = serde_json::from_slice(data);
    match (&loose, &other) {
        (Ok(value), _) => {
            // Numbers that no float can be are JSON all the same, so only the form is compared.
            must(
                serde_json::from_slice::<IgnoredAny>(data),
                "what we read is JSON",
            );
            canonical(value, Numbers::Loose);
        }
        (Err(JsonError::TooDeep), _) | (Err(_), Err(_)) => {}
        (Err(error), Ok(_)) => panic!("JSON is refused: {error}"),
    }
    match parse(data, Numbers::Strict) {
        Ok(value) => {
            assert_eq!(loose.as_ref(), Ok(&value), "both ways of reading agree");
            let text = canonical(&value, Numbers::Strict);
            // The integer −0 becomes 0, which is a float to serde_json.
            if !data.windows(2).any(|pair| pair == b"-0") {
                let ours: Result<serde_json::Value, _> = serde_json::from_str(&text);
                let ours = must(ours, "canonical JSON is JSON");
                let theirs = must(other, "what canonical JSON allows is JSON");
                assert_eq!(ours, theirs, "canonical JSON says the same");
            }
        }
        Err(JsonError::Number(token)) => {
            assert!(parse(token.as_bytes(), Numbers::Strict).is_err());
        }
        Err(_) => assert!(loose.is_err(), "only numbers are read differently"),
    }
}

/// The canonical form of a value, which is read as that value and written alike again.
fn canonical(value: &Value, numbers: Numbers) -> String {
    must(value.check(numbers, 0), "what was read is taken back");
    let text = value.to_canonical_string();
    let again = must(parse(text.as_bytes(), numbers), "canonical JSON is read");
    assert_eq!(&again, value, "canonical JSON says the same");
    let text_again = again.to_canonical_string();
    assert_eq!(text_again, text, "canonical JSON is canonical");
    assert_eq!(sha256(text_again.as_bytes()), sha256(text.as_bytes()));
    if let (Some(object), Some(again)) = (value.as_object(), again.as_object()) {
        assert_eq!(content_hash(object), content_hash(again));
    }
    text
}

/// What the grammar has, and what is nearly in it.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> = [
        r#"{"one":1,"two":[true,false,null],"a":{"b":-7,"":""}}"#,
        " [ 9007199254740991 , -9007199254740991 , 9007199254740992, 0, -0 ] ",
        r"[0.5,1e3,-2E-10,1.25e+2,100000000000000000000]",
        r#""\u00e9\ud83d\ude00\n\t\b\f\r\/\\\" é 😀""#,
        r#"{"a":1,"a":2,"\u0061":3}"#,
        r#"["\u0000\u001f\u007f"]"#,
        r#"["\ud800"]"#,
        "[1,]",
        "01",
        "nul",
    ]
    .map(|text| text.as_bytes().to_vec())
    .into();
    for depth in [99, 100, 101] {
        seeds.push([vec![b'['; depth], vec![b']'; depth]].concat());
    }
    seeds
}
