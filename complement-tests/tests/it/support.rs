//! How the people behind a server are reached.

use heliograph_complement::{Options, TestServer};
use serde_json::json;

const SUPPORT: &str = "/.well-known/matrix/support";

#[tokio::test]
async fn contacts_are_told_if_there_are_any() {
    let none = TestServer::usual().await;
    let answer = none.client().get(SUPPORT).await;
    answer.refused(404, "M_NOT_FOUND", "DIS-02: nothing is configured");
    let options = Options::new()
        .set("support", "page", "\"https://heliograph.test/help\"")
        .set("support", "admin_matrix_id", "\"@admin:heliograph.test\"")
        .set("support", "admin_email", "\"admin@heliograph.test\"")
        .set("support", "security_email", "\"holes@heliograph.test\"");
    let server = TestServer::start(options).await;
    let answer = server.client().get(SUPPORT).await;
    let origin = answer.header("access-control-allow-origin");
    assert_eq!(origin, "*", "DIS-02: from any page");
    let expected = json!({
        "support_page": "https://heliograph.test/help",
        "contacts": [
            { "role": "m.role.admin", "matrix_id": "@admin:heliograph.test",
                "email_address": "admin@heliograph.test" },
            { "role": "m.role.security", "email_address": "holes@heliograph.test" },
        ],
    });
    assert_eq!(answer.ok("DIS-02"), expected, "DIS-02");
    let page = Options::new().set("support", "page", "\"https://heliograph.test/help\"");
    let server = TestServer::start(page).await;
    let answer = server.client().get(SUPPORT).await.ok("DIS-02");
    let expected = json!({ "support_page": "https://heliograph.test/help" });
    assert_eq!(answer, expected, "DIS-02: a page alone");
}
