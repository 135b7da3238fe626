//! The dashboard's files, as the bucket behind CloudFront serves them.

use http::{Method, StatusCode};

use crate::harness::{Place, answer, written};

#[tokio::test]
async fn the_page_is_served_with_its_headers() {
    let place = Place::new().await;
    let folder = place.folder.join("dist");
    written(&folder.join("index.html"), "<!doctype html><p>leases</p>");
    written(&folder.join("assets/x.js"), "console.log('x')");
    written(&place.folder.join("secret"), "hunter2");
    let dashboard = folder.display().to_string();
    let place = place.with("CONTAINERLEASE_DASHBOARD", dashboard);
    let server = place.start().await;
    assert!(!server.process.stdout().contains("not built"));

    for (path, status, cached, content_type) in [
        ("/", StatusCode::OK, "no-cache", "text/html"),
        ("/index.html", StatusCode::OK, "no-cache", "text/html"),
        (
            "/assets/x.js",
            StatusCode::OK,
            "public, max-age=31536000, immutable",
            "text/javascript",
        ),
        ("/nowhere", StatusCode::NOT_FOUND, "no-cache", ""),
        ("/assets/gone.js", StatusCode::NOT_FOUND, "no-cache", ""),
        ("/..%2Fsecret", StatusCode::NOT_FOUND, "no-cache", ""),
        ("/%2e%2e/secret", StatusCode::NOT_FOUND, "no-cache", ""),
        (
            "/api/containers",
            StatusCode::OK,
            "no-store",
            "application/json",
        ),
    ] {
        let got = server.get(path).await;
        assert_eq!(got.status, status, "{path}");
        assert_eq!(got.header("cache-control"), cached, "{path}");
        assert!(
            got.header("content-type").starts_with(content_type),
            "{path}"
        );
        assert_eq!(got.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(got.header("referrer-policy"), "no-referrer", "{path}");
        assert_eq!(got.header("x-frame-options"), "DENY", "{path}");
        for name in ["cross-origin-resource-policy", "cross-origin-opener-policy"] {
            assert_eq!(got.header(name), "same-origin", "{path}");
        }
        assert!(
            got.header("permissions-policy").contains("camera=()"),
            "{path}"
        );
        let policy = got.header("content-security-policy");
        assert!(policy.contains("default-src 'none'"), "{path}");
        assert!(policy.contains("frame-ancestors 'none'"), "{path}");
        assert!(!got.text.contains("hunter2"), "{path}");
    }
    assert_eq!(
        server.get("/").await.text,
        "<!doctype html><p>leases</p>",
        "the page is what was built"
    );
    let posted = answer(server.request(Method::POST, "/index.html")).await;
    assert_eq!(posted.status, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn a_page_that_was_not_built_is_said() {
    let place = Place::new().await;
    let server = place.start().await;
    let said = server.process.stdout();
    assert!(said.contains("(not built: `npm ci"), "{said}");
    assert_eq!(server.get("/").await.status, StatusCode::NOT_FOUND);
    assert_eq!(server.get("/healthz").await.status, StatusCode::OK);
}
