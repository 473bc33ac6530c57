//! The tokens that clients hold.

use heliograph_core::{
    ids::{Position, TimelineKey},
    tokens::{PaginationToken, SyncToken},
};

use crate::must;

/// Tokens of a sync and of a page of history: what is read prints the same, and any numbers make a
/// token that is read as these numbers.
///
/// # Panics
/// When a property does not hold.
pub fn sync_tokens(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        read(text);
    }
    let mut numbers = data.chunks(8).map(number);
    let mut next = || numbers.next().unwrap_or(0);
    let token = SyncToken {
        epoch: next(),
        position: Position(next()),
        to_device: next(),
        instance: next(),
        ephemeral: next(),
    };
    let text = token.encode();
    assert_eq!(must(SyncToken::decode(&text), "a sync token"), token);
    read(&text);
    let page = PaginationToken(TimelineKey {
        segment: token.epoch,
        index: u32::try_from(token.position.0 >> 32).unwrap_or(0),
    });
    let text = page.encode();
    assert_eq!(must(PaginationToken::decode(&text), "a page's token"), page);
    read(&text);
    changed(&text, token.instance);
}

/// No text is a token of both kinds, and none is read that is not what its token prints.
fn read(text: &str) {
    let sync = SyncToken::decode(text);
    let page = PaginationToken::decode(text);
    assert!(sync.is_err() || page.is_err(), "{text} is two tokens");
    if let Ok(token) = sync {
        assert_eq!(token.encode(), text, "a sync token prints the same");
    }
    if let Ok(token) = page {
        assert_eq!(token.encode(), text, "a page's token prints the same");
    }
}

/// A token with one character changed is refused or is another token.
fn changed(text: &str, by: u64) {
    let mut bytes = text.as_bytes().to_vec();
    let at = usize::try_from(by >> 8).unwrap_or(0) % bytes.len();
    let Some(byte) = bytes.get_mut(at) else {
        return;
    };
    let old = *byte;
    *byte = u8::try_from(by & 0x7f).unwrap_or(0);
    if *byte == old {
        return;
    }
    if let Ok(changed) = std::str::from_utf8(&bytes) {
        assert_ne!(
            PaginationToken::decode(changed),
            PaginationToken::decode(text)
        );
        read(changed);
    }
}

/// Up to eight bytes as a number.
fn number(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |n, byte| (n << 8) | u64::from(*byte))
}

/// Tokens of both kinds, whole, cut, and with something about them.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let sync = SyncToken {
        epoch: 1,
        position: Position(u64::MAX),
        to_device: 0,
        instance: 1 << 40,
        ephemeral: 7,
    };
    let page = PaginationToken(TimelineKey::FIRST);
    let tokens = [sync.encode(), page.encode(), "s1_".into(), "t1_AA==".into()];
    let near = tokens.iter().flat_map(|token| {
        let tails = ["", " ", "\n", "=", "A", "\0"].map(|tail| format!("{token}{tail}"));
        let heads = [" ", "s1_", "t"].map(|head| format!("{head}{token}"));
        [tails.as_slice(), &heads].concat()
    });
    let mut seeds: Vec<Vec<u8>> = near.map(String::into_bytes).collect();
    seeds.push((0..40).collect());
    seeds
}
