//! Room versions, as data.
//!
//! <https://spec.matrix.org/v1.19/rooms/>

use ruma_common::room_version_rules::{
    EventIdFormatVersion, EventsReferenceFormatVersion, RoomVersionRules,
};

use crate::json::Numbers;

/// A room version that this server knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoomVersion(u8);

/// A room version that this server does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown room version")]
pub struct UnknownRoomVersion;

/// The names, by number less one.
const NAMES: [&str; 12] = [
    "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12",
];

/// The rules, by number less one.
static RULES: [RoomVersionRules; 12] = [
    RoomVersionRules::V1,
    RoomVersionRules::V2,
    RoomVersionRules::V3,
    RoomVersionRules::V4,
    RoomVersionRules::V5,
    RoomVersionRules::V6,
    RoomVersionRules::V7,
    RoomVersionRules::V8,
    RoomVersionRules::V9,
    RoomVersionRules::V10,
    RoomVersionRules::V11,
    RoomVersionRules::V12,
];

impl RoomVersion {
    /// The version that rooms are made with: the specification's recommendation since v1.16.
    pub const DEFAULT: Self = Self(12);

    /// All versions, oldest first.
    pub const ALL: [Self; 12] = [
        Self(1),
        Self(2),
        Self(3),
        Self(4),
        Self(5),
        Self(6),
        Self(7),
        Self(8),
        Self(9),
        Self(10),
        Self(11),
        Self(12),
    ];

    fn at<T>(self, list: &'static [T; 12]) -> &'static T {
        let [.., newest] = list;
        list.get(usize::from(self.0.saturating_sub(1)))
            .unwrap_or(newest)
    }

    /// The name.
    pub fn as_str(self) -> &'static str {
        let name: &'static &'static str = self.at(&NAMES);
        name
    }

    /// What holds in rooms of this version.
    pub fn rules(self) -> &'static RoomVersionRules {
        self.at(&RULES)
    }

    /// Whether events carry their ids, instead of being named by their hash.
    pub fn events_carry_ids(self) -> bool {
        self.rules().event_id_format == EventIdFormatVersion::V1
    }

    /// Whether event ids are URL-safe Base64; before, they were standard Base64.
    pub(crate) fn url_safe_ids(self) -> bool {
        self.rules().event_id_format == EventIdFormatVersion::V3
    }

    /// Whether events name others by pairs of an id and hashes.
    pub(crate) fn references_are_pairs(self) -> bool {
        self.rules().events_reference_format == EventsReferenceFormatVersion::V1
    }

    /// Whether floats and large integers are forbidden.
    pub fn strict_numbers(self) -> bool {
        self.rules().authorization.strict_canonical_json
    }

    /// Which numbers events may have.
    pub(crate) fn numbers(self) -> Numbers {
        if self.strict_numbers() {
            Numbers::Strict
        } else {
            Numbers::Loose
        }
    }
}

impl TryFrom<&str> for RoomVersion {
    type Error = UnknownRoomVersion;

    fn try_from(name: &str) -> Result<Self, UnknownRoomVersion> {
        Self::ALL
            .into_iter()
            .find(|v| v.as_str() == name)
            .ok_or(UnknownRoomVersion)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_to_rules() {
        for version in RoomVersion::ALL {
            assert_eq!(RoomVersion::try_from(version.as_str()), Ok(version));
        }
        assert_eq!(RoomVersion::try_from("13"), Err(UnknownRoomVersion));
        let of = |name| RoomVersion::try_from(name).unwrap();
        assert!(of("2").events_carry_ids() && !of("3").events_carry_ids());
        assert!(!of("3").url_safe_ids() && of("4").url_safe_ids());
        assert!(
            of("12")
                .rules()
                .authorization
                .room_create_event_id_as_room_id
        );
        assert!(!of("5").strict_numbers() && of("6").strict_numbers());
    }
}
