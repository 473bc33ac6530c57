//! Receipts as clients are told them.
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#mreceipt>

use heliograph_rooms::ReceiptRow;
use serde_json::{Map, Value};

use crate::{SyncError, engine::Ask};

/// The contents of `m.receipt` events: event → type → user → when and in which thread. There is more
/// than one content only when a user has receipts of several threads on one event, which are one
/// place in a content.
pub(crate) fn contents(ask: &Ask<'_>, rows: &[ReceiptRow]) -> Result<Vec<Value>, SyncError> {
    let mut contents: Vec<Map<String, Value>> = Vec::new();
    for row in rows {
        let user = ask.engine.user_id(ask.view, row.user)?;
        let mut receipt = Map::new();
        receipt.insert("ts".to_owned(), row.receipt.ts.into());
        if !row.thread.is_empty() {
            receipt.insert("thread_id".to_owned(), Value::from(&*row.thread));
        }
        let place = [&*row.receipt.event_id, &*row.kind, &*user];
        let free = contents
            .iter()
            .position(|content| !is_taken(content, place));
        let at = free.unwrap_or_else(|| {
            contents.push(Map::new());
            contents.len() - 1
        });
        if let Some(users) = contents
            .get_mut(at)
            .and_then(|content| users_of(content, row))
        {
            users.insert(user, Value::Object(receipt));
        }
    }
    Ok(contents.into_iter().map(Value::Object).collect())
}

/// Whether a content has a receipt for an event, of a type and by a user.
fn is_taken(content: &Map<String, Value>, [event, kind, user]: [&str; 3]) -> bool {
    let kinds = content.get(event);
    let users = kinds.and_then(|kinds| kinds.get(kind));
    users.is_some_and(|users| users.get(user).is_some())
}

/// The receipts by user for a receipt's event and type.
fn users_of<'a>(
    content: &'a mut Map<String, Value>,
    row: &ReceiptRow,
) -> Option<&'a mut Map<String, Value>> {
    let empty = || Value::Object(Map::new());
    let kinds = content.entry(&*row.receipt.event_id).or_insert_with(empty);
    let kinds = kinds.as_object_mut()?;
    let users = kinds.entry(&*row.kind).or_insert_with(empty);
    users.as_object_mut()
}
