//! The specification as tables: endpoints, behaviours, and the schemas of answers and events.
//!
//! `complement-tests/spec/README.md` says where they come from.

use std::collections::{BTreeMap, BTreeSet};

use jsonschema::Validator;
use serde_json::{Value, json};

const ENDPOINTS: &str = include_str!("../spec/endpoints.tsv");
const FEATURES: &str = include_str!("../spec/features.md");
const SCHEMAS: &str = include_str!("../spec/schemas.json");

/// A line of the table of endpoints.
#[derive(Clone, Copy, Debug)]
pub struct Endpoint {
    /// The HTTP method.
    pub method: &'static str,
    /// The path, with its parameters as `{roomId}`.
    pub path: &'static str,
    /// `none`, `access-token` or `optional-access-token`.
    pub auth: &'static str,
    /// With what it is built: `local` and others.
    pub area: &'static str,
}

/// Every endpoint that a homeserver serves.
pub fn endpoints() -> Vec<Endpoint> {
    let lines = ENDPOINTS.lines().skip(1);
    let all = lines.map(|line| line.split('\t').collect::<Vec<_>>());
    all.filter(|line| line[1] == "serves")
        .map(|line| Endpoint {
            method: line[2],
            path: line[3],
            auth: line[5],
            area: line[11],
        })
        .collect()
}

/// A chapter of the checklist, and the ids of its behaviours.
#[derive(Clone, Debug)]
pub struct Chapter {
    /// The heading.
    pub title: &'static str,
    /// Id and text of each behaviour, in order.
    pub behaviours: Vec<(&'static str, &'static str)>,
}

/// The checklist of behaviours.
pub fn chapters() -> Vec<Chapter> {
    let mut chapters: Vec<Chapter> = Vec::new();
    for line in FEATURES.lines() {
        if let Some(title) = line.strip_prefix("## ") {
            chapters.push(Chapter {
                title,
                behaviours: Vec::new(),
            });
        } else if let Some((id, text)) = line
            .strip_prefix("- [ ] ")
            .and_then(|rest| rest.split_once(' '))
        {
            let chapter = chapters
                .last_mut()
                .expect("a behaviour stands in a chapter");
            chapter.behaviours.push((id, text));
        }
    }
    chapters
}

/// The schemas of answers and of the contents of events, each compiled when it is first needed.
#[derive(Debug)]
pub struct Schemas {
    all: Value,
    compiled: BTreeMap<String, Option<Validator>>,
}

impl Default for Schemas {
    fn default() -> Self {
        Self::new()
    }
}

impl Schemas {
    /// The specification's.
    pub fn new() -> Self {
        Self {
            all: serde_json::from_str(SCHEMAS).expect("the schemas are JSON"),
            compiled: BTreeMap::new(),
        }
    }

    /// What an answer violates; `route` is `METHOD /path/{parameter}`.
    ///
    /// An error that the specification does not list for the endpoint is held to its form of errors.
    pub fn violations(&mut self, route: &str, status: u16, body: &Value) -> Vec<String> {
        // Wherever interactive authentication asks with 401, a missing token is 401, too.
        if status == 401 && body.get("flows").is_none() {
            return unlisted_error(body);
        }
        let key = format!("{route} {status}");
        let mut found = match self.violations_of("responses", &key, None, body) {
            Some(found) => found,
            None if status >= 400 => unlisted_error(body),
            None => vec![format!("{status} is no answer of {route}")],
        };
        self.event_violations(body, &mut found);
        found
    }

    /// Holds the content of every event in a value to the schema of its type.
    fn event_violations(&mut self, value: &Value, found: &mut Vec<String>) {
        if let Some(items) = value.as_array() {
            for item in items {
                self.event_violations(item, found);
            }
        }
        let Some(object) = value.as_object() else {
            return;
        };
        if let (Some(kind), Some(content)) = (value["type"].as_str(), object.get("content")) {
            let emptied = value["unsigned"]["redacted_because"].is_object();
            if !emptied && content != &json!({}) {
                let broken = self.violations_of("events", kind, Some("content"), content);
                found.extend(broken.unwrap_or_default());
            }
        }
        for inner in object.values() {
            self.event_violations(inner, found);
        }
    }

    /// What a value violates of a schema or of one of its properties; `None` if there is none.
    fn violations_of(
        &mut self,
        area: &str,
        key: &str,
        property: Option<&str>,
        value: &Value,
    ) -> Option<Vec<String>> {
        let name = format!("{area} {key}");
        if !self.compiled.contains_key(&name) {
            let compiled = self.compile(area, key, property);
            self.compiled.insert(name.clone(), compiled);
        }
        let validator = self.compiled[&name].as_ref()?;
        let errors = validator.iter_errors(value);
        let named = errors.map(|error| format!("{key}: {}: {error}", error.instance_path()));
        Some(named.collect())
    }

    fn compile(&self, area: &str, key: &str, property: Option<&str>) -> Option<Validator> {
        let mut schema = self.all[area].get(key)?;
        if let Some(property) = property {
            schema = schema["properties"].get(property)?;
        }
        let whole = json!({ "$defs": self.all["$defs"], "allOf": [schema] });
        Some(jsonschema::validator_for(&whole).expect("a schema"))
    }
}

/// What an error lacks of the form that all have.
fn unlisted_error(body: &Value) -> Vec<String> {
    let keys = ["errcode", "error"].into_iter();
    keys.filter(|key| !body[*key].is_string())
        .map(|key| format!("API-02: {key} is missing"))
        .collect()
}

/// The shape of a value: the paths of all keys in it, with `[]` for lists, and with the sigil alone
/// for keys that are identifiers.
pub fn shape(value: &Value) -> BTreeSet<String> {
    let mut paths = BTreeSet::new();
    add_shape(value, "", &mut paths);
    paths
}

fn add_shape(value: &Value, path: &str, paths: &mut BTreeSet<String>) {
    match value {
        Value::Array(items) => {
            for item in items {
                add_shape(item, &format!("{path}[]"), paths);
            }
        }
        Value::Object(object) => {
            for (key, inner) in object {
                let name = match key.chars().next() {
                    Some(sigil) if "!@$#".contains(sigil) => sigil.to_string(),
                    _ => key.clone(),
                };
                let path = format!("{path}/{name}");
                add_shape(inner, &path, paths);
                paths.insert(path);
            }
        }
        _ => {}
    }
}
