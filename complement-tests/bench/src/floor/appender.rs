//! One thread that appends: what waits is written and synced together.

use std::{fs::File, io, io::Write as _, path::Path, thread, thread::JoinHandle};

use tokio::sync::{mpsc, oneshot};

/// Events that may wait; who comes later waits for a place.
const PLACES: usize = 1024;

/// An event to append.
pub(crate) struct Line {
    /// Its bytes, without a newline.
    pub(crate) json: Vec<u8>,
    /// Told once it is synced; dropped if that failed.
    pub(crate) synced: oneshot::Sender<()>,
}

/// Starts the thread. It ends when all senders are dropped, or with the error of a write or sync.
///
/// # Errors
/// When the file cannot be made or the thread not started.
pub(crate) fn start(file: &Path) -> io::Result<(mpsc::Sender<Line>, JoinHandle<io::Result<()>>)> {
    let file = File::options().create_new(true).append(true).open(file)?;
    let (sender, receiver) = mpsc::channel(PLACES);
    let thread = thread::Builder::new().name("appender".to_owned());
    Ok((sender, thread.spawn(move || run(file, receiver))?))
}

fn run(mut file: File, mut receiver: mpsc::Receiver<Line>) -> io::Result<()> {
    let (mut bytes, mut waiting) = (Vec::new(), Vec::new());
    while let Some(first) = receiver.blocking_recv() {
        let mut next = Some(first);
        while let Some(line) = next {
            bytes.extend_from_slice(&line.json);
            bytes.push(b'\n');
            waiting.push(line.synced);
            next = receiver.try_recv().ok();
        }
        file.write_all(&bytes)?;
        file.sync_data()?;
        bytes.clear();
        for synced in waiting.drain(..) {
            // Who asked may have gone.
            synced.send(()).ok();
        }
    }
    Ok(())
}
