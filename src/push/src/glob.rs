//! Patterns with `*` for any run of characters and `?` for any one.
//!
//! <https://spec.matrix.org/v1.19/appendices/#glob-style-matching>
//!
//! A text is read once, whatever the pattern: what may have matched so far is a set of places in
//! the pattern, one bit each.

/// Characters of a pattern, at most: a longer one matches nothing. People write tens of them, and
/// the time for one text is its length times this, by 64.
pub const MAX_PATTERN_CHARS: usize = 512;

/// A text as patterns compare it: without regard to case.
pub fn fold(text: &str) -> String {
    text.chars().flat_map(char::to_lowercase).collect()
}

/// A pattern, ready to be matched against folded texts.
#[derive(Clone, Debug)]
pub struct Glob(Shape);

#[derive(Clone, Debug)]
enum Shape {
    /// Matches nothing.
    Never,
    /// Without wildcards, folded.
    Literal(Box<str>, Places),
    /// With wildcards.
    Wild(Places),
}

/// A set of places, by number.
type Bits = Box<[u64]>;

/// Where a match can stand: place `n` is before the pattern's token `n`, stars left aside.
#[derive(Clone, Debug)]
struct Places {
    /// How many tokens there are: the place at the end.
    end: usize,
    /// Places where a star lets the match stay.
    stars: Bits,
    /// Places that any character leads on.
    any: Bits,
    /// For each character of the pattern the places that it leads on, `any` among them; sorted.
    chars: Vec<(char, Bits)>,
    /// The longest run of the pattern without wildcards: a text without it does not match.
    run: Box<str>,
}

fn set(bits: &mut Bits, at: usize) {
    if let Some(word) = bits.get_mut(at / 64) {
        *word |= 1 << (at % 64);
    }
}

fn has(bits: &Bits, at: usize) -> bool {
    bits.get(at / 64)
        .is_some_and(|word| word >> (at % 64) & 1 == 1)
}

impl Glob {
    /// Reads a pattern.
    pub fn new(pattern: &str) -> Self {
        let folded = fold(pattern);
        if folded.chars().count() > MAX_PATTERN_CHARS {
            return Self(Shape::Never);
        }
        let places = Places::of(&folded);
        Self(if folded.contains(['*', '?']) {
            Shape::Wild(places)
        } else {
            Shape::Literal(folded.into(), places)
        })
    }

    /// The pattern, folded, if it has no wildcards.
    pub fn literal(&self) -> Option<&str> {
        match &self.0 {
            Shape::Literal(text, _) => Some(text),
            Shape::Never | Shape::Wild(_) => None,
        }
    }

    /// Whether it matches a whole folded text.
    pub fn matches(&self, text: &str) -> bool {
        match &self.0 {
            Shape::Never => false,
            Shape::Literal(pattern, _) => **pattern == *text,
            Shape::Wild(places) => places.matches(text),
        }
    }

    /// Whether it matches a part of a folded text that starts and ends at a word boundary; an empty
    /// pattern matches an empty text only.
    pub fn matches_words(&self, text: &str) -> bool {
        match &self.0 {
            Shape::Never => false,
            Shape::Literal(pattern, _) if pattern.is_empty() => text.is_empty(),
            Shape::Literal(_, places) | Shape::Wild(places) => places.matches_words(text),
        }
    }

    /// Bytes that it takes in memory, about.
    pub fn size_bytes(&self) -> usize {
        match &self.0 {
            Shape::Never => 0,
            Shape::Literal(_, places) | Shape::Wild(places) => {
                let sets = places.chars.len().saturating_add(2);
                let each = places.any.len().saturating_mul(8).saturating_add(24);
                sets.saturating_mul(each)
            }
        }
    }
}

impl Places {
    fn of(pattern: &str) -> Self {
        let end = pattern.chars().filter(|c| *c != '*').count();
        let words = end / 64 + 1;
        let none = || vec![0u64; words].into_boxed_slice();
        let (mut stars, mut any) = (none(), none());
        let mut chars: Vec<(char, Bits)> = Vec::new();
        let mut at = 0;
        for c in pattern.chars() {
            match c {
                '*' => {
                    set(&mut stars, at);
                    continue;
                }
                '?' => set(&mut any, at),
                c => match chars.iter_mut().find(|(other, _)| *other == c) {
                    Some((_, bits)) => set(bits, at),
                    None => {
                        let mut bits = none();
                        set(&mut bits, at);
                        chars.push((c, bits));
                    }
                },
            }
            at += 1;
        }
        for (_, bits) in &mut chars {
            for (word, any) in bits.iter_mut().zip(&any) {
                *word |= any;
            }
        }
        chars.sort_unstable_by_key(|(c, _)| *c);
        let run = pattern.split(['*', '?']).max_by_key(|run| run.len());
        Self {
            end,
            stars,
            any,
            chars,
            run: run.unwrap_or_default().into(),
        }
    }

    fn start(&self) -> Bits {
        vec![0u64; self.any.len()].into_boxed_slice()
    }

