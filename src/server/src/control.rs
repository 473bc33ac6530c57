//! The socket on which commands ask a running server: `control.sock` in the data folder.
//!
//! Whoever may open it is the server's own user or root; the kernel says who asks. A connection
//! carries one request and one answer, each a line of JSON.

use std::{
    fs,
    io::{self, BufRead, BufReader, ErrorKind, Read, Write},
    os::unix::{
        fs::{MetadataExt, PermissionsExt},
        net::UnixStream as BlockingStream,
    },
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use heliograph_conf::Config;
use heliograph_work::{Step, Worker, WorkerCx, WorkerError};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt},
    net::{UnixListener, UnixStream},
};
use tracing::warn;

use crate::{
    admin::{Admin, Answer, Request},
    cli::Failure,
};

/// Bytes of a request, at most.
const MAX_REQUEST_BYTES: u64 = 64 * 1024;
/// Bytes of an answer, at most.
const MAX_ANSWER_BYTES: u64 = 1024 * 1024;
/// How long a command may take to say what it wants.
const PATIENCE: Duration = Duration::from_secs(10);
/// The user id of root.
const ROOT: u32 = 0;

/// An answer, or why there is none.
type Reply = Result<Answer, String>;

/// Where the socket of a data folder is.
pub(crate) fn socket_path(config: &Config) -> PathBuf {
    config.storage.path.join("control.sock")
}

/// The bound socket; its file goes with it.
pub(crate) struct Socket {
    listener: UnixListener,
    path: PathBuf,
    owner: u32,
}

impl Socket {
    /// Binds the socket of a data folder whose database this process has open: what an ended server
    /// left there is replaced.
    pub(crate) fn bind(path: PathBuf) -> io::Result<Self> {
        remove(&path)?;
        let listener = UnixListener::bind(&path)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
        let owner = fs::metadata(&path)?.uid();
        Ok(Self {
            listener,
            path,
            owner,
        })
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if let Err(error) = remove(&self.path) {
            warn!(%error, "the control socket cannot be removed");
        }
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Answers commands, one after the other.
pub(crate) struct Control {
    pub(crate) admin: Arc<Admin>,
    pub(crate) socket: Arc<Socket>,
}

impl Worker for Control {
    const NAME: &'static str = "control";

    async fn step(&mut self, cx: &WorkerCx) -> Result<Step, WorkerError> {
        let answered = async {
            let (stream, _) = self.socket.listener.accept().await?;
            if let Err(error) = self.answer(stream).await {
                warn!(%error, "a command was not answered");
            }
            io::Result::Ok(())
        };
        tokio::select! {
            answered = answered => answered.map(|()| Step::Again).map_err(WorkerError::new),
            () = cx.shutdown().requested() => Ok(Step::Done),
        }
    }
}

impl Control {
    async fn answer(&self, mut stream: UnixStream) -> io::Result<()> {
        let asker = stream.peer_cred()?.uid();
        if asker != self.socket.owner && asker != ROOT {
            return Err(ErrorKind::PermissionDenied.into());
        }
        let (read, mut write) = stream.split();
        let mut line = String::new();
        let mut read = tokio::io::BufReader::new(read.take(MAX_REQUEST_BYTES));
        tokio::time::timeout(PATIENCE, read.read_line(&mut line)).await??;
        let reply: Reply = match serde_json::from_str::<Request>(&line) {
            Ok(request) => {
                let done = self.admin.perform(request).await;
                done.map_err(|failure| failure.to_string())
            }
            // The error would show a part of what was sent.
            Err(_) => Err("the server does not understand this command".to_owned()),
        };
        let mut reply = serde_json::to_vec(&reply)?;
        reply.push(b'\n');
        write.write_all(&reply).await?;
        write.shutdown().await
    }
}

/// Asks the server that runs on a data folder; `None` when none does. Blocks.
pub(crate) fn ask(config: &Config, request: &Request) -> Result<Option<Answer>, Failure> {
    let mut stream = match BlockingStream::connect(socket_path(config)) {
        Ok(stream) => stream,
        // No socket, one that an ended server left, or a path that is too long for any.
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::NotFound | ErrorKind::ConnectionRefused | ErrorKind::InvalidInput
            ) =>
        {
            return Ok(None);
        }
        Err(error) => return Err(Failure::other(error)),
    };
    let mut request = serde_json::to_vec(request).map_err(Failure::other)?;
    request.push(b'\n');
    stream.write_all(&request).map_err(Failure::other)?;
    let mut line = String::new();
    let mut reply = BufReader::new(stream.take(MAX_ANSWER_BYTES));
    reply.read_line(&mut line).map_err(Failure::other)?;
    if !line.ends_with('\n') {
        return Err(Failure::other("the server ended before it had answered"));
    }
    let reply: Reply = serde_json::from_str(&line).map_err(Failure::other)?;
    reply.map(Some).map_err(Failure::other)
}
