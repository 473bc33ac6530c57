//! A room of which every event is known: what trees resolve to must be what whole states do.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use heliograph_core::{
    auth::check_state_dependent,
    builder::EventBuilder,
    ids::{EventIdx, NodeNum, RoomNum, StateKeyNum, TypeNum, UserNum},
    json::{Numbers, parse},
    pdu::Pdu,
    resolution::{Sources, StateMap, resolve},
    room_version::RoomVersion,
    signing::Ed25519Signer,
};
use heliograph_tables::{
    Batch, Op, Store, View,
    mem::MemStore,
    schema::{EventStatus, Standing, StateRoot},
};
use ruma_common::{EventId, OwnedEventId, OwnedRoomId, OwnedUserId};
use ruma_state_res::{Event, auth_types_for_event, utils::event_id_set::EventIdSet};

use crate::state::{
    EventSource, MemberEntry, NodeWriter, StateChange, StateError, StateKey, States,
    resolve::{KeyName, membership_of, name_of},
};

pub(super) const ROOM: RoomNum = RoomNum(3);

/// Numbers for names, in the order in which they come up.
#[derive(Default)]
struct Names(Vec<String>);

impl Names {
    fn find(&self, name: &str) -> Option<u32> {
        self.0
            .iter()
            .position(|known| known == name)
            .map(|at| u32::try_from(at).unwrap())
    }

    fn number(&mut self, name: &str) -> u32 {
        self.find(name).unwrap_or_else(|| {
            self.0.push(name.to_owned());
            u32::try_from(self.0.len() - 1).unwrap()
        })
    }
}

/// A room of which every event is known, with the state after each, whole and as a root.
pub(super) struct Room {
    pub(super) version: RoomVersion,
    pub(super) signer: Ed25519Signer,
    pub(super) store: MemStore,
    pub(super) states: States,
    pub(super) next_node: NodeNum,
    pub(super) events: Vec<Arc<Pdu>>,
    status: Vec<EventStatus>,
    cited_by: Vec<Vec<EventIdx>>,
    ids: HashMap<OwnedEventId, EventIdx>,
    pub(super) after: Vec<(StateMap, StateRoot)>,
    users: Names,
    types: Names,
    keys: Names,
    /// How many times states were resolved that differed in something.
    pub(super) conflicts: usize,
}

pub(super) fn at(event: EventIdx) -> usize {
    usize::try_from(event.0).unwrap()
}

impl EventSource for Room {
    fn pdu(&self, event: EventIdx) -> Result<Arc<Pdu>, StateError> {
        self.events
            .get(at(event))
            .cloned()
            .ok_or(StateError::MissingEvent(event))
    }

    fn status(&self, event: EventIdx) -> Result<EventStatus, StateError> {
        self.status
            .get(at(event))
            .cloned()
            .ok_or(StateError::MissingEvent(event))
    }

    fn idx_of(&self, id: &EventId) -> Result<Option<EventIdx>, StateError> {
        Ok(self.ids.get(id).copied())
    }

    fn cited_by(
        &self,
        event: EventIdx,
        from: EventIdx,
        limit: usize,
    ) -> Result<Vec<EventIdx>, StateError> {
        let citing = self.cited_by[at(event)].iter().copied();
        Ok(citing
            .filter(|citing| *citing >= from)
            .take(limit)
            .collect())
    }

    fn state_key(&self, event_type: &str, key: &str) -> Result<Option<StateKey>, StateError> {
        if event_type == "m.room.member" {
            return Ok(self
                .users
                .find(key)
                .map(|user| StateKey::Member(UserNum(user))));
        }
        let found = self.types.find(event_type).zip(self.keys.find(key));
        Ok(found.map(|(kind, key)| StateKey::Other(TypeNum(kind), StateKeyNum(key))))
    }
}

impl Room {
    pub(super) fn new(version: RoomVersion) -> Self {
        let mut room = Self {
            version,
            signer: Ed25519Signer::from_seed("x.org", "1", &[7; 32]),
            store: MemStore::new(),
            states: States::new(64),
            next_node: NodeNum(0),
            events: Vec::new(),
            status: Vec::new(),
            cited_by: Vec::new(),
            ids: HashMap::new(),
            after: Vec::new(),
            users: Names::default(),
            types: Names::default(),
            keys: Names::default(),
            conflicts: 0,
        };
        let creator = format!(
            r#"{{"creator":"@a:x.org","room_version":"{}"}}"#,
            version.as_str()
        );
        let mut tip = room
            .send(&[], "@a:x.org", ("m.room.create", ""), &creator, 0)
            .unwrap();
        let privileged = version
            .rules()
            .authorization
            .explicitly_privilege_room_creators;
        let levels = if privileged {
            r#"{"users":{"@b:x.org":50}}"#
        } else {
            r#"{"users":{"@a:x.org":100,"@b:x.org":50}}"#
        };
        for (sender, key, content) in [
            (
                "@a:x.org",
                ("m.room.member", "@a:x.org"),
                r#"{"membership":"join"}"#,
            ),
            ("@a:x.org", ("m.room.power_levels", ""), levels),
            (
                "@a:x.org",
                ("m.room.join_rules", ""),
                r#"{"join_rule":"public"}"#,
            ),
            (
                "@b:x.org",
                ("m.room.member", "@b:x.org"),
                r#"{"membership":"join"}"#,
            ),
            (
                "@c:x.org",
                ("m.room.member", "@c:x.org"),
                r#"{"membership":"join"}"#,
            ),
        ] {
            tip = room.send(&[tip], sender, key, content, 1).unwrap();
        }
        room
    }

