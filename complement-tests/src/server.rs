//! A server process with a folder of its own.

use std::{
    collections::BTreeMap,
    env, fs,
    fs::File,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, RwLock},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::{Client, Costs, wait_for};

/// The name of the servers that tests start.
pub const SERVER_NAME: &str = "heliograph.test";
/// How long a server may take to begin or to end.
const PATIENCE: Duration = Duration::from_mins(1);

/// How a server is to be started.
#[derive(Clone, Debug, Default)]
pub struct Options {
    settings: BTreeMap<String, BTreeMap<String, String>>,
    wrapper: Vec<String>,
    folder: Option<PathBuf>,
}

impl Options {
    /// A server that lets everybody register, counts nothing against rate limits, and listens on
    /// free ports.
    pub fn new() -> Self {
        Self::default()
            .set("server", "name", &format!("{SERVER_NAME:?}"))
            .set("server", "listeners", "[{ address = \"127.0.0.1:0\" }]")
            .set("server", "public_base_url", "\"https://heliograph.test\"")
            .set("registration", "enabled", "true")
            .set("registration", "open_to_everyone", "true")
            .set("rate_limits", "enabled", "false")
            .set("metrics", "address", "\"127.0.0.1:0\"")
    }

    /// With a setting: `value` as it stands in the configuration file.
    #[must_use]
    pub fn set(mut self, section: &str, key: &str, value: &str) -> Self {
        let section = self.settings.entry(section.to_owned()).or_default();
        section.insert(key.to_owned(), value.to_owned());
        self
    }

    /// Without a setting.
    #[must_use]
    pub fn unset(mut self, section: &str, key: &str) -> Self {
        if let Some(section) = self.settings.get_mut(section) {
            section.remove(key);
        }
        self
    }

    /// On a folder that outlives the server, instead of one of its own.
    #[must_use]
    pub fn in_folder(mut self, folder: &Path) -> Self {
        self.folder = Some(folder.to_owned());
        self
    }

    fn file(&self, data: &Path) -> String {
        let with_path = self.clone().set(
            "storage",
            "path",
            &format!("{:?}", data.display().to_string()),
        );
        let sections = with_path.settings.iter().map(|(name, keys)| {
            let keys = keys.iter().map(|(key, value)| format!("{key} = {value}\n"));
            format!("[{name}]\n{}", keys.collect::<String>())
        });
        sections.collect()
    }
}

/// The server's program: `HELIOGRAPH_BIN`, or the one built beside this test.
pub fn binary() -> PathBuf {
    env::var_os("HELIOGRAPH_BIN").map_or_else(|| program("heliograph"), PathBuf::from)
}

/// A program built beside this test.
pub(crate) fn program(name: &str) -> PathBuf {
    let own = env::current_exe().expect("a program knows its path");
    let found = own
        .ancestors()
        .map(|folder| folder.join(name))
        .find(|path| path.is_file());
    found.unwrap_or_else(|| panic!("{name} is not built: cargo build --release --workspace"))
}

/// A running (or killed) server. It ends with this value; its log is shown if the test failed.
#[derive(Debug)]
pub struct TestServer {
    options: Options,
    own_folder: Option<TempDir>,
    folder: PathBuf,
    child: Option<Child>,
    base: Arc<RwLock<String>>,
    metrics: Option<String>,
    starts: usize,
}

impl TestServer {
    /// Starts a server and waits until it serves.
    pub async fn start(options: Options) -> Self {
        let own_folder = options.folder.is_none().then(temporary_folder);
        let folder = options.folder.clone().or_else(|| {
            let own = own_folder.as_ref()?;
            Some(own.path().to_owned())
        });
        let folder = folder.expect("a folder is given or made");
        let mut server = Self {
            options,
            own_folder,
            folder,
            child: None,
            base: Arc::default(),
            metrics: None,
            starts: 0,
        };
        server.start_again().await;
        server
    }

    /// Starts a server with the usual options.
    pub async fn usual() -> Self {
        Self::start(Options::new()).await
    }

    /// Starts the server on the same folder again; clients made before go on.
    pub async fn start_again(&mut self) {
        assert!(self.child.is_none(), "the server runs already");
        let addresses = self.folder.join("addresses");
        if addresses.exists() {
            fs::remove_file(&addresses).unwrap();
        }
        let config = self.folder.join("heliograph.toml");
        fs::write(&config, self.options.file(&self.data())).unwrap();
        self.starts += 1;
        let log = File::create(self.log_file(self.starts)).unwrap();
        let mut words = self.options.wrapper.iter();
        let mut command = match words.next() {
            Some(program) => Command::new(program),
            None => Command::new(binary()),
        };
        if !self.options.wrapper.is_empty() {
            command.args(words).arg(binary());
        }
        command
            .args(["serve", "--config"])
            .arg(&config)
            .arg("--address-file")
            .arg(&addresses)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        let child = self
            .child
            .insert(command.spawn().expect("the server starts"));
        let told = wait_for("the server's addresses", PATIENCE, || {
            let ended = child.try_wait().unwrap();
            let log = &self.folder;
            assert!(
                ended.is_none(),
                "the server ended: {ended:?}, see {}",
                log.display()
            );
            fs::read_to_string(&addresses)
                .ok()
                .filter(|text| text.ends_with('\n'))
        })
        .await;
        let mut listeners = told.lines().filter(|line| line.starts_with("http://"));
        let first = listeners.next().expect("an address of HTTP");
        first.clone_into(&mut self.base.write().unwrap());
        let metrics = told.lines().find_map(|line| line.strip_prefix("metrics "));
        self.metrics = metrics.map(str::to_owned);
    }

