use std::{num::NonZeroU32, sync::Mutex};

use futures_util::future::BoxFuture;
use heliograph_core::ids::{DeviceNum, UserNum};
use heliograph_work::SeededRandom;
use http::Request;
use http_body_util::BodyExt as _;
use serde_json::Value;
use tower::ServiceExt as _;

use super::*;
use crate::{
    Auth, AuthError, AuthKind, Authenticate, Body, BodySettings, ClassLimits, ClientAddr, Device,
    DeviceIdentity, Gate, Json, OptionalBody, OptionalDevice, Rate, RateClass, RateLimitSettings,
    RateLimits, Route, RouteError, RouteTable,
};

/// Knows the tokens `alice` and `bridge`; `gone` is softly logged out, `broken` breaks the store.
struct Tokens;

impl Authenticate for Tokens {
    fn authenticate<'a>(
        &'a self,
        token: &'a str,
    ) -> BoxFuture<'a, Result<Arc<DeviceIdentity>, AuthError>> {
        Box::pin(async move {
            let identity = |user, rate_limited| DeviceIdentity {
                user: UserNum(user),
                user_id: format!("@{token}:example.org").try_into().unwrap(),
                device: DeviceNum(1),
                device_id: "PHONE".into(),
                token_hash: [0; 32],
                rate_limited,
                is_guest: token == "guest",
            };
            match token {
                "alice" => Ok(Arc::new(identity(1, true))),
                "guest" => Ok(Arc::new(identity(3, true))),
                "bridge" => Ok(Arc::new(identity(2, false))),
                "gone" => Err(AuthError::Unknown { soft_logout: true }),
                "locked" => Err(AuthError::Locked),
                "broken" => Err(AuthError::Failed("bad sector".into())),
                _ => Err(AuthError::Unknown { soft_logout: false }),
            }
        })
    }
}

type Calls = Arc<Mutex<u32>>;

async fn whoami(State(calls): State<Calls>, auth: Auth<Device>) -> Json<Value> {
    *calls.lock().unwrap() += 1;
    Json(json!({ "user_id": auth.user_id, "device_id": auth.device_id }))
}

async fn optional(auth: Auth<OptionalDevice>, ClientAddr(address): ClientAddr) -> Json<Value> {
    let user = auth.as_ref().map(|device| device.user_id.to_string());
    Json(json!({ "user": user, "address": address.to_string() }))
}

async fn logout(_: Auth<Device>, OptionalBody(body): OptionalBody<Value>) -> Json<Value> {
    Json(body)
}

async fn echo(Body(body): Body<Value>) -> Json<Value> {
    Json(body)
}

async fn panics() -> Json<Value> {
    panic!("a bug")
}

fn table() -> RouteTable<Calls> {
    RouteTable::new()
        .route(
            Route::get("/whoami", AuthKind::Device, whoami)
                .also_at("/old/whoami")
                .rate_limit(RateClass::Other),
        )
        .route(Route::get("/optional", AuthKind::OptionalDevice, optional))
        .route(Route::post("/logout", AuthKind::Device, logout))
        .route(Route::put("/echo", AuthKind::None, echo).max_body_bytes(20))
        .route(Route::get("/panics", AuthKind::None, panics))
        .route(Route::get("/misdeclared", AuthKind::None, whoami))
}

fn rate(burst: u32) -> Rate {
    Rate {
        per_minute: NonZeroU32::MIN,
        burst: NonZeroU32::new(burst).unwrap(),
    }
}

struct Server {
    router: Router,
    calls: Calls,
}

fn server(limits: ClassLimits) -> Server {
    let settings = RateLimitSettings {
        other: limits,
        ..RateLimitSettings::default()
    };
    let gate = Gate {
        authenticate: Arc::new(Tokens),
        rate_limits: Arc::new(RateLimits::new(&settings)),
        body: BodySettings::default(),
    };
    let calls = Calls::default();
    let router = table().build(Arc::clone(&calls), &gate).unwrap();
    let proxies = TrustedProxies(vec!["127.0.0.1".parse().unwrap()]);
    Server {
        router: Surface::new(proxies, &SeededRandom::new(1)).around(router),
        calls,
    }
}

impl Server {
    async fn call(&self, method: &str, uri: &str, body: &str) -> (StatusCode, HeaderMap, Value) {
        self.call_from("10.0.0.1", method, uri, body).await
    }

