//! Which crate may use which: the order of dependence that `ARCHITECTURE.md` explains.

use std::{collections::BTreeMap, io, path::Path};

use serde::Deserialize;

use crate::Finding;

/// Our crates, without their `heliograph-`, and those of ours that each may use. A crate that is not
/// here is a finding: its place is decided when it is made.
const ALLOWED: &[(&str, &[&str])] = &[
    ("core", &[]),
    ("work", &[]),
    ("conf", &[]),
    ("tidy", &[]),
    ("tables", &["core"]),
    ("storage", &["core", "work", "tables"]),
    ("http", &["core", "work"]),
    ("accounts", &["core", "work", "tables"]),
    ("rooms", &["core", "work", "tables", "accounts"]),
    ("push", &["core", "tables", "accounts", "rooms"]),
    (
        "sync",
        &["core", "work", "tables", "accounts", "rooms", "push"],
    ),
    (
        "client-api",
        &[
            "core", "work", "tables", "accounts", "rooms", "sync", "http",
        ],
    ),
    (
        "federation",
        &[
            "core", "work", "tables", "accounts", "rooms", "sync", "http",
        ],
    ),
    (
        "server",
        &[
            "core",
            "work",
            "conf",
            "tables",
            "storage",
            "http",
            "accounts",
            "rooms",
            "push",
            "sync",
            "client-api",
            "federation",
        ],
    ),
    ("testkit", &["core", "work", "tables", "storage"]),
    ("complement", &[]),
    ("bench", &["complement"]),
    ("bench-peers", &["storage", "complement"]),
    (
        "loader",
        &["core", "work", "tables", "storage", "accounts", "rooms"],
    ),
    // Never `storage`: codecs and parsers compile without RocksDB.
    ("fuzz", &["core", "tables", "rooms", "push", "sync"]),
];

/// What the tests of any crate may use besides.
const ALLOWED_IN_TESTS: &[&str] = &["testkit"];

/// Packages of others that only some of our crates may use.
const RESERVED: &[(&str, &[&str])] = &[("rocksdb", &["storage"]), ("librocksdb-sys", &["storage"])];

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    manifest_path: String,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    /// Nothing for what the crate itself uses, else `dev` or `build`.
    kind: Option<String>,
}

/// Checks what `cargo metadata --no-deps` printed for the workspace at `root`.
pub(crate) fn check(metadata: &str, root: &Path) -> io::Result<Vec<Finding>> {
    let metadata: Metadata = serde_json::from_str(metadata).map_err(io::Error::other)?;
    let table: BTreeMap<&str, &[&str]> = ALLOWED.iter().copied().collect();
    let mut findings = Vec::new();
    for package in &metadata.packages {
        let path = Path::new(&package.manifest_path);
        let file = path.strip_prefix(root).unwrap_or(path).to_string_lossy();
        let Some(allowed) = table.get(short(&package.name)) else {
            let rule = format!("{} has no place in the layers; see `tidy`", package.name);
            findings.push(Finding::new(&file, 1, rule));
            continue;
        };
        for dependency in &package.dependencies {
            if let Some(rule) = breach(&package.name, allowed, dependency) {
                findings.push(Finding::new(&file, 1, rule));
            }
        }
    }
    Ok(findings)
}

fn breach(package: &str, allowed: &[&str], dependency: &Dependency) -> Option<String> {
    let name = short(&dependency.name);
    let in_tests = dependency.kind.as_deref() == Some("dev");
    let ours = dependency.name.starts_with("heliograph");
    let fine = if ours {
        allowed.contains(&name) || (in_tests && ALLOWED_IN_TESTS.contains(&name))
    } else {
        RESERVED
            .iter()
            .all(|(reserved, users)| *reserved != name || users.contains(&short(package)))
    };
    (!fine).then(|| format!("{package} must not use {}", dependency.name))
}

/// The name that the tables above use. The binary's package is `heliograph` alone.
fn short(package: &str) -> &str {
    if package == "heliograph" {
        "server"
    } else {
        package.strip_prefix("heliograph-").unwrap_or(package)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(package: &str, dependency: &str, kind: &str) -> Vec<String> {
        let metadata = format!(
            r#"{{"packages": [{{"name": "{package}", "manifest_path": "/checkout/a/Cargo.toml",
                "dependencies": [{{"name": "{dependency}", "kind": {kind}}}]}}]}}"#
        );
        let found = check(&metadata, Path::new("/checkout")).unwrap();
        assert!(found.iter().all(|finding| finding.file == "a/Cargo.toml"));
        found.into_iter().map(|finding| finding.rule).collect()
    }

    #[test]
    fn dependence_goes_one_way() {
        let good = [
            ("heliograph-rooms", "heliograph-accounts", "null"),
            ("heliograph-storage", "rocksdb", "null"),
            ("heliograph", "heliograph-conf", "null"),
            ("heliograph-core", "heliograph-testkit", "\"dev\""),
            ("heliograph-core", "serde", "null"),
        ];
        for (package, dependency, kind) in good {
            assert_eq!(
                rules(package, dependency, kind),
                [""; 0],
                "{package} {dependency}"
            );
        }
        let bad = [
            ("heliograph-accounts", "heliograph-rooms", "null"),
            ("heliograph-accounts", "heliograph-rooms", "\"dev\""),
            ("heliograph-rooms", "heliograph-storage", "null"),
            ("heliograph-http", "heliograph-conf", "null"),
            ("heliograph-core", "heliograph-testkit", "null"),
            ("heliograph-tables", "rocksdb", "null"),
        ];
        for (package, dependency, kind) in bad {
            assert_eq!(
                rules(package, dependency, kind),
                [format!("{package} must not use {dependency}")]
            );
        }
    }

    #[test]
    fn a_new_crate_needs_a_place() {
        assert_eq!(rules("heliograph-new", "serde", "null").len(), 1);
    }

    #[test]
    fn no_two_crates_of_the_table_use_each_other() {
        let mut settled: Vec<&str> = Vec::new();
        for (name, allowed) in ALLOWED {
            assert!(
                allowed.iter().all(|used| settled.contains(used)),
                "{name} stands before what it uses"
            );
            settled.push(name);
        }
    }
}
