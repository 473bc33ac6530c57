//! Reading what relates to an event: `/relations`, and filters by relation.
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#relationships-api>

use std::{collections::HashSet, iter::Peekable};

use heliograph_core::ids::{EventIdx, TimelineKey};
use heliograph_tables::{
    Direction,
    schema::{RELATED, RELATIONS, Relation, RelationKind},
};

use crate::{
    Page, PageRequest, RoomError, after,
    history::MAX_ROWS_READ,
    serving::{Presenter, SharedEvent},
};

/// How many levels of relations are followed from one event.
pub const MAX_RECURSION_DEPTH: u32 = 3;

/// Relations that one recursive request looks at, at most.
const MAX_RECURSIVE_ROWS: usize = 5000;

/// What `/relations` is asked for.
#[derive(Clone, Copy, Debug)]
pub struct RelationsRequest<'r> {
    /// The event to which others relate.
    pub target: EventIdx,
    /// Only relations of this `rel_type`.
    pub rel_type: Option<&'r str>,
    /// Only events of this type.
    pub event_type: Option<&'r str>,
    /// Whether what relates to those events is wanted too, and so on.
    pub recurse: bool,
    /// Which stretch of the timeline.
    pub page: PageRequest,
}

impl RelationsRequest<'_> {
    fn wants(&self, relation: &Relation) -> bool {
        self.rel_type
            .is_none_or(|wanted| *wanted == *relation.rel_type)
            && self
                .event_type
                .is_none_or(|wanted| *wanted == *relation.event_type)
    }

    /// The places that it asks for: from the first up to, without, the second.
    fn bounds(&self) -> (TimelineKey, TimelineKey) {
        let page = &self.page;
        match page.direction {
            Direction::Backward => (page.to.unwrap_or(TimelineKey::MIN), page.from),
            Direction::Forward => (page.from, page.to.unwrap_or(TimelineKey::MAX)),
        }
    }
}

/// What a filter demands of the events that relate to one.
#[derive(Clone, Copy, Debug)]
pub struct RelatedBy<'r> {
    /// There is one with one of these types of relation.
    pub rel_types: Option<&'r [String]>,
    /// There is one by one of these senders.
    pub senders: Option<&'r [String]>,
}

/// A relation with its place.
type Row = Result<(TimelineKey, Relation), RoomError>;
/// Relations of one kind, in the order asked for.
type Rows<'v> = Peekable<Box<dyn Iterator<Item = Row> + 'v>>;

