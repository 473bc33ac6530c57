//! Pages for clients that do not know a stage of authentication, or how to log in:
//! `GET /auth/{authType}/fallback/web` and `GET /_matrix/static/client/login/`
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#fallback>
//! <https://spec.matrix.org/v1.19/client-server-api/#login-fallback>
//!
//! The pages are the same for everybody on a server: what is in the query is read by their script only. They load
//! nothing, and run nothing but their own script.

use std::sync::{Arc, LazyLock};

use axum::{
    extract::State,
    response::{Html, IntoResponse, Response},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use heliograph_accounts::{Accounts, AuthData, Stage};
use heliograph_http::{
    ApiError, AuthKind, Body, Json, Params, PathParams, RateClass, Route, RouteTable,
};
use http::header;
use serde::Deserialize;
use serde_json::{Value, json};

use super::terms;
use crate::{App, ClientSettings, Policy, errors::account_error, uia::errcode};

const STYLE: &str = include_str!("fallback/style.css");
const STAGE_SCRIPT: &str = include_str!("fallback/stage.js");
const LOGIN_SCRIPT: &str = include_str!("fallback/login.js");

static DUMMY_PAGE: LazyLock<Page> = LazyLock::new(|| {
    let fields = "<p>Nothing more is needed than that you go on.</p>";
    Page::new("Going on", fields, STAGE_SCRIPT)
});

static REGISTRATION_TOKEN_PAGE: LazyLock<Page> = LazyLock::new(|| {
    let fields = "<label>Registration token\
         <input name=\"token\" required autocomplete=\"off\"></label>";
    Page::new("Registering", fields, STAGE_SCRIPT)
});

static PASSWORD_PAGE: LazyLock<Page> = LazyLock::new(|| {
    let fields = "<label>Your password\
         <input name=\"password\" type=\"password\" required autocomplete=\"current-password\">\
         </label>";
    Page::new("Your password, please", fields, STAGE_SCRIPT)
});

static LOGIN_PAGE: LazyLock<Page> = LazyLock::new(|| {
    let fields = "<label>User name\
         <input name=\"user\" required autocomplete=\"username\"></label>\
         <label>Password\
         <input name=\"password\" type=\"password\" required autocomplete=\"current-password\">\
         </label>";
    Page::new("Logging in", fields, LOGIN_SCRIPT)
});

pub(super) fn routes() -> RouteTable<App> {
    let stage = "/_matrix/client/v3/auth/{authType}/fallback/web";
    let login = Route::get("/_matrix/static/client/login/", AuthKind::None, login_page);
    RouteTable::new()
        .route(Route::get(stage, AuthKind::None, stage_page))
        .route(Route::post(stage, AuthKind::None, try_stage).rate_limit(RateClass::Login))
        .route(login.also_at("/_matrix/static/client/login"))
}

/// A page, with the policy that lets nothing but its own parts work.
struct Page {
    html: String,
    policy: String,
}

impl Page {
    fn new(title: &str, fields: &str, script: &str) -> Self {
        let html = format!(
            "<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width\"><title>{title}</title>\
             <style>{STYLE}</style></head><body><h1>{title}</h1><form>{fields}\
             <button>Continue</button></form><output></output>\
             <script>{script}</script></body></html>"
        );
        let policy = format!(
            "default-src 'none'; script-src '{}'; style-src '{}'; connect-src 'self'; \
             base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
            source(script),
            source(STYLE),
        );
        Self { html, policy }
    }

    fn response(&self) -> Response {
        let headers = [
            (header::CONTENT_SECURITY_POLICY, self.policy.as_str()),
            (header::CACHE_CONTROL, "no-store"),
            (header::REFERRER_POLICY, "no-referrer"),
        ];
        (headers, Html(self.html.clone())).into_response()
    }
}

/// A script or a style as a policy names it.
fn source(text: &str) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
    format!("sha256-{}", BASE64_STANDARD.encode(digest))
}

#[derive(Debug, Deserialize)]
struct StagePath {
    #[serde(rename = "authType")]
    stage: String,
}

impl StagePath {
    /// The stage that is named, of those that this server has.
    fn stage(&self) -> Result<Stage, ApiError> {
        Stage::parse(&self.stage).ok_or_else(ApiError::unrecognized)
    }
}

#[derive(Debug, Deserialize)]
struct SessionParams {
    session: String,
}

/// The page of the stage that accepts the policies of this server.
fn terms_page(policies: &[Policy]) -> Page {
    let fields = format!(
        "{}<label><input type=\"checkbox\" required> I have read these, and accept them</label>",
        terms::links(policies)
    );
    Page::new("Terms", &fields, STAGE_SCRIPT)
}

/// The page of a stage.
async fn stage_page(
    State(settings): State<Arc<ClientSettings>>,
    PathParams(path): PathParams<StagePath>,
    Params(SessionParams { session }): Params<SessionParams>,
) -> Result<Response, ApiError> {
    if session.is_empty() {
        return Err(ApiError::missing_param("session"));
    }
    let page = match path.stage()? {
        Stage::Dummy => DUMMY_PAGE.response(),
        Stage::RegistrationToken => REGISTRATION_TOKEN_PAGE.response(),
        Stage::Password => PASSWORD_PAGE.response(),
        Stage::Terms => terms_page(&settings.policies).response(),
    };
    Ok(page)
}

/// What was filled in. It has no `Debug`, for the secrets in it.
#[derive(Deserialize)]
struct Filled {
    session: String,
    token: Option<String>,
    password: Option<String>,
}

/// Does a stage, as its page asks for it.
async fn try_stage(
    State(accounts): State<Arc<Accounts>>,
    PathParams(path): PathParams<StagePath>,
    Body(filled): Body<Filled>,
) -> Result<Json<Value>, ApiError> {
    let auth = AuthData {
        session: Some(filled.session),
        stage: Some(path.stage()?.as_str().to_owned()),
        token: filled.token,
        user: None,
        password: filled.password,
    };
    let tried = accounts
        .complete_stage(&auth)
        .await
        .map_err(account_error)?;
    tried.map_err(|failure| ApiError::new(errcode(failure), failure.to_string()))?;
    Ok(Json(json!({})))
}

/// The page that logs in.
async fn login_page() -> Response {
    LOGIN_PAGE.response()
}
