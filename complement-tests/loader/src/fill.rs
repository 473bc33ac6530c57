//! Filling rooms and accounts.

use heliograph_core::{ids::RoomNum, json::Value};
use heliograph_rooms::Draft;
use ruma_common::{OwnedRoomId, OwnedUserId, UserId};
use tokio::task::JoinSet;

use crate::{
    Result, SERVER_NAME,
    world::{User, World},
};

/// Events in one batch.
const BATCH: usize = 250;
/// Rooms made at once.
const ROOMS_AT_ONCE: usize = 16;

/// A join.
fn join(user: &UserId) -> Draft {
    Draft {
        sender: user.to_owned(),
        event_type: "m.room.member".to_owned(),
        state_key: Some(user.to_string()),
        content: Value::object([("membership", Value::from("join"))]),
        redacts: None,
    }
}

/// A message; all are of about the same length.
fn message(user: &UserId, number: usize) -> Draft {
    let body = format!("message {number:07}: a sentence of the length that people write in rooms");
    Draft {
        sender: user.to_owned(),
        event_type: "m.room.message".to_owned(),
        state_key: None,
        content: Value::object([
            ("msgtype", Value::from("m.text")),
            ("body", Value::from(body.as_str())),
        ]),
        redacts: None,
    }
}

/// Sends all drafts in batches.
async fn load(world: &World, room: RoomNum, drafts: impl Iterator<Item = Draft>) -> Result<()> {
    let mut drafts = drafts.peekable();
    while drafts.peek().is_some() {
        world
            .rooms
            .load(room, drafts.by_ref().take(BATCH).collect())
            .await?;
    }
    Ok(())
}

/// A room with many members; `users` are in it first.
pub(crate) async fn crowd(world: &World, users: &[&User], members: usize) -> Result<OwnedRoomId> {
    let (id, room) = world.room(first(users)?, "crowd").await?;
    let others = users.iter().skip(1).map(|user| user.sender.user_id.clone());
    let named = (0..members).map(|n| UserId::parse(format!("@m{n:06}:{SERVER_NAME}")));
    let named: Vec<OwnedUserId> = named.collect::<std::result::Result<_, _>>()?;
    load(world, room, others.chain(named).map(|user| join(&user))).await?;
    Ok(id)
}

/// Many rooms of one user, in the directory if they are published.
pub(crate) async fn rooms(
    world: &World,
    owner: &User,
    rooms: usize,
    published: bool,
) -> Result<()> {
    let mut making = JoinSet::new();
    for number in 0..rooms {
        if making.len() == ROOMS_AT_ONCE {
            making.join_next().await.ok_or("nothing was begun")???;
        }
        let (world, owner) = (world.clone(), owner.clone());
        let name = format!("room {number:05}");
        making.spawn(async move { world.new_room(&owner, &name, published).await });
    }
    while let Some(made) = making.join_next().await {
        made??;
    }
    Ok(())
}

/// A room with many messages.
pub(crate) async fn long(world: &World, users: &[&User], events: usize) -> Result<OwnedRoomId> {
    let (id, room) = world.room(first(users)?, "long").await?;
    let joins = users.iter().skip(1).map(|user| join(&user.sender.user_id));
    let senders = users.iter().cycle();
    let messages = (0..events).zip(senders);
    let messages = messages.map(|(number, user)| message(&user.sender.user_id, number));
    load(world, room, joins.chain(messages)).await?;
    Ok(id)
}

fn first<'a>(users: &[&'a User]) -> Result<&'a User> {
    Ok(users.first().ok_or("nobody to make the room")?)
}
