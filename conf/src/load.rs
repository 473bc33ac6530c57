//! Reading the file and the environment, and remembering where each value came from.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use serde::Deserialize as _;
use toml::{
    Table, Value,
    de::{DeTable, DeValue},
};

use crate::{ConfError, Config, ENV_PREFIX, Place, Secret, config::known_keys};

/// Where values were set.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    path: PathBuf,
    /// Key with section → line of the file.
    lines: BTreeMap<String, usize>,
    /// Key with section → variable.
    variables: BTreeMap<String, String>,
}

/// Reads both sources into a configuration that is not checked yet.
pub(crate) fn read(
    path: Option<&Path>,
    env: impl IntoIterator<Item = (String, String)>,
) -> Result<(Config, Sources), ConfError> {
    let mut sources = Sources::default();
    let mut values = match path {
        Some(path) => sources.read_file(path)?,
        None => Table::new(),
    };
    for (variable, value) in env {
        let Some(key) = variable.strip_prefix(ENV_PREFIX) else {
            continue;
        };
        let key = key.to_lowercase().replace("__", ".");
        sources.variables.insert(key.clone(), variable);
        let Some((section, name)) = key.split_once('.') else {
            let message = format!("is no key; write {ENV_PREFIX}SECTION__KEY");
            return Err(sources.invalid(&key, message));
        };
        let table = values.entry(section).or_insert_with(|| Table::new().into());
        let Some(table) = table.as_table_mut() else {
            return Err(sources.invalid(section, "is a section, not a value".to_owned()));
        };
        table.insert(name.to_owned(), typed(section, name, value));
    }
    let config = sources.deserialize(values)?;
    Ok((config, sources))
}

/// The value of a variable: its text where the key takes a text, else what it is in TOML.
fn typed(section: &str, name: &str, text: String) -> Value {
    let fits = |value: &Value| {
        let inner = Table::from_iter([(name.to_owned(), value.clone())]);
        let outer = Table::from_iter([(section.to_owned(), Value::Table(inner))]);
        Config::deserialize(outer).is_ok()
    };
    let parsed = format!("value = {text}").parse::<Table>().ok();
    let parsed = parsed.and_then(|mut table| table.remove("value"));
    let text = Value::String(text);
    match parsed {
        Some(value) if !fits(&text) => value,
        _ => text,
    }
}

impl Sources {
    fn read_file(&mut self, path: &Path) -> Result<Table, ConfError> {
        path.clone_into(&mut self.path);
        let text = fs::read_to_string(path).map_err(|source| ConfError::Unreadable {
            path: path.to_owned(),
            source,
        })?;
        let syntax = |error: &toml::de::Error| {
            let line = line_of(&text, error.span().map_or(0, |span| span.start));
            let place = Place::File {
                path: path.to_owned(),
                line,
            };
            ConfError::Syntax {
                place,
                message: error.message().to_owned(),
            }
        };
        let tree = DeTable::parse(&text).map_err(|error| syntax(&error))?;
        collect_lines(tree.get_ref(), "", &text, &mut self.lines);
        text.parse::<Table>().map_err(|error| syntax(&error))
    }

    fn deserialize(&self, values: Table) -> Result<Config, ConfError> {
        let mut ignored = Vec::new();
        let mut track = serde_path_to_error::Track::new();
        let tracked = serde_path_to_error::Deserializer::new(values, &mut track);
        let read = serde_ignored::deserialize(tracked, |path| ignored.push(path.to_string()));
        let config = read.map_err(|error: toml::de::Error| {
            // serde_path_to_error writes indices as [0], everything else here as .0.
            let key = track.path().to_string().replace('[', ".").replace(']', "");
            self.invalid(&key, error.message().to_owned())
        })?;
        match ignored.first() {
            Some(key) => Err(self.unknown(&key.replace(".?", ""))),
            None => Ok(config),
        }
    }

