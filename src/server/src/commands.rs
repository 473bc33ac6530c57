//! The commands beside `serve`.

use std::{
    fs::{self, File, Permissions},
    io::{self, BufRead, BufReader, IsTerminal, stdin},
    os::unix::fs::PermissionsExt,
    path::{Path, absolute},
};

use heliograph_conf::Config;
use heliograph_http::AuthKind;
use heliograph_work::Shutdown;

use crate::{
    admin::{Answer, Request},
    app::{Domain, make_private_folder, runtime},
    cli::{Failure, UserCommand, say, say_error},
    control, serve, settings,
};

/// Manages accounts: through the server that runs on the data folder, or, when none does, in it.
pub(crate) fn user(config: &Config, command: UserCommand) -> Result<(), Failure> {
    let request = match command {
        UserCommand::Create {
            localpart,
            admin,
            bcrypt,
            password_file,
        } => Request::CreateUser {
            localpart,
            bcrypt,
            password: read_password(password_file.as_deref())?,
            admin,
        },
        UserCommand::Password {
            user,
            password_file,
        } => Request::SetPassword {
            user,
            password: read_password(password_file.as_deref())?,
        },
        UserCommand::List => Request::ListUsers { after: None },
    };
    administer(config, request)
}

/// Backs the data folder up, whether a server runs on it or not.
pub(crate) fn backup(config: &Config, target: &Path) -> Result<(), Failure> {
    // Opening would make what is missing, and a backup of that would look like one.
    let key = settings::signing_key(config);
    for needed in [settings::database_folder(config), key] {
        if !needed.exists() {
            let text = format!("{} does not exist: nothing to back up", needed.display());
            return Err(Failure::other(text));
        }
    }
    let target = absolute(target).map_err(Failure::other)?;
    administer(config, Request::Backup { target })
}

/// Asks the running server, or does it here when there is none.
fn administer(config: &Config, request: Request) -> Result<(), Failure> {
    if let Some(answer) = control::ask(config, &request)? {
        return tell(answer, |request| {
            control::ask(config, &request)?
                .ok_or_else(|| Failure::other("the server ended before it had answered"))
        });
    }
    let runtime = runtime(config)?;
    let domain = {
        let _entered = runtime.enter();
        Domain::open(config, Shutdown::new())?
    };
    let admin = domain.admin(config);
    let perform = |request| runtime.block_on(admin.perform(request));
    let done = perform(request).and_then(|answer| tell(answer, perform));
    domain.database.close().map_err(Failure::other)?;
    done
}

/// Shows an answer, and asks for what follows it.
fn tell(
    mut answer: Answer,
    ask: impl Fn(Request) -> Result<Answer, Failure>,
) -> Result<(), Failure> {
    loop {
        answer.lines.iter().for_each(|line| say(line));
        match answer.next {
            Some(next) => answer = ask(Request::ListUsers { after: Some(next) })?,
            None => return Ok(()),
        }
    }
}

/// Reads a password: the first line of a file or of standard input.
fn read_password(file: Option<&Path>) -> Result<String, Failure> {
    let line = match file {
        Some(path) => File::open(path)
            .and_then(|file| first_line(&mut BufReader::new(file)))
            .map_err(|error| Failure::other(format!("{}: {error}", path.display())))?,
        None => {
            let stdin = stdin();
            if stdin.is_terminal() {
                say_error("type the password, which will be seen, and press return");
            }
            first_line(&mut stdin.lock()).map_err(Failure::other)?
        }
    };
    if line.is_empty() {
        return Err(Failure::other("there is no password in the first line"));
    }
    Ok(line)
}

fn first_line(read: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    read.read_line(&mut line)?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

/// Makes a data folder of a backup.
pub(crate) fn restore(config: &Config, backup: &Path, target: &Path) -> Result<(), Failure> {
    let folder = target.join("database");
    make_private_folder(target).map_err(Failure::other)?;
    let settings = settings::storage(config);
    let restored =
        heliograph_storage::restore(backup, folder, target, settings).map_err(Failure::other)?;
    say(&format!(
        "restored up to position {}",
        restored.backup_position
    ));
    for file in &restored.files {
        // Keys.
        fs::set_permissions(file, Permissions::from_mode(0o600)).map_err(Failure::other)?;
        say(&format!("{}", file.display()));
    }
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
        let guests = if route.for_guests { "guests" } else { "-" };
        say(&format!(
            "{}\t{}\t{auth}\t{guests}",
            route.method, route.path
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_the_first_line_without_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("password");
        for (text, password) in [
            ("a b\r\nnext", Some("a b")),
            (" x", Some(" x")),
            ("\ny", None),
        ] {
            fs::write(&file, text).unwrap();
            assert_eq!(read_password(Some(&file)).ok().as_deref(), password);
        }
        let missing = read_password(Some(&folder.path().join("no"))).unwrap_err();
        assert!(missing.to_string().contains("no: "), "{missing}");
    }

    #[test]
    fn a_folder_without_a_database_is_not_backed_up_nor_made() {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        config.storage.path = folder.path().join("data");
        assert!(backup(&config, &folder.path().join("copy")).is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
