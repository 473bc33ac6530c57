//! Where the keys of an event stand in its canonical form, so that serving it is copying.

use std::borrow::Cow;

use crate::json::{Numbers, Object, Value, parse, push_string};

/// A stretch of bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) from: u32,
    pub(crate) to: u32,
}

/// Where the values of some keys stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) content: Span,
    pub(crate) sender: Span,
    pub(crate) event_type: Span,
    pub(crate) state_key: Span,
    pub(crate) redacts: Span,
    pub(crate) event_id: Span,
    pub(crate) origin_server_ts: Span,
}

impl Layout {
    /// Writes an event's canonical form and notes where things stand in it.
    pub(crate) fn write(event: &Object) -> (String, Self) {
        let mut json = String::with_capacity(512);
        let mut layout = Self::default();
        json.push('{');
        for (i, (key, value)) in event.iter().enumerate() {
            if i > 0 {
                json.push(',');
            }
            push_string(&mut json, key);
            json.push(':');
            let from = json.len();
            value.write_canonical(&mut json);
            layout.note(key, from, json.len());
        }
        json.push('}');
        (json, layout)
    }

    /// Notes where the value of a key stands.
    pub(crate) fn note(&mut self, key: &str, from: usize, to: usize) {
        let place = match key {
            "content" => &mut self.content,
            "sender" => &mut self.sender,
            "type" => &mut self.event_type,
            "state_key" => &mut self.state_key,
            "redacts" => &mut self.redacts,
            "event_id" => &mut self.event_id,
            "origin_server_ts" => &mut self.origin_server_ts,
            _ => return,
        };
        let number = |n| u32::try_from(n).unwrap_or(u32::MAX);
        *place = Span {
            from: number(from),
            to: number(to),
        };
    }

    /// All spans, in the order in which they are stored.
    pub(crate) const fn spans(&self) -> [Span; 7] {
        [
            self.content,
            self.sender,
            self.event_type,
            self.state_key,
            self.redacts,
            self.event_id,
            self.origin_server_ts,
        ]
    }

    /// The layout with these spans.
    pub(crate) const fn from_spans(spans: [Span; 7]) -> Self {
        let [
            content,
            sender,
            event_type,
            state_key,
            redacts,
            event_id,
            origin_server_ts,
        ] = spans;
        Self {
            content,
            sender,
            event_type,
            state_key,
            redacts,
            event_id,
            origin_server_ts,
        }
    }
}

/// The JSON at a span; empty where the key is not there.
pub(crate) fn slice(bytes: &[u8], span: Span) -> &str {
    let index = |n| usize::try_from(n).unwrap_or(usize::MAX);
    let slice = bytes
        .get(index(span.from)..index(span.to))
        .unwrap_or_default();
    std::str::from_utf8(slice).unwrap_or_default()
}

/// The text at a span, if it is a string without escapes.
pub(crate) fn str_at(bytes: &[u8], span: Span) -> Option<&str> {
    let inner = slice(bytes, span).strip_prefix('"')?.strip_suffix('"')?;
    (!inner.contains('\\')).then_some(inner)
}

/// The text at a span, if it is a string.
pub(crate) fn text_at(bytes: &[u8], span: Span) -> Option<Cow<'_, str>> {
    if let Some(text) = str_at(bytes, span) {
        return Some(Cow::Borrowed(text));
    }
    match parse(slice(bytes, span).as_bytes(), Numbers::Loose) {
        Ok(Value::String(text)) => Some(Cow::Owned(text)),
        _ => None,
    }
}
