//! The wish that everything comes to an end.

use tokio_util::sync::CancellationToken;

/// Says once, to everybody who holds a copy, that the process is to stop.
#[derive(Clone, Debug, Default)]
pub struct Shutdown(CancellationToken);

impl Shutdown {
    /// Nobody has asked to stop yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks everybody who holds a copy to stop. Asking again changes nothing.
    pub fn request(&self) {
        self.0.cancel();
    }

    /// Whether somebody asked.
    pub fn is_requested(&self) -> bool {
        self.0.is_cancelled()
    }

    /// Waits until somebody asks. May be dropped and called again.
    pub async fn requested(&self) {
        self.0.cancelled().await;
    }

    /// One that stops with this one, and can be stopped alone.
    #[must_use]
    pub fn child(&self) -> Self {
        Self(self.0.child_token())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_request_reaches_copies_and_children_but_not_parents() {
        let parent = Shutdown::new();
        let child = parent.child();
        let grandchild = child.child();
        child.request();
        grandchild.requested().await;
        assert!(!parent.is_requested());
        let copy = parent.clone();
        parent.request();
        copy.requested().await;
        assert!(copy.is_requested());
    }
}