    /// Leads the places of `now` on by a character; whether any is left.
    fn step(&self, now: &mut Bits, c: char) -> bool {
        let found = self.chars.binary_search_by_key(&c, |(c, _)| *c);
        let leads = found.ok().and_then(|at| self.chars.get(at));
        let leads = leads.map_or(&self.any, |(_, bits)| bits);
        let (mut carry, mut left) = (0, 0);
        for ((word, leads), star) in now.iter_mut().zip(leads).zip(&self.stars) {
            let on = *word & leads;
            *word = (on << 1 | carry) | (*word & star);
            carry = on >> 63;
            left |= *word;
        }
        left != 0
    }

    fn matches(&self, text: &str) -> bool {
        if !text.contains(&*self.run) {
            return false;
        }
        let mut now = self.start();
        set(&mut now, 0);
        text.chars().all(|c| self.step(&mut now, c)) && has(&now, self.end)
    }

    fn matches_words(&self, text: &str) -> bool {
        if !text.contains(&*self.run) {
            return false;
        }
        let mut now = self.start();
        let mut before = None;
        for c in text.chars() {
            if is_boundary(before, Some(c)) {
                // Before the new start is set: a match has at least one character.
                if before.is_some() && has(&now, self.end) {
                    return true;
                }
                set(&mut now, 0);
            }
            self.step(&mut now, c);
            before = Some(c);
        }
        if before.is_none() {
            return self.end == 0;
        }
        has(&now, self.end)
    }
}

/// Whether a word begins or ends between two characters, or there is none.
///
/// <https://spec.matrix.org/v1.19/client-server-api/#conditions-1>
fn is_boundary(before: Option<char>, after: Option<char>) -> bool {
    let in_word = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_');
    !(in_word(before) && in_word(after))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The same by trying every way.
    fn slow(pattern: &[char], text: &[char]) -> bool {
        match (pattern.split_first(), text.split_first()) {
            (None, _) => text.is_empty(),
            (Some(('*', rest)), _) => (0..=text.len()).any(|at| slow(rest, &text[at..])),
            (Some(('?', rest)), Some((_, after))) => slow(rest, after),
            (Some((c, rest)), Some((d, after))) => c == d && slow(rest, after),
            (Some(_), None) => false,
        }
    }

    fn slow_words(pattern: &str, text: &str) -> bool {
        let (pattern, text) = (fold(pattern), fold(text));
        let pattern: Vec<char> = pattern.chars().collect();
        let text: Vec<char> = text.chars().collect();
        if text.is_empty() {
            return slow(&pattern, &text);
        }
        let around = |at: usize| {
            let before = at.checked_sub(1).and_then(|at| text.get(at));
            is_boundary(before.copied(), text.get(at).copied())
        };
        let ends = |from: usize| (from + 1..=text.len()).filter(|end| around(*end));
        (0..text.len())
            .filter(|from| around(*from))
            .any(|from| ends(from).any(|end| slow(&pattern, &text[from..end])))
    }

    proptest! {
        #[test]
        fn patterns_match_as_a_slow_matcher_says(
            pattern in "[abA_ *?é-]{0,8}",
            text in "[abB_ é-]{0,12}",
        ) {
            let glob = Glob::new(&pattern);
            let (p, t) = (fold(&pattern), fold(&text));
            let (p, t): (Vec<char>, Vec<char>) = (p.chars().collect(), t.chars().collect());
            prop_assert_eq!(glob.matches(&fold(&text)), slow(&p, &t));
            prop_assert_eq!(glob.matches_words(&fold(&text)), slow_words(&pattern, &text));
        }

        #[test]
        fn long_patterns_cross_words_of_bits(len in 60usize..140, star in 0usize..60) {
            let text = "ab".repeat(len);
            let mut pattern = text.clone();
            pattern.replace_range(star..=star, "*");
            prop_assert!(Glob::new(&pattern).matches(&text));
            prop_assert!(!Glob::new(&pattern).matches(&text[..text.len() - 1]));
            pattern.replace_range(star..=star, "?");
            prop_assert!(Glob::new(&pattern).matches(&text));
        }
    }

    #[test]
    fn words_begin_and_end_where_the_spec_says() {
        for (pattern, text, expected) in [
            ("ex*ple", "An example event.", true),
            ("ex*ple", "exple", true),
            ("ex*ple", "An exciting triple-whammy", true),
            ("ex*ple", "a flexible", false),
            ("foo", "foobar", false),
            ("foo", "FOO!", true),
            ("foo", "_foo", false),
            ("a_a", "xa_a a_a", true),
            ("", "a", false),
            ("", "", true),
            ("*", "a", true),
            ("?", "ab c", true),
        ] {
            let glob = Glob::new(pattern);
            let matches = glob.matches_words(&fold(text));
            assert_eq!(matches, expected, "PSH-21: {pattern} in {text}");
        }
    }

    #[test]
    fn a_pattern_that_is_too_long_matches_nothing() {
        let text = "a".repeat(MAX_PATTERN_CHARS);
        assert!(Glob::new(&text).matches(&text));
        let longer = format!("{text}a");
        assert!(!Glob::new(&longer).matches(&longer));
        assert!(!Glob::new(&longer).matches_words(&longer));
    }
}
