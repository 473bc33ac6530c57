//! Names and the numbers that stand for them.

use heliograph_core::ids::{RoomNum, ServerNum, StateKeyNum, TypeNum, UserNum};

use crate::{
    codec::{Plain, Tail},
    table::{AnyTable, Family, Table},
};

/// Room id → number.
pub const ROOM_NUMS: Table<Tail, Plain<RoomNum>> = Table::new("room_nums", Family::Index, 0x0101);
/// Number → room id.
pub const ROOM_NAMES: Table<RoomNum, Plain<Box<str>>> =
    Table::new("room_names", Family::Index, 0x0102);
/// User id → number.
pub const USER_NUMS: Table<Tail, Plain<UserNum>> = Table::new("user_nums", Family::Index, 0x0103);
/// Number → user id.
pub const USER_NAMES: Table<UserNum, Plain<Box<str>>> =
    Table::new("user_names", Family::Index, 0x0104);
/// Server name → number.
pub const SERVER_NUMS: Table<Tail, Plain<ServerNum>> =
    Table::new("server_nums", Family::Index, 0x0105);
/// Number → server name.
pub const SERVER_NAMES: Table<ServerNum, Plain<Box<str>>> =
    Table::new("server_names", Family::Index, 0x0106);
/// State event type → number.
pub const TYPE_NUMS: Table<Tail, Plain<TypeNum>> = Table::new("type_nums", Family::Index, 0x0107);
/// Number → state event type.
pub const TYPE_NAMES: Table<TypeNum, Plain<Box<str>>> =
    Table::new("type_names", Family::Index, 0x0108);
/// (Room, state key) → number, dense within the room.
pub const STATE_KEY_NUMS: Table<(RoomNum, Tail), Plain<StateKeyNum>> =
    Table::new("state_key_nums", Family::Index, 0x0109);
/// (Room, number) → state key.
pub const STATE_KEY_NAMES: Table<(RoomNum, StateKeyNum), Plain<Box<str>>> =
    Table::new("state_key_names", Family::Index, 0x010a);

pub(super) const NAME_TABLES: &[&dyn AnyTable] = &[
    &ROOM_NUMS,
    &ROOM_NAMES,
    &USER_NUMS,
    &USER_NAMES,
    &SERVER_NUMS,
    &SERVER_NAMES,
    &TYPE_NUMS,
    &TYPE_NAMES,
    &STATE_KEY_NUMS,
    &STATE_KEY_NAMES,
];
