//! The policies that whoever registers accepts: `m.login.terms`.
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#terms-of-service-at-registration>

use heliograph_accounts::PolicyVersion;
use serde_json::{Map, Value, json};

use crate::Policy;

/// What clients are told for the stage; nothing without policies.
pub(super) fn params(policies: &[Policy]) -> Map<String, Value> {
    let mut told: Map<String, Value> = Map::new();
    for policy in policies {
        let entry = told
            .entry(policy.id.as_str())
            .or_insert_with(|| json!({ "version": policy.version }));
        if let Some(entry) = entry.as_object_mut() {
            let document = json!({ "name": policy.name, "url": policy.url });
            entry.insert(policy.language.clone(), document);
        }
    }
    if told.is_empty() {
        return told;
    }
    Map::from_iter([("m.login.terms".to_owned(), json!({ "policies": told }))])
}

/// What is accepted by the stage.
pub(super) fn versions(policies: &[Policy]) -> Vec<PolicyVersion> {
    let mut versions: Vec<PolicyVersion> = Vec::new();
    for policy in policies {
        if !versions.iter().any(|known| *known.id == *policy.id) {
            versions.push(PolicyVersion {
                id: policy.id.as_str().into(),
                version: policy.version.as_str().into(),
            });
        }
    }
    versions
}

/// The documents as a list of links, for a page.
pub(super) fn links(policies: &[Policy]) -> String {
    let links = policies.iter().map(|policy| {
        format!(
            "<li><a href=\"{}\" target=\"_blank\" rel=\"noreferrer\">{}</a></li>",
            escaped(&policy.url),
            escaped(&policy.name)
        )
    });
    format!("<ul>{}</ul>", links.collect::<String>())
}

/// A text as it stands in markup.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn languages_of_a_policy_are_told_together_and_markup_is_text() {
        let policy = |language: &str| Policy {
            id: "terms".to_owned(),
            version: "2".to_owned(),
            language: language.to_owned(),
            name: format!("<{language}>"),
            url: "https://x/\"".to_owned(),
        };
        let policies = [policy("en"), policy("fr")];
        let told = Value::Object(params(&policies));
        let told = &told["m.login.terms"]["policies"]["terms"];
        assert_eq!(told["version"], "2", "AUT-31");
        assert_eq!(told["fr"]["name"], "<fr>", "AUT-31");
        assert_eq!(versions(&policies).len(), 1);
        let links = links(&policies);
        assert!(links.contains("https://x/&quot;\""), "{links}");
        assert!(links.contains("&lt;en&gt;"), "{links}");
    }
}
