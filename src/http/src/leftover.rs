//! What nobody has read of a request's body, read and thrown away before the answer goes out.
//!
//! A request may be refused before its body is read: by its path, its token, a rate limit, its size.
//! Were the rest left in the connection, the server would have to close it, and a client that is
//! still sending, or sends its next request there, would see a broken connection and no answer.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Version, header};
use http_body_util::BodyExt as _;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use parking_lot::Mutex;

/// Bytes that are read and thrown away, at most.
const MAX_BYTES: u64 = 8 * 1024 * 1024;
/// How long that may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// A body that is lent to a handler: what the handler leaves of it can be taken back.
struct Lent(Arc<Mutex<Option<Body>>>);

impl HttpBody for Lent {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let mut lent = self.0.lock();
        let Some(body) = lent.as_mut() else {
            return Poll::Ready(None);
        };
        let frame = ready!(Pin::new(&mut *body).poll_frame(cx));
        if !matches!(frame, Some(Ok(_))) || body.is_end_stream() {
            *lent = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.0.lock().as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let lent = self.0.lock();
        let empty = || SizeHint::with_exact(0);
        lent.as_ref().map_or_else(empty, HttpBody::size_hint)
    }
}

/// What may be left of a request's body once it is answered.
pub(crate) struct Leftover {
    body: Arc<Mutex<Option<Body>>>,
    version: Version,
    /// Whether the client waits to be told to go on; it is not.
    waits: bool,
}

impl Leftover {
    /// Lends the body of a request; `None` where it has none.
    pub(crate) fn of(request: &mut axum::extract::Request) -> Option<Self> {
        if request.body().is_end_stream() {
            return None;
        }
        let body = std::mem::take(request.body_mut());
        let body = Arc::new(Mutex::new(Some(body)));
        *request.body_mut() = Body::new(Lent(Arc::clone(&body)));
        Some(Self {
            body,
            version: request.version(),
            waits: request.headers().contains_key(header::EXPECT),
        })
    }

    /// Throws away what is left. Where that is too much, or takes too long, the answer says that
    /// the connection ends.
    pub(crate) async fn discard(self, headers: &mut HeaderMap) {
        let left = self.body.lock().take();
        let Some(left) = left else {
            return;
        };
        let announced = left.size_hint().lower();
        let is_gone = !self.waits && announced <= MAX_BYTES && read_off(left).await;
        if !is_gone && self.version <= Version::HTTP_11 {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
    }
}

/// Reads a body to its end, and says whether it came to one.
async fn read_off(mut body: Body) -> bool {
    let read = async {
        let mut seen = 0u64;
        while let Some(frame) = body.frame().await {
            let Ok(frame) = frame else {
                return false;
            };
            let bytes = frame.data_ref().map_or(0, Bytes::len);
            seen = seen.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
            if seen > MAX_BYTES {
                return false;
            }
        }
        true
    };
    tokio::time::timeout(PATIENCE, read).await.unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use futures_util::stream;
    use http::Request;

    use super::*;

    fn request(chunks: usize, size: usize) -> axum::extract::Request {
        let chunk = move |_| Ok::<_, std::io::Error>(Bytes::from(vec![b'x'; size]));
        Request::new(Body::from_stream(stream::iter((0..chunks).map(chunk))))
    }

    /// What the answer says of the connection after the handler has read so many chunks.
    async fn connection(mut request: axum::extract::Request, read: usize) -> Option<HeaderValue> {
        let leftover = Leftover::of(&mut request).unwrap();
        let mut body = request.into_body();
        for _ in 0..read {
            body.frame().await;
        }
        drop(body);
        let mut headers = HeaderMap::new();
        leftover.discard(&mut headers).await;
        headers.remove(header::CONNECTION)
    }

    #[tokio::test]
    async fn what_is_left_is_read_off_and_the_connection_goes_on() {
        for read in [0, 1, 3, 4] {
            assert_eq!(connection(request(3, 1000), read).await, None, "{read}");
        }
    }

    #[tokio::test]
    async fn too_much_ends_the_connection() {
        assert!(connection(request(10, 1 << 20), 0).await.is_some());
        assert!(connection(request(10, 1 << 20), 5).await.is_none());
        let mut waiting = request(1, 1);
        let expect = HeaderValue::from_static("100-continue");
        waiting.headers_mut().insert(header::EXPECT, expect);
        assert!(connection(waiting, 0).await.is_some());
    }

    #[tokio::test]
    async fn a_request_without_a_body_has_nothing_left() {
        assert!(Leftover::of(&mut Request::new(Body::empty())).is_none());
    }

    #[tokio::test]
    async fn what_is_lent_is_read_whole() {
        let mut request = request(3, 10);
        let leftover = Leftover::of(&mut request).unwrap();
        let read = request.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(read.len(), 30);
        assert!(leftover.body.lock().is_none());
    }
}
