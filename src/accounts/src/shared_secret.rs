//! Registration by whoever knows the shared secret, as Synapse's `/_synapse/admin/v1/register`
//! does it: a nonce, and a MAC over the request.
//!
//! <https://element-hq.github.io/synapse/latest/admin_api/register_api.html>

use std::collections::VecDeque;

use heliograph_work::RandomSourceExt as _;
use parking_lot::Mutex;
use ring::hmac;

use crate::{AccountError, Accounts, NewDevice, Registered, Registration};

/// How long a nonce is good for.
const NONCE_LIFE_MS: u64 = 60_000;

/// Nonces kept at once; the oldest go first.
const MAX_NONCES: usize = 1_000;

/// Characters of a nonce.
const NONCE_CHARS: usize = 64;

/// Nonces given out, oldest first, with the time at which each ends.
#[derive(Default)]
pub(crate) struct Nonces(Mutex<VecDeque<(u64, String)>>);

impl Nonces {
    fn add(&self, nonce: String, now_ms: u64) {
        let mut nonces = self.0.lock();
        nonces.retain(|(ends, _)| *ends > now_ms);
        while nonces.len() >= MAX_NONCES {
            nonces.pop_front();
        }
        nonces.push_back((now_ms.saturating_add(NONCE_LIFE_MS), nonce));
    }

    /// Takes a nonce out; whether it was good.
    fn take(&self, nonce: &str, now_ms: u64) -> bool {
        let mut nonces = self.0.lock();
        nonces.retain(|(ends, _)| *ends > now_ms);
        let before = nonces.len();
        nonces.retain(|(_, known)| known != nonce);
        nonces.len() < before
    }
}

/// A request of one who knows the shared secret.
#[derive(Clone, Default)]
pub struct SharedSecretRegistration {
    /// A nonce that [`Accounts::new_nonce`] gave.
    pub nonce: String,
    /// The localpart.
    pub username: String,
    /// The password.
    pub password: String,
    /// Whether the user administers this server.
    pub admin: bool,
    /// The user's type, which the MAC covers; kinds of users are not told apart.
    pub user_type: Option<String>,
    /// The profile's display name.
    pub displayname: Option<String>,
    /// HMAC-SHA1 of nonce, user name, password, `admin` or `notadmin`, and the type if there is
    /// one, with NUL between them; in hexadecimal digits.
    pub mac: String,
    /// The device to log in.
    pub device: Option<NewDevice>,
}

impl std::fmt::Debug for SharedSecretRegistration {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SharedSecretRegistration")
            .field("username", &self.username)
            .field("admin", &self.admin)
            .finish_non_exhaustive()
    }
}

impl SharedSecretRegistration {
    fn signed_text(&self) -> Vec<u8> {
        let admin = if self.admin { "admin" } else { "notadmin" };
        let mut parts = vec![&*self.nonce, &*self.username, &*self.password, admin];
        parts.extend(self.user_type.as_deref());
        parts.join("\0").into_bytes()
    }

    fn has_nul(&self) -> bool {
        let optional = self.user_type.as_deref().unwrap_or_default();
        [&*self.username, &*self.password, optional]
            .iter()
            .any(|part| part.contains('\0'))
    }
}

impl Accounts {
    /// A nonce for one registration within a minute.
    ///
    /// # Errors
    /// [`AccountError::NoSharedSecret`].
    pub fn new_nonce(&self) -> Result<String, AccountError> {
        let inner = &self.inner;
        if inner.settings.shared_secret.is_none() {
            return Err(AccountError::NoSharedSecret);
        }
        let nonce = inner.random.letters_and_digits(NONCE_CHARS);
        inner.nonces.add(nonce.clone(), inner.clock.now_ms());
        Ok(nonce)
    }

    /// Makes an account for one who knows the shared secret. The nonce is used up, whatever comes
    /// of it.
    ///
    /// # Errors
    /// [`AccountError::NoSharedSecret`], [`AccountError::BadNonce`], [`AccountError::BadMac`]; then
    /// those of [`Accounts::register`].
    pub async fn register_with_shared_secret(
        &self,
        request: SharedSecretRegistration,
    ) -> Result<Registered, AccountError> {
        let inner = &self.inner;
        let secret = inner.settings.shared_secret.as_ref();
        let secret = secret.ok_or(AccountError::NoSharedSecret)?;
        if !inner.nonces.take(&request.nonce, inner.clock.now_ms()) {
            return Err(AccountError::BadNonce);
        }
        // With NUL in a part, one MAC would fit several requests.
        if request.has_nul() {
            return Err(AccountError::Invalid(
                "user name and password cannot have NUL",
            ));
        }
        let mac = from_hex(&request.mac).ok_or(AccountError::BadMac)?;
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret.as_bytes());
        // Takes as long for every MAC.
        hmac::verify(&key, &request.signed_text(), &mac).map_err(|_| AccountError::BadMac)?;
        self.register(Registration {
            localpart: Some(request.username),
            password: Some(request.password),
            bcrypt_hash: None,
            admin: request.admin,
            guest: false,
            displayname: request.displayname,
            registration_token: None,
            accepted_policies: Vec::new(),
            device: request.device,
        })
        .await
    }
}