    async fn call_from(
        &self,
        peer: &str,
        method: &str,
        uri: &str,
        body: &str,
    ) -> (StatusCode, HeaderMap, Value) {
        let request = Request::builder()
            .method(method)
            .uri(uri)
            .header("x-forwarded-for", "8.8.8.8")
            .extension(PeerAddr(format!("{peer}:1").parse().unwrap()))
            .body(axum::body::Body::from(body.to_owned()))
            .unwrap();
        let (head, body) = self
            .router
            .clone()
            .oneshot(request)
            .await
            .unwrap()
            .into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let body = if bytes.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(&bytes).unwrap()
        };
        (head.status, head.headers, body)
    }

    async fn refused(&self, method: &str, uri: &str, body: &str, status: u16, errcode: &str) {
        let (got, headers, answer) = self.call(method, uri, body).await;
        assert_eq!(
            (got.as_u16(), answer["errcode"].as_str()),
            (status, Some(errcode)),
            "{uri}"
        );
        assert!(answer["error"].is_string(), "{uri}");
        assert_eq!(headers[header::CONTENT_TYPE], "application/json", "{uri}");
        assert_eq!(headers[header::ACCESS_CONTROL_ALLOW_ORIGIN], "*", "{uri}");
        assert!(headers.contains_key(X_REQUEST_ID), "{uri}");
    }
}

#[tokio::test]
async fn tokens_are_required_known_and_taken_over() {
    let server = server(ClassLimits::default());
    let (status, headers, body) = server.call("GET", "/whoami?access_token=alice", "").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(
        body,
        json!({ "user_id": "@alice:example.org", "device_id": "PHONE" })
    );
    assert_eq!(headers[header::CONTENT_TYPE], "application/json");
    assert_eq!(headers[header::ACCESS_CONTROL_ALLOW_ORIGIN], "*");
    server
        .refused("GET", "/whoami", "", 401, "M_MISSING_TOKEN")
        .await;
    server
        .refused("GET", "/old/whoami", "", 401, "M_MISSING_TOKEN")
        .await;
    server
        .refused("GET", "/whoami?access_token=x", "", 401, "M_UNKNOWN_TOKEN")
        .await;
    server
        .refused(
            "GET",
            "/whoami?access_token=locked",
            "",
            401,
            "M_USER_LOCKED",
        )
        .await;
    assert_eq!(*server.calls.lock().unwrap(), 1);
    let (_, _, body) = server.call("GET", "/whoami?access_token=gone", "").await;
    assert_eq!(body["soft_logout"], true);
}

#[tokio::test]
async fn an_optional_token_may_be_missing_but_not_wrong() {
    let server = server(ClassLimits::default());
    assert_eq!(
        server.call("GET", "/optional", "").await.2["user"],
        Value::Null
    );
    let (_, _, body) = server.call("GET", "/optional?access_token=alice", "").await;
    assert_eq!(body["user"], "@alice:example.org");
    server
        .refused(
            "GET",
            "/optional?access_token=x",
            "",
            401,
            "M_UNKNOWN_TOKEN",
        )
        .await;
}

#[tokio::test]
async fn unknown_paths_and_methods_are_unrecognized() {
    let server = server(ClassLimits::default());
    server
        .refused("GET", "/nowhere", "", 404, "M_UNRECOGNIZED")
        .await;
    server
        .refused("GET", "/whoami/", "", 404, "M_UNRECOGNIZED")
        .await;
    server
        .refused("DELETE", "/whoami", "", 405, "M_UNRECOGNIZED")
        .await;
    server
        .refused("POST", "/whoami?access_token=x", "", 405, "M_UNRECOGNIZED")
        .await;
}

#[tokio::test]
async fn options_runs_nothing_and_tells_browsers_everything() {
    let server = server(ClassLimits::default());
    for path in ["/whoami?access_token=alice", "/panics", "/nowhere"] {
        let (status, headers, _) = server.call("OPTIONS", path, "").await;
        assert_eq!(status, StatusCode::NO_CONTENT, "{path}");
        assert_eq!(headers[header::ACCESS_CONTROL_ALLOW_ORIGIN], "*");
        let methods = headers[header::ACCESS_CONTROL_ALLOW_METHODS]
            .to_str()
            .unwrap();
        assert_eq!(methods, "GET, POST, PUT, DELETE, OPTIONS");
        let allowed = headers[header::ACCESS_CONTROL_ALLOW_HEADERS]
            .to_str()
            .unwrap();
        assert_eq!(allowed, "X-Requested-With, Content-Type, Authorization");
    }
    assert_eq!(*server.calls.lock().unwrap(), 0);
}

