//! Where functions and test modules begin and end, in code without comments and literals.

use crate::lexer::is_word;

/// Lines of a file, counted from 1, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) first: usize,
    pub(crate) last: usize,
}

impl Span {
    pub(crate) fn lines(self) -> usize {
        self.last + 1 - self.first
    }

    pub(crate) fn contains(self, line: usize) -> bool {
        (self.first..=self.last).contains(&line)
    }
}

/// Every function with a body. `fn` of a pointer type has no name and is passed over.
pub(crate) fn functions(code: &str) -> Vec<Span> {
    let is_named_function = |position: usize| {
        let (before, rest) = code.split_at(position);
        let after = rest.strip_prefix("fn").unwrap_or("");
        !before.ends_with(is_word)
            && after.starts_with(char::is_whitespace)
            && after.trim_start().starts_with(is_word)
    };
    code.match_indices("fn")
        .map(|(position, _)| position)
        .filter(|position| is_named_function(*position))
        .filter_map(|position| item(code, position))
        .collect()
}

/// Every item under `#[cfg(test)]` that has a body here.
pub(crate) fn test_regions(code: &str) -> Vec<Span> {
    code.match_indices("#[cfg(test)]")
        .filter_map(|(position, _)| item(code, position))
        .collect()
}

/// From `position` to the end of the braces that follow; none where the item ends before any.
fn item(code: &str, position: usize) -> Option<Span> {
    let (before, rest) = code.split_at(position);
    let first = 1 + before.matches('\n').count();
    let mut line = first;
    let mut braces = 0_usize;
    // A semicolon inside brackets is an array's length, not the end of the item.
    let mut brackets = 0_usize;
    for character in rest.chars() {
        match character {
            '\n' => line += 1,
            '(' | '[' => brackets += 1,
            ')' | ']' => brackets = brackets.saturating_sub(1),
            ';' if braces == 0 && brackets == 0 => return None,
            '{' => braces += 1,
            '}' => {
                braces = braces.saturating_sub(1);
                if braces == 0 {
                    return Some(Span { first, last: line });
                }
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_found_with_their_last_line() {
        let code = "trait T {\n fn declared(a: [u8; 2]);\n fn given(&self, f: fn(u8) -> u8) {\n  { }\n }\n}\n\
                    const fn array() -> [u8; 2]\nwhere\n{\n}\nlet not_fn_here = 1;\n";
        assert_eq!(
            functions(code),
            [Span { first: 3, last: 5 }, Span { first: 7, last: 10 }]
        );
    }

    #[test]
    fn a_test_module_in_another_file_has_no_region_here() {
        assert_eq!(test_regions("#[cfg(test)]\nmod tests;\nfn f() {\n}\n"), []);
        assert_eq!(
            test_regions("fn f() {\n}\n#[cfg(test)]\nmod tests {\n fn g() {\n }\n}\n"),
            [Span { first: 3, last: 7 }]
        );
    }
}
