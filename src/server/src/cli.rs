//! The command line.

use std::{error::Error, path::PathBuf};

use clap::{Parser, Subcommand};
use heliograph_conf::{ConfError, Config};

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
    /// Manage accounts, while the server is stopped.
    #[command(subcommand)]
    User(UserCommand),
    /// Copy the database and the signing key to a new folder, while the server is stopped.
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
    /// Check every byte of a data folder or of a backup.
    Verify {
        /// What to check.
        path: PathBuf,
    },
    /// List what is served: method, path and authentication.
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
    /// Make an account. The password is read from standard input.
    Create {
        /// The part of the user id before the colon.
        localpart: String,
        /// Make the user an administrator.
        #[arg(long)]
        admin: bool,
    },
    /// Set a new password, read from standard input, and end all sessions.
    Password {
        /// The user id, or the part before the colon.
        user: String,
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
    let config = || Config::load(cli.config.as_deref(), std::env::vars());
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
        Command::Restore { backup, target } => commands::restore(&config()?, &backup, &target),
        Command::Verify { path } => commands::verify(&config()?, &path),
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