    fn key(&mut self, event_type: &str, key: &str) -> StateKey {
        if event_type == "m.room.member" {
            return StateKey::Member(UserNum(self.users.number(key)));
        }
        let kind = TypeNum(self.types.number(event_type));
        StateKey::Other(kind, StateKeyNum(self.keys.number(key)))
    }

    /// A state of the trees, whole.
    fn read(&self, root: StateRoot) -> StateMap {
        let view = self.store.view(Op::ReadState);
        let members = self.states.members(&view, ROOM, root).unwrap().into_iter();
        let others = self.states.others(&view, ROOM, root).unwrap().into_iter();
        let events = members
            .map(|(_, member)| member.event)
            .chain(others.map(|(_, event)| event));
        let map: StateMap = events
            .map(|event| {
                let pdu = &self.events[at(event)];
                (name_of(pdu), pdu.event_id().to_owned())
            })
            .collect();
        map
    }

    /// The state before an event with these parents, by trees; it must be what whole states say.
    pub(super) fn state_before(&mut self, parents: &[EventIdx]) -> (StateMap, StateRoot) {
        let (maps, roots): (Vec<_>, Vec<_>) = parents
            .iter()
            .map(|parent| self.after[at(*parent)].clone())
            .unzip();
        if let [only] = parents {
            return self.after[at(*only)].clone();
        }
        let mut nodes = NodeWriter::new(ROOM, self.next_node);
        let view = self.store.view(Op::Foreign);
        let root = self
            .states
            .resolve(&view, &mut nodes, self.version, self, &roots)
            .unwrap();
        let again = self
            .states
            .resolve(&view, &mut nodes, self.version, self, &roots)
            .unwrap();
        self.publish(&nodes);
        let whole = self.resolve_whole(&maps);
        assert_eq!(self.read(root), whole, "version {}", self.version.as_str());
        assert_eq!(self.read(again), whole, "from the cache of results");
        for (user, member) in self
            .states
            .members(&view_of(&self.store), ROOM, root)
            .unwrap()
        {
            let pdu = &self.events[at(member.event)];
            assert_eq!(
                pdu.state_key(),
                Some(self.users.0[at(EventIdx(user.0))].as_str())
            );
            assert_eq!(member.membership, membership_of(pdu));
        }
        if maps.iter().any(|map| *map != maps[0]) {
            self.conflicts += 1;
        }
        (whole, root)
    }

    pub(super) fn publish(&mut self, nodes: &NodeWriter) {
        let mut batch = Batch::new(Op::State);
        nodes.write(&mut batch);
        self.next_node = nodes.next_node();
        self.store
            .submit(self.store.try_reserve().unwrap(), batch)
            .unwrap();
    }

    /// The events that can be reached from some, these included.
    fn chain(&self, from: impl IntoIterator<Item = EventIdx>) -> HashSet<EventIdx> {
        let mut reached = HashSet::new();
        let mut left: Vec<_> = from.into_iter().collect();
        while let Some(event) = left.pop() {
            if reached.insert(event) {
                left.extend(&self.status[at(event)].auth_events);
            }
        }
        reached
    }

    fn set_of(&self, events: impl IntoIterator<Item = EventIdx>) -> EventIdSet<OwnedEventId> {
        events
            .into_iter()
            .map(|event| self.events[at(event)].event_id().to_owned())
            .collect()
    }

    fn resolve_whole(&self, maps: &[StateMap]) -> StateMap {
        let idx = |id: &OwnedEventId| self.ids[id];
        let chains = maps
            .iter()
            .map(|map| self.set_of(self.chain(map.values().map(idx))))
            .collect();
        let subgraph = |conflicted: &HashMap<KeyName, Vec<OwnedEventId>>| {
            let conflicted: HashSet<_> = conflicted.values().flatten().map(idx).collect();
            let below = self.chain(conflicted.iter().copied());
            let leads = |event: &EventIdx| {
                self.chain([*event])
                    .iter()
                    .any(|reached| conflicted.contains(reached))
            };
            Some(self.set_of(below.into_iter().filter(leads)))
        };
        let fetch = |id: &EventId| {
            self.ids
                .get(id)
                .map(|event| Arc::clone(&self.events[at(*event)]))
        };
        resolve(self.version, maps, chains, Sources { fetch, subgraph }).unwrap()
    }

