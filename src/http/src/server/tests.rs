use axum::routing::get;
use http::Extensions;
use rustls::{ClientConfig, RootCertStore, pki_types::ServerName};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    sync::Notify,
    task::JoinHandle,
};
use tokio_rustls::TlsConnector;

use super::*;
use crate::tls_acceptor;

struct Running {
    address: SocketAddr,
    shutdown: Shutdown,
    served: JoinHandle<usize>,
}

#[expect(
    clippy::disallowed_methods,
    reason = "the server under test runs beside its client"
)]
async fn start(router: Router, tls: Option<TlsAcceptor>, settings: ServerSettings) -> Running {
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = tcp.local_addr().unwrap();
    let shutdown = Shutdown::new();
    let listeners = vec![Listener { tcp, tls }];
    let served = tokio::spawn(serve(listeners, router, settings, shutdown.clone()));
    Running {
        address,
        shutdown,
        served,
    }
}

fn hello() -> Router {
    Router::new().route("/", get(|| async { "hello" }))
}

/// Sends `request` and reads until the server closes.
async fn exchange<IO: AsyncRead + AsyncWrite + Unpin>(mut io: IO, request: &str) -> String {
    io.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    io.read_to_end(&mut answer).await.unwrap();
    String::from_utf8(answer).unwrap()
}

const CLOSING: &str = "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";

#[tokio::test]
async fn http1_is_served_and_the_peer_is_known() {
    let peer = get(|extensions: Extensions| async move {
        extensions.get::<PeerAddr>().unwrap().0.to_string()
    });
    let running = start(
        Router::new().route("/", peer),
        None,
        ServerSettings::default(),
    )
    .await;
    let stream = TcpStream::connect(running.address).await.unwrap();
    let here = stream.local_addr().unwrap().to_string();
    let answer = exchange(stream, CLOSING).await;
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.ends_with(&here),
        "{answer}"
    );
    running.shutdown.request();
    assert_eq!(running.served.await.unwrap(), 0);
}

#[tokio::test]
#[expect(
    clippy::disallowed_methods,
    reason = "the client's connection runs beside its requests"
)]
async fn http2_is_served_to_clients_that_know_beforehand() {
    let running = start(hello(), None, ServerSettings::default()).await;
    let stream = TcpStream::connect(running.address).await.unwrap();
    let (mut client, connection) = h2::client::handshake(stream).await.unwrap();
    let connection = tokio::spawn(connection);
    let request = Request::get("http://x/").body(()).unwrap();
    let (answer, _) = client.send_request(request, true).unwrap();
    let answer = answer.await.unwrap();
    assert_eq!(
        (answer.status(), answer.version()),
        (http::StatusCode::OK, http::Version::HTTP_2)
    );
    running.shutdown.request();
    drop((answer, client));
    assert_eq!(running.served.await.unwrap(), 0);
    assert!(connection.await.is_ok());
}

fn certificate() -> (tempfile::TempDir, rcgen::CertifiedKey<rcgen::KeyPair>) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("cert.pem"), made.cert.pem()).unwrap();
    std::fs::write(
        folder.path().join("key.pem"),
        made.signing_key.serialize_pem(),
    )
    .unwrap();
    (folder, made)
}

#[tokio::test]
async fn tls_is_served_with_http2_offered() {
    let (folder, made) = certificate();
    let acceptor = tls_acceptor(
        &folder.path().join("cert.pem"),
        &folder.path().join("key.pem"),
    )
    .unwrap();
    let running = start(hello(), Some(acceptor), ServerSettings::default()).await;

    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    for (protocols, expected) in [
        (vec![b"http/1.1".to_vec()], "http/1.1"),
        (vec![b"h2".to_vec()], "h2"),
    ] {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots.clone())
            .with_no_client_auth();
        config.alpn_protocols = protocols;
        let stream = TcpStream::connect(running.address).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let stream = TlsConnector::from(Arc::new(config))
            .connect(name, stream)
            .await
            .unwrap();
        assert_eq!(
            stream.get_ref().1.alpn_protocol(),
            Some(expected.as_bytes())
        );
        if expected == "http/1.1" {
            assert!(exchange(stream, CLOSING).await.ends_with("hello"));
        }
    }
    running.shutdown.request();
    running.served.await.unwrap();
}

