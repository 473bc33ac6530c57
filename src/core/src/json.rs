//! Canonical JSON.
//!
//! <https://spec.matrix.org/v1.19/appendices/#canonical-json>
//!
//! Rooms of versions 1 to 5 hold floats and integers that canonical JSON forbids; their number
//! tokens are kept as text, so that what was signed can be checked. A key that stands twice in an
//! object counts as its last value.

use std::{collections::BTreeMap, fmt::Write};

/// Arrays and objects within each other, at most.
pub const MAX_DEPTH: usize = 100;

/// Which numbers are allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Numbers {
    /// Integers from −(2⁵³−1) to 2⁵³−1, without fraction or exponent.
    Strict,
    /// Every number of JSON.
    Loose,
}

/// Why a text is not JSON, or not canonical enough.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// It is not JSON.
    #[error("not JSON at byte {0}")]
    Syntax(usize),
    /// It is nested deeper than [`MAX_DEPTH`].
    #[error("nested too deep")]
    TooDeep,
    /// It has a number that canonical JSON forbids.
    #[error("number {0} is not allowed")]
    Number(Box<str>),
}

/// A JSON value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number, as it was written.
    Number(Box<str>),
    /// A string.
    String(String),
    /// An array.
    Array(Vec<Self>),
    /// An object; its keys are sorted.
    Object(Object),
}

/// An object's members by key, in the order of their code points.
pub type Object = BTreeMap<String, Value>;

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::String(text.to_owned())
    }
}

/// Integers as values.
macro_rules! from_integers {
    ($($int:ty),*) => {$(
        impl From<$int> for Value {
            fn from(number: $int) -> Self {
                Self::Number(number.to_string().into())
            }
        }
    )*};
}
from_integers!(i32, i64, u32, u64);

impl Value {
    /// An object of these members.
    pub fn object<K: Into<String>, I: IntoIterator<Item = (K, Self)>>(members: I) -> Self {
        Self::Object(
            members
                .into_iter()
                .map(|(key, value)| (key.into(), value))
                .collect(),
        )
    }

    /// The members, if it is an object.
    pub const fn as_object(&self) -> Option<&Object> {
        if let Self::Object(members) = self {
            Some(members)
        } else {
            None
        }
    }

    /// The elements, if it is an array.
    pub fn as_array(&self) -> Option<&[Self]> {
        if let Self::Array(elements) = self {
            Some(elements)
        } else {
            None
        }
    }

    /// The text, if it is a string.
    pub fn as_str(&self) -> Option<&str> {
        if let Self::String(text) = self {
            Some(text)
        } else {
            None
        }
    }

    /// The number, if it is an integer that fits.
    pub fn as_i64(&self) -> Option<i64> {
        if let Self::Number(token) = self {
            token.parse().ok()
        } else {
            None
        }
    }

    /// Whether it is an integer that canonical JSON allows.
    pub fn is_integer(&self) -> bool {
        matches!(self, Self::Number(token) if is_strict(token))
    }

    /// A member, if it is an object that has it.
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.as_object().and_then(|members| members.get(key))
    }

    /// Sets a member; what is not an object has none and stays as it is.
    pub fn insert(&mut self, key: &str, value: Self) {
        if let Self::Object(members) = self {
            members.insert(key.to_owned(), value);
        }
    }

    /// Takes a member out.
    pub fn remove(&mut self, key: &str) -> Option<Self> {
        if let Self::Object(members) = self {
            members.remove(key)
        } else {
            None
        }
    }

    /// Checks that [`parse`] takes the value back when it stands within `outer` arrays and objects.
    ///
    /// # Errors
    /// [`JsonError::Number`] with the first that is not allowed, [`JsonError::TooDeep`].
    pub fn check(&self, numbers: Numbers, outer: usize) -> Result<(), JsonError> {
        let inner = || {
            let inner = outer.saturating_add(1);
            (inner <= MAX_DEPTH)
                .then_some(inner)
                .ok_or(JsonError::TooDeep)
        };
        match self {
            Self::Number(token) if numbers == Numbers::Strict && !is_strict(token) => {
                Err(JsonError::Number(token.clone()))
            }
            Self::Array(elements) => {
                let inner = inner()?;
                elements.iter().try_for_each(|e| e.check(numbers, inner))
            }
            Self::Object(members) => {
                let inner = inner()?;
                members.values().try_for_each(|m| m.check(numbers, inner))
            }
            _ => Ok(()),
        }
    }

    /// Appends the canonical form.
    pub fn write_canonical(&self, out: &mut String) {
        match self {
            Self::Null => out.push_str("null"),
            Self::Bool(true) => out.push_str("true"),
            Self::Bool(false) => out.push_str("false"),
            Self::Number(token) => out.push_str(token),
            Self::String(text) => push_string(out, text),
            Self::Array(elements) => {
                out.push('[');
                for (i, element) in elements.iter().enumerate() {
                    if i > 0 {
                        out.push(',');
                    }
                    element.write_canonical(out);
                }
                out.push(']');
            }
            Self::Object(members) => write_object(members, out),
        }
    }

    /// The canonical form.
    pub fn to_canonical_string(&self) -> String {
        let mut out = String::new();
        self.write_canonical(&mut out);
        out
    }
}

