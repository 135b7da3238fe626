//! HEAD: what GET would answer, without the body.

use http::{Method, StatusCode};
use serde_json::json;

use crate::harness::{Place, answer, str_of};

#[tokio::test]
async fn every_route_that_takes_get_takes_head() {
    let place = Place::new().await;
    let server = place.start().await;
    let lease = server
        .provision(&json!({"imageType": "alpine", "durationMinutes": 1}))
        .await;
    let id = str_of(&lease["id"]);
    let unknown = "0193b6e0-8d5c-7cc3-9b1e-3f6f3d2a4b5c";
    for (path, status) in [
        ("/api/containers".to_owned(), StatusCode::OK),
        ("/api/containers?state=all".to_owned(), StatusCode::OK),
        (
            "/api/containers?stat=all".to_owned(),
            StatusCode::BAD_REQUEST,
        ),
        (format!("/api/containers/{id}"), StatusCode::OK),
        (format!("/api/containers/{id}/logs"), StatusCode::OK),
        (format!("/api/containers/{id}/stats"), StatusCode::OK),
        (format!("/api/containers/{unknown}"), StatusCode::NOT_FOUND),
        ("/api/containers/x".to_owned(), StatusCode::BAD_REQUEST),
        ("/api/images".to_owned(), StatusCode::OK),
        ("/api/openapi.json".to_owned(), StatusCode::OK),
        ("/healthz".to_owned(), StatusCode::OK),
        ("/readyz".to_owned(), StatusCode::OK),
        ("/metrics".to_owned(), StatusCode::OK),
        ("/api/nowhere".to_owned(), StatusCode::NOT_FOUND),
        ("/api/provision".to_owned(), StatusCode::METHOD_NOT_ALLOWED),
        (format!("/ws/logs/{id}"), StatusCode::UPGRADE_REQUIRED),
    ] {
        let got = server.get(&path).await;
        let head = answer(server.request(Method::HEAD, &path)).await;
        assert_eq!((head.status, got.status), (status, status), "{path}");
        assert_eq!(head.text, "", "{path}");
        for name in ["content-type", "cache-control", "etag", "allow"] {
            let values = |of: &crate::harness::Answer| of.headers.get(name).cloned();
            assert_eq!(values(&head), values(&got), "{path} {name}");
        }
        // Times and figures may differ by some digits, and the metrics have one more row for the
        // request just made.
        let length: usize = match head.headers.get("content-length") {
            Some(length) => length.to_str().unwrap().parse().unwrap(),
            None => got.text.len(),
        };
        let differs = length.abs_diff(got.text.len());
        assert!(differs < 100 + got.text.len() / 10, "{path}: {length}");
    }
    server.delete(&format!("/api/containers/{id}")).await;
}
