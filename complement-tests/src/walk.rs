//! One walk over every endpoint of the client-server API that one server can answer alone: each asked
//! well and badly, always in the same order, against any homeserver.
//!
//! Whoever walks gets every answer with the route it belongs to. The walk itself demands nothing but
//! what it needs to go on; what an answer must be is for those who read the records.
//!
//! The server must let everybody register, also guests, give login and refresh tokens, and count
//! nothing against rate limits.

use serde_json::{Value, json};

use crate::{Answer, Client, client::encoded};

mod accounts;
mod directory;
mod events;
mod own_data;
mod push_rules;
mod reading;
mod rooms;
mod sessions;
mod syncing;

/// An answer, and what was asked.
#[derive(Clone, Debug)]
pub struct Record {
    /// `METHOD /path/{parameter}`, as the table of endpoints has it.
    pub route: String,
    /// What is special about this request; no two of one route are alike.
    pub case: &'static str,
    /// The answer.
    pub answer: Answer,
}

/// A walk under way.
struct Walk {
    nobody: Client,
    records: Vec<Record>,
}

/// Those who take part in the whole walk.
struct Cast {
    alice: Client,
    bob: Client,
    /// Shares no room with the others.
    stranger: Client,
}

/// Walks over everything with clients of the server that `nobody` speaks to.
pub async fn walk(nobody: Client) -> Vec<Record> {
    let mut walk = Walk {
        nobody,
        records: Vec::new(),
    };
    accounts::register(&mut walk).await;
    let cast = Cast {
        alice: walk.user("alice").await,
        bob: walk.user("bob").await,
        stranger: walk.user("stranger").await,
    };
    own_data::profiles(&mut walk, &cast).await;
    own_data::account_data(&mut walk, &cast).await;
    own_data::tags_and_filters(&mut walk, &cast).await;
    own_data::presence(&mut walk, &cast).await;
    push_rules::push_rules(&mut walk, &cast).await;
    rooms::create(&mut walk, &cast).await;
    rooms::come_and_go(&mut walk, &cast).await;
    rooms::knock_and_upgrade(&mut walk, &cast).await;
    events::send(&mut walk, &cast).await;
    events::state(&mut walk, &cast).await;
    events::ephemeral(&mut walk, &cast).await;
    reading::read(&mut walk, &cast).await;
    reading::relations(&mut walk, &cast).await;
    directory::aliases(&mut walk, &cast).await;
    directory::published(&mut walk, &cast).await;
    directory::spaces(&mut walk, &cast).await;
    syncing::syncs(&mut walk, &cast).await;
    syncing::old_syncs(&mut walk, &cast).await;
    sessions::devices(&mut walk).await;
    sessions::tokens(&mut walk).await;
    sessions::endings(&mut walk).await;
    accounts::discovery(&mut walk, &cast).await;
    walk.records
}

impl Walk {
    /// Asks. `template` is a path below `/_matrix/client/v3/` or a whole one, with a query if there
    /// is one; each `{parameter}` in it is filled with the next of `fill`, percent-encoded.
    async fn step(
        &mut self,
        case: &'static str,
        who: &Client,
        (method, template): (&str, &str),
        fill: &[&str],
        body: Option<Value>,
    ) -> Answer {
        let whole = match template.strip_prefix('/') {
            Some(_) => template.to_owned(),
            None => format!("/_matrix/client/v3/{template}"),
        };
        let path = filled(&whole, fill);
        let answer = who.request(method, &path, body).await;
        let route = whole.split('?').next().unwrap_or_default();
        self.records.push(Record {
            route: format!("{method} {route}"),
            case,
            answer: answer.clone(),
        });
        answer
    }

    async fn get(&mut self, case: &'static str, who: &Client, at: &str, fill: &[&str]) -> Answer {
        self.step(case, who, ("GET", at), fill, None).await
    }

    async fn delete(
        &mut self,
        case: &'static str,
        who: &Client,
        at: &str,
        fill: &[&str],
    ) -> Answer {
        self.step(case, who, ("DELETE", at), fill, None).await
    }

    async fn put(
        &mut self,
        case: &'static str,
        who: &Client,
        at: &str,
        fill: &[&str],
        body: Value,
    ) -> Answer {
        self.step(case, who, ("PUT", at), fill, Some(body)).await
    }

    async fn post(
        &mut self,
        case: &'static str,
        who: &Client,
        at: &str,
        fill: &[&str],
        body: Value,
    ) -> Answer {
        self.step(case, who, ("POST", at), fill, Some(body)).await
    }

    /// Asks for a room, which must work, and gives its id.
    async fn room(&mut self, case: &'static str, who: &Client, mut body: Value) -> String {
        // The same version on every server.
        if body.get("room_version").is_none() {
            body["room_version"] = json!("11");
        }
        let answer = self.post(case, who, "createRoom", &[], body).await;
        text(&answer, "room_id")
    }

    /// A user of the walk's own, made unrecorded.
    async fn user(&self, localpart: &str) -> Client {
        self.nobody.register(localpart).await
    }
}

/// A path with its parameters filled in.
fn filled(template: &str, fill: &[&str]) -> String {
    let mut fill = fill.iter();
    let mut path = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        let (_, behind) = after.split_once('}').expect("a parameter ends");
        path.push_str(before);
        path.push_str(&encoded(fill.next().expect("a value for each parameter")));
        rest = behind;
    }
    assert!(fill.next().is_none(), "{template} takes fewer values");
    path + rest
}

/// A text in an answer that must have it.
fn text(answer: &Answer, key: &str) -> String {
    let value = answer.body[key].as_str();
    value
        .unwrap_or_else(|| panic!("{key} in {}", answer.text))
        .to_owned()
}