#[tokio::test]
async fn bodies_have_their_limits_and_errors() {
    let server = server(ClassLimits::default());
    assert_eq!(
        server.call("PUT", "/echo", r#"{"a":1}"#).await.2,
        json!({ "a": 1 })
    );
    server.refused("PUT", "/echo", "", 400, "M_NOT_JSON").await;
    server
        .refused("PUT", "/echo", "[]", 400, "M_BAD_JSON")
        .await;
    server
        .refused(
            "PUT",
            "/echo",
            r#"{"a":"0123456789abc"}"#,
            413,
            "M_TOO_LARGE",
        )
        .await;
    let (status, ..) = server.call("POST", "/logout?access_token=alice", "").await;
    assert_eq!(status, StatusCode::OK);
}

#[tokio::test]
async fn what_breaks_here_says_only_the_request_id() {
    let server = server(ClassLimits::default());
    for path in ["/whoami?access_token=broken", "/panics", "/misdeclared"] {
        server.refused("GET", path, "", 500, "M_UNKNOWN").await;
        let (_, headers, body) = server.call("GET", path, "").await;
        let id = headers[X_REQUEST_ID].to_str().unwrap();
        assert_eq!(
            body["error"],
            format!("Internal server error (request {id})"),
            "{path}"
        );
    }
}

#[tokio::test]
async fn request_ids_differ() {
    let server = server(ClassLimits::default());
    let first = server.call("GET", "/nowhere", "").await.1[X_REQUEST_ID].clone();
    assert_ne!(
        first,
        server.call("GET", "/nowhere", "").await.1[X_REQUEST_ID]
    );
}

#[tokio::test]
async fn users_are_limited_and_exempt_services_are_not() {
    let server = server(ClassLimits {
        user: Some(rate(2)),
        address: None,
    });
    for _ in 0..2 {
        let (status, ..) = server.call("GET", "/whoami?access_token=alice", "").await;
        assert_eq!(status, StatusCode::OK);
    }
    let (status, headers, body) = server
        .call("GET", "/old/whoami?access_token=alice", "")
        .await;
    assert_eq!(
        (status, &body["errcode"]),
        (StatusCode::TOO_MANY_REQUESTS, &json!("M_LIMIT_EXCEEDED"))
    );
    let seconds: u64 = headers[header::RETRY_AFTER]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    let retry_after_ms = body["retry_after_ms"].as_u64().unwrap();
    assert!((1..=60).contains(&seconds) && retry_after_ms.div_ceil(1000) == seconds);
    for _ in 0..3 {
        let (status, ..) = server.call("GET", "/whoami?access_token=bridge", "").await;
        assert_eq!(status, StatusCode::OK);
    }
}

#[tokio::test]
async fn addresses_are_limited_before_tokens_are_looked_at() {
    let server = server(ClassLimits {
        user: None,
        address: Some(rate(1)),
    });
    server
        .refused("GET", "/whoami?access_token=x", "", 401, "M_UNKNOWN_TOKEN")
        .await;
    server
        .refused(
            "GET",
            "/whoami?access_token=alice",
            "",
            429,
            "M_LIMIT_EXCEEDED",
        )
        .await;
    let (status, ..) = server
        .call_from("10.0.0.2", "GET", "/whoami?access_token=alice", "")
        .await;
    assert_eq!(status, StatusCode::OK);
}

#[tokio::test]
async fn only_a_trusted_proxy_tells_the_address() {
    let server = server(ClassLimits::default());
    assert_eq!(
        server.call("GET", "/optional", "").await.2["address"],
        "10.0.0.1"
    );
    let (_, _, body) = server.call_from("127.0.0.1", "GET", "/optional", "").await;
    assert_eq!(body["address"], "8.8.8.8");
}

#[test]
fn a_table_can_be_read_and_refuses_duplicates() {
    let table = table();
    let read: Vec<_> = table
        .entries()
        .iter()
        .map(|entry| (entry.method.as_str(), entry.path.as_str(), entry.auth))
        .collect();
    assert!(read.contains(&("GET", "/old/whoami", AuthKind::Device)));
    assert!(read.contains(&("PUT", "/echo", AuthKind::None)));
    assert_eq!(read.len(), 7);

    let gate = Gate {
        authenticate: Arc::new(Tokens),
        rate_limits: Arc::new(RateLimits::new(&RateLimitSettings::default())),
        body: BodySettings::default(),
    };
    let twice = table.merge(RouteTable::new().route(Route::put("/echo", AuthKind::None, echo)));
    let error = twice.build(Calls::default(), &gate).unwrap_err();
    assert_eq!(
        error,
        RouteError::Duplicate {
            method: Method::PUT,
            path: "/echo".to_owned()
        }
    );
    let relative = RouteTable::new().route(Route::put("echo", AuthKind::None, echo));
    let error = relative.build(Calls::default(), &gate).unwrap_err();
    assert_eq!(
        error,
        RouteError::BadPath {
            path: "echo".to_owned()
        }
    );
}
