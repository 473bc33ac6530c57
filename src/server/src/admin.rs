//! What operators ask for by commands, done alike by a running server and on a stopped one's data.

use std::{path::PathBuf, sync::Arc};

use heliograph_accounts::{Accounts, Registration};
use heliograph_core::ids::UserNum;
use heliograph_storage::Database;
use serde::{Deserialize, Serialize};

use crate::{app::make_private_folder, cli::Failure};

/// Accounts listed at a time.
const PAGE: usize = 100;

/// What is asked. It has no `Debug`, for the passwords in it.
#[derive(Deserialize, Serialize)]
pub(crate) enum Request {
    /// Copy the database and the signing key to a new folder, named by its whole path.
    Backup { target: PathBuf },
    /// Make an account.
    CreateUser {
        localpart: String,
        password: String,
        /// Whether the password is its hash under bcrypt.
        bcrypt: bool,
        admin: bool,
    },
    /// Set a password and end all sessions. The user is named by id or localpart.
    SetPassword { user: String, password: String },
    /// List a page of accounts, from the one after this number.
    ListUsers { after: Option<u32> },
}

/// What is told.
#[derive(Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) struct Answer {
    /// Lines for people.
    pub(crate) lines: Vec<String>,
    /// Where a list goes on, if it does.
    pub(crate) next: Option<u32>,
}

impl Answer {
    fn line(line: String) -> Self {
        Self {
            lines: vec![line],
            next: None,
        }
    }
}

/// Does what operators ask.
pub(crate) struct Admin {
    pub(crate) accounts: Arc<Accounts>,
    pub(crate) database: Arc<Database>,
    pub(crate) server_name: String,
    pub(crate) signing_key: PathBuf,
}

impl Admin {
    /// Does one thing.
    pub(crate) async fn perform(&self, request: Request) -> Result<Answer, Failure> {
        match request {
            Request::Backup { target } => self.backup(target).await,
            Request::CreateUser {
                localpart,
                password,
                bcrypt,
                admin,
            } => {
                let (password, bcrypt_hash) = if bcrypt {
                    (None, Some(password))
                } else {
                    (Some(password), None)
                };
                let registration = Registration {
                    localpart: Some(localpart),
                    password,
                    bcrypt_hash,
                    admin,
                    ..Registration::default()
                };
                let made = self.accounts.register(registration).await;
                let made = made.map_err(Failure::other)?;
                Ok(Answer::line(format!("made {}", made.user_id)))
            }
            Request::SetPassword { user, password } => self.set_password(user, password).await,
            Request::ListUsers { after } => self.list(after).await,
        }
    }

    async fn backup(&self, target: PathBuf) -> Result<Answer, Failure> {
        let (database, key) = (Arc::clone(&self.database), self.signing_key.clone());
        // Not on the store's pool: it takes as long as the database is big.
        let done = tokio::task::spawn_blocking(move || {
            make_private_folder(&target).map_err(Failure::other)?;
            database.backup(target, &[key]).map_err(Failure::other)
        });
        let done = done.await.map_err(Failure::other)??;
        Ok(Answer::line(format!(
            "{} files, {} bytes, up to position {}",
            done.files, done.bytes, done.position
        )))
    }

    async fn set_password(&self, user: String, password: String) -> Result<Answer, Failure> {
        let id = if user.starts_with('@') {
            user
        } else {
            format!("@{user}:{}", self.server_name)
        };
        let accounts = &self.accounts;
        let found = accounts.local_user(&id).await.map_err(Failure::other)?;
        let found = found.ok_or_else(|| Failure::other(format!("there is no user {id}")))?;
        let set = accounts.set_password(found, password, true, None).await;
        set.map_err(Failure::other)?;
        Ok(Answer::line(format!("set the password of {id}")))
    }

    async fn list(&self, after: Option<u32>) -> Result<Answer, Failure> {
        let page = self.accounts.list(after.map(UserNum), PAGE).await;
        let page = page.map_err(Failure::other)?;
        let mut answer = Answer::default();
        for user in &page {
            let admin = if user.admin { " admin" } else { "" };
            let deactivated = if user.deactivated { " deactivated" } else { "" };
            answer
                .lines
                .push(format!("{}{admin}{deactivated}", user.user_id));
        }
        if page.len() == PAGE {
            answer.next = page.last().map(|user| user.user.0);
        }
        Ok(answer)
    }
}
