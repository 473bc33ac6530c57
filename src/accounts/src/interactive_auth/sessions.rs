//! The sessions: bounded in number and in time.

use std::collections::{HashMap, VecDeque};

use heliograph_core::ids::UserNum;
use parking_lot::Mutex;
use serde_json::{Map, Value};

use super::{Completed, Stage, StageFailure};
use crate::AccountError;

/// How long a session lasts from its beginning.
pub(super) const SESSION_LIFE_MS: u64 = 15 * 60 * 1000;

/// A session.
pub(super) struct Open {
    operation: String,
    user: Option<UserNum>,
    flows: Vec<Vec<Stage>>,
    parameters: Map<String, Value>,
    completed: Vec<Stage>,
    token: Option<String>,
}

impl Open {
    pub(super) fn new(
        operation: String,
        user: Option<UserNum>,
        flows: Vec<Vec<Stage>>,
        parameters: Map<String, Value>,
    ) -> Self {
        Self {
            operation,
            user,
            flows,
            parameters,
            completed: Vec::new(),
            token: None,
        }
    }

    /// Whether a stage is next in a flow that began as this session did, or was done already.
    fn may_do(&self, stage: Stage) -> Result<(), StageFailure> {
        let done = self.completed.len();
        let is_next =
            |flow: &Vec<Stage>| flow.starts_with(&self.completed) && flow.get(done) == Some(&stage);
        if self.completed.contains(&stage) || self.flows.iter().any(is_next) {
            Ok(())
        } else if self.flows.iter().flatten().any(|known| *known == stage) {
            Err(StageFailure::OutOfOrder)
        } else {
            Err(StageFailure::Unrecognised)
        }
    }

    fn is_finished(&self) -> bool {
        self.flows.contains(&self.completed)
    }
}

#[derive(Default)]
struct All {
    open: HashMap<String, Open>,
    /// The sessions' ids, oldest first, with the time at which each ends; some are gone already.
    ends: VecDeque<(u64, String)>,
}

/// All sessions of the process.
pub(crate) struct InteractiveAuth {
    capacity: usize,
    all: Mutex<All>,
}

impl InteractiveAuth {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            capacity: capacity.max(1),
            all: Mutex::default(),
        }
    }

    /// Begins a session; when there are too many, the oldest ends.
    pub(super) fn begin(&self, id: String, open: Open, now_ms: u64) {
        let mut all = self.all.lock();
        all.forget_ended(now_ms);
        while all.ends.len() >= self.capacity {
            if let Some((_, oldest)) = all.ends.pop_front() {
                all.open.remove(&oldest);
            }
        }
        let ends = now_ms.saturating_add(SESSION_LIFE_MS);
        all.ends.push_back((ends, id.clone()));
        all.open.insert(id, open);
    }

    /// Checks that a request goes on with its own session. One whose first request had no
    /// parameters, as clients ask for the flows, takes the second's.
    pub(super) fn resume(
        &self,
        id: &str,
        operation: &str,
        user: Option<UserNum>,
        parameters: &Map<String, Value>,
        now_ms: u64,
    ) -> Result<(), AccountError> {
        self.with(id, now_ms, |open| {
            if open.operation != operation || open.user != user {
                return Err(AccountError::UnknownSession);
            }
            if parameters.is_empty() || open.parameters == *parameters {
                return Ok(());
            }
            if !open.parameters.is_empty() {
                return Err(AccountError::OperationChanged);
            }
            if super::size_of(parameters) > super::MAX_PARAMETERS_BYTES {
                return Err(AccountError::TooLarge("the request"));
            }
            open.parameters.clone_from(parameters);
            Ok(())
        })?
    }

    /// Whose session it is.
    pub(super) fn user(&self, id: &str, now_ms: u64) -> Result<Option<UserNum>, AccountError> {
        self.with(id, now_ms, |open| open.user)
    }

    /// Whether a stage may be done now.
    pub(super) fn may_do(
        &self,
        id: &str,
        stage: Stage,
        now_ms: u64,
    ) -> Result<Result<(), StageFailure>, AccountError> {
        self.with(id, now_ms, |open| open.may_do(stage))
    }

    /// Notes that a stage is done.
    pub(super) fn done(
        &self,
        id: &str,
        stage: Stage,
        token: Option<String>,
        now_ms: u64,
    ) -> Result<(), AccountError> {
        self.with(id, now_ms, |open| {
            // Another request of the session may have done it, or another one, meanwhile.
            if open.may_do(stage).is_ok() && !open.completed.contains(&stage) {
                open.completed.push(stage);
                open.token = token.or(open.token.take());
            }
        })
    }

    /// The stages that are done.
    pub(super) fn completed(&self, id: &str, now_ms: u64) -> Result<Vec<Stage>, AccountError> {
        self.with(id, now_ms, |open| open.completed.clone())
    }

    /// Ends a session that has done a whole flow: one request of several that are here at once.
    pub(super) fn finish(&self, id: &str, now_ms: u64) -> Result<Option<Completed>, AccountError> {
        if !self.with(id, now_ms, |open| open.is_finished())? {
            return Ok(None);
        }
        let open = self
            .all
            .lock()
            .take(id)
            .ok_or(AccountError::UnknownSession)?;
        Ok(Some(Completed {
            parameters: open.parameters,
            registration_token: open.token,
        }))
    }

    /// How many sessions other than `besides` hold back a use of a registration token.
    pub(crate) fn pending(&self, token: &str, besides: Option<&str>) -> u32 {
        let all = self.all.lock();
        let holding = all.open.iter().filter(|(id, open)| {
            Some(id.as_str()) != besides && open.token.as_deref() == Some(token)
        });
        u32::try_from(holding.count()).unwrap_or(u32::MAX)
    }

    fn with<T>(
        &self,
        id: &str,
        now_ms: u64,
        f: impl FnOnce(&mut Open) -> T,
    ) -> Result<T, AccountError> {
        let mut all = self.all.lock();
        all.forget_ended(now_ms);
        let open = all.open.get_mut(id).ok_or(AccountError::UnknownSession)?;
        Ok(f(open))
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        let all = self.all.lock();
        assert_eq!(all.open.len(), all.ends.len());
        all.open.len()
    }
}

impl All {
    fn forget_ended(&mut self, now_ms: u64) {
        while self.ends.front().is_some_and(|(ends, _)| *ends <= now_ms) {
            if let Some((_, id)) = self.ends.pop_front() {
                self.open.remove(&id);
            }
        }
    }

    fn take(&mut self, id: &str) -> Option<Open> {
        self.ends.retain(|(_, known)| known != id);
        self.open.remove(id)
    }
}
