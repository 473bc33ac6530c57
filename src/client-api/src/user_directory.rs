//! `POST /user_directory/search`
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#user-directory>

use axum::extract::State;
use heliograph_accounts::SearchTerm;
use heliograph_http::{ApiError, Auth, AuthKind, Body, Device, Json, RateClass, Route, RouteTable};
use heliograph_tables::{Op, schema::Profile};
use serde::{Deserialize, Serialize};

use crate::{App, reading::RoomsState};

/// Users in an answer when nobody says how many, and at most.
const DEFAULT_LIMIT: usize = 10;
const MAX_LIMIT: usize = 50;
/// Bytes of a search term, at most.
const MAX_TERM_BYTES: usize = 512;

pub(crate) fn routes() -> RouteTable<App> {
    let path = "/_matrix/client/v3/user_directory/search";
    RouteTable::new()
        .route(Route::post(path, AuthKind::Device, search).rate_limit(RateClass::Other))
}

#[derive(Debug, Deserialize)]
struct SearchBody {
    search_term: String,
    limit: Option<usize>,
}

#[derive(Debug, Serialize)]
struct Answer {
    results: Vec<Found>,
    limited: bool,
}

#[derive(Debug, Serialize)]
struct Found {
    user_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    display_name: Option<Box<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    avatar_url: Option<Box<str>>,
}

impl From<(String, Profile)> for Found {
    fn from((user_id, profile): (String, Profile)) -> Self {
        Self {
            user_id,
            display_name: profile.displayname,
            avatar_url: profile.avatar_url,
        }
    }
}

/// Finds users by name.
async fn search(
    caller: Auth<Device>,
    State(rooms): State<RoomsState>,
    Body(body): Body<SearchBody>,
) -> Result<Json<Answer>, ApiError> {
    if body.search_term.len() > MAX_TERM_BYTES {
        return Err(ApiError::invalid_param("search_term is too long"));
    }
    let term = SearchTerm::parse(&body.search_term);
    let limit = body.limit.unwrap_or(DEFAULT_LIMIT).min(MAX_LIMIT);
    let found = rooms.read_all(Op::UserData, &caller, move |rooms, reader| {
        rooms.search_users(reader.user, &term, limit)
    });
    let found = found.await?;
    Ok(Json(Answer {
        results: found.found.into_iter().map(Found::from).collect(),
        limited: found.limited,
    }))
}
