//! What users change of the push rules: rules of their own, and what predefined ones do.
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#push-rules-api>
//!
//! Only the changes are kept, as the content of `m.push_rules`: whoever reads that gets them put
//! into the predefined rules, whatever these are by then.

use std::collections::BTreeMap;

use bytes::Bytes;
use heliograph_core::ids::UserNum;
use heliograph_tables::{Op, StoreError, View, codec::Tail, schema, schema::GLOBAL};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    AccountError, Accounts, Inner, account_data,
    account_data::PUSH_RULES,
    change::Change,
    locks::Lock,
    push_rules::{PredefinedRules, predefined},
};

/// Bytes of a rule's id, at most.
const MAX_RULE_ID_BYTES: usize = 255;
/// The rule that stays before all others.
const MASTER: &str = ".m.rule.master";

/// The kinds of push rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RuleKind {
    /// Conditions, before all else.
    Override,
    /// A pattern in the body.
    Content,
    /// A room.
    Room,
    /// A sender.
    Sender,
    /// Conditions, after all else.
    Underride,
}

impl RuleKind {
    /// The spec's word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Override => "override",
            Self::Content => "content",
            Self::Room => "room",
            Self::Sender => "sender",
            Self::Underride => "underride",
        }
    }
}

/// A rule of a user's own.
#[derive(Clone, Debug)]
pub struct OwnRule {
    /// What it does.
    pub actions: Vec<Value>,
    /// When it does so, for rules by conditions.
    pub conditions: Vec<Value>,
    /// The pattern, for rules by content.
    pub pattern: Option<String>,
}

/// Where a rule is put among the user's own of its kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RulePlace {
    /// Where it is, and a new one before all others.
    Unchanged,
    /// Just before another.
    Before(String),
    /// Just after another.
    After(String),
}

/// What was changed of a predefined rule.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Changed {
    #[serde(skip_serializing_if = "Option::is_none")]
    enabled: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    actions: Option<Vec<Value>>,
}

/// All that a user has changed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Changes {
    own: BTreeMap<RuleKind, Vec<Value>>,
    predefined: BTreeMap<String, Changed>,
}

impl Accounts {
    /// One push rule.
    ///
    /// # Errors
    /// [`AccountError::UnknownPushRule`].
    pub async fn push_rule(
        &self,
        user: UserNum,
        kind: RuleKind,
        rule_id: &str,
    ) -> Result<Value, AccountError> {
        let rules: Value = serde_json::from_str(&self.push_rules(user).await?)
            .map_err(|_| AccountError::Inconsistent("push rules"))?;
        let rules = of_kind(&rules, kind);
        let found = position(rules, rule_id).and_then(|at| rules.get(at));
        found.cloned().ok_or(AccountError::UnknownPushRule)
    }

    /// Makes a rule of the user's own, or changes one.
    ///
    /// # Errors
    /// [`AccountError::Invalid`] for an id that is the server's to give or a rule that its kind does
    /// not have; [`AccountError::UnknownPushRule`] when there is none to put it beside.
    pub async fn set_push_rule(
        &self,
        user: UserNum,
        kind: RuleKind,
        rule_id: String,
        rule: OwnRule,
        place: RulePlace,
    ) -> Result<(), AccountError> {
        check_id(&rule_id)?;
        let rule = rule_of(kind, &rule_id, rule)?;
        self.change_push_rules(user, move |changes| {
            put(changes.own.entry(kind).or_default(), rule, &place)
        })
        .await
    }

    /// Removes a rule of the user's own.
    ///
    /// # Errors
    /// [`AccountError::UnknownPushRule`]; [`AccountError::Invalid`] for a predefined one.
    pub async fn remove_push_rule(
        &self,
        user: UserNum,
        kind: RuleKind,
        rule_id: String,
    ) -> Result<(), AccountError> {
        check_id(&rule_id)?;
        self.change_push_rules(user, move |changes| {
            let own = changes.own.entry(kind).or_default();
            let at = position(own, &rule_id).ok_or(AccountError::UnknownPushRule)?;
            own.remove(at);
            Ok(())
        })
        .await
    }

