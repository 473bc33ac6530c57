//! A server under measurement: started on a temporary folder, stopped, frozen, asked for figures.

use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use heliograph_complement::measure::cpu_seconds;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::time::interval;

use crate::{Result, http::Http, http::User, process};

mod ours;
mod synapse;

/// How long a server may take to begin or to end.
const PATIENCE: Duration = Duration::from_mins(2);
/// How often it is looked whether a server has begun, has ended, or rests.
const LOOK: Duration = Duration::from_millis(100);
/// A server that used no more CPU than this between two looks rests: one tick of the system's.
const RESTING: f64 = 0.011;
/// Longest wait for a server to rest. Synapse's own clocks may never let it.
const LONGEST_REST: Duration = Duration::from_secs(5);

/// Which server it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Heliograph.
    Ours,
    /// Synapse.
    Synapse,
}

/// A server.
#[derive(Debug)]
pub(crate) struct Server {
    kind: Kind,
    /// The binary, or the virtual environment of Synapse.
    program: PathBuf,
    folder: TempDir,
    child: Option<Child>,
    base: String,
    /// Connections made since the server was last let go on.
    pub(crate) http: Http,
}

impl Server {
    /// Starts a server on an empty folder and waits until it answers.
    pub(crate) async fn start(kind: Kind, program: &Path) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("bench-peers-").tempdir()?;
        let base = format!("http://127.0.0.1:{}", free_port()?);
        let mut server = Self {
            kind,
            program: program.to_owned(),
            http: Http::new(&base)?,
            folder,
            child: None,
            base,
        };
        let port = server.base.rsplit(':').next().unwrap_or_default();
        match kind {
            Kind::Ours => ours::configure(server.folder.path(), port)?,
            Kind::Synapse => synapse::configure(server.folder.path(), port.parse()?)?,
        }
        server.start_again().await?;
        Ok(server)
    }

    /// Starts a server that was stopped.
    pub(crate) async fn start_again(&mut self) -> Result<()> {
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(self.folder.path().join("log"))?;
        let mut command = match self.kind {
            Kind::Ours => ours::command(&self.program, self.folder.path()),
            Kind::Synapse => {
                heliograph_complement::synapse::command(&self.program, self.folder.path())
            }
        };
        command
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        let child = self.child.insert(command.spawn()?);
        let (begun, mut looks) = (Instant::now(), interval(LOOK));
        let nobody = User {
            token: String::new(),
            id: String::new(),
        };
        loop {
            let path = "/_matrix/client/versions";
            if self.http.get(&nobody, path).await.is_ok() {
                return Ok(());
            }
            if child.try_wait()?.is_some() || begun.elapsed() > PATIENCE {
                let log = fs::read_to_string(self.folder.path().join("log"))?;
                return Err(format!("{:?} did not start: {log}", self.kind).into());
            }
            looks.tick().await;
        }
    }

    /// Asks the server to end and waits until it has.
    pub(crate) async fn stop(&mut self) -> Result<()> {
        self.signal(Signal::TERM)?;
        let mut child = self.child.take().ok_or("it does not run")?;
        let (begun, mut looks) = (Instant::now(), interval(LOOK));
        while child.try_wait()?.is_none() {
            if begun.elapsed() > PATIENCE {
                child.kill()?;
                child.wait()?;
                return Err(format!("{:?} did not stop", self.kind).into());
            }
            looks.tick().await;
        }
        Ok(())
    }

    /// Stops the server as it stands, so that it takes nothing from another.
    pub(crate) fn freeze(&self) -> Result<()> {
        self.signal(Signal::STOP)
    }

    /// Lets a frozen server go on, with new connections: it may have dropped the old ones.
    pub(crate) fn thaw(&mut self) -> Result<()> {
        self.signal(Signal::CONT)?;
        self.http = Http::new(&self.base)?;
        Ok(())
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let child = self.child.as_ref().ok_or("it does not run")?;
        Ok(kill_process(Pid::from_child(child), signal)?)
    }

    fn pid(&self) -> Result<u32> {
        let child = self.child.as_ref().ok_or("it does not run")?;
        Ok(child.id())
    }

    /// CPU seconds used since the server was last started.
    pub(crate) fn cpu(&self) -> Result<f64> {
        Ok(cpu_seconds(self.pid()?)?)
    }

    /// Memory now, in MiB.
    pub(crate) fn memory(&self) -> Result<f64> {
        process::pss_mib(self.pid()?)
    }

    /// Waits until what the server does after its answers is done, and gives its CPU seconds.
    pub(crate) async fn rest(&self) -> Result<f64> {
        let (begun, mut looks) = (Instant::now(), interval(LOOK));
        looks.tick().await;
        let (mut before, mut quiet) = (self.cpu()?, 0);
        while quiet < 3 && begun.elapsed() < LONGEST_REST {
            looks.tick().await;
            let now = self.cpu()?;
            quiet = if now - before < RESTING { quiet + 1 } else { 0 };
            before = now;
        }
        Ok(before)
    }

    /// Stops the server, makes its store as small as it gets, gives the KiB on disk, and starts it.
    pub(crate) async fn compacted_kib(&mut self) -> Result<f64> {
        self.stop().await?;
        let folder = self.folder.path();
        let store = match self.kind {
            Kind::Ours => ours::compact(folder)?,
            Kind::Synapse => synapse::compact(&self.program, folder)?,
        };
        let kib = process::disk_kib(&store)?;
        self.http = Http::new(&self.base)?;
        self.start_again().await?;
        Ok(kib)
    }

    /// Makes an account.
    pub(crate) async fn register(&self, name: &str) -> Result<User> {
        match self.kind {
            Kind::Ours => ours::register(&self.http, name).await,
            Kind::Synapse => synapse::register(&self.http, name).await,
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // After a failure: nobody asks how it ended.
        if let Some(mut child) = self.child.take()
            && child.kill().is_ok()
        {
            child.wait().ok();
        }
    }
}

/// A port that was free a moment ago.
fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// Runs a program to its end.
fn run(command: &mut Command) -> Result<()> {
    let output = command.stdin(Stdio::null()).output()?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    Err(format!("{command:?}: {} {text}", output.status).into())
}