/// Appends an object's canonical form.
pub fn write_object(members: &Object, out: &mut String) {
    write_members(members, out);
}

/// Appends the canonical form of an object of these members, which come in the order of their keys.
pub(crate) fn write_members<'a>(
    members: impl IntoIterator<Item = (&'a String, &'a Value)>,
    out: &mut String,
) {
    out.push('{');
    for (i, (key, value)) in members.into_iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        push_string(out, key);
        out.push(':');
        value.write_canonical(out);
    }
    out.push('}');
}

/// Appends text as a JSON string, in its shortest form.
pub fn push_string(out: &mut String, text: &str) {
    out.push('"');
    let mut plain_from = 0;
    for (at, byte) in text.bytes().enumerate() {
        if byte >= b' ' && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.push_str(text.get(plain_from..at).unwrap_or_default());
        plain_from = at.saturating_add(1);
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            0x08 => out.push_str("\\b"),
            0x0c => out.push_str("\\f"),
            // Writing into a string cannot fail.
            control => write!(out, "\\u{control:04x}").unwrap_or_default(),
        }
    }
    out.push_str(text.get(plain_from..).unwrap_or_default());
    out.push('"');
}

/// Whether a number is an integer that canonical JSON allows.
fn is_strict(token: &str) -> bool {
    const LIMIT: u64 = (1 << 53) - 1;
    let digits = token.strip_prefix('-').unwrap_or(token);
    digits.bytes().all(|b| b.is_ascii_digit())
        && digits.parse::<u64>().is_ok_and(|n| n <= LIMIT)
        && token != "-0"
}

/// Reads a JSON text.
///
/// # Errors
/// As [`JsonError`] says; what follows the value but white space is [`JsonError::Syntax`].
pub fn parse(bytes: &[u8], numbers: Numbers) -> Result<Value, JsonError> {
    let mut parser = Parser {
        bytes,
        at: 0,
        numbers,
    };
    let value = parser.value(MAX_DEPTH)?;
    parser.space();
    if parser.at == bytes.len() {
        Ok(value)
    } else {
        Err(parser.syntax())
    }
}

struct Parser<'a> {
    bytes: &'a [u8],
    at: usize,
    numbers: Numbers,
}

