//! One device of a user.

use super::{PresenceSettings, PresenceState};

/// What is known of a device.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Device {
    state: PresenceState,
    /// Its requests that wait for news.
    polling: u32,
    /// When the last of them ended, milliseconds since the Unix epoch.
    seen_ms: u64,
}

impl Device {
    /// Syncs, in a state; whether that is more active than it was.
    pub(super) fn poll(&mut self, state: PresenceState, now_ms: u64) -> bool {
        self.polling = self.polling.saturating_add(1);
        self.set(state, now_ms)
    }

    pub(super) fn stop_polling(&mut self, now_ms: u64) {
        self.polling = self.polling.saturating_sub(1);
        self.seen_ms = now_ms;
    }

    /// Is set to a state; whether that is more active than it was.
    pub(super) fn set(&mut self, state: PresenceState, now_ms: u64) -> bool {
        let before = std::mem::replace(&mut self.state, state);
        self.seen_ms = now_ms;
        state > before
    }

    /// Is used while it was idle.
    pub(super) fn wake(&mut self) {
        if self.state == PresenceState::Unavailable {
            self.state = PresenceState::Online;
        }
    }

    /// Its state now: a device that stays away is offline.
    pub(super) fn state(&self, now_ms: u64, settings: &PresenceSettings) -> PresenceState {
        match self.offline_at(settings) {
            Some(at) if at <= now_ms => PresenceState::Offline,
            _ => self.state,
        }
    }

    /// When it will be offline if it stays away; `None` while it syncs.
    pub(super) fn offline_at(&self, settings: &PresenceSettings) -> Option<u64> {
        let away = self.polling == 0;
        away.then(|| self.seen_ms.saturating_add(settings.offline_after_ms))
    }
}
