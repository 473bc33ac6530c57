//! The binary `heliograph`: command line, wiring, signals, telemetry.
//!
//! It must know no rule of the protocol: it puts the other crates together and starts them.
//!
//! Entry points: [`cli`] (what can be asked), [`serve`] (the server), [`commands`] (the rest),
//! [`control`] (how commands reach a running server).

mod admin;
mod app;
mod cli;
mod commands;
mod control;
mod departures;
mod follower;
mod pages;
mod presence;
mod profiles;
mod room_follower;
mod serve;
mod settings;
mod telemetry;
mod workers;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Cli, Failure};

/// One allocator for Rust and RocksDB.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    match cli::run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            cli::say_error(&failure.to_string());
            match failure {
                Failure::Config(_) => ExitCode::from(2),
                Failure::Other(_) => ExitCode::FAILURE,
            }
        }
    }
}
