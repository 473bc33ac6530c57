//! `/pushrules/global/{kind}/{ruleId}`, and what of it is enabled and done
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#push-rules-api>

use std::sync::Arc;

use axum::extract::State;
use heliograph_accounts::{Accounts, OwnRule, RuleKind, RulePlace};
use heliograph_http::{
    ApiError, Auth, AuthKind, Body, Device, DeviceIdentity, Json, Params, PathParams, RateClass,
    Route, RouteTable,
};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{
        IntoDeserializer as _,
        value::{Error as ValueError, StringDeserializer},
    },
};
use serde_json::{Value, json};

use crate::{App, errors::account_error};

pub(super) fn routes() -> RouteTable<App> {
    let rule = "/_matrix/client/v3/pushrules/global/{kind}/{ruleId}";
    let enabled = "/_matrix/client/v3/pushrules/global/{kind}/{ruleId}/enabled";
    let actions = "/_matrix/client/v3/pushrules/global/{kind}/{ruleId}/actions";
    RouteTable::new()
        .route(Route::get(rule, AuthKind::Device, get))
        .route(Route::put(rule, AuthKind::Device, put).rate_limit(RateClass::Other))
        .route(Route::delete(rule, AuthKind::Device, delete))
        .route(Route::get(enabled, AuthKind::Device, get_enabled))
        .route(Route::put(enabled, AuthKind::Device, put_enabled))
        .route(Route::get(actions, AuthKind::Device, get_actions))
        .route(Route::put(actions, AuthKind::Device, put_actions))
}

#[derive(Debug, Deserialize)]
struct RulePath {
    #[serde(deserialize_with = "known_kind")]
    kind: Option<RuleKind>,
    #[serde(rename = "ruleId")]
    rule_id: String,
}

/// Reads a kind of rules; `None` is one that this server has no rules of.
fn known_kind<'de, D: Deserializer<'de>>(from: D) -> Result<Option<RuleKind>, D::Error> {
    let kind = String::deserialize(from)?;
    let kind: StringDeserializer<ValueError> = kind.into_deserializer();
    Ok(RuleKind::deserialize(kind).ok())
}

impl RulePath {
    /// The kind of the rule that a client looks for.
    fn looked_for(&self) -> Result<RuleKind, ApiError> {
        self.kind
            .ok_or_else(|| ApiError::not_found("There are no push rules of that kind"))
    }

    /// The kind and the id of the rule that a client makes or changes.
    fn changed(self) -> Result<(RuleKind, String), ApiError> {
        let unknown = || ApiError::invalid_param("There is no such kind of push rules");
        Ok((self.kind.ok_or_else(unknown)?, self.rule_id))
    }
}

#[derive(Debug, Deserialize)]
struct RuleBody {
    actions: Vec<Value>,
    #[serde(default)]
    conditions: Vec<Value>,
    pattern: Option<String>,
}

#[derive(Debug, Deserialize)]
struct PlaceParams {
    before: Option<String>,
    after: Option<String>,
}

#[derive(Debug, Deserialize, Serialize)]
struct Enabled {
    enabled: bool,
}

#[derive(Debug, Deserialize, Serialize)]
struct Actions {
    actions: Vec<Value>,
}

/// One rule.
async fn get(
    caller: Auth<Device>,
    State(accounts): State<Arc<Accounts>>,
    PathParams(path): PathParams<RulePath>,
) -> Result<Json<Value>, ApiError> {
    let rule = accounts.push_rule(caller.user, path.looked_for()?, &path.rule_id);
    rule.await.map(Json).map_err(account_error)
}

/// Makes a rule, or changes one.
async fn put(
    caller: Auth<Device>,
    State(accounts): State<Arc<Accounts>>,
    PathParams(path): PathParams<RulePath>,
    Params(place): Params<PlaceParams>,
    Body(body): Body<RuleBody>,
) -> Result<Json<Value>, ApiError> {
    // With both, the spec lets `before` count.
    let place = match (place.before, place.after) {
        (Some(before), _) => RulePlace::Before(before),
        (None, Some(after)) => RulePlace::After(after),
        (None, None) => RulePlace::Unchanged,
    };
    let rule = OwnRule {
        actions: body.actions,
        conditions: body.conditions,
        pattern: body.pattern,
    };
    let (kind, rule_id) = path.changed()?;
    let set = accounts.set_push_rule(caller.user, kind, rule_id, rule, place);
    set.await.map_err(account_error)?;
    Ok(Json(json!({})))
}

/// Removes a rule of the caller's own.
async fn delete(
    caller: Auth<Device>,
    State(accounts): State<Arc<Accounts>>,
    PathParams(path): PathParams<RulePath>,
) -> Result<Json<Value>, ApiError> {
    let (kind, rule_id) = path.changed()?;
    let removed = accounts.remove_push_rule(caller.user, kind, rule_id);
    removed.await.map_err(account_error)?;
    Ok(Json(json!({})))
}

/// Whether a rule is on.
async fn get_enabled(
    caller: Auth<Device>,
    State(accounts): State<Arc<Accounts>>,
    PathParams(path): PathParams<RulePath>,
) -> Result<Json<Value>, ApiError> {
    member(&caller, &accounts, &path, "enabled").await
}

/// One member of a rule, alone.
async fn member(
    caller: &DeviceIdentity,
    accounts: &Accounts,
    path: &RulePath,
    key: &str,
) -> Result<Json<Value>, ApiError> {
    let rule = accounts.push_rule(caller.user, path.looked_for()?, &path.rule_id);
    let rule = rule.await.map_err(account_error)?;
    Ok(Json(json!({ key: rule.get(key) })))
}

/// Turns a rule on or off.
async fn put_enabled(
    caller: Auth<Device>,
    State(accounts): State<Arc<Accounts>>,
    PathParams(path): PathParams<RulePath>,
    Body(body): Body<Enabled>,
) -> Result<Json<Value>, ApiError> {
    let (kind, rule_id) = path.changed()?;
    let set = accounts.enable_push_rule(caller.user, kind, rule_id, body.enabled);
    set.await.map_err(account_error)?;
    Ok(Json(json!({})))
}

/// What a rule does.
async fn get_actions(
    caller: Auth<Device>,
    State(accounts): State<Arc<Accounts>>,
    PathParams(path): PathParams<RulePath>,
) -> Result<Json<Value>, ApiError> {
    member(&caller, &accounts, &path, "actions").await
}

/// Sets what a rule does.
async fn put_actions(
    caller: Auth<Device>,
    State(accounts): State<Arc<Accounts>>,
    PathParams(path): PathParams<RulePath>,
    Body(body): Body<Actions>,
) -> Result<Json<Value>, ApiError> {
    let (kind, rule_id) = path.changed()?;
    let set = accounts.set_push_rule_actions(caller.user, kind, rule_id, body.actions);
    set.await.map_err(account_error)?;
    Ok(Json(json!({})))
}
