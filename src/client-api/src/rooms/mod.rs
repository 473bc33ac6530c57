//! Endpoints about rooms.

mod aliases;
mod context;
mod create;
mod directory;
mod events;
mod initial_sync;
mod members;
mod membership;
mod messages;
mod receipts;
mod relations;
mod send;
mod spaces;
mod state;
mod threads;
mod timestamps;
mod typing;
mod upgrade;

use heliograph_http::RouteTable;

use crate::App;

/// The routes of this area.
pub(crate) fn routes() -> RouteTable<App> {
    RouteTable::new()
        .merge(create::routes())
        .merge(membership::routes())
        .merge(aliases::routes())
        .merge(directory::routes())
        .merge(spaces::routes())
        .merge(upgrade::routes())
        .merge(send::routes())
        .merge(state::routes())
        .merge(events::routes())
        .merge(initial_sync::routes())
        .merge(context::routes())
        .merge(messages::routes())
        .merge(members::routes())
        .merge(receipts::routes())
        .merge(relations::routes())
        .merge(threads::routes())
        .merge(timestamps::routes())
        .merge(typing::routes())
}
