//! Makes the data folder of a server on which much has happened, or the same with little: what
//! tests of cost compare.
//!
//! It uses the engine that the server uses, through the same committer, but many events are one
//! batch, and the disk is not waited for. Beside the store it writes `fixture.json`: who is there,
//! with their access tokens, and which rooms.

mod fill;
mod world;

use std::{env, error::Error, fs, path::Path, process::ExitCode, time::Instant};

use serde_json::json;
use world::World;

/// The name of the servers that tests start.
const SERVER_NAME: &str = "heliograph.test";

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// How much there is to be.
#[derive(Clone, Copy, Debug)]
struct Sizes {
    /// Members of the crowded room, beside its creator.
    members: usize,
    /// Rooms of the busy account, beside the crowded and the long one.
    rooms: usize,
    /// Messages in the long room.
    events: usize,
    /// Rooms of somebody else in the directory.
    published: usize,
}

#[expect(clippy::print_stderr, reason = "a program that tests start")]
fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    let made = match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [members, rooms, events, published, folder] => sizes([members, rooms, events, published])
            .and_then(|sizes| {
                tokio::runtime::Runtime::new()?.block_on(make(sizes, folder.as_ref()))
            }),
        _ => Err("usage: heliograph-loader MEMBERS ROOMS EVENTS PUBLISHED FOLDER".into()),
    };
    match made {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn sizes([members, rooms, events, published]: [&str; 4]) -> Result<Sizes> {
    Ok(Sizes {
        members: members.parse()?,
        rooms: rooms.parse()?,
        events: events.parse()?,
        published: published.parse()?,
    })
}

/// Makes the fixture in `folder`, which must not be there: whole, or not at all.
async fn make(sizes: Sizes, folder: &Path) -> Result<()> {
    let unfinished = folder.with_extension("unfinished");
    if unfinished.exists() {
        fs::remove_dir_all(&unfinished)?;
    }
    fs::create_dir_all(&unfinished)?;
    let world = World::open(&unfinished)?;
    let owner = world.user("owner").await?;
    let member = world.user("member").await?;
    let joiner = world.user("joiner").await?;

    let begin = Instant::now();
    let crowd = fill::crowd(&world, &[&owner, &member], sizes.members).await?;
    say(&format!("{} members", sizes.members), begin);
    let begin = Instant::now();
    fill::rooms(&world, &owner, sizes.rooms, false).await?;
    say(&format!("{} rooms", sizes.rooms), begin);
    let begin = Instant::now();
    let publisher = world.user("publisher").await?;
    fill::rooms(&world, &publisher, sizes.published, true).await?;
    say(&format!("{} published rooms", sizes.published), begin);
    let begin = Instant::now();
    let long = fill::long(&world, &[&owner, &member], sizes.events).await?;
    say(&format!("{} events", sizes.events), begin);

    let user = |user: &world::User| json!({ "user_id": user.sender.user_id, "token": user.token });
    let description = json!({
        "owner": user(&owner),
        "member": user(&member),
        "joiner": user(&joiner),
        "crowd": crowd,
        "long": long,
    });
    let begin = Instant::now();
    world.close()?;
    say("closed", begin);
    fs::write(unfinished.join("fixture.json"), description.to_string())?;
    fs::rename(&unfinished, folder)?;
    Ok(())
}

#[expect(
    clippy::print_stdout,
    reason = "progress of a program that takes its time"
)]
fn say(what: &str, begin: Instant) {
    println!("{what}: {:.1} s", begin.elapsed().as_secs_f64());
}
