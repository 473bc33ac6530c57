//! One connection, kept open: a request after the other, with as little work as can be, as it is
//! done on the cores that the server runs on.

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{
    Method, Request, StatusCode,
    client::conn::http1::{SendRequest, handshake},
    header::{AUTHORIZATION, CONTENT_TYPE, HOST},
};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, task::JoinSet};

use crate::Result;

/// A connection of HTTP/1.1.
pub(crate) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    host: String,
    /// What reads and writes; it ends with this value.
    _driver: JoinSet<hyper::Result<()>>,
}

impl Connection {
    /// Connects to a server, given as `http://ADDRESS:PORT`.
    pub(crate) async fn open(base: &str) -> Result<Self> {
        let host = base.strip_prefix("http://").unwrap_or(base);
        let stream = TcpStream::connect(host).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        let mut driver = JoinSet::new();
        driver.spawn(connection);
        Ok(Self {
            sender,
            host: host.to_owned(),
            _driver: driver,
        })
    }

    /// Sends a request, demands a 200, and gives the body.
    pub(crate) async fn request(
        &mut self,
        method: Method,
        path: &str,
        token: &str,
        body: Bytes,
    ) -> Result<Bytes> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, &self.host)
            .header(AUTHORIZATION, format!("Bearer {token}"))
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(body))?;
        self.sender.ready().await?;
        let answer = self.sender.send_request(request).await?;
        let status = answer.status();
        let body = answer.into_body().collect().await?.to_bytes();
        if status != StatusCode::OK {
            let body = String::from_utf8_lossy(&body);
            return Err(format!("{path}: {status} {body}").into());
        }
        Ok(body)
    }
}