    /// Where a key was set, or what it is in, or what is in it.
    fn place(&self, key: &str) -> Place {
        let inner = format!("{key}.");
        let mut key = key;
        loop {
            if let Some(variable) = self.variables.get(key) {
                return Place::Env {
                    variable: variable.clone(),
                };
            }
            if let Some(line) = self.lines.get(key) {
                return Place::File {
                    path: self.path.clone(),
                    line: *line,
                };
            }
            match key.rsplit_once('.') {
                Some((parent, _)) => key = parent,
                None => break,
            }
        }
        // A section that only a variable names.
        let variable = self
            .variables
            .iter()
            .find(|(name, _)| name.starts_with(&inner));
        variable.map_or(Place::Nowhere, |(_, variable)| Place::Env {
            variable: variable.clone(),
        })
    }

    pub(crate) fn invalid(&self, key: &str, message: String) -> ConfError {
        ConfError::Invalid {
            place: self.place(key),
            key: key.to_owned(),
            message,
        }
    }

    fn unknown(&self, key: &str) -> ConfError {
        ConfError::UnknownKey {
            place: self.place(key),
            key: key.to_owned(),
            nearest: nearest(key),
        }
    }

    /// Reads the first line of `file` into `secret`.
    pub(crate) fn fill_secret(
        &self,
        key: &str,
        secret: &mut Option<Secret>,
        file: Option<&Path>,
    ) -> Result<(), ConfError> {
        let Some(path) = file else { return Ok(()) };
        let file_key = format!("{key}_file");
        if secret.is_some() {
            return Err(self.invalid(&file_key, format!("`{key}` is set too; keep one of them")));
        }
        let text = fs::read_to_string(path).map_err(|source| ConfError::UnreadableSecret {
            place: self.place(&file_key),
            key: file_key.clone(),
            path: path.to_owned(),
            source,
        })?;
        let line = text.lines().next().unwrap_or_default().trim();
        if line.is_empty() {
            return Err(self.invalid(&file_key, format!("{} is empty", path.display())));
        }
        *secret = Some(Secret::new(line.to_owned()));
        Ok(())
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    text.bytes()
        .take(offset)
        .filter(|byte| *byte == b'\n')
        .count()
        + 1
}

fn collect_lines(
    table: &DeTable<'_>,
    parent: &str,
    text: &str,
    lines: &mut BTreeMap<String, usize>,
) {
    for (name, value) in table {
        let key = join(parent, name.get_ref());
        lines.insert(key.clone(), line_of(text, name.span().start));
        match value.get_ref() {
            DeValue::Table(inner) => collect_lines(inner, &key, text, lines),
            DeValue::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    let key = join(&key, &index.to_string());
                    lines.insert(key.clone(), line_of(text, item.span().start));
                    if let DeValue::Table(inner) = item.get_ref() {
                        collect_lines(inner, &key, text, lines);
                    }
                }
            }
            _ => {}
        }
    }
}

fn join(parent: &str, name: &str) -> String {
    if parent.is_empty() {
        name.to_owned()
    } else {
        format!("{parent}.{name}")
    }
}

/// The key that exists and looks most like `key`: in the same section, else of the same name in
/// another, else in any.
fn nearest(key: &str) -> Option<String> {
    let (section, name) = key.rsplit_once('.').unwrap_or(("", key));
    let section: Vec<&str> = section
        .split('.')
        .filter(|part| part.parse::<u32>().is_err())
        .collect();
    let section = section.join(".");
    let tables = known_keys();
    let all = || {
        tables
            .iter()
            .flat_map(|(table, keys)| keys.iter().map(move |key| (*table, *key)))
    };
    let close = |candidate: &str, wanted: &str| {
        let distance = strsim::damerau_levenshtein(candidate, wanted);
        (distance <= (wanted.chars().count() / 3).max(1)).then_some(distance)
    };
    let here = all()
        .filter(|(table, _)| *table == section)
        .filter_map(|(table, key)| Some((close(key, name)?, join(table, key))))
        .min();
    let elsewhere = || {
        all()
            .filter_map(|(table, key)| Some((close(key, name)?, join(table, key))))
            .min()
    };
    // A section's own name may be what is wrong.
    let section_meant = || {
        let (_, sections) = tables.first()?;
        let best = sections
            .iter()
            .filter_map(|name| Some((close(name, &section)?, *name)))
            .min()?;
        let has = all().any(|(table, key)| table == best.1 && key == name);
        has.then(|| (best.0, join(best.1, name)))
    };
    here.or_else(section_meant)
        .or_else(elsewhere)
        .map(|(_, key)| key)
}
