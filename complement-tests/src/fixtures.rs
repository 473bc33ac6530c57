//! Data folders on which much has happened, made once by the loader and kept in the cache.

use std::{
    env,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value as Json;

use crate::{Client, Options, TestServer, server};

/// Rises when the loader makes something else of the same sizes, or the store's schema changes.
const VERSION: u32 = 3;

/// How much has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Members of the crowded room, beside its creator and one who is there to talk.
    pub members: usize,
    /// Rooms of the owner's account, beside the crowded and the long one.
    pub rooms: usize,
    /// Messages in the long room.
    pub events: usize,
    /// Rooms of somebody else in the directory.
    pub published: usize,
}

impl Sizes {
    /// Next to nothing.
    pub const SMALL: Self = Self {
        members: 10,
        rooms: 10,
        events: 10,
        published: 0,
    };
    /// What must cost no more.
    pub const BIG: Self = Self {
        members: 100_000,
        rooms: 10_000,
        events: 1_000_000,
        published: 0,
    };
}

/// A running server on a copy of a fixture.
#[derive(Debug)]
pub struct Loaded {
    /// The server.
    pub server: TestServer,
    description: Json,
    // Dropped last: the server's folder lies in it.
    _folder: tempfile::TempDir,
}

impl Loaded {
    /// Starts a server on a copy of the fixture, which is made first if it is not there yet.
    pub async fn start(sizes: Sizes, options: Options) -> Self {
        let fixture = made(sizes);
        // Beside the fixture, so that the table files can be shared.
        let folder = tempfile::Builder::new()
            .prefix("copy-")
            .tempdir_in(cache())
            .expect("a folder beside the fixtures");
        copy(&fixture, &folder.path().join("data"));
        let description = fs::read_to_string(fixture.join("fixture.json")).expect("a description");
        let server = TestServer::start(options.in_folder(folder.path())).await;
        Self {
            server,
            description: serde_json::from_str(&description).expect("JSON"),
            _folder: folder,
        }
    }

    /// A user of the fixture: `owner`, `member` or `joiner`.
    pub fn user(&self, name: &str) -> Client {
        let text = |key: &str| {
            let text = self.description[name][key].as_str();
            text.unwrap_or_else(|| panic!("no {key} of {name}"))
                .to_owned()
        };
        let mut client = self.server.client().with_token(&text("token"));
        client.user_id = text("user_id");
        client
    }

    /// A room of the fixture: `crowd` or `long`.
    pub fn room(&self, name: &str) -> String {
        self.description[name].as_str().expect("a room").to_owned()
    }
}

/// Where fixtures are kept.
fn cache() -> PathBuf {
    let home = || PathBuf::from(env::var_os("HOME").expect("a home folder")).join(".cache");
    let cache = env::var_os("XDG_CACHE_HOME").map_or_else(home, PathBuf::from);
    cache.join("heliograph").join("fixtures")
}

/// The folder of a fixture, made now if need be: by one process, however many ask.
fn made(sizes: Sizes) -> PathBuf {
    let Sizes {
        members,
        rooms,
        events,
        published,
    } = sizes;
    let cache = cache();
    fs::create_dir_all(&cache).expect("a folder for fixtures");
    let folder = cache.join(format!("{VERSION}-{members}-{rooms}-{events}-{published}"));
    let lock = File::create(folder.with_extension("lock")).expect("a lock file");
    lock.lock().expect("the lock");
    if !folder.exists() {
        let status = Command::new(server::program("heliograph-loader"))
            .args([members, rooms, events, published].map(|size| size.to_string()))
            .arg(&folder)
            .stdin(Stdio::null())
            .status()
            .expect("the loader runs");
        assert!(status.success(), "the loader failed");
    }
    folder
}

/// Copies a data folder of a server that was stopped: table files never change and are shared.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a fixture") {
        let path = entry.expect("an entry").path();
        let target = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            copy(&path, &target);
        } else if path.extension().is_some_and(|extension| extension == "sst") {
            fs::hard_link(&path, &target).expect("a link");
        } else {
            fs::copy(&path, &target).expect("a copy");
        }
    }
}