impl Presenter<'_> {
    /// A page of the events that relate to one, of those that the reader may see.
    ///
    /// With `recurse`, relations are followed whether they are wanted or not: what is wanted is
    /// said of the events that are answered.
    pub fn relations_page(&self, request: &RelationsRequest<'_>) -> Result<Page, RoomError> {
        let status = self.visible(request.target)?;
        let hash = self.target_hash(&*self.shared(request.target, &status)?)?;
        if request.recurse {
            let rows = self.all_relations(request, hash)?;
            return self.relations_of(request, rows.into_iter().map(Ok));
        }
        let (low, high) = request.bounds();
        if low >= high {
            return Ok(Page::default());
        }
        let kinds = request.rel_type.map(RelationKind::of);
        let kinds = kinds.map_or_else(|| RelationKind::ALL.to_vec(), |kind| vec![kind]);
        let direction = request.page.direction;
        let streams = kinds
            .into_iter()
            .map(|kind| self.rows_of(hash, kind, (low, high), direction))
            .collect();
        self.relations_of(request, Merged { streams, direction })
    }

    /// The first rows that the request wants and the reader may see, up to its limit.
    fn relations_of(
        &self,
        request: &RelationsRequest<'_>,
        rows: impl Iterator<Item = Row>,
    ) -> Result<Page, RoomError> {
        let mut page = Page::default();
        for (read, row) in rows.enumerate() {
            let (place, relation) = row?;
            if page.events.len() == request.page.limit || read == MAX_ROWS_READ {
                page.end = Some(match request.page.direction {
                    Direction::Backward => after(place),
                    Direction::Forward => place,
                });
                break;
            }
            if request.wants(&relation)
                && !self.ignored()?.contains(&relation.sender)
                && self.shows(relation.event)?
            {
                page.events.push(relation.event);
            }
        }
        Ok(page)
    }

    fn rows_of(
        &self,
        hash: [u8; 32],
        kind: RelationKind,
        (low, high): (TimelineKey, TimelineKey),
        direction: Direction,
    ) -> Rows<'_> {
        let key = |place| (self.room(), hash, kind, place);
        let rows = self
            .view()
            .range(&RELATIONS, &key(low), &key(high), direction);
        let rows = rows.map(|row| {
            let ((.., place), relation) = row?;
            Ok((place, relation))
        });
        let rows: Box<dyn Iterator<Item = Row>> = Box::new(rows);
        rows.peekable()
    }

    /// Relations of relations within the bounds of a request, in its order. Each event is looked
    /// at once, so that a circle ends.
    fn all_relations(
        &self,
        request: &RelationsRequest<'_>,
        root: [u8; 32],
    ) -> Result<Vec<(TimelineKey, Relation)>, RoomError> {
        let mut seen = HashSet::from([request.target]);
        let (mut level, mut found) = (vec![root], Vec::new());
        for _ in 0..MAX_RECURSION_DEPTH {
            let mut next = Vec::new();
            for hash in level {
                let start = (self.room(), hash);
                for row in self.view().scan(&RELATIONS, &start, Direction::Forward) {
                    let ((.., place), relation) = row?;
                    if !seen.insert(relation.event) {
                        continue;
                    }
                    if seen.len() > MAX_RECURSIVE_ROWS {
                        break;
                    }
                    next.extend(self.hash_if_related(relation.event)?);
                    found.push((place, relation));
                }
            }
            level = next;
        }
        let (low, high) = request.bounds();
        found.retain(|(place, _)| low <= *place && *place < high);
        found.sort_unstable_by_key(|(place, _)| *place);
        if request.page.direction == Direction::Backward {
            found.reverse();
        }
        Ok(found)
    }

    /// The hash of an event to which others relate.
    fn hash_if_related(&self, event: EventIdx) -> Result<Option<[u8; 32]>, RoomError> {
        if !self.view().has(&RELATED, &(self.room(), event))? {
            return Ok(None);
        }
        let status = self.status(event)?;
        self.target_hash(&*self.shared(event, &status)?).map(Some)
    }

    /// Whether some event relates to one as a filter demands.
    ///
    /// <https://spec.matrix.org/v1.19/client-server-api/#filtering> (`related_by_rel_types`,
    /// `related_by_senders`)
    pub fn is_related_by(
        &self,
        event: &SharedEvent,
        wanted: RelatedBy<'_>,
    ) -> Result<bool, RoomError> {
        let mut senders = HashSet::new();
        for id in wanted.senders.unwrap_or_default() {
            senders.extend(self.inner.interner.users.find(self.view(), id)?);
        }
        let by = |relation: &Relation| {
            let types = wanted.rel_types;
            types.is_none_or(|types| types.iter().any(|wanted| **wanted == *relation.rel_type))
                && (wanted.senders.is_none() || senders.contains(&relation.sender))
        };
        let start = (self.room(), self.target_hash(event)?);
        let rows = self.view().scan(&RELATIONS, &start, Direction::Backward);
        for row in rows.take(MAX_ROWS_READ) {
            if by(&row?.1) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Relations of several kinds in the one order of the timeline.
struct Merged<'v> {
    streams: Vec<Rows<'v>>,
    direction: Direction,
}

impl Iterator for Merged<'_> {
    type Item = Row;

    fn next(&mut self) -> Option<Row> {
        let mut first: Option<(usize, Option<TimelineKey>)> = None;
        for (at, stream) in self.streams.iter_mut().enumerate() {
            let Some(row) = stream.peek() else { continue };
            // An error stands before every place.
            let place = row.as_ref().ok().map(|(place, _)| *place);
            let is_first = first.is_none_or(|(_, best)| match (place, best, self.direction) {
                (_, None, _) => false,
                (None, Some(_), _) => true,
                (Some(place), Some(best), Direction::Forward) => place < best,
                (Some(place), Some(best), Direction::Backward) => place > best,
            });
            if is_first {
                first = Some((at, place));
            }
        }
        let (at, _) = first?;
        self.streams.get_mut(at)?.next()
    }
}
