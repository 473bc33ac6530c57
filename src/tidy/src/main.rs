//! The rules of this repository that no lint covers, checked by `make lint`: how long a file and a
//! function may be, which crate may use which, and what must not be written in code or in text.
//!
//! It must never know what the server does: it reads files, and the answer of `cargo metadata`.
//!
//! Entry point: `cargo run --release -p heliograph-tidy`, somewhere inside the repository. Each
//! finding is one line with file, line and rule; the exit code is 1 when there is one.

mod layering;
mod lexer;
mod manifest;
mod rust;
mod text;

use std::{
    fmt, fs,
    io::{self, Write},
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

/// One breach of a rule.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    /// Relative to the root of the repository.
    pub(crate) file: String,
    /// Counted from 1.
    pub(crate) line: usize,
    pub(crate) rule: String,
}

impl Finding {
    pub(crate) fn new(file: &str, line: usize, rule: impl Into<String>) -> Self {
        Self {
            file: file.to_owned(),
            line,
            rule: rule.into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.rule)
    }
}

fn main() -> ExitCode {
    match check() {
        Ok((files, findings)) => report(files, &findings),
        Err(error) => say(
            &mut io::stderr(),
            &format!("tidy: {error}"),
            ExitCode::from(2),
        ),
    }
}

fn report(files: usize, findings: &[Finding]) -> ExitCode {
    let mut lines: Vec<String> = findings.iter().map(ToString::to_string).collect();
    lines.push(format!("tidy: {files} files, {} findings", findings.len()));
    let code = if findings.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    };
    say(&mut io::stdout(), &lines.join("\n"), code)
}

/// Writes `text` and gives `code`, or failure where nothing can be written.
fn say(to: &mut impl Write, text: &str, code: ExitCode) -> ExitCode {
    if writeln!(to, "{text}").is_ok() {
        code
    } else {
        ExitCode::FAILURE
    }
}

fn check() -> io::Result<(usize, Vec<Finding>)> {
    let root =
        PathBuf::from(stdout_of("git", &["rev-parse", "--show-toplevel"], Path::new("."))?.trim());
    // Files that are new and not ignored count too, so that a breach shows before it is committed.
    let listing = stdout_of(
        "git",
        &[
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ],
        &root,
    )?;
    let mut findings = Vec::new();
    let mut files = 0;
    for file in listing.split_terminator('\0') {
        // A file that was removed and is still in git's index has nothing to check.
        let Ok(bytes) = fs::read(root.join(file)) else {
            continue;
        };
        let Ok(content) = String::from_utf8(bytes) else {
            continue;
        };
        files += 1;
        findings.extend(text::check(file, &content));
        let path = Path::new(file);
        if path.extension().is_some_and(|extension| extension == "rs") {
            findings.extend(rust::check(file, &content));
        } else if path.ends_with("Cargo.toml") {
            findings.extend(manifest::check(file, &content));
        } else if path.ends_with("Cargo.lock") {
            findings.extend(manifest::check_lock(file, &content));
        }
    }
    let metadata = stdout_of(
        "cargo",
        &["metadata", "--no-deps", "--format-version", "1"],
        &root,
    )?;
    findings.extend(layering::check(&metadata, &root)?);
    findings.sort();
    Ok((files, findings))
}

fn stdout_of(program: &str, arguments: &[&str], folder: &Path) -> io::Result<String> {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .output()?;
    if !output.status.success() {
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(io::Error::other(format!(
            "{program} {}: {complaint}",
            arguments.join(" ")
        )));
    }
    String::from_utf8(output.stdout).map_err(io::Error::other)
}