    /// Sends a state event where these events are the newest; `None` if the state forbids it.
    pub(super) fn send(
        &mut self,
        parents: &[EventIdx],
        sender: &str,
        (event_type, state_key): (&str, &str),
        content: &str,
        ts: u64,
    ) -> Option<EventIdx> {
        let (map, root) = match parents {
            [] => (StateMap::new(), StateRoot::EMPTY),
            _ => self.state_before(parents),
        };
        let pdu = self.build(parents, &map, sender, (event_type, state_key), content, ts);
        let fetch = |kind: &str, key: &str| {
            let id = map.get(&(kind.into(), key.to_owned()))?;
            Some(Arc::clone(&self.events[at(self.ids[id])]))
        };
        let allowed = check_state_dependent(self.version, &pdu, fetch).is_ok();
        if !allowed || self.ids.contains_key(pdu.event_id()) {
            return None;
        }
        Some(self.add(pdu, map, root))
    }

    fn build(
        &self,
        parents: &[EventIdx],
        map: &StateMap,
        sender: &str,
        (event_type, state_key): (&str, &str),
        content: &str,
        ts: u64,
    ) -> Pdu {
        let rules = &self.version.rules().authorization;
        let room_id = match self.events.first() {
            Some(create) => Pdu::room_id(create).map(ToOwned::to_owned),
            None if rules.room_create_event_id_as_room_id => None,
            None => Some(OwnedRoomId::try_from("!r:x.org").unwrap()),
        };
        let mut builder = EventBuilder {
            room_id,
            sender: OwnedUserId::try_from(sender).unwrap(),
            event_type: event_type.to_owned(),
            state_key: Some(state_key.to_owned()),
            content: parse(content.as_bytes(), Numbers::Strict).unwrap(),
            redacts: None,
            prev_events: parents
                .iter()
                .map(|p| self.events[at(*p)].event_id().to_owned())
                .collect(),
            auth_events: vec![],
            depth: parents
                .iter()
                .map(|p| self.events[at(*p)].depth() + 1)
                .max()
                .unwrap_or(1),
            origin_server_ts: ts,
        };
        let draft = builder.build(self.version, &self.signer).unwrap();
        let (kind, content) = (draft.event_type(), Event::content(&draft));
        let keys = auth_types_for_event(kind, draft.sender(), draft.state_key(), content, rules);
        builder.auth_events = keys
            .unwrap()
            .iter()
            .filter_map(|key| map.get(key))
            .cloned()
            .collect();
        builder.build(self.version, &self.signer).unwrap()
    }

    fn add(&mut self, pdu: Pdu, mut map: StateMap, root: StateRoot) -> EventIdx {
        let event = EventIdx(u32::try_from(self.events.len()).unwrap());
        let auth_events: Vec<_> = pdu.auth_event_ids().map(|id| self.ids[id]).collect();
        for cited in &auth_events {
            self.cited_by[at(*cited)].push(event);
        }
        let highest = auth_events
            .iter()
            .map(|cited| self.status[at(*cited)].auth_gen + 1)
            .max();
        let key = self.key(pdu.type_str(), pdu.state_key().unwrap());
        let change = match key {
            StateKey::Member(user) => {
                let membership = membership_of(&pdu);
                StateChange::Member(user, Some(MemberEntry { event, membership }))
            }
            StateKey::Other(kind, key) => StateChange::Other(kind, key, Some(event)),
        };
        let mut nodes = NodeWriter::new(ROOM, self.next_node);
        let after = self
            .states
            .apply(&view_of(&self.store), &mut nodes, root, &[change])
            .unwrap();
        self.publish(&nodes);
        self.status.push(EventStatus {
            standing: Standing::Accepted,
            state_before: root,
            state_after: Some(after),
            timeline: None,
            position: None,
            redacted_by: None,
            replaces: None,
            auth_gen: highest.unwrap_or(0),
            auth_events,
        });
        self.cited_by.push(Vec::new());
        self.ids.insert(pdu.event_id().to_owned(), event);
        map.insert(name_of(&pdu), pdu.event_id().to_owned());
        self.after.push((map, after));
        self.events.push(Arc::new(pdu));
        event
    }
}

/// The newest view.
pub(super) fn view_of(store: &MemStore) -> View {
    store.view(Op::Other)
}
