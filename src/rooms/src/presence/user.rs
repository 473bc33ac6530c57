//! One user: their devices together, and what others were told.

use std::sync::Arc;

use heliograph_core::ids::DeviceNum;

use super::{PresenceSettings, PresenceState, Shown, device::Device};

/// Devices of one user that count, at most.
const MAX_DEVICES: usize = 32;

/// What others were told last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) state: PresenceState,
    status: Option<Arc<str>>,
    currently_active: bool,
}

/// A user.
#[derive(Debug, Default)]
pub(super) struct User {
    devices: Vec<(DeviceNum, Device)>,
    status: Option<Arc<str>>,
    /// When the user last did something, milliseconds since the Unix epoch.
    last_active_ms: u64,
    told: Told,
    /// When that was told.
    told_ms: u64,
    changed: u64,
    due: Option<u64>,
}

impl User {
    pub(super) const fn told(&self) -> &Told {
        &self.told
    }

    /// Whether there is nothing to remember.
    pub(super) fn is_blank(&self) -> bool {
        self.changed == 0 && self.devices.is_empty() && self.status.is_none()
    }

    /// The sequence number of the last change; 0 before the first.
    pub(super) const fn changed(&self) -> u64 {
        self.changed
    }

    pub(super) const fn note_change(&mut self, sequence: u64) {
        self.changed = sequence;
    }

    /// When the passing of time will change something.
    pub(super) const fn due(&self) -> Option<u64> {
        self.due
    }

    /// A device syncs. That somebody comes, or comes back to a device, is something they do; that
    /// the device goes on is not.
    pub(super) fn poll(&mut self, device: DeviceNum, state: PresenceState, now_ms: u64) {
        let more = self.device(device).map(|found| found.poll(state, now_ms));
        if more == Some(true) && state == PresenceState::Online {
            self.last_active_ms = now_ms;
        }
    }

    pub(super) fn stop_polling(&mut self, device: DeviceNum, now_ms: u64) {
        if let Some((_, found)) = self.devices.iter_mut().find(|(num, _)| *num == device) {
            found.stop_polling(now_ms);
        }
    }

    pub(super) fn set(
        &mut self,
        device: DeviceNum,
        state: PresenceState,
        status: Option<Arc<str>>,
        now_ms: u64,
    ) {
        self.status = status;
        self.last_active_ms = now_ms;
        if let Some(found) = self.device(device) {
            found.set(state, now_ms);
        }
    }

    /// Whoever does something on a device that is idle is there again.
    pub(super) fn active(&mut self, device: DeviceNum, now_ms: u64) {
        self.last_active_ms = now_ms;
        let known = self.devices.iter_mut().find(|(num, _)| *num == device);
        if let Some((_, found)) = known {
            found.wake();
        }
    }

    /// The device, a new one if there is a place for it.
    fn device(&mut self, device: DeviceNum) -> Option<&mut Device> {
        let known = self.devices.iter().position(|(num, _)| *num == device);
        let at = match known {
            Some(at) => at,
            None if self.devices.len() < MAX_DEVICES => {
                self.devices.push((device, Device::default()));
                self.devices.len().checked_sub(1)?
            }
            None => return None,
        };
        self.devices.get_mut(at).map(|(_, found)| found)
    }

    /// What is so now.
    fn now(&self, now_ms: u64, settings: &PresenceSettings) -> Told {
        let states = self.devices.iter();
        let states = states.map(|(_, device)| device.state(now_ms, settings));
        let mut state = states.max().unwrap_or_default();
        let passed = |ms: u64| self.last_active_ms.saturating_add(ms) <= now_ms;
        if state == PresenceState::Online && passed(settings.idle_after_ms) {
            state = PresenceState::Unavailable;
        }
        Told {
            state,
            status: self.status.clone(),
            currently_active: state == PresenceState::Online && !passed(settings.active_for_ms),
        }
    }

    /// What is shown of the user now.
    pub(super) fn shown(&self, now_ms: u64, settings: &PresenceSettings) -> Shown {
        let now = self.now(now_ms, settings);
        Shown {
            state: now.state,
            status: now.status,
            last_active_ago_ms: (self.last_active_ms > 0)
                .then(|| now_ms.saturating_sub(self.last_active_ms)),
            currently_active: now.currently_active,
        }
    }

    /// Finds out whether there is something to tell, and when to look again.
    pub(super) fn settle(&mut self, now_ms: u64, settings: &PresenceSettings) -> bool {
        self.devices
            .retain(|(_, device)| device.offline_at(settings).is_none_or(|at| at > now_ms));
        let now = self.now(now_ms, settings);
        let again = self.told_ms.saturating_add(settings.throttle_ms);
        let early = self.changed > 0 && again > now_ms && self.told_ms <= now_ms;
        let is_news = now != self.told;
        if is_news && early {
            self.due = Some(again);
            return false;
        }
        let devices = self.devices.iter();
        let leaving = devices.filter_map(|(_, device)| device.offline_at(settings));
        let passing = match (now.state, now.currently_active) {
            (PresenceState::Online, true) => {
                Some(settings.active_for_ms.min(settings.idle_after_ms))
            }
            (PresenceState::Online, false) => Some(settings.idle_after_ms),
            _ => None,
        };
        let passing = passing.map(|ms| self.last_active_ms.saturating_add(ms));
        self.due = leaving.chain(passing).min();
        if is_news {
            self.told = now;
            self.told_ms = now_ms;
        }
        is_news
    }
}
