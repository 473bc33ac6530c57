//! The table of endpoints beside what the server serves.

use std::collections::BTreeMap;

use heliograph_complement::{filled, spec::endpoints};
use serde_json::json;

use crate::walk;

#[tokio::test]
async fn every_local_endpoint_of_the_table_is_known_with_its_methods_only() {
    let server = walk::server().await;
    let alice = server.user("alice").await;
    let mut methods: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut local = 0;
    for endpoint in endpoints() {
        methods
            .entry(endpoint.path)
            .or_default()
            .push(endpoint.method);
        local += usize::from(endpoint.area == "local");
    }
    assert_eq!(local, 94, "the table of endpoints");
    let mut wrong = Vec::new();
    for endpoint in endpoints()
        .into_iter()
        .filter(|endpoint| endpoint.area == "local")
    {
        // `/logout` and the like end the session that asks: they are asked without one.
        let ends = endpoint.path.contains("logout");
        let client = if ends { server.client() } else { alice.clone() };
        let at = filled(endpoint.path, |_| "test".to_owned());
        let answer = client.request(endpoint.method, &at, Some(json!({}))).await;
        let unknown = answer.body["errcode"] == "M_UNRECOGNIZED" || answer.status == 405;
        if unknown && !answer.text.contains("M_BAD_JSON") {
            wrong.push(format!(
                "{} {} is not known: {}",
                endpoint.method, endpoint.path, answer.text
            ));
        }
        for method in ["GET", "PUT", "POST", "DELETE", "PATCH"] {
            if methods[endpoint.path].contains(&method) {
                continue;
            }
            let answer = client.request(method, &at, Some(json!({}))).await;
            let refused = answer.status == 405 && answer.body["errcode"] == "M_UNRECOGNIZED";
            if !refused && !served_besides(method, endpoint.path) {
                wrong.push(format!(
                    "{method} {}: {} {}",
                    endpoint.path, answer.status, answer.text
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "API-06: {}", wrong.join("\n"));
}

/// Methods that a path has besides those of the specification.
fn served_besides(method: &str, path: &str) -> bool {
    // The form of a fall-back page is posted to its own path.
    method == "POST" && path == "/_matrix/client/v3/auth/{authType}/fallback/web"
}