    /// Starts the server through another program from the next start on.
    pub fn wrap(&mut self, wrapper: &[String]) {
        wrapper.clone_into(&mut self.options.wrapper);
    }

    /// The process id.
    pub fn process(&self) -> i32 {
        self.pid().as_raw_nonzero().get()
    }

    /// Ends the server by SIGTERM and starts it again.
    pub async fn restart(&mut self) {
        self.stop().await;
        self.start_again().await;
    }

    /// Asks the server to end, and demands that it ends well.
    pub async fn stop(&mut self) {
        self.signal(Signal::TERM);
        let mut child = self.child.take().expect("a server to stop");
        let status = wait_for("the server's end", PATIENCE, || child.try_wait().unwrap()).await;
        assert!(
            status.success(),
            "the server ended with {status}: {}",
            self.log()
        );
    }

    /// Kills the server.
    pub fn kill(&mut self) {
        let mut child = self.child.take().expect("a server to kill");
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Sends a signal to the server.
    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("the server takes signals");
    }

    /// Stops the server as it stands; it can be killed or let go on.
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets a frozen server go on.
    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    fn pid(&self) -> Pid {
        let child = self.child.as_ref().expect("a running server");
        Pid::from_child(child)
    }

    /// Whether the process still runs.
    pub fn is_alive(&mut self) -> bool {
        let child = self.child.as_mut();
        child.is_some_and(|child| child.try_wait().unwrap().is_none())
    }

    /// The folder with the configuration, the logs and the data.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The folder of the database.
    pub fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// The configuration file.
    pub fn config(&self) -> PathBuf {
        self.folder.join("heliograph.toml")
    }

    /// Where the server listens, `http://127.0.0.1:PORT`.
    pub fn base(&self) -> String {
        self.base.read().unwrap().clone()
    }

    fn log_file(&self, start: usize) -> PathBuf {
        self.folder.join(format!("server-{start}.log"))
    }

    /// The log since the last start.
    pub fn log(&self) -> String {
        fs::read_to_string(self.log_file(self.starts)).unwrap_or_default()
    }

    /// Demands that no thread of the server has panicked.
    #[track_caller]
    pub fn assert_no_panic(&self) {
        let log = self.log();
        let panic = log.lines().find(|line| line.contains("panicked"));
        assert!(panic.is_none(), "the server panicked: {panic:?}");
    }

    /// A client without a user.
    pub fn client(&self) -> Client {
        Client::new(Arc::clone(&self.base))
    }

    /// Registers a user and gives a client with a device of theirs.
    pub async fn user(&self, localpart: &str) -> Client {
        self.client().register(localpart).await
    }

    /// What the store's operations cost so far.
    pub async fn costs(&self) -> Costs {
        let address = self.metrics.as_ref().expect("an address of /metrics");
        let answer = self.client().get_text(address).await;
        Costs::parse(&answer)
    }

    /// Runs a command of the server's program on this server's configuration; gives whether it
    /// went well, and what it printed to both outputs.
    pub fn command(&self, words: &[&str]) -> (bool, String) {
        let output = Command::new(binary())
            .args(words)
            .arg("--config")
            .arg(self.config())
            .stdin(Stdio::null())
            .output()
            .expect("the program runs");
        let text = [output.stdout, output.stderr].concat();
        (
            output.status.success(),
            String::from_utf8_lossy(&text).into_owned(),
        )
    }
}

/// A folder for one server: in memory where there is such a file system, as syncing is not what
/// most tests are about.
fn temporary_folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    let place = env::var_os("HELIOGRAPH_TEST_FOLDER").map(PathBuf::from);
    let place = place.unwrap_or_else(|| {
        if memory.is_dir() {
            memory.to_owned()
        } else {
            env::temp_dir()
        }
    });
    tempfile::Builder::new()
        .prefix("heliograph-")
        .tempdir_in(place)
        .expect("a temporary folder")
}

impl Drop for TestServer {
    #[expect(
        clippy::print_stderr,
        reason = "the log of a failed test is part of its output"
    )]
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended by itself; a test that minds asked before.
            if child.kill().is_ok() && child.wait().is_err() {
                eprintln!("the server could not be waited for");
            }
        }
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            let last = lines.len().saturating_sub(60);
            eprintln!(
                "--- the end of the server's log\n{}",
                lines[last..].join("\n")
            );
            if let Some(own) = &mut self.own_folder {
                own.disable_cleanup(env::var_os("HELIOGRAPH_KEEP").is_some());
            }
        }
    }
}
