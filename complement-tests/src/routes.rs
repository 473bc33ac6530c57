//! What the server says that it serves.

use std::process::Command;

use crate::{binary, client::encoded};

/// One line of the server's route table.
#[derive(Clone, Debug)]
pub struct Route {
    /// The method.
    pub method: String,
    /// The path, with its parameters as `{roomId}`.
    pub path: String,
    /// Who may call.
    pub auth: String,
    /// Whether guests may call it too.
    pub for_guests: bool,
}

/// The server's route table.
///
/// # Panics
/// When the program does not tell it.
pub fn routes() -> Vec<Route> {
    let output = Command::new(binary()).arg("routes").output().unwrap();
    assert!(output.status.success(), "heliograph routes");
    let text = String::from_utf8(output.stdout).unwrap();
    let routes = text.lines().map(|line| {
        let mut columns = line.split('\t').map(str::to_owned);
        let mut next = || {
            columns
                .next()
                .expect("method, path, authentication, guests")
        };
        Route {
            method: next(),
            path: next(),
            auth: next(),
            for_guests: next() == "guests",
        }
    });
    routes.collect()
}

impl Route {
    /// Whether a request has a body.
    pub fn takes_a_body(&self) -> bool {
        self.method == "POST" || self.method == "PUT"
    }

    /// The path with its parameters filled in by `fill`, percent-encoded.
    pub fn filled(&self, fill: impl Fn(&str) -> String) -> String {
        filled(&self.path, fill)
    }
}

/// A path with its `{parameters}` filled in by `fill`, percent-encoded.
pub fn filled(template: &str, fill: impl Fn(&str) -> String) -> String {
    let segments = template.split('/').skip(1);
    let filled = segments.map(|segment| {
        let name = segment.strip_prefix('{');
        let name = name.and_then(|rest| rest.strip_suffix('}'));
        let segment = name.map_or_else(|| segment.to_owned(), |name| encoded(&fill(name)));
        format!("/{segment}")
    });
    filled.collect()
}