    /// Turns any rule on or off.
    ///
    /// # Errors
    /// [`AccountError::UnknownPushRule`].
    pub async fn enable_push_rule(
        &self,
        user: UserNum,
        kind: RuleKind,
        rule_id: String,
        enabled: bool,
    ) -> Result<(), AccountError> {
        self.change_push_rule(user, (kind, rule_id), move |rule| match rule {
            Rule::Own(rule) => set_member(rule, "enabled", Value::Bool(enabled)),
            Rule::Predefined(changed) => changed.enabled = Some(enabled),
        })
        .await
    }

    /// Sets what any rule does.
    ///
    /// # Errors
    /// [`AccountError::UnknownPushRule`]; [`AccountError::Invalid`] for what are no actions.
    pub async fn set_push_rule_actions(
        &self,
        user: UserNum,
        kind: RuleKind,
        rule_id: String,
        actions: Vec<Value>,
    ) -> Result<(), AccountError> {
        check_actions(&actions)?;
        self.change_push_rule(user, (kind, rule_id), move |rule| match rule {
            Rule::Own(rule) => set_member(rule, "actions", Value::Array(actions)),
            Rule::Predefined(changed) => changed.actions = Some(actions),
        })
        .await
    }

    /// Changes one rule, of the user's own or predefined.
    async fn change_push_rule(
        &self,
        user: UserNum,
        (kind, rule_id): (RuleKind, String),
        change: impl FnOnce(Rule<'_>) + Send + 'static,
    ) -> Result<(), AccountError> {
        let which = self.inner.settings.predefined_rules;
        self.change_push_rules(user, move |changes| {
            let own = changes.own.entry(kind).or_default();
            if let Some(rule) = position(own, &rule_id).and_then(|at| own.get_mut(at)) {
                change(Rule::Own(rule));
                return Ok(());
            }
            // Which predefined rules there are depends on nobody.
            let rules = predefined(which, "@:");
            if position(of_kind(&rules, kind), &rule_id).is_none() {
                return Err(AccountError::UnknownPushRule);
            }
            change(Rule::Predefined(
                changes.predefined.entry(rule_id).or_default(),
            ));
            Ok(())
        })
        .await
    }

    /// Changes what a user has changed; two changes at once both stay.
    async fn change_push_rules(
        &self,
        user: UserNum,
        change: impl FnOnce(&mut Changes) -> Result<(), AccountError> + Send + 'static,
    ) -> Result<(), AccountError> {
        let made = self
            .inner
            .change(Op::UserData, vec![Lock::User(user)], move |making| {
                making.account(user)?;
                let before = Changes::read(&making.view, user)?;
                let mut after = before.clone();
                change(&mut after)?;
                if after == before {
                    return Ok(());
                }
                after.write(making, user)
            });
        made.await
    }
}

impl Accounts {
    /// Makes the user's own rules about one room for another one too: those whose id names the room.
    pub(crate) async fn copy_push_rules(
        &self,
        user: UserNum,
        (from, to): (String, String),
    ) -> Result<(), AccountError> {
        self.change_push_rules(user, move |changes| {
            for own in changes.own.values_mut() {
                let about = own
                    .iter()
                    .filter_map(|rule| about_other_room(rule, &from, &to));
                for rule in about.collect::<Vec<_>>() {
                    if id_of(&rule).is_some_and(|id| position(own, id).is_none()) {
                        own.push(rule);
                    }
                }
            }
            Ok(())
        })
        .await
    }
}

/// A rule whose id names one room as it is about another.
fn about_other_room(rule: &Value, from: &str, to: &str) -> Option<Value> {
    id_of(rule).filter(|id| id.contains(from))?;
    serde_json::from_str(&rule.to_string().replace(from, to)).ok()
}

/// A rule that is changed.
enum Rule<'a> {
    Own(&'a mut Value),
    Predefined(&'a mut Changed),
}

impl Changes {
    fn read(view: &View, user: UserNum) -> Result<Self, StoreError> {
        let key = (user, GLOBAL, Tail::from(PUSH_RULES));
        let row = view.get(&schema::ACCOUNT_DATA, &key)?;
        let read = row.map_or(Ok(Self::default()), |row| {
            serde_json::from_slice(&row.content)
        });
        read.map_err(|_| StoreError::Corrupt {
            table: schema::ACCOUNT_DATA.name,
            source: heliograph_tables::Corrupt("push rules"),
        })
    }

    fn write(&self, change: &mut Change<'_>, user: UserNum) -> Result<(), AccountError> {
        let content = serde_json::to_vec(self)
            .map_err(|_| AccountError::Inconsistent("push rules that are no JSON"))?;
        if content.len() > account_data::MAX_CONTENT_BYTES {
            return Err(AccountError::TooLarge("the push rules"));
        }
        let (kind, content) = (Tail::from(PUSH_RULES), Bytes::from(content));
        account_data::set(change, user, None, kind, content)
    }

    /// The changes put into the predefined rules.
    fn applied(&self, which: PredefinedRules, user_id: &str) -> Value {
        let mut rules = predefined(which, user_id);
        let kinds = rules.get_mut("global").and_then(Value::as_object_mut);
        for (kind, rules) in kinds.into_iter().flatten() {
            let Some(rules) = rules.as_array_mut() else {
                continue;
            };
            for rule in rules.iter_mut() {
                let changed = id_of(rule).and_then(|id| self.predefined.get(id));
                let Some(changed) = changed else {
                    continue;
                };
                if let Some(enabled) = changed.enabled {
                    set_member(rule, "enabled", Value::Bool(enabled));
                }
                if let Some(actions) = &changed.actions {
                    set_member(rule, "actions", Value::Array(actions.clone()));
                }
            }
            let own = self.own.iter().find(|(own, _)| own.as_str() == kind);
            let first = usize::from(rules.first().and_then(id_of) == Some(MASTER));
            if let Some((_, own)) = own {
                rules.splice(first..first, own.iter().cloned());
            }
        }
        rules
    }
}

/// A user's push rules, as `m.push_rules` tells them; `None` for somebody without an account.
pub(crate) fn of_user(
    inner: &Inner,
    view: &View,
    user: UserNum,
) -> Result<Option<Box<str>>, StoreError> {
    if !view.has(&schema::ACCOUNTS, &user)? {
        return Ok(None);
    }
    let changes = Changes::read(view, user)?;
    let name = inner.interner.users.name(view, user)?;
    let which = inner.settings.predefined_rules;
    Ok(name.map(|name| changes.applied(which, &name).to_string().into()))
}

/// What a user has changed of the push rules, as it is stored: for [`push_rules_with`]. `None` for
/// one who changed nothing.
pub fn push_rule_changes(view: &View, user: UserNum) -> Result<Option<Bytes>, StoreError> {
    let key = (user, GLOBAL, Tail::from(PUSH_RULES));
    Ok(view
        .get(&schema::ACCOUNT_DATA, &key)?
        .map(|row| row.content))
}

/// The content of `m.push_rules` for a user who changed this; changes that cannot be read are none.
pub fn push_rules_with(which: PredefinedRules, changes: Option<&[u8]>, user_id: &str) -> Value {
    let changes = changes.and_then(|changes| serde_json::from_slice::<Changes>(changes).ok());
    changes.unwrap_or_default().applied(which, user_id)
}

fn check_id(rule_id: &str) -> Result<(), AccountError> {
    if rule_id.is_empty() || rule_id.starts_with('.') || rule_id.contains(['/', '\\']) {
        return Err(AccountError::Invalid(
            "a rule's id does not begin with a dot, and has no slash in it",
        ));
    }
    if rule_id.len() > MAX_RULE_ID_BYTES {
        return Err(AccountError::TooLarge("the rule's id"));
    }
    Ok(())
}

fn check_actions(actions: &[Value]) -> Result<(), AccountError> {
    let known = |action: &Value| match action {
        Value::String(_) => true,
        Value::Object(tweak) => tweak.get("set_tweak").is_some_and(Value::is_string),
        _ => false,
    };
    if actions.iter().all(known) {
        Ok(())
    } else {
        Err(AccountError::Invalid("an action is a text or a tweak"))
    }
}

/// A rule of one's own as the list of rules has it.
fn rule_of(kind: RuleKind, rule_id: &str, rule: OwnRule) -> Result<Value, AccountError> {
    check_actions(&rule.actions)?;
    let mut made = json!({
        "rule_id": rule_id,
        "default": false,
        "enabled": true,
        "actions": rule.actions,
    });
    match (kind, rule.pattern) {
        (RuleKind::Override | RuleKind::Underride, _) => {
            let is_condition = |c: &Value| c.get("kind").is_some_and(Value::is_string);
            if !rule.conditions.iter().all(is_condition) {
                return Err(AccountError::Invalid("a condition has a kind"));
            }
            set_member(&mut made, "conditions", Value::Array(rule.conditions));
        }
        (RuleKind::Content, Some(pattern)) => {
            set_member(&mut made, "pattern", Value::String(pattern));
        }
        (RuleKind::Content, None) => {
            return Err(AccountError::Invalid("a rule by content has a pattern"));
        }
        (RuleKind::Room | RuleKind::Sender, _) => {}
    }
    Ok(made)
}

/// The rules of a kind in the content of `m.push_rules`.
fn of_kind(content: &Value, kind: RuleKind) -> &[Value] {
    let rules = content.get("global").and_then(|all| all.get(kind.as_str()));
    rules.and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn id_of(rule: &Value) -> Option<&str> {
    rule.get("rule_id").and_then(Value::as_str)
}

fn position(rules: &[Value], rule_id: &str) -> Option<usize> {
    rules.iter().position(|rule| id_of(rule) == Some(rule_id))
}

fn set_member(rule: &mut Value, key: &str, value: Value) {
    if let Some(members) = rule.as_object_mut() {
        members.insert(key.to_owned(), value);
    }
}

/// Puts a rule among one's own; one that was there stays on or off.
fn put(rules: &mut Vec<Value>, mut rule: Value, place: &RulePlace) -> Result<(), AccountError> {
    let known = id_of(&rule).and_then(|id| position(rules, id));
    if let Some(before) = known.map(|at| rules.remove(at)) {
        let enabled = before.get("enabled").cloned();
        set_member(&mut rule, "enabled", enabled.unwrap_or(Value::Bool(true)));
    }
    let beside = |id: &str| position(rules, id).ok_or(AccountError::UnknownPushRule);
    let at = match place {
        RulePlace::Unchanged => known.unwrap_or(0),
        RulePlace::Before(id) => beside(id)?,
        RulePlace::After(id) => beside(id)?.saturating_add(1),
    };
    rules.insert(at.min(rules.len()), rule);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(rules: &[Value]) -> Vec<&str> {
        rules.iter().filter_map(|r| r["rule_id"].as_str()).collect()
    }

    #[test]
    fn rules_stand_where_they_are_put() {
        let mut rules = Vec::new();
        let mut add = |id: &str, place: RulePlace| {
            let rule = json!({ "rule_id": id, "enabled": true });
            put(&mut rules, rule, &place).map(|()| ids(&rules).concat())
        };
        assert_eq!(add("a", RulePlace::Unchanged).unwrap(), "a");
        assert_eq!(add("b", RulePlace::Unchanged).unwrap(), "ba");
        assert_eq!(add("c", RulePlace::After("b".into())).unwrap(), "bca");
        assert_eq!(add("a", RulePlace::Before("b".into())).unwrap(), "abc");
        assert_eq!(add("b", RulePlace::Unchanged).unwrap(), "abc");
        assert_eq!(add("a", RulePlace::After("c".into())).unwrap(), "bca");
        assert!(add("d", RulePlace::After("x".into())).is_err());
    }

    #[test]
    fn own_rules_stand_after_the_master_and_before_the_predefined() {
        let mut changes = Changes::default();
        let rule = json!({ "rule_id": "mine", "enabled": true });
        for kind in [RuleKind::Override, RuleKind::Underride] {
            changes.own.insert(kind, vec![rule.clone()]);
        }
        let master = Changed {
            enabled: Some(true),
            actions: None,
        };
        changes.predefined.insert(MASTER.to_owned(), master);
        let rules = changes.applied(PredefinedRules::Current, "@a:x");
        let of = |kind: &str| ids(rules["global"][kind].as_array().unwrap()).join(" ");
        assert!(of("override").starts_with(".m.rule.master mine .m."));
        assert!(of("underride").starts_with("mine .m."));
        assert_eq!(rules["global"]["override"][0]["enabled"], true);
        let stored = serde_json::to_vec(&changes).unwrap();
        let read: Changes = serde_json::from_slice(&stored).unwrap();
        assert_eq!(read, changes);
    }
}