/// The 20 bytes of a SHA-1 in hexadecimal digits.
fn from_hex(text: &str) -> Option<[u8; 20]> {
    let digits: Option<Vec<u32>> = text.chars().map(|c| c.to_digit(16)).collect();
    let digits = digits?;
    let mut bytes = [0; 20];
    if digits.len() != bytes.len().saturating_mul(2) {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let value = pair.iter().fold(0, |value, digit| value * 16 + digit);
        *byte = u8::try_from(value).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{accounts_with, settings};

    const SECRET: &str = "shared";

    const KNOWN_MAC: &str = "dd0d895f8b3ba61688203e7f059cf375d4a0ee31";

    fn accounts() -> crate::testing::Fixture {
        let mut settings = settings();
        settings.shared_secret = Some(SECRET.to_owned());
        accounts_with(settings)
    }

    fn request(nonce: String) -> SharedSecretRegistration {
        SharedSecretRegistration {
            nonce,
            username: "Root".to_owned(),
            password: "pizza and beer".to_owned(),
            admin: true,
            ..SharedSecretRegistration::default()
        }
    }

    fn sign(mut request: SharedSecretRegistration) -> SharedSecretRegistration {
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, SECRET.as_bytes());
        let tag = hmac::sign(&key, &request.signed_text());
        let digits = tag.as_ref().iter().flat_map(|byte| [byte >> 4, byte & 15]);
        request.mac = digits
            .filter_map(|d| char::from_digit(d.into(), 16))
            .collect();
        request
    }

    #[test]
    fn the_mac_covers_what_synapse_says() {
        let mut request = request("n".to_owned());
        assert_eq!(request.signed_text(), b"n\0Root\0pizza and beer\0admin");
        request.admin = false;
        request.user_type = Some("bot".to_owned());
        assert_eq!(
            request.signed_text(),
            b"n\0Root\0pizza and beer\0notadmin\0bot"
        );
    }

    #[test]
    fn a_known_mac_is_computed() {
        // Worked out by Python's hmac module.
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, b"shared_secret");
        let mac = from_hex(KNOWN_MAC).unwrap();
        hmac::verify(&key, b"nonce\0user\0pass\0notadmin", &mac).unwrap();
    }

    #[tokio::test]
    async fn whoever_knows_the_secret_registers_once_a_nonce() {
        let f = accounts();
        let signed = sign(request(f.accounts.new_nonce().unwrap()));
        let made = f
            .accounts
            .register_with_shared_secret(signed.clone())
            .await
            .unwrap();
        assert_eq!(made.user_id, "@root:example.org");
        assert!(f.accounts.user(made.user).await.unwrap().unwrap().admin);
        let again = f.accounts.register_with_shared_secret(signed).await;
        assert!(matches!(again, Err(AccountError::BadNonce)));
    }

    #[tokio::test]
    async fn a_nonce_is_good_for_a_minute_and_for_one_try() {
        let f = accounts();
        let mut tried = sign(request(f.accounts.new_nonce().unwrap()));
        let right = tried.mac.clone();
        tried.mac = tried.mac.chars().rev().collect();
        assert_ne!(tried.mac, right);
        let wrong = f.accounts.register_with_shared_secret(tried.clone()).await;
        assert!(matches!(wrong, Err(AccountError::BadMac)));
        tried.mac = right;
        let late = f.accounts.register_with_shared_secret(tried).await;
        assert!(matches!(late, Err(AccountError::BadNonce)));

        let old = sign(request(f.accounts.new_nonce().unwrap()));
        f.clock.advance(NONCE_LIFE_MS);
        let late = f.accounts.register_with_shared_secret(old).await;
        assert!(matches!(late, Err(AccountError::BadNonce)));
    }

    #[tokio::test]
    async fn a_mac_for_an_ordinary_user_makes_no_administrator() {
        let f = accounts();
        let mut ordinary = request(f.accounts.new_nonce().unwrap());
        ordinary.admin = false;
        let mut signed = sign(ordinary);
        signed.admin = true;
        let made = f.accounts.register_with_shared_secret(signed).await;
        assert!(matches!(made, Err(AccountError::BadMac)));
    }

    #[tokio::test]
    async fn without_a_secret_the_way_is_closed() {
        let f = accounts_with(settings());
        assert!(matches!(
            f.accounts.new_nonce(),
            Err(AccountError::NoSharedSecret)
        ));
        let made = f
            .accounts
            .register_with_shared_secret(request("n".to_owned()))
            .await;
        assert!(matches!(made, Err(AccountError::NoSharedSecret)));
    }

    #[test]
    fn nonces_are_bounded() {
        let f = accounts();
        let first = f.accounts.new_nonce().unwrap();
        for _ in 0..MAX_NONCES {
            f.accounts.new_nonce().unwrap();
        }
        assert_eq!(f.accounts.inner.nonces.0.lock().len(), MAX_NONCES);
        assert!(!f.accounts.inner.nonces.take(&first, 0));
    }

    #[test]
    fn macs_that_are_no_hexadecimal_digits_are_refused() {
        for text in ["", "zz", &"a".repeat(39), &"a".repeat(41), &"é".repeat(20)] {
            assert_eq!(from_hex(text), None, "{text}");
        }
        assert_eq!(from_hex(&"fF".repeat(20)), Some([0xff; 20]));
    }
}
