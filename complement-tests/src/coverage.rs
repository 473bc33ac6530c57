//! Which behaviours of the checklist the tests assert over HTTP.
//!
//! A behaviour counts when a text in the source of a test names its id: assertions begin with it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use crate::spec::chapters;

/// Behaviours of chapters that one server alone can show, and why no test asserts them.
const EXCUSED: &str = include_str!("../spec/excused.tsv");

/// The chapters of what one server does alone; those built in part have the rest excused.
const LOCAL: [&str; 13] = [
    "API standards and transport",
    "Discovery and versions",
    "Registration, login, tokens",
    "Capabilities",
    "Filters and sync",
    "Sending and reading events",
    "Relations, threads",
    "Rooms: creation and membership",
    "Aliases and directory",
    "Profiles",
    "Presence, typing, receipts, markers",
    "Account data, tags, ignoring, invites",
    "Push",
];
const ALSO_LOCAL: [&str; 4] = [
    "Search, history, previews, guests",
    "Spaces, upgrades, notices, moderation",
    "Room versions",
    "Appendices",
];

/// What the tests assert.
#[derive(Debug)]
pub struct Coverage {
    asserted: BTreeSet<String>,
    excused: BTreeMap<&'static str, &'static str>,
}

/// A chapter of the checklist, and how much of it is asserted.
#[derive(Debug)]
pub struct ChapterCoverage {
    /// The heading.
    pub title: &'static str,
    /// Whether one server alone can show it.
    pub local: bool,
    /// How many behaviours it has.
    pub behaviours: usize,
    /// The ids that are asserted.
    pub asserted: Vec<&'static str>,
    /// The ids that are not, with the reason.
    pub excused: Vec<(&'static str, &'static str)>,
    /// The ids that are not, without one.
    pub missing: Vec<&'static str>,
}

impl Coverage {
    /// Reads the sources of the tests.
    pub fn read() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut asserted = BTreeSet::new();
        for folder in ["tests", "src", "clients"] {
            read_folder(&root.join(folder), &mut asserted);
        }
        let lines = EXCUSED.lines().filter_map(|line| line.split_once('\t'));
        Self {
            asserted,
            excused: lines.collect(),
        }
    }

    /// The chapters, in the order of the checklist.
    pub fn chapters(&self) -> Vec<ChapterCoverage> {
        let all = chapters().into_iter();
        all.map(|chapter| {
            let mut coverage = ChapterCoverage {
                title: chapter.title,
                local: LOCAL.contains(&chapter.title) || ALSO_LOCAL.contains(&chapter.title),
                behaviours: chapter.behaviours.len(),
                asserted: Vec::new(),
                excused: Vec::new(),
                missing: Vec::new(),
            };
            for (id, _) in chapter.behaviours {
                if self.asserted.contains(id) {
                    coverage.asserted.push(id);
                } else if let Some(why) = self.excused.get(id) {
                    coverage.excused.push((id, why));
                } else {
                    coverage.missing.push(id);
                }
            }
            coverage
        })
        .collect()
    }

    /// Excuses that are none: the behaviour is asserted, or is not in the checklist.
    pub fn needless_excuses(&self) -> Vec<&'static str> {
        let known: BTreeSet<_> = chapters()
            .into_iter()
            .flat_map(|chapter| chapter.behaviours)
            .map(|(id, _)| id)
            .collect();
        let all = self.excused.keys().copied();
        all.filter(|id| self.asserted.contains(*id) || !known.contains(id))
            .collect()
    }
}

fn read_folder(folder: &Path, asserted: &mut BTreeSet<String>) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries {
        let path = entry.expect("an entry of a folder").path();
        if path.is_dir() {
            read_folder(&path, asserted);
            continue;
        }
        let is_source = |extension: &_| ["rs", "py", "mjs"].iter().any(|known| extension == known);
        if path
            .extension()
            .is_some_and(|extension| is_source(&extension))
        {
            let text = fs::read_to_string(&path).expect("a source is text");
            asserted.extend(ids_in_texts(&text));
        }
    }
}

/// The ids in the texts of a source: what stands between quotation marks of one line.
fn ids_in_texts(source: &str) -> Vec<String> {
    let mut ids = Vec::new();
    for line in source.lines() {
        let line = line.trim_start();
        if line.starts_with("//") || line.starts_with('#') {
            continue;
        }
        for (n, part) in line.split(['"', '\'', '`']).enumerate() {
            // A text that goes on from the line before may name ids at its end only.
            if n > 0 || line.ends_with('\\') {
                ids.extend(ids_in(part));
            }
        }
    }
    ids
}

/// Words like `SYN-01` in a text.
fn ids_in(text: &str) -> Vec<String> {
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || letter == '-';
    let words = text.split(|letter: char| !is_part(letter));
    let ids = words.filter(|word| {
        let (area, number) = word.split_once('-').unwrap_or_default();
        area.len() == 3
            && number.len() == 2
            && area.starts_with(|letter: char| letter.is_ascii_uppercase())
            && area
                .chars()
                .all(|letter| letter.is_ascii_uppercase() || letter.is_ascii_digit())
            && number.chars().all(|digit| digit.is_ascii_digit())
    });
    ids.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_those_that_assertions_name() {
        let id = |area: &str| format!("{area}-01");
        let source = format!(
            "// \"{}\"\nlet x = \"{}: y\";\n{}\nok(\"{}, {}\")",
            id("AAA"),
            id("BBB"),
            id("CCC"),
            id("D2D"),
            id("EEE")
        );
        let found: Vec<_> = ids_in_texts(&source);
        assert_eq!(found, [id("BBB"), id("D2D"), id("EEE")]);
    }
}
