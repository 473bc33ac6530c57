//! The command line.

use std::{env, error::Error, path::PathBuf};

use clap::{Parser, Subcommand};
use heliograph_conf::{ConfError, Config, ENV_PREFIX};

use crate::{commands, serve};

/// A federated Matrix homeserver.
#[derive(Debug, Parser)]
#[command(version, about)]
pub(crate) struct Cli {
    /// The configuration file; without one, defaults and the environment.
    #[arg(long, short, global = true)]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server.
    Serve {
        /// Write the addresses it listens on to this file once it is ready, one URL a line.
        #[arg(long)]
        address_file: Option<PathBuf>,
    },
    /// Look at the configuration.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Manage accounts, whether the server runs or not.
    #[command(subcommand)]
    User(UserCommand),
    /// Copy the database and the signing key to a new folder, whether the server runs or not.
    Backup {
        /// The folder to make.
        target: PathBuf,
    },
    /// Make a data folder of a backup.
    Restore {
        /// The backup.
        backup: PathBuf,
        /// The data folder to make.
        target: PathBuf,
    },
    /// Check every file of a backup, or every row of a data folder that no server runs on.
    Verify {
        /// What to check.
        path: PathBuf,
    },
    /// List what is served: method, path, authentication, and whether guests may call it.
    Routes,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Say what is wrong with it.
    Check,
    /// Show the values in effect, with secrets hidden.
    Show,
}

/// Commands about accounts.
#[derive(Debug, Subcommand)]
pub(crate) enum UserCommand {
    /// Make an account. The password is the first line of standard input.
    Create {
        /// The part of the user id before the colon.
        localpart: String,
        /// Make the user an administrator.
        #[arg(long)]
        admin: bool,
        /// Take the line for the password's hash under bcrypt, as Synapse has it in its table of users.
        #[arg(long)]
        bcrypt: bool,
        /// Read the password from this file instead.
        #[arg(long)]
        password_file: Option<PathBuf>,
    },
    /// Set a new password, the first line of standard input, and end all sessions.
    Password {
        /// The user id, or the part before the colon.
        user: String,
        /// Read the password from this file instead.
        #[arg(long)]
        password_file: Option<PathBuf>,
    },
    /// List the accounts.
    List,
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The configuration is wrong.
    #[error("{0}")]
    Config(#[from] ConfError),
    /// Anything else.
    #[error("{0}")]
    Other(Box<dyn Error + Send + Sync>),
}

impl Failure {
    /// Any other failure.
    pub(crate) fn other(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Other(error.into())
    }
}

/// Does what the command line asks.
pub(crate) fn run(cli: Cli) -> Result<(), Failure> {
    let config = || Config::load(cli.config.as_deref(), env::vars());
    // What only reads and copies files works without a configuration, so without a server's name.
    let config_or_defaults = || match &cli.config {
        None if !env::vars().any(|(name, _)| name.starts_with(ENV_PREFIX)) => Ok(Config::default()),
        _ => config(),
    };
    match cli.command {
        Command::Serve { address_file } => serve::run(&config()?, address_file),
        Command::Config(ConfigCommand::Check) => {
            config()?;
            say("the configuration is fine");
            Ok(())
        }
        Command::Config(ConfigCommand::Show) => {
            say(&config()?.show());
            Ok(())
        }
        Command::User(command) => commands::user(&config()?, command),
        Command::Backup { target } => commands::backup(&config()?, &target),
        Command::Restore { backup, target } => {
            commands::restore(&config_or_defaults()?, &backup, &target)
        }
        Command::Verify { path } => commands::verify(&config_or_defaults()?, &path),
        Command::Routes => {
            commands::routes();
            Ok(())
        }
    }
}

/// Tells the user something.
#[expect(clippy::print_stdout, reason = "the answer of a command")]
pub(crate) fn say(text: &str) {
    println!("{text}");
}

/// Tells the user what went wrong.
#[expect(clippy::print_stderr, reason = "there may be no log yet")]
pub(crate) fn say_error(text: &str) {
    eprintln!("heliograph: {text}");
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn commands_are_understood() {
        for line in [
            "serve",
            "serve --config x.toml --address-file a",
            "-c x.toml serve",
            "config check",
            "config show",
            "user create ada --admin --password-file p",
            "user create ada --bcrypt",
            "user password @ada:example.org",
            "user list --config x.toml",
            "backup b",
            "restore b d",
            "verify d",
            "routes",
        ] {
            let words = line.split(' ');
            let parsed = Cli::try_parse_from(["heliograph"].into_iter().chain(words));
            assert!(parsed.is_ok(), "{line}: {}", parsed.unwrap_err());
        }
        for line in [
            "",
            "backup",
            "restore b",
            "user",
            "user create",
            "config",
            "fly",
        ] {
            let words = line.split(' ').filter(|word| !word.is_empty());
            let parsed = Cli::try_parse_from(["heliograph"].into_iter().chain(words));
            assert!(parsed.is_err(), "{line}");
        }
    }
}
