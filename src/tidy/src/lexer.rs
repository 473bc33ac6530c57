//! Tells code, comments and literals of Rust apart, as far as the rules need it.

/// One source text twice, each with the same lines and columns as the original: once with only the
/// code, once with only the comments; everything else is blank.
pub(crate) struct Masked {
    /// Without comments and without the insides of literals.
    pub(crate) code: String,
    pub(crate) comments: String,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Code,
    Comment,
    Literal,
}

/// Splits `source`. Text that is not Rust gives some split, never a panic.
pub(crate) fn mask(source: &str) -> Masked {
    let mut masked = Masked {
        code: String::with_capacity(source.len()),
        comments: String::with_capacity(source.len()),
    };
    let mut rest = source;
    while !rest.is_empty() {
        let (length, kind) = next(rest);
        let (piece, after) = rest.split_at_checked(length.max(1)).unwrap_or((rest, ""));
        for character in piece.chars() {
            let blank = if character == '\n' { '\n' } else { ' ' };
            masked
                .code
                .push(if kind == Kind::Code { character } else { blank });
            masked.comments.push(if kind == Kind::Comment {
                character
            } else {
                blank
            });
        }
        rest = after;
    }
    masked
}

/// How many bytes of `rest` are one piece, and of which kind.
fn next(rest: &str) -> (usize, Kind) {
    if rest.starts_with("//") {
        return (rest.find('\n').unwrap_or(rest.len()), Kind::Comment);
    }
    if rest.starts_with("/*") {
        return (block_comment(rest), Kind::Comment);
    }
    if let Some(inside) = rest.strip_prefix('"') {
        return (1 + quoted(inside, '"'), Kind::Literal);
    }
    if let Some(inside) = rest.strip_prefix('\'') {
        return match character_literal(inside) {
            Some(length) => (1 + length, Kind::Literal),
            None => (1, Kind::Code),
        };
    }
    let word = rest.find(|c: char| !is_word(c)).unwrap_or(rest.len());
    if word == 0 {
        return (rest.chars().next().map_or(1, char::len_utf8), Kind::Code);
    }
    let (name, after) = rest.split_at(word);
    if matches!(name, "r" | "br" | "cr")
        && let Some(length) = raw_string(after)
    {
        return (word + length, Kind::Literal);
    }
    (word, Kind::Code)
}

/// Whether `c` can be part of an identifier.
pub(crate) fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The length of a block comment; they nest.
fn block_comment(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut position = 0;
    while let Some(rest) = text.get(position..).filter(|rest| !rest.is_empty()) {
        if rest.starts_with("/*") {
            depth += 1;
            position += 2;
        } else if rest.starts_with("*/") {
            depth = depth.saturating_sub(1);
            position += 2;
            if depth == 0 {
                return position;
            }
        } else {
            position += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

/// The length up to and with the closing `quote`, after the opening one.
fn quoted(inside: &str, quote: char) -> usize {
    let mut escaped = false;
    for (position, character) in inside.char_indices() {
        if escaped {
            escaped = false;
        } else if character == '\\' {
            escaped = true;
        } else if character == quote {
            return position + 1;
        }
    }
    inside.len()
}

/// The length of the rest of a character literal; none where the quote begins a lifetime.
fn character_literal(inside: &str) -> Option<usize> {
    let mut characters = inside.chars();
    let first = characters.next()?;
    if first == '\\' {
        return Some(quoted(inside, '\''));
    }
    (characters.next()? == '\'').then(|| first.len_utf8() + 1)
}

/// The length of `#"…"#` after its `r`; none where it is no raw string.
fn raw_string(after: &str) -> Option<usize> {
    let hashes = after.find(|c| c != '#')?;
    let inside = after.get(hashes..)?.strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let length = inside
        .find(&end)
        .map_or(inside.len(), |found| found + end.len());
    Some(hashes + 1 + length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_is_what_is_left_without_comments_and_literals() {
        let cases = [
            ("let a = \"{ // x\"; // b", "let a = ;"),
            ("f('{', '\\'', 'é')", "f( , , )"),
            ("fn f<'a>(x: &'a str) {}", "fn f<'a>(x: &'a str) {}"),
            ("r#\"a \"quote\" {\"# + b\"}\" + br\"}\"", "+ b +"),
            ("/* a /* b */ { */ fn", "fn"),
            ("let r#type = 1;", "let r#type = 1;"),
            ("for r in x { \"\\\\\" }", "for r in x { }"),
            ("\"unfinished {", ""),
        ];
        for (source, code) in cases {
            let masked = mask(source).code;
            let words: Vec<_> = masked.split_whitespace().collect();
            assert_eq!(words.join(" "), code, "{source}");
            assert_eq!(masked.chars().count(), source.chars().count(), "{source}");
        }
    }

    #[test]
    fn comments_keep_their_lines() {
        let masked = mask("a // one\n/* two\nthree */ b \"// no\"\n//! four");
        let lines: Vec<_> = masked.comments.lines().map(str::trim).collect();
        assert_eq!(lines, ["// one", "/* two", "three */", "//! four"]);
        assert_eq!(masked.code.lines().count(), 4);
    }
}
