//! Serves the built dashboard, as CloudFront and a bucket do on AWS.

use std::path::Path;

use axum::{extract::Request, middleware::Next, response::Response};
use http::{HeaderName, HeaderValue, header};
use tower_http::services::ServeDir;

/// What the page may do: it loads only from here, and no other page may frame it.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
     img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; \
     frame-ancestors 'none'";

/// Browser features that the page does not use, denied to any script injected into it.
const PERMISSIONS: &str = "camera=(), display-capture=(), geolocation=(), microphone=(), \
     payment=(), usb=()";

/// The page's files.
pub(crate) fn files(folder: &Path) -> ServeDir {
    ServeDir::new(folder)
}

/// A hint beside the page's address if it was not built.
pub(crate) fn hint(folder: &Path) -> &'static str {
    if folder.join("index.html").is_file() {
        ""
    } else {
        " (not built: `npm ci && npm run build` in frontend/)"
    }
}

/// Adds the headers of every answer.
pub(crate) async fn security_headers(request: Request, next: Next) -> Response {
    // The name of a file under /assets holds its content's hash.
    let immutable = request.uri().path().starts_with("/assets/");
    let mut response = next.run(request).await;
    let found = response.status().is_success();
    let headers = response.headers_mut();
    for (name, value) in [
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
        (HeaderName::from_static("permissions-policy"), PERMISSIONS),
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static(if immutable && found {
            "public, max-age=31536000, immutable"
        } else {
            "no-cache"
        }));
    response
}
