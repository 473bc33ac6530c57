//! The walk over everything: what each answer must be by the specification's own data.

use std::collections::{BTreeMap, BTreeSet};

use heliograph_complement::{
    Options, TestServer, routes,
    spec::{Schemas, endpoints},
    walk::{Record, walk},
};
use serde_json::Value;

/// A server that lets the walk go everywhere.
pub(crate) async fn server() -> TestServer {
    let options = Options::new()
        .set("support", "page", "\"https://example.org/support\"")
        .set("sessions", "login_tokens", "true")
        .set("registration", "guests", "true");
    TestServer::start(options).await
}

async fn walked() -> Vec<Record> {
    let mut server = server().await;
    let records = walk(server.client()).await;
    assert!(server.is_alive(), "the server ended");
    server.assert_no_panic();
    records
}

/// The path that the schemas know: those of a state event without its key are the same with it.
fn schema_route(route: &str) -> String {
    let keyed = route.ends_with("/state/{eventType}");
    let suffix = if keyed { "/{stateKey}" } else { "" };
    format!("{route}{suffix}")
}

/// An answer without its nulls where they stand for what is not set: the specification leaves it out,
/// but Complement and matrix-nio demand that the keys are there.
fn without_nulls(route: &str, body: &Value) -> Value {
    let mut body = body.clone();
    let with_nulls = ["/joined_members", "/devices", "/devices/{deviceId}"];
    if with_nulls.iter().any(|end| route.ends_with(end)) {
        remove_nulls(&mut body);
    }
    body
}

fn remove_nulls(value: &mut Value) {
    match value {
        Value::Object(object) => {
            object.retain(|_, member| !member.is_null());
            object.values_mut().for_each(remove_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(remove_nulls),
        _ => {}
    }
}

#[tokio::test]
async fn every_answer_keeps_to_the_schemas_and_every_route_is_walked() {
    let records = walked().await;
    let mut schemas = Schemas::new();
    let mut found = Vec::new();
    for Record {
        route,
        case,
        answer,
    } in &records
    {
        // Neither is described: a page, and events in the form that servers exchange.
        let page = answer.header("content-type").starts_with("text/html");
        let broken = if page || *case == "as servers have it" {
            Vec::new()
        } else {
            let body = without_nulls(route, &answer.body);
            schemas.violations(&schema_route(route), answer.status, &body)
        };
        found.extend(
            broken
                .iter()
                .map(|what| format!("{route} ({case}): {} {what}", answer.status)),
        );
        if answer.status >= 500 {
            found.push(format!(
                "{route} ({case}): {} {}",
                answer.status, answer.text
            ));
        }
    }
    assert!(found.is_empty(), "API-02: {}", found.join("\n"));
    assert_all_walked(&records);
}

/// Demands that the walk had an answer that is no error from each route of the client-server API.
fn assert_all_walked(records: &[Record]) {
    let well = records.iter().filter(|record| record.answer.status < 400);
    let well: BTreeSet<&str> = well.map(|record| &*record.route).collect();
    let local: BTreeMap<_, _> = endpoints()
        .into_iter()
        .map(|endpoint| ((endpoint.method, endpoint.path), endpoint.area))
        .collect();
    let missing = routes().into_iter().filter(|route| {
        let name = format!("{} {}", route.method, route.path);
        local.contains_key(&(&*route.method, &*route.path)) && !well.contains(&*name)
    });
    let missing: Vec<_> = missing.map(|route| route.path).collect();
    assert!(missing.is_empty(), "never walked well: {missing:#?}");
    let twice = |records: &[Record]| {
        let mut seen = BTreeSet::new();
        let all = records.iter();
        let again = all.filter(|record| !seen.insert((record.route.clone(), record.case)));
        again
            .map(|record| format!("{} ({})", record.route, record.case))
            .collect::<Vec<_>>()
    };
    let twice = twice(records);
    assert!(twice.is_empty(), "two requests have one name: {twice:#?}");
}
