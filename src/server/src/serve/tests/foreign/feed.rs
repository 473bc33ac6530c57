//! What a fake server feeds into a room, while users of this server go on in it.

mod deeds;
mod special;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use heliograph_core::{
    ids::{Position, RoomNum, TimelineKey},
    pdu::Pdu,
    room_version::RoomVersion,
};
use heliograph_rooms::{Outcome, Rooms, Submission};
use heliograph_storage::Database;
use heliograph_tables::{Op, Store, schema::Standing};
use heliograph_testkit::{FakeServer, Graph, Keys};
use heliograph_work::{RandomSourceExt, SeededRandom};
use ruma_common::{EventId, OwnedEventId, OwnedRoomId};
use serde_json::{Value, json};

use self::special::Gap;
use super::{
    client::{Client, text},
    reader::Clock,
};

/// Feeds one room.
pub(super) struct Feed<'a> {
    pub(super) room_id: OwnedRoomId,
    pub(super) fake: FakeServer,
    /// When each event came that came as history.
    pub(super) history: BTreeMap<String, u64>,
    /// Events that came in together as history.
    pub(super) chunks: Vec<Vec<OwnedEventId>>,
    rooms: Rooms,
    database: Arc<Database>,
    keys: Keys,
    room: RoomNum,
    clock: &'a Clock,
    locals: &'a [Client],
    random: SeededRandom,
    /// Up to where the fake knows what this server has.
    learnt: Position,
    /// What this server said of each event.
    verdicts: HashMap<OwnedEventId, Standing>,
    /// Events that the fake has not sent yet.
    withheld: Vec<OwnedEventId>,
    /// Events that new ones may follow.
    recent: Vec<OwnedEventId>,
    gap: Option<Gap>,
    /// The place of the oldest event here.
    oldest: TimelineKey,
    /// The content of the power levels that the room began with.
    power: Value,
    said: usize,
}

impl<'a> Feed<'a> {
    /// A room of `version` that the first of `locals` has made and the others have joined, and
    /// four users of the fake.
    pub(super) async fn new(
        (rooms, database): (Rooms, Arc<Database>),
        version: &str,
        seed: u64,
        clock: &'a Clock,
        locals: &'a [Client],
    ) -> Self {
        let version = RoomVersion::try_from(version).unwrap();
        let room_id = make_room(version, locals).await;
        let room = {
            let view = database.view(Op::Other);
            rooms.at(&view).find(&room_id).unwrap()
        };
        let fake = FakeServer::new("far.org", room_id.clone(), version);
        let mut feed = Self {
            room_id,
            fake,
            history: BTreeMap::new(),
            chunks: Vec::new(),
            rooms,
            database,
            keys: Keys::of(&["far.org"]),
            room,
            clock,
            locals,
            random: SeededRandom::new(seed),
            learnt: Position(0),
            verdicts: HashMap::new(),
            withheld: Vec::new(),
            recent: Vec::new(),
            gap: None,
            oldest: TimelineKey::FIRST,
            power: Value::Null,
            said: 0,
        };
        feed.learn();
        feed.power = feed.power_now();
        for n in 0..4 {
            let join = feed.fake.join(&format!("f{n}"), n);
            feed.deliver(join).await;
        }
        feed
    }

    fn below(&self, bound: usize) -> usize {
        let bound = u64::try_from(bound).unwrap();
        usize::try_from(self.random.below(bound)).unwrap()
    }

