//! Builds the events that API Gateway makes of requests and messages, for the functions.

use axum::body::Bytes;
use base64::Engine as _;
use containerlease_domain::{identity::Identity, time::Time};
use containerlease_functions::http::caller::authorizer;
use http::{HeaderMap, HeaderValue, request::Parts};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

/// The request as API Gateway gives it to a function, in payload format 2.0, with its caller if it
/// is known.
pub(crate) fn http_event(
    parts: &Parts,
    id: Option<&str>,
    body: &Bytes,
    request_id: &str,
    caller: Option<&Identity>,
) -> Value {
    let path = parts.uri.path();
    let (body, is_base64) = match std::str::from_utf8(body) {
        Ok(text) => (text.to_owned(), false),
        Err(_) => (base64::engine::general_purpose::STANDARD.encode(body), true),
    };
    let route_key = format!("{} {path}", parts.method);
    json!({
        "version": "2.0",
        "routeKey": route_key,
        "rawPath": path,
        "rawQueryString": parts.uri.query().unwrap_or_default(),
        "headers": own_headers(&parts.headers),
        "queryStringParameters": query(parts.uri.query()),
        "pathParameters": id.map(|id| json!({"id": id})),
        "requestContext": {
            "accountId": "local",
            "apiId": "local",
            "authorizer": caller.map(|caller| json!({"lambda": authorizer(caller)})),
            "domainName": "localhost",
            "http": {
                "method": parts.method.as_str(),
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": "127.0.0.1",
                "userAgent": "",
            },
            "requestId": request_id,
            "routeKey": route_key,
            "stage": "$default",
            "timeEpoch": Time::now().as_millis(),
        },
        "body": body,
        "isBase64Encoded": is_base64,
    })
}

/// The headers without those that only a proxy may set, such as how the client reached it. API
/// Gateway sets these itself; here there is no proxy.
fn own_headers(all: &HeaderMap) -> Map<String, Value> {
    let mut own = headers(all);
    own.retain(|name, _| !name.starts_with("x-forwarded-"));
    own
}

/// The headers in API Gateway's form: lower case, repeated ones joined by a comma. A value that is
/// not text stays: a handler may have to refuse it.
pub(crate) fn headers(headers: &HeaderMap) -> Map<String, Value> {
    let joined = headers.keys().map(|name| {
        let values = headers.get_all(name).iter().map(HeaderValue::as_bytes);
        let values: Vec<_> = values.map(String::from_utf8_lossy).collect();
        // A key may hold a comma but no space, so two joined keys are not a valid key.
        let between = if name == "idempotency-key" { ", " } else { "," };
        (name.as_str().to_owned(), Value::from(values.join(between)))
    });
    joined.collect()
}

/// The query's parameters, decoded; of a repeated one, the last.
pub(crate) fn query(query: Option<&str>) -> Map<String, Value> {
    last_of_each(&query_pairs(query))
}

/// Of each repeated parameter, the last value.
pub(crate) fn last_of_each(pairs: &[(String, String)]) -> Map<String, Value> {
    let last = pairs.iter().cloned();
    last.map(|(name, value)| (name, value.into())).collect()
}

/// All values of each parameter, as a list.
pub(crate) fn all_of_each(pairs: &[(String, String)]) -> Map<String, Value> {
    let mut all: Map<String, Value> = Map::new();
    for (name, value) in pairs {
        let values = all.entry(name.as_str()).or_insert_with(|| json!([]));
        if let Value::Array(values) = values {
            values.push(value.as_str().into());
        }
    }
    all
}

/// The query's parameters in order, decoded.
pub(crate) fn query_pairs(query: Option<&str>) -> Vec<(String, String)> {
    let decode = |text: &str| {
        let spaced = text.replace('+', " ");
        percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
    };
    let pairs = query.unwrap_or_default().split('&');
    pairs
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (decode(name), decode(value)))
        .collect()
}

/// An event of a connection, as API Gateway gives it to a function.
pub(crate) fn socket_event(connection: &str, route_key: &str, kind: &str) -> Value {
    let now = Time::now().as_millis();
    json!({
        "requestContext": {
            "routeKey": route_key,
            "eventType": kind,
            "connectionId": connection,
            "connectedAt": now,
            "requestTimeEpoch": now,
            "requestId": uuid::Uuid::now_v7().to_string(),
            "apiId": "local",
            "stage": "local",
            "domainName": "localhost",
            "identity": {"sourceIp": "127.0.0.1"},
        },
        "isBase64Encoded": false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_that_is_no_text_does_not_vanish() {
        let mut map = HeaderMap::new();
        let bytes = HeaderValue::from_bytes(b"a\xff").unwrap();
        map.append("idempotency-key", bytes);
        map.append("idempotency-key", HeaderValue::from_static("b"));
        let seen = headers(&map);
        assert_eq!(seen["idempotency-key"], "a\u{fffd}, b");
        map.append("accept", HeaderValue::from_static("c"));
        map.append("accept", HeaderValue::from_static("d"));
        assert_eq!(headers(&map)["accept"], "c,d");
    }

    #[test]
    fn a_query_is_decoded() {
        assert_eq!(
            Value::Object(query(Some("a=1%202&b=x+y&c&a=3"))),
            json!({"a": "3", "b": "x y", "c": ""})
        );
        let pairs = query_pairs(Some("a=1%202&b=x+y&c&a=3"));
        assert_eq!(
            Value::Object(all_of_each(&pairs)),
            json!({"a": ["1 2", "3"], "b": ["x y"], "c": [""]})
        );
    }
}