impl Parser<'_> {
    fn syntax(&self) -> JsonError {
        JsonError::Syntax(self.at)
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn bump(&mut self) {
        self.at = self.at.saturating_add(1);
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.bump();
        }
    }

    fn expect(&mut self, byte: u8) -> Result<(), JsonError> {
        if self.peek() == Some(byte) {
            self.bump();
            Ok(())
        } else {
            Err(self.syntax())
        }
    }

    fn word(&mut self, word: &str, value: Value) -> Result<Value, JsonError> {
        let end = self.at.saturating_add(word.len());
        if self.bytes.get(self.at..end) == Some(word.as_bytes()) {
            self.at = end;
            Ok(value)
        } else {
            Err(self.syntax())
        }
    }

    fn value(&mut self, depth: usize) -> Result<Value, JsonError> {
        self.space();
        match self.peek() {
            Some(b'{') => self.object(depth.checked_sub(1).ok_or(JsonError::TooDeep)?),
            Some(b'[') => self.array(depth.checked_sub(1).ok_or(JsonError::TooDeep)?),
            Some(b'"') => self.string().map(Value::String),
            Some(b'n') => self.word("null", Value::Null),
            Some(b't') => self.word("true", Value::Bool(true)),
            Some(b'f') => self.word("false", Value::Bool(false)),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => Err(self.syntax()),
        }
    }

    fn object(&mut self, depth: usize) -> Result<Value, JsonError> {
        self.bump();
        let mut members = Object::new();
        self.space();
        if self.peek() == Some(b'}') {
            self.bump();
            return Ok(Value::Object(members));
        }
        loop {
            self.space();
            let key = self.string()?;
            self.space();
            self.expect(b':')?;
            members.insert(key, self.value(depth)?);
            self.space();
            if self.peek() != Some(b',') {
                self.expect(b'}')?;
                return Ok(Value::Object(members));
            }
            self.bump();
        }
    }

    fn array(&mut self, depth: usize) -> Result<Value, JsonError> {
        self.bump();
        let mut elements = Vec::new();
        self.space();
        if self.peek() == Some(b']') {
            self.bump();
            return Ok(Value::Array(elements));
        }
        loop {
            elements.push(self.value(depth)?);
            self.space();
            if self.peek() != Some(b',') {
                self.expect(b']')?;
                return Ok(Value::Array(elements));
            }
            self.bump();
        }
    }

    fn digits(&mut self) -> Result<(), JsonError> {
        let from = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.bump();
        }
        if self.at == from {
            Err(self.syntax())
        } else {
            Ok(())
        }
    }

    fn number(&mut self) -> Result<Value, JsonError> {
        let from = self.at;
        if self.peek() == Some(b'-') {
            self.bump();
        }
        if self.peek() == Some(b'0') {
            self.bump();
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.bump();
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.bump();
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.bump();
            }
            self.digits()?;
        }
        let token = self.text(from, self.at)?;
        // −0 is the integer 0, and canonical JSON writes it so.
        let token = if token == "-0" { "0" } else { token };
        if self.numbers == Numbers::Strict && !is_strict(token) {
            return Err(JsonError::Number(token.into()));
        }
        Ok(Value::Number(token.into()))
    }

    fn text(&self, from: usize, to: usize) -> Result<&str, JsonError> {
        let bytes = self.bytes.get(from..to).ok_or(JsonError::Syntax(from))?;
        std::str::from_utf8(bytes).map_err(|_| JsonError::Syntax(from))
    }

    fn string(&mut self) -> Result<String, JsonError> {
        self.expect(b'"')?;
        let mut out = String::new();
        loop {
            let from = self.at;
            while matches!(self.peek(), Some(b) if b >= b' ' && b != b'"' && b != b'\\') {
                self.bump();
            }
            out.push_str(self.text(from, self.at)?);
            match self.peek() {
                Some(b'"') => {
                    self.bump();
                    return Ok(out);
                }
                Some(b'\\') => {
                    self.bump();
                    out.push(self.escape()?);
                }
                _ => return Err(self.syntax()),
            }
        }
    }

    fn escape(&mut self) -> Result<char, JsonError> {
        let byte = self.peek().ok_or_else(|| self.syntax())?;
        self.bump();
        Ok(match byte {
            b'"' => '"',
            b'\\' => '\\',
            b'/' => '/',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => return self.unicode(),
            _ => return Err(self.syntax()),
        })
    }

    /// `\uXXXX`, or a pair of them; half a pair stands for no character.
    fn unicode(&mut self) -> Result<char, JsonError> {
        let first = self.hex()?;
        if !(0xd800..0xdc00).contains(&first) {
            return char::from_u32(first).ok_or_else(|| self.syntax());
        }
        self.expect(b'\\')?;
        self.expect(b'u')?;
        let second = self.hex()?;
        if !(0xdc00..0xe000).contains(&second) {
            return Err(self.syntax());
        }
        let code = 0x1_0000 + ((first & 0x3ff) << 10) + (second & 0x3ff);
        char::from_u32(code).ok_or_else(|| self.syntax())
    }

    fn hex(&mut self) -> Result<u32, JsonError> {
        let end = self.at.saturating_add(4);
        let digits = self.text(self.at, end)?;
        let all_hex = digits.bytes().all(|b| b.is_ascii_hexdigit());
        let code = u32::from_str_radix(digits, 16).ok().filter(|_| all_hex);
        self.at = end;
        code.ok_or_else(|| self.syntax())
    }
}

#[cfg(test)]
mod tests;
