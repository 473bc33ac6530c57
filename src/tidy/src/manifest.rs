//! The rules for `Cargo.toml` and `Cargo.lock`, read line by line.

use crate::Finding;

/// Packages that must not be in the build at all, and why.
const NEVER: &[(&str, &str)] = &[
    (
        "ruma-client-api",
        "it is the slowest unit of ruma; request types are our own",
    ),
    ("aws-lc-sys", "minutes of C; TLS is rustls with ring"),
    ("openssl-sys", "TLS is rustls with ring"),
];

/// Checks `content`, the manifest at `file`.
pub(crate) fn check(file: &str, content: &str) -> Vec<Finding> {
    let is_member = content.lines().any(|line| line.trim() == "[package]");
    let mut lines = content
        .lines()
        .map(str::trim)
        .skip_while(|line| *line != "[lints]")
        .skip(1);
    if is_member && lines.next() != Some("workspace = true") {
        return vec![Finding::new(
            file,
            1,
            "a member says `[lints]`, `workspace = true`",
        )];
    }
    Vec::new()
}

/// Checks `content`, the lock file at `file`.
pub(crate) fn check_lock(file: &str, content: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, line) in (1..).zip(content.lines()) {
        for (package, reason) in NEVER {
            if line == format!("name = \"{package}\"") {
                findings.push(Finding::new(
                    file,
                    number,
                    format!("{package} is not used: {reason}"),
                ));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_take_the_lints_of_the_workspace() {
        let good = [
            "[package]\nname = \"a\"\n\n[lints]\nworkspace = true\n",
            "[workspace]\nmembers = []\n",
        ];
        for content in good {
            assert_eq!(check("Cargo.toml", content), [], "{content}");
        }
        for content in [
            "[package]\nname = \"a\"\n",
            "[package]\n[lints]\nrust = {}\n",
            "[package]\n[lints]\n",
        ] {
            assert_eq!(check("a/Cargo.toml", content).len(), 1, "{content}");
        }
    }

    #[test]
    fn packages_that_we_do_without_are_found() {
        let lock =
            "[[package]]\nname = \"ruma-common\"\n\n[[package]]\nname = \"ruma-client-api\"\n";
        let found = check_lock("Cargo.lock", lock);
        assert_eq!(
            found.iter().map(|finding| finding.line).collect::<Vec<_>>(),
            [5]
        );
    }
}
