//! The rules for one file of Rust.

mod spans;

use crate::{
    Finding,
    lexer::{Masked, is_word, mask},
};
use spans::{Span, functions, test_regions};

const MAX_FILE_LINES: usize = 500;
const MAX_FUNCTION_LINES: usize = 100;
const MAX_TEST_FUNCTION_LINES: usize = 150;

/// Never in code, tests included: what to look for, and the rule.
const NEVER: &[(&str, &str)] = &[
    ("todo!", "unfinished code"),
    ("unimplemented!", "unfinished code"),
    ("unsafe", "`unsafe` is forbidden"),
    (
        "#[allow(",
        "use `#[expect(.., reason = \"..\")]` instead of `allow`",
    ),
    (
        "#![allow(",
        "use `#![expect(.., reason = \"..\")]` instead of `allow`",
    ),
    ("#[ignore", "a test runs or is removed, it is not ignored"),
];

/// Checks `content`, the Rust source at `file`.
pub(crate) fn check(file: &str, content: &str) -> Vec<Finding> {
    let masked = mask(content);
    let tests = tests_of(file, content, &masked);
    let mut findings = Vec::new();
    // The name of `tests.rs` says what it is for.
    if !content.starts_with("//!") && !file.ends_with("/tests.rs") {
        findings.push(Finding::new(
            file,
            1,
            "a file opens with `//!`: what it is for",
        ));
    }
    let generated = content
        .lines()
        .take(3)
        .any(|line| line.contains("@generated"));
    if !generated {
        findings.extend(lengths(file, content, &masked, &tests));
    }
    for (number, line) in (1..).zip(masked.code.lines()) {
        for (what, rule) in NEVER {
            if has_word(line, what) {
                findings.push(Finding::new(file, number, *rule));
            }
        }
        if has_word(line, "sleep(") && tests.iter().any(|test| test.contains(number)) {
            findings.push(Finding::new(
                file,
                number,
                "a test waits for a condition, it does not sleep",
            ));
        }
    }
    for (number, line) in (1..).zip(masked.comments.lines()) {
        if ["TODO", "FIXME", "XXX"]
            .iter()
            .any(|mark| has_word(line, mark))
        {
            findings.push(Finding::new(
                file,
                number,
                "do it, or file an issue; no marks in comments",
            ));
        }
    }
    findings
}

/// The lines of `file` that are tests.
fn tests_of(file: &str, content: &str, masked: &Masked) -> Vec<Span> {
    let folders = ["tests", "benches", "testkit", "complement-tests"];
    let all = file.ends_with("/tests.rs") || file.split('/').any(|part| folders.contains(&part));
    if all {
        return vec![Span {
            first: 1,
            last: content.lines().count(),
        }];
    }
    test_regions(&masked.code)
}

fn lengths(file: &str, content: &str, masked: &Masked, tests: &[Span]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let lines = content.lines().count();
    if lines > MAX_FILE_LINES {
        let rule = format!("{lines} lines in a file; at most {MAX_FILE_LINES}");
        findings.push(Finding::new(file, lines, rule));
    }
    for function in functions(&masked.code) {
        let in_test = tests.iter().any(|test| test.contains(function.first));
        let limit = if in_test {
            MAX_TEST_FUNCTION_LINES
        } else {
            MAX_FUNCTION_LINES
        };
        if function.lines() > limit {
            let rule = format!("{} lines in a function; at most {limit}", function.lines());
            findings.push(Finding::new(file, function.first, rule));
        }
    }
    findings
}

