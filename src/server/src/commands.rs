//! The commands beside `serve`.

use std::{
    io::{BufRead, stdin},
    path::Path,
};

use heliograph_accounts::Registration;
use heliograph_conf::Config;
use heliograph_http::AuthKind;
use heliograph_storage::Database;
use heliograph_work::Shutdown;

use crate::{
    app::{Domain, runtime},
    cli::{Failure, UserCommand, say},
    serve, settings,
};

/// Accounts listed at a time.
const PAGE: usize = 100;

/// Manages accounts in the data folder of a stopped server.
pub(crate) fn user(config: &Config, command: UserCommand) -> Result<(), Failure> {
    let runtime = runtime(config)?;
    let domain = Domain::open(config, Shutdown::new())?;
    let done = runtime.block_on(manage(config, &domain, command));
    domain.database.close().map_err(Failure::other)?;
    done
}

async fn manage(config: &Config, domain: &Domain, command: UserCommand) -> Result<(), Failure> {
    let accounts = &domain.accounts;
    match command {
        UserCommand::Create { localpart, admin } => {
            let registration = Registration {
                localpart: Some(localpart),
                password: Some(read_password()?),
                admin,
                ..Registration::default()
            };
            let made = accounts
                .register(registration)
                .await
                .map_err(Failure::other)?;
            say(&format!("made {}", made.user_id));
        }
        UserCommand::Password { user } => {
            let id = if user.starts_with('@') {
                user
            } else {
                format!("@{user}:{}", config.server.name)
            };
            let found = accounts.local_user(&id).await.map_err(Failure::other)?;
            let found = found.ok_or_else(|| Failure::other(format!("there is no user {id}")))?;
            let password = read_password()?;
            accounts
                .set_password(found, password, true, None)
                .await
                .map_err(Failure::other)?;
            say(&format!("set the password of {id}"));
        }
        UserCommand::List => list(domain).await?,
    }
    Ok(())
}

async fn list(domain: &Domain) -> Result<(), Failure> {
    let mut after = None;
    loop {
        let page = domain
            .accounts
            .list(after, PAGE)
            .await
            .map_err(Failure::other)?;
        for user in &page {
            let admin = if user.admin { " admin" } else { "" };
            let deactivated = if user.deactivated { " deactivated" } else { "" };
            say(&format!("{}{admin}{deactivated}", user.user_id));
        }
        match page.last() {
            Some(user) if page.len() == PAGE => after = Some(user.user),
            _ => return Ok(()),
        }
    }
}

/// Reads a password from the first line of standard input.
fn read_password() -> Result<String, Failure> {
    let mut line = String::new();
    stdin()
        .lock()
        .read_line(&mut line)
        .map_err(Failure::other)?;
    let password = line.trim_end_matches(['\r', '\n']).to_owned();
    if password.is_empty() {
        return Err(Failure::other("no password on standard input"));
    }
    Ok(password)
}

/// Backs a stopped server's data folder up.
pub(crate) fn backup(config: &Config, target: &Path) -> Result<(), Failure> {
    let database = Database::open(settings::database_folder(config), settings::storage(config))
        .map_err(Failure::other)?;
    let done = database.backup(target, &[settings::signing_key(config)]);
    database.close().map_err(Failure::other)?;
    let done = done.map_err(Failure::other)?;
    say(&format!(
        "{} files, {} bytes, up to position {}",
        done.files, done.bytes, done.position
    ));
    Ok(())
}

/// Makes a data folder of a backup.
pub(crate) fn restore(config: &Config, backup: &Path, target: &Path) -> Result<(), Failure> {
    let folder = target.join("database");
    let settings = settings::storage(config);
    let restored =
        heliograph_storage::restore(backup, folder, target, settings).map_err(Failure::other)?;
    say(&format!(
        "restored up to position {}",
        restored.backup_position
    ));
    Ok(())
}

/// Checks a data folder or a backup.
pub(crate) fn verify(config: &Config, path: &Path) -> Result<(), Failure> {
    let database = path.join("database");
    let path = if database.is_dir() {
        database.as_path()
    } else {
        path
    };
    let report = heliograph_storage::verify(path, &settings::storage(config));
    let report = report.map_err(Failure::other)?;
    for (table, rows) in &report.rows {
        say(&format!("{table}: {rows} rows"));
    }
    for problem in &report.problems {
        say(problem);
    }
    if report.problem_count == 0 {
        say("everything is whole");
        return Ok(());
    }
    Err(Failure::other(format!("{} problems", report.problem_count)))
}

/// Lists the route table.
pub(crate) fn routes() {
    for route in serve::entries() {
        let auth = match route.auth {
            AuthKind::None => "none",
            AuthKind::OptionalDevice => "optional-device",
            AuthKind::Device => "device",
        };
        say(&format!("{}\t{}\t{auth}", route.method, route.path));
    }
}
