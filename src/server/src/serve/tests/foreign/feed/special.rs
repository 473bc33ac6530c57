//! What happens once in a while: soft failures, forgery, gaps, and history.

use heliograph_core::ids::TimelineKey;
use heliograph_rooms::{Outcome, Submission};
use heliograph_tables::{Op, Store, schema::Standing};
use heliograph_testkit::{Deed, Graph};
use ruma_common::{EventId, OwnedEventId};
use serde_json::json;

use super::Feed;

/// A run of events that the fake keeps back, and the first event after them.
pub(super) struct Gap {
    left_out: Vec<OwnedEventId>,
    above: OwnedEventId,
}

impl Feed<'_> {
    /// A user of the fake is banned here, and what they say before the fake hears of it fails
    /// softly; a member who answers has it in their history all the same.
    pub(in super::super) async fn fail_softly(&mut self) {
        self.settle().await;
        let tips = self.fake.tips();
        let ban = format!("rooms/{}/ban", self.room_id);
        let user = json!({ "user_id": "@f3:far.org" });
        self.locals[0].post(&ban, user.clone()).await;
        let said = self.message("@f3:far.org", "banned", tips);
        self.deliver(said.clone()).await;
        assert_eq!(self.verdicts[&said], Standing::SoftFailed);
        let answer = self.message("@f0:far.org", "whom do you mean?", vec![said]);
        self.deliver(answer.clone()).await;
        assert_eq!(self.verdicts[&answer], Standing::Accepted);
        let unban = format!("rooms/{}/unban", self.room_id);
        self.locals[0].post(&unban, user).await;
        self.learn();
        let back = self.fake.join("f3", self.said);
        self.deliver(back).await;
    }

    /// An event with the signature of another is refused; one with another content comes in as
    /// its hash allows, redacted.
    pub(in super::super) async fn forge(&mut self) {
        let tips = self.fake.tips();
        let one = self.message("@f0:far.org", "one", tips.clone());
        let other = self.message("@f0:far.org", "other", tips);
        let version = self.fake.version();
        let forged = self.keys.verify(&self.fake.forged(&one, &other), version);
        assert!(forged.is_err(), "{forged:?}");
        for prev in self.fake.pdu(&other).unwrap().prev_event_ids() {
            if !self.placed(prev) {
                self.deliver(prev.to_owned()).await;
            }
        }
        let tampered = self.keys.verify(&self.fake.tampered(&other), version);
        let taken = self
            .rooms
            .submit(self.room, tampered.unwrap(), Submission::Live);
        assert_eq!(
            taken.await.unwrap(),
            Outcome::Stored(Standing::Accepted),
            "redacted"
        );
        self.verdicts.insert(other, Standing::Accepted);
    }

    /// News after a few events that are left out: the fake gives the state instead.
    pub(in super::super) async fn open_gap(&mut self) {
        self.learn();
        let mut left_out = Vec::new();
        let mut tip = self.fake.tips();
        for n in 0..4 + self.below(6) {
            tip = vec![if n == 2 {
                self.fake.make(Deed {
                    sender: "@f0:far.org",
                    event_type: "m.room.name",
                    state_key: Some(""),
                    content: r#"{"name":"in the gap"}"#,
                    prev: tip,
                    nth: self.said,
                })
            } else {
                self.message("@f1:far.org", "in the gap", tip)
            }];
            left_out.extend(tip.iter().cloned());
        }
        let above = self.message("@f0:far.org", "after the gap", tip);
        let state = self.state_before(&above).await;
        let outcome = self.submit(&above, Submission::LiveAfterGap(state)).await;
        assert_eq!(outcome, Outcome::Stored(Standing::Accepted));
        self.note(above.clone(), Standing::Accepted);
        self.recent = vec![above.clone()];
        self.gap = Some(Gap { left_out, above });
    }

    /// The state before an event, all of which is made to be here.
    async fn state_before(&self, id: &EventId) -> Vec<OwnedEventId> {
        let state: Vec<_> = self.fake.state_before(id).values().cloned().collect();
        self.give_outliers(&state).await;
        state
    }

    /// What was left out comes as history: in two chunks, the newer first.
    pub(in super::super) async fn fill_gap(&mut self) {
        let Some(Gap { left_out, above }) = self.gap.take() else {
            return;
        };
        let (older, newer) = left_out.split_at(left_out.len() / 2);
        self.give_history(newer, self.place(&above)).await;
        self.give_history(older, self.place(&newer[0])).await;
    }

    /// Where an event stands in the timeline.
    fn place(&self, id: &EventId) -> TimelineKey {
        let view = self.database.view(Op::Other);
        let at = self.rooms.at(&view);
        let idx = at.event(self.room, id).unwrap().unwrap();
        let presenter = at.presenter(self.room, None).unwrap();
        presenter.status(idx).unwrap().timeline.unwrap()
    }

    async fn give_history(&mut self, chunk: &[OwnedEventId], below: TimelineKey) {
        let state = self.state_before(&chunk[0]).await;
        let verified = chunk.iter().map(|id| self.fake.verified(id, &self.keys));
        let verified = verified.collect();
        let taken = self.rooms.submit_history(self.room, verified, state, below);
        let outcomes = taken.await.unwrap();
        let came = self.clock.tick();
        for (id, outcome) in chunk.iter().zip(outcomes) {
            assert_eq!(outcome, Outcome::Stored(Standing::Accepted), "history");
            self.note(id.clone(), Standing::Accepted);
            self.history.insert(id.to_string(), came);
        }
        self.chunks.push(chunk.to_vec());
    }

    /// Two events come that stand before the first event here, and whose parents nobody has.
    pub(in super::super) async fn give_what_was_before(&mut self) {
        let tips = self.fake.tips();
        let lost = self.message("@f0:far.org", "lost", tips);
        let old = self.message("@f0:far.org", "old", vec![lost]);
        let newer = self.message("@f1:far.org", "newer", vec![old.clone()]);
        self.give_history(&[old.clone(), newer], self.oldest).await;
        self.oldest = self.place(&old);
    }
}