/// Whether `line` has `what`, not as a part of a longer word.
fn has_word(line: &str, what: &str) -> bool {
    line.match_indices(what).any(|(position, _)| {
        let (before, rest) = line.split_at(position);
        let after = rest.strip_prefix(what).unwrap_or("");
        let opens_word = what.starts_with(is_word);
        let closes_word = what.ends_with(is_word);
        !(opens_word && before.ends_with(is_word) || closes_word && after.starts_with(is_word))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(file: &str, content: &str) -> Vec<(usize, String)> {
        check(file, content)
            .into_iter()
            .map(|finding| (finding.line, finding.rule))
            .collect()
    }

    fn function_of(lines: usize) -> String {
        format!("fn long() {{\n{}}}\n", "    work();\n".repeat(lines - 2))
    }

    #[test]
    fn tidy_code_has_no_findings() {
        let good = [
            "//! A file.\nfn f() { g(\"todo!() unsafe #[ignore\"); }\n",
            "//! A file that was told `unsafe` and `todo!()` in a comment.\n",
            "//! Names that only look alike.\nfn unsafely(allow_todo: u8) { let not_sleep = 1; }\n",
            "//! Outside tests it may sleep.\nasync fn f() { sleep(a).await }\n",
            "//! An expectation.\n#[expect(dead_code, reason = \"shown\")]\nfn f() {}\n",
        ];
        for content in good {
            assert_eq!(rules("src/core/src/a.rs", content), [], "{content}");
        }
    }

    #[test]
    fn each_forbidden_thing_is_found_at_its_line() {
        let bad = [
            "fn f() { todo!() }",
            "fn f() { unimplemented!(\"a\") }",
            "unsafe fn f() {}",
            "#[allow(dead_code)] fn f() {}",
            "#![allow(dead_code)]",
            "#[ignore] fn f() {}",
            "#[ignore = \"slow\"] fn f() {}",
            "// TODO: more",
            "/* a FIXME */",
            "#[cfg(test)] mod tests { fn f() { tokio::time::sleep(a) } }",
        ];
        for line in bad {
            let found = rules("src/core/src/a.rs", &format!("//! A file.\n\n{line}\n"));
            assert_eq!(
                found.iter().map(|(line, _)| *line).collect::<Vec<_>>(),
                [3],
                "{line}"
            );
        }
    }

    #[test]
    fn sleep_is_found_in_every_kind_of_test_file() {
        for file in [
            "src/a/src/b/tests.rs",
            "src/a/tests/c.rs",
            "complement-tests/src/lib.rs",
            "src/testkit/src/a.rs",
        ] {
            assert_eq!(
                rules(file, "//! Tests.\nfn f() { sleep(1); }\n").len(),
                1,
                "{file}"
            );
        }
    }

    #[test]
    fn a_file_opens_with_its_purpose() {
        let found = rules("src/a/src/b.rs", "fn f() {}\n");
        assert_eq!(found.first().map(|(line, _)| *line), Some(1));
        assert_eq!(rules("src/a/src/b/tests.rs", "fn f() {}\n"), []);
    }

    #[test]
    fn files_are_at_most_500_lines_unless_generated() {
        let lines = |count: usize, head: &str| format!("{head}\n{}", "use a;\n".repeat(count - 1));
        assert_eq!(rules("a.rs", &lines(500, "//! A file.")), []);
        assert_eq!(rules("a.rs", &lines(501, "//! A file.")).len(), 1);
        assert_eq!(rules("a.rs", &lines(501, "//! @generated by a test.")), []);
    }

    #[test]
    fn functions_are_at_most_100_lines_and_150_in_tests() {
        let plain = |lines| format!("//! A file.\n{}", function_of(lines));
        let test = |lines| {
            format!(
                "//! A file.\n#[cfg(test)]\nmod tests {{\n{}}}\n",
                function_of(lines)
            )
        };
        assert_eq!(rules("a.rs", &plain(100)), []);
        assert_eq!(
            rules("a.rs", &plain(101)).first().map(|(line, _)| *line),
            Some(2)
        );
        assert_eq!(rules("a.rs", &test(150)), []);
        assert_eq!(
            rules("a.rs", &test(151)).first().map(|(line, _)| *line),
            Some(4)
        );
    }
}
