//! What users do at random.

use rand::{RngExt as _, rngs::StdRng};
use serde_json::{Value, json};

use super::any;
use crate::{Answer, Client, client::path};

/// The most rooms that are made.
const MAX_ROOMS: usize = 6;
/// Events that may be related to, redacted or read.
const REMEMBERED: usize = 60;

/// Who acts, and on what.
pub(super) struct Operations {
    clients: Vec<Client>,
    rooms: Vec<String>,
    /// Room and id of events, the newest last.
    events: Vec<(String, String)>,
    /// How many operations were not refused.
    pub(super) accepted: usize,
}

/// What a number decides to be done.
type Plan = (Client, &'static str, String, Value);

impl Operations {
    pub(super) fn new(clients: Vec<Client>) -> Self {
        Self {
            clients,
            rooms: Vec::new(),
            events: Vec::new(),
            accepted: 0,
        }
    }

    /// Does one thing, or three at once; gives what it was.
    pub(super) async fn step(&mut self, random: &mut StdRng) -> String {
        match random.random_range(0..40) {
            0 => return self.race(random).await,
            1..4 => {
                let plans = [(); 3].map(|()| self.plan(random));
                let [a, b, c] = plans.each_ref().map(Self::ask);
                let answers: [_; 3] = tokio::join!(a, b, c).into();
                let told = plans
                    .iter()
                    .zip(&answers)
                    .map(|(plan, answer)| self.note(plan, answer));
                return told.collect::<Vec<_>>().join(" and ");
            }
            _ => {}
        }
        let plan = self.plan(random);
        let answer = Self::ask(&plan).await;
        self.note(&plan, &answer)
    }

    async fn ask(plan: &Plan) -> Answer {
        let (client, method, path, body) = plan;
        client.request(method, path, Some(body.clone())).await
    }

    /// Remembers what was made.
    fn note(&mut self, (client, method, path, body): &Plan, answer: &Answer) -> String {
        let what = format!("{} {method} {path} {body}: {}", client.user_id, answer.text);
        assert!(answer.status < 500, "{what}");
        self.accepted += usize::from(answer.status < 400);
        if let Some(room) = answer.body["room_id"].as_str()
            && !self.rooms.iter().any(|known| known == room)
        {
            self.rooms.push(room.to_owned());
        }
        let room = self
            .rooms
            .iter()
            .find(|room| path.contains(&*crate::client::encoded(room)));
        if let (Some(event), Some(room)) = (answer.body["event_id"].as_str(), room) {
            self.events.push((room.clone(), event.to_owned()));
            if self.events.len() > REMEMBERED {
                self.events.remove(0);
            }
        }
        what
    }

    fn plan(&self, random: &mut StdRng) -> Plan {
        let client = any(random, &self.clients).expect("somebody acts").clone();
        let room = match any(random, &self.rooms) {
            Some(room) if self.rooms.len() >= MAX_ROOMS || random.random_range(0..12) > 0 => room,
            _ => return Self::new_room(client, random),
        };
        let of_room = |(at, _): &&(String, String)| at == room;
        let events: Vec<_> = self
            .events
            .iter()
            .filter(of_room)
            .map(|(_, id)| id)
            .collect();
        let event = any(random, &events).map(|event| event.as_str());
        let other = any(random, &self.clients).expect("somebody is there");
        match random.random_range(0..100) {
            0..30 => Self::message(client, room, event, &other.user_id, random),
            30..38 => Self::redaction(client, room, event),
            38..46 => Self::state(client, room, random),
            46..66 => Self::membership(client, room, &other.user_id, random),
            66..84 => Self::receipt(client, room, event, random),
            84..97 => Self::data(client, room, random),
            _ => {
                let name = json!({ "displayname": format!("name {}", random.random_range(0..9)) });
                let path = path(&["profile", &client.user_id, "displayname"]);
                (client, "PUT", path, name)
            }
        }
    }

    fn new_room(client: Client, random: &mut StdRng) -> Plan {
        let version = ["8", "10", "11", "12"];
        let version = any(random, &version).expect("a version");
        let preset = any(random, &["public_chat", "private_chat"]).expect("a preset");
        let body = json!({ "preset": preset, "room_version": version });
        (client, "POST", path(&["createRoom"]), body)
    }

    fn message(
        client: Client,
        room: &str,
        event: Option<&str>,
        other: &str,
        random: &mut StdRng,
    ) -> Plan {
        let body = format!("message {}", random.random::<u32>());
        let mut content = json!({ "msgtype": "m.text", "body": body });
        let mut kind = "m.room.message";
        let relation = any(
            random,
            &["m.thread", "m.replace", "m.annotation", "", "", ""],
        );
        match (relation.copied(), event) {
            (Some("m.annotation"), Some(event)) => {
                kind = "m.reaction";
                content = json!({ "m.relates_to": {
                    "rel_type": "m.annotation", "event_id": event, "key": body } });
            }
            (Some(rel_type), Some(event)) if !rel_type.is_empty() => {
                content["m.new_content"] = content.clone();
                content["m.relates_to"] = json!({ "rel_type": rel_type, "event_id": event });
            }
            _ => {}
        }
        match random.random_range(0..6) {
            0 => content["m.mentions"] = json!({ "user_ids": [other] }),
            1 => content["m.mentions"] = json!({ "room": true }),
            2 => content["msgtype"] = json!("m.notice"),
            _ => {}
        }
        let path = path(&["rooms", room, "send", kind, &client.transaction()]);
        (client, "PUT", path, content)
    }

    fn redaction(client: Client, room: &str, event: Option<&str>) -> Plan {
        let event = event.unwrap_or("$none");
        let path = path(&["rooms", room, "redact", event, &client.transaction()]);
        (client, "PUT", path, json!({}))
    }

    fn state(client: Client, room: &str, random: &mut StdRng) -> Plan {
        let kind = any(
            random,
            &["m.room.name", "m.room.topic", "org.example.state"],
        );
        let kind = kind.expect("a type");
        let value = format!("value {}", random.random_range(0..5));
        let path = path(&["rooms", room, "state", kind, ""]);
        (
            client,
            "PUT",
            path,
            json!({ "name": value, "topic": value }),
        )
    }

    fn membership(client: Client, room: &str, other: &str, random: &mut StdRng) -> Plan {
        let user = json!({ "user_id": other });
        let action = match random.random_range(0..20) {
            0..8 => return (client, "POST", path(&["join", room]), json!({})),
            8..14 => "invite",
            14..17 => "leave",
            17 => "kick",
            18 => "ban",
            _ => "unban",
        };
        (client, "POST", path(&["rooms", room, action]), user)
    }

    fn receipt(client: Client, room: &str, event: Option<&str>, random: &mut StdRng) -> Plan {
        let kind = any(random, &["m.read", "m.read.private", "m.fully_read"]).expect("a type");
        let thread = match random.random_range(0..4) {
            0 if *kind != "m.fully_read" => json!({ "thread_id": "main" }),
            1 if *kind != "m.fully_read" => json!({ "thread_id": event.unwrap_or("main") }),
            _ => json!({}),
        };
        let event = event.unwrap_or("$none");
        let path = path(&["rooms", room, "receipt", kind, event]);
        (client, "POST", path, thread)
    }

    fn data(client: Client, room: &str, random: &mut StdRng) -> Plan {
        let id = client.user_id.clone();
        let content = json!({ "number": random.random_range(0..9) });
        match random.random_range(0..4) {
            0 => {
                let path = path(&["user", &id, "account_data", "org.example.data"]);
                (client, "PUT", path, content)
            }
            1 => {
                let path = path(&[
                    "user",
                    &id,
                    "rooms",
                    room,
                    "account_data",
                    "org.example.data",
                ]);
                (client, "PUT", path, content)
            }
            2 => {
                let path = path(&["user", &id, "rooms", room, "tags", "u.some"]);
                (client, "PUT", path, json!({ "order": 0.5 }))
            }
            _ => {
                let path = path(&["user", &id, "rooms", room, "tags", "u.some"]);
                (client, "DELETE", path, json!({}))
            }
        }
    }

    /// Two edits and a redaction of one event at once, from two devices of its sender: all who see
    /// it see the same afterwards.
    async fn race(&mut self, random: &mut StdRng) -> String {
        let devices = [0, 1].map(|n| self.clients[n].clone());
        let room = devices[0].create_public_room().await;
        self.clients[2].join(&room).await;
        let event = devices[0].say(&room, "as it was").await;
        let kind = "m.room.message";
        let edit = |text: &str| {
            json!({ "msgtype": "m.text", "body": text,
                "m.new_content": { "msgtype": "m.text", "body": text },
                "m.relates_to": { "rel_type": "m.replace", "event_id": event } })
        };
        let first = devices[0].send(&room, kind, edit("one"));
        let second = devices[1].send(&room, kind, edit("another"));
        if random.random_range(0..2) == 0 {
            let redaction = devices[1].redact(&room, &event);
            tokio::join!(first, second, redaction);
        } else {
            tokio::join!(first, second);
        }
        let mut seen = Vec::new();
        for client in [&devices[0], &devices[1], &self.clients[2]] {
            let told = client.event(&room, &event).await;
            let edit = &told["unsigned"]["m.relations"]["m.replace"]["event_id"];
            seen.push((told["content"].clone(), edit.clone()));
        }
        assert_eq!(seen[0], seen[1], "REL-04: two devices see the same");
        assert_eq!(seen[0], seen[2], "REL-04: two users see the same");
        for client in [&devices[0], &self.clients[2]] {
            client.leave(&room).await;
        }
        format!("edits and a redaction of {event} at once")
    }
}
