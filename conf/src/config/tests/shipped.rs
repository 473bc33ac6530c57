//! The shipped `heliograph.toml` is generated from the comments and defaults of the sections.

use std::collections::BTreeMap;

use toml::{Table, Value};

use super::*;

const SOURCES: [&str; 4] = [
    include_str!("../../sections/network.rs"),
    include_str!("../../sections/data.rs"),
    include_str!("../../sections/access.rs"),
    include_str!("../../sections/users.rs"),
];

const HEADER: &str = "\
# The configuration of Heliograph.
#
# A line that begins with `#` and a letter shows a default, or an example where its comment says so:
# remove the `#` to change it. Any value can also come from the environment variable
# HELIOGRAPH__SECTION__KEY, which goes before this file. Sizes have units (B, KiB, MiB, GiB, kB, MB,
# GB), durations too (ms, s, min, h, d). `heliograph config check` tells what is wrong with a file,
# `heliograph config show` the values in effect.
";

/// A struct of the sources: its comment, and its fields with theirs.
#[derive(Default)]
struct Described {
    comment: Vec<String>,
    fields: BTreeMap<String, Vec<String>>,
}

fn describe() -> BTreeMap<String, Described> {
    let mut structs = BTreeMap::<String, Described>::new();
    let (mut comment, mut current) = (Vec::new(), String::new());
    for line in SOURCES.iter().flat_map(|source| source.lines()) {
        let code = line.trim();
        if let Some(text) = code.strip_prefix("///") {
            comment.push(text.strip_prefix(' ').unwrap_or(text).to_owned());
        } else if let Some(rest) = code.strip_prefix("pub struct ") {
            current = rest.split_whitespace().next().unwrap().to_owned();
            structs.entry(current.clone()).or_default().comment = std::mem::take(&mut comment);
        } else if let Some((name, _)) = code
            .strip_prefix("pub ")
            .and_then(|rest| rest.split_once(": "))
        {
            let fields = &mut structs.get_mut(&current).unwrap().fields;
            fields.insert(name.to_owned(), std::mem::take(&mut comment));
        } else if !code.starts_with("#[") {
            comment.clear();
        }
    }
    structs
}

/// `rate_limits` → `RateLimits`.
fn struct_name(section: &str) -> String {
    section
        .split('_')
        .map(|word| word[..1].to_uppercase() + &word[1..])
        .collect()
}

fn generate() -> String {
    let described = describe();
    let defaults = Table::try_from(Config::default()).unwrap();
    let known = known_keys();
    let mut lines: Vec<String> = HEADER.lines().map(str::to_owned).collect();
    for section in known[0].1 {
        let about = &described[&struct_name(section)];
        lines.push(String::new());
        lines.extend(about.comment.iter().map(|line| format!("# {line}")));
        lines.push(format!("[{section}]"));
        let keys = known.iter().find(|(table, _)| table == section).unwrap().1;
        for key in keys {
            let comment = &about.fields[*key];
            assert!(!comment.is_empty(), "{section}.{key} has no comment");
            let default = defaults[*section].get(key);
            lines.push(String::new());
            lines.extend(entry(section, key, comment, default));
        }
    }
    lines.join("\n") + "\n"
}

fn entry(section: &str, key: &str, comment: &[String], default: Option<&Value>) -> Vec<String> {
    let (examples, comment): (Vec<&String>, Vec<&String>) = comment
        .iter()
        .partition(|line| line.starts_with("Example: "));
    let mut lines: Vec<String> = comment.iter().map(|line| format!("# {line}")).collect();
    match (default, examples.first()) {
        _ if (section, key) == ("server", "name") => {
            lines.push("name = \"example.org\"".to_owned());
        }
        (Some(default), None) => lines.push(format!("#{key} = {default}")),
        (None, Some(example)) => {
            let value = example.trim_start_matches("Example: ").trim_matches('`');
            lines.push("# For example:".to_owned());
            lines.push(format!("#{key} = {value}"));
        }
        _ => panic!("{section}.{key} needs a default or an example, and not both"),
    }
    lines
}

#[test]
fn the_shipped_file_is_what_the_comments_say() {
    let generated = generate();
    if std::env::var_os("HELIOGRAPH_WRITE_CONFIG").is_some() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("heliograph.toml");
        fs::write(path, &generated).unwrap();
        return;
    }
    assert!(
        SHIPPED == generated,
        "heliograph.toml is not what the sections say; to write it anew:\n\
         HELIOGRAPH_WRITE_CONFIG=1 cargo test --release -p heliograph-conf"
    );
}

#[test]
fn the_shipped_file_is_the_defaults() {
    assert_eq!(Case::new(SHIPPED).config(), named());
}

/// The shipped file with the lines that its comments tell to uncomment.
fn uncommented(keep: impl Fn(&str) -> bool) -> String {
    let lines: Vec<&str> = SHIPPED
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(rest) if rest.starts_with(|c: char| c.is_ascii_lowercase()) && keep(rest) => rest,
            _ => line,
        })
        .collect();
    lines.join("\n")
}

#[test]
fn uncommented_defaults_are_the_defaults() {
    let optional = [
        "public_base_url",
        "certificate",
        "key",
        "token",
        "token_file",
    ];
    let optional = optional
        .iter()
        .chain(&["shared_secret", "shared_secret_file", "signing_key"]);
    let optional: Vec<_> = optional
        .chain(&["refresh_token_lifetime", "address", "bcrypt_pepper"])
        .chain(&["page", "admin_matrix_id", "admin_email"])
        .chain(&["max_joined_rooms", "max_pending_invites", "info_uri"])
        .chain(&["security_matrix_id", "security_email"])
        .map(|key| format!("{key} = "))
        .collect();
    let text = uncommented(|line| !optional.iter().any(|key| line.starts_with(key)));
    assert_ne!(text, SHIPPED);
    assert_eq!(Case::new(&text).config(), named());
}

#[test]
fn uncommented_examples_can_be_read() {
    let text = uncommented(|line| !line.contains("_file = "));
    let config = Case::new(&text).config();
    assert_eq!(config.metrics.address.unwrap().port(), 9008);
    assert_eq!(
        config.server.public_base_url.unwrap(),
        "https://matrix.example.org"
    );
}