    /// Whether something of so many per cent happens.
    fn chance(&self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// The fake hears of everything that came in live.
    pub(super) fn learn(&mut self) {
        let view = self.database.view(Op::Other);
        let at = self.rooms.at(&view);
        let presenter = at.presenter(self.room, None).unwrap();
        let stretch = (self.learnt, view.position());
        let rows = at.live_events(self.room, stretch);
        let new: Vec<String> = rows
            .map(|row| presenter.federation_event(row.unwrap().1.event).unwrap())
            .collect();
        self.learnt = view.position();
        for json in new.into_iter().rev() {
            let pdu = Pdu::parse(json.as_bytes(), self.fake.version()).unwrap();
            let id = pdu.event_id().to_owned();
            self.fake.learn(pdu);
            self.remember(id);
        }
    }

    /// Notes an event among the few that new ones may follow.
    fn remember(&mut self, id: OwnedEventId) {
        self.recent.retain(|known| *known != id);
        self.recent.push(id);
        let surplus = self.recent.len().saturating_sub(8);
        self.recent.drain(..surplus);
    }

    /// One round: the fake makes events and sends some of what it has, in any order; between them,
    /// users of this server say something.
    pub(super) async fn round(&mut self) {
        if self.chance(80) {
            self.learn();
        }
        let count = if self.chance(12) {
            8 + self.below(12)
        } else {
            self.below(6)
        };
        for _ in 0..count {
            let id = self.anything();
            self.withheld.push(id);
        }
        let mut now = Vec::new();
        for id in std::mem::take(&mut self.withheld) {
            if self.chance(25) {
                self.withheld.push(id);
            } else {
                now.insert(self.below(now.len() + 1), id);
            }
        }
        for id in now {
            if self.chance(20) {
                self.say_something().await;
            }
            self.deliver(id.clone()).await;
            if self.chance(15) {
                self.deliver(id).await;
            }
        }
        self.say_something().await;
    }

    /// What the fake still has comes.
    pub(super) async fn settle(&mut self) {
        for id in std::mem::take(&mut self.withheld) {
            self.deliver(id).await;
        }
        self.learn();
    }

    /// Whether an event has its place in the graph here.
    fn placed(&self, id: &EventId) -> bool {
        self.database_knows(id)
            .is_some_and(|standing| !standing.is_outlier())
    }

    /// What this server thinks of an event that it has.
    fn database_knows(&self, id: &EventId) -> Option<Standing> {
        let view = self.database.view(Op::Other);
        let at = self.rooms.at(&view);
        let idx = at.event(self.room, id).unwrap()?;
        let presenter = at.presenter(self.room, None).unwrap();
        Some(presenter.status(idx).unwrap().standing)
    }

    async fn submit(&self, id: &EventId, submission: Submission) -> Outcome {
        let pdu = self.fake.verified(id, &self.keys);
        let taken = self.rooms.submit(self.room, pdu, submission);
        taken.await.unwrap()
    }

    /// Sends an event; what it lacks is fetched from the fake and sent before it.
    async fn deliver(&mut self, id: OwnedEventId) {
        if self.chance(10) && !self.placed(&id) {
            self.give_outliers(std::slice::from_ref(&id)).await;
        }
        let mut todo = vec![id];
        while let Some(id) = todo.pop() {
            match self.submit(&id, Submission::Live).await {
                Outcome::Stored(standing) => self.note(id, standing),
                Outcome::Known(standing) => {
                    if let Some(known) = self.verdicts.get(&id) {
                        assert_eq!(standing, *known, "a second time");
                    }
                }
                Outcome::NeedsEvents { auth, prev } => {
                    assert!(!auth.is_empty() || !prev.is_empty());
                    let limit = 1 + self.below(10);
                    let latest = [id.clone()];
                    let missing = self.fake.missing(&latest, |id| self.placed(id), limit);
                    if missing.is_empty() || self.chance(30) {
                        self.give_outliers(&auth).await;
                    }
                    todo.push(id);
                    todo.extend(missing.into_iter().rev());
                }
            }
        }
    }

    /// Notes a verdict, which must fit that of the fake: rejection follows from the graph alone.
    fn note(&mut self, id: OwnedEventId, standing: Standing) {
        let rejected = self.fake.standing(&id).is_rejected();
        assert_eq!(standing.is_rejected(), rejected, "verdict on {id}");
        self.verdicts.insert(id, standing);
    }

    /// Gives events that are not here, and what allows them, as outliers.
    async fn give_outliers(&self, ids: &[OwnedEventId]) {
        let here = |id: &EventId| self.database_knows(id).is_some();
        for id in self.fake.auth_chain(ids, here) {
            let outcome = self.submit(&id, Submission::Outlier).await;
            assert!(matches!(outcome, Outcome::Stored(_)), "{outcome:?}");
        }
    }

    /// A user of this server says something, or changes something.
    async fn say_something(&mut self) {
        self.said += 1;
        let who = &self.locals[self.below(self.locals.len())];
        let (room, n) = (&self.room_id, self.said);
        if self.chance(85) {
            let path = format!("rooms/{room}/send/m.room.message/t{n}");
            let body = json!({ "msgtype": "m.text", "body": format!("{n}") });
            who.put(&path, body).await;
        } else {
            let path = format!("rooms/{room}/state/m.room.topic");
            self.locals[0].put(&path, json!({ "topic": n })).await;
        }
    }

    /// The last event that a user of this server says; gives its id.
    pub(super) async fn say_last(&mut self) -> String {
        self.said += 1;
        let path = format!("rooms/{}/send/m.room.message/t{}", self.room_id, self.said);
        let body = json!({ "msgtype": "m.text", "body": "last" });
        text(&self.locals[1].put(&path, body).await["event_id"])
    }

    /// Asserts what must hold of an order that was read by `/messages`: nothing is in it that did
    /// not pass, nothing that did is lacking, and parents stand before children.
    pub(super) fn assert_order(&self, order: &[String]) {
        let at: HashMap<&str, usize> = order
            .iter()
            .enumerate()
            .map(|(n, id)| (id.as_str(), n))
            .collect();
        for (id, standing) in &self.verdicts {
            let shown = at.contains_key(id.as_str());
            assert_eq!(shown, *standing == Standing::Accepted, "{id}: {standing:?}");
        }
        let live = |id: &str| !self.history.contains_key(id);
        let together = |one: &EventId, other: &EventId| {
            let has = |chunk: &&Vec<OwnedEventId>, id: &EventId| chunk.iter().any(|i| i == id);
            self.chunks.iter().any(|c| has(&c, one) && has(&c, other))
        };
        let mut edges = 0;
        for (child, n) in &at {
            let id = OwnedEventId::try_from(*child).unwrap();
            for parent in self.fake.pdu(&id).unwrap().prev_event_ids() {
                let Some(before) = at.get(parent.as_str()) else {
                    continue;
                };
                if (live(child) && live(parent.as_str())) || together(&id, parent) {
                    assert!(before < n, "{parent} stands after its child {child}");
                    edges += 1;
                }
            }
        }
        assert!(edges >= order.len() / 2, "{edges} edges");
    }

    /// How many events were judged so, for a look at what the feed does.
    pub(super) fn kinds(&self) -> BTreeSet<String> {
        let kinds = self.verdicts.values().map(|kind| format!("{kind:?}"));
        kinds.collect()
    }
}

/// The first user makes a public room in which two users of the fake have power; the others join.
async fn make_room(version: RoomVersion, locals: &[Client]) -> OwnedRoomId {
    let mut users = json!({ "@f0:far.org": 100, "@f1:far.org": 50 });
    let rules = &version.rules().authorization;
    if !rules.explicitly_privilege_room_creators {
        users[&locals[0].user_id] = json!(100);
    }
    let body = json!({
        "room_version": version.as_str(),
        "preset": "public_chat",
        "name": "a room",
        "topic": "anything",
        "power_level_content_override": { "users": users },
    });
    let room_id = text(&locals[0].post("createRoom", body).await["room_id"]);
    for local in &locals[1..] {
        local.post(&format!("join/{room_id}"), json!({})).await;
    }
    OwnedRoomId::try_from(room_id).unwrap()
}