#[test]
fn bad_certificate_files_are_told_by_name() {
    let (folder, _) = certificate();
    let path = |name: &str| folder.path().join(name);
    let error = tls_acceptor(&path("missing.pem"), &path("key.pem"))
        .err()
        .unwrap();
    assert!(error.to_string().contains("missing.pem"), "{error}");
    let error = tls_acceptor(&path("key.pem"), &path("key.pem"))
        .err()
        .unwrap();
    assert!(
        matches!(error, crate::TlsError::NoCertificate { .. }),
        "{error}"
    );
    let error = tls_acceptor(&path("cert.pem"), &path("cert.pem"))
        .err()
        .unwrap();
    assert!(error.to_string().contains("cert.pem"), "{error}");
    let (other, _) = certificate();
    let error = tls_acceptor(&path("cert.pem"), &other.path().join("key.pem"))
        .err()
        .unwrap();
    assert!(matches!(error, crate::TlsError::Unusable(_)), "{error}");
}

/// A router that says when a request has begun, and ends it when told.
fn held() -> (Router, Arc<Notify>, Arc<Notify>) {
    let (begun, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (tell, wait) = (Arc::clone(&begun), Arc::clone(&release));
    let handler = get(move || async move {
        tell.notify_one();
        wait.notified().await;
        "released"
    });
    (Router::new().route("/", handler), begun, release)
}

#[tokio::test]
async fn requests_in_flight_end_before_the_server_does() {
    let (router, begun, release) = held();
    let running = start(router, None, ServerSettings::default()).await;
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    stream.write_all(CLOSING.as_bytes()).await.unwrap();
    begun.notified().await;
    running.shutdown.request();
    while TcpStream::connect(running.address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    release.notify_one();
    assert!(exchange(stream, "").await.ends_with("released"));
    assert_eq!(running.served.await.unwrap(), 0);
}

#[tokio::test]
async fn what_does_not_end_by_the_deadline_is_dropped() {
    let (router, begun, _release) = held();
    let settings = ServerSettings {
        drain_deadline: Duration::from_millis(1),
        ..ServerSettings::default()
    };
    let running = start(router, None, settings).await;
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    stream.write_all(CLOSING.as_bytes()).await.unwrap();
    begun.notified().await;
    running.shutdown.request();
    assert_eq!(running.served.await.unwrap(), 1);
    assert_eq!(exchange(stream, "").await, "");
}

#[tokio::test]
async fn a_client_that_never_says_anything_is_dropped() {
    let settings = ServerSettings {
        header_timeout: Duration::from_millis(5),
        ..ServerSettings::default()
    };
    let running = start(hello(), None, settings).await;
    for beginning in ["", "P", "PRI * HTTP/2.0", "GET / HT"] {
        let stream = TcpStream::connect(running.address).await.unwrap();
        let answer = timeout(Duration::from_mins(1), exchange(stream, beginning)).await;
        let answer = answer.expect("the connection is closed");
        assert!(!answer.contains("200 OK"), "{beginning:?}: {answer}");
    }
    running.shutdown.request();
    assert_eq!(running.served.await.unwrap(), 0);
}

#[tokio::test]
async fn connections_beyond_the_limit_wait_for_their_turn() {
    let (router, begun, release) = held();
    let settings = ServerSettings {
        max_connections: 1,
        ..ServerSettings::default()
    };
    let running = start(router, None, settings).await;
    let mut first = TcpStream::connect(running.address).await.unwrap();
    first.write_all(CLOSING.as_bytes()).await.unwrap();
    begun.notified().await;
    let mut second = TcpStream::connect(running.address).await.unwrap();
    second.write_all(CLOSING.as_bytes()).await.unwrap();
    // Turns enough for the server to take the second, if it would.
    for _ in 0..500 {
        tokio::task::yield_now().await;
    }
    let next = begun.notified();
    tokio::pin!(next);
    assert!(
        futures_util::poll!(next.as_mut()).is_pending(),
        "two connections were served at once"
    );
    release.notify_one();
    assert!(exchange(first, "").await.ends_with("released"));
    next.await;
    release.notify_one();
    assert!(exchange(second, "").await.ends_with("released"));
    running.shutdown.request();
    running.served.await.unwrap();
}
