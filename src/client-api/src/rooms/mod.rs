//! Endpoints about rooms.

mod context;
mod create;
mod events;
mod initial_sync;
mod members;
mod membership;
mod messages;
mod receipts;
mod relations;
mod send;
mod state;
mod threads;
mod timestamps;
mod typing;

use heliograph_http::RouteTable;

use crate::App;

/// The routes of this area.
pub(crate) fn routes() -> RouteTable<App> {
    RouteTable::new()
        .merge(create::routes())
        .merge(membership::routes())
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
