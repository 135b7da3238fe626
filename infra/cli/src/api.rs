//! The API, over HTTP.
//!
//! A request is sent once or, if it is safe to repeat, until the server answers.

pub mod answer;

use std::{
    fmt,
    time::{Duration, Instant},
};

use bytes::Bytes;
use containerlease_domain::names::LeaseId;
use http::{Method, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::{sleep, timeout};

use crate::{backoff::Backoff, failure::Failure, server::Server};
use answer::{Lease, Listed, Page};

/// Time limit for opening a connection.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// Time limit for an answer. API Gateway itself waits for 29 s.
const ANSWER_LIMIT: Duration = Duration::from_secs(35);

/// How long an unanswered request is retried, in total.
const SETTLE_LIMIT: Duration = Duration::from_secs(15);

/// The same for a provision: a lease may exist whose id only the answer tells.
const PROVISION_LIMIT: Duration = Duration::from_secs(90);

/// The largest answer that is read, in bytes. A page of a log has a few MiB at most.
const BODY_LIMIT: usize = 32 * 1024 * 1024;

/// The API of a server.
#[derive(Clone)]
pub struct Api {
    server: Server,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

/// A request.
#[derive(Clone, Debug)]
pub struct Request {
    method: Method,
    /// Relative to the API's root, with its query.
    path: String,
    body: Option<Value>,
    /// Idempotency key: the server carries out the request once, however often it is sent.
    key: Option<String>,
}

/// The body of a successful answer.
#[derive(Clone, Debug)]
pub struct Answer {
    server: Server,
    body: Bytes,
}

impl Request {
    /// Reads something.
    pub fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path)
    }

    /// Ends a lease.
    pub fn delete(lease: &LeaseId) -> Self {
        Self::delete_at(format!("/containers/{lease}"))
    }

    /// Deletes what is at that path.
    pub fn delete_at(path: impl Into<String>) -> Self {
        Self::new(Method::DELETE, path)
    }

    /// Changes something.
    pub fn post(path: impl Into<String>, body: Value) -> Self {
        Self {
            body: Some(body),
            ..Self::new(Method::POST, path)
        }
    }

    /// Adds an idempotency key: the server carries out the request once, however often it is sent.
    pub fn once(self, key: String) -> Self {
        Self {
            key: Some(key),
            ..self
        }
    }

    fn new(method: Method, path: impl Into<String>) -> Self {
        Self {
            method,
            path: path.into(),
            body: None,
            key: None,
        }
    }
}

impl Api {
    /// A client of the server's API. It sends nothing yet.
    pub fn of(server: &Server) -> Result<Self, Failure> {
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_nodelay(true);
        http.set_connect_timeout(Some(CONNECT_LIMIT));
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(server.tls()?)
            .https_or_http()
            .enable_http1()
            .wrap_connector(http);
        Ok(Self {
            server: server.clone(),
            client: Client::builder(TokioExecutor::new()).build(connector),
        })
    }

    /// The server that it calls.
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// Sends the request once.
    pub async fn ask(&self, request: &Request) -> Result<Answer, Failure> {
        let answering = timeout(ANSWER_LIMIT, self.answer(request)).await;
        answering.unwrap_or_else(|_| {
            Err(Failure::NoAnswer {
                server: self.server.clone(),
                seconds: ANSWER_LIMIT.as_secs(),
            })
        })
    }

    /// Sends the request until its outcome is known. The request must be safe to repeat.
    ///
    /// If the first attempt cannot reach the server, this fails at once: no request is pending.
    /// Once an attempt was lost without an outcome, this retries until the server answers.
    pub async fn settle(&self, request: &Request) -> Result<Answer, Failure> {
        let begun = Instant::now();
        let limit = match request.key {
            Some(_) => PROVISION_LIMIT,
            None => SETTLE_LIMIT,
        };
        let mut backoff = Backoff::default();
        let mut open = false;
        loop {
            let failure = match self.ask(request).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            open |= failure.leaves_open();
            let again = failure.leaves_open() || (open && failure.is_passing());
            if !again {
                return Err(failure);
            }
            let pause = match &failure {
                Failure::Refused(refusal) => refusal.wait,
                _ => None,
            };
            let pause = pause.unwrap_or_else(|| backoff.pause());
            if begun.elapsed() + pause > limit {
                return Err(failure);
            }
            sleep(pause).await;
        }
    }

    /// The lease, whether or not it has ended.
    pub async fn lease(&self, id: &LeaseId) -> Result<Listed, Failure> {
        let request = Request::get(format!("/containers/{id}"));
        Listed::of(&self.settle(&request).await?)
    }

    /// Ends a lease. True if it has ended; otherwise the reaper will finish it.
    pub async fn end(&self, id: &LeaseId) -> Result<bool, Failure> {
        let answer = self.settle(&Request::delete(id)).await?;
        let ended: answer::Deleted = answer.read()?;
        Ok(ended.state == "ended")
    }

    /// All leases of a list, page by page if it has pages, with the server's time.
    pub async fn leases(&self, query: &[(&str, &str)]) -> Result<answer::Leases, Failure> {
        let mut leases = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let mut query = query.to_vec();
            query.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
            let request = Request::get(format!("/containers{}", encode(&query)));
            let page: Page = self.settle(&request).await?.read()?;
            for raw in page.containers {
                let lease: Lease =
                    serde_json::from_str(raw.get()).map_err(|error| Failure::NotAServer {
                        server: self.server.clone(),
                        error: error.to_string(),
                    })?;
                leases.push(Listed {
                    lease,
                    json: raw.get().to_owned(),
                });
            }
            cursor = page.cursor;
            if cursor.is_none() {
                return Ok(answer::Leases {
                    leases,
                    server_time: page.server_time,
                });
            }
        }
    }

    async fn answer(&self, request: &Request) -> Result<Answer, Failure> {
        let body = request.body.as_ref().map(Value::to_string);
        let mut builder = http::Request::builder()
            .method(&request.method)
            .uri(self.server.api_url(&request.path))
            .header(header::ACCEPT, "application/json");
        if body.is_some() {
            builder = builder.header(header::CONTENT_TYPE, "application/json");
        }
        if let Some(caller) = self.server.authorization() {
            builder = builder.header(header::AUTHORIZATION, caller);
        }
        if let Some(key) = &request.key {
            builder = builder.header("idempotency-key", key);
        }
        let built = builder.body(Full::from(body.unwrap_or_default()));
        let built = built.expect("addresses, ids and keys are checked or encoded");
        let response = self.client.request(built).await;
        let response = response.map_err(|error| Failure::to_ask(&self.server, &error))?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, BODY_LIMIT).collect().await;
        let body = body.map_err(|error| Failure::AnswerLost {
            server: self.server.clone(),
            error: error.to_string(),
        })?;
        let body = body.to_bytes();
        if head.status.is_success() && head.status != StatusCode::NO_CONTENT {
            return Ok(Answer {
                server: self.server.clone(),
                body,
            });
        }
        let (status, headers) = (head.status, &head.headers);
        Err(Failure::refused(&self.server, status, headers, &body))
    }
}

impl Answer {
    /// Parses the body. Ignores unknown fields: the API may add some.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        serde_json::from_slice(&self.body).map_err(|error| Failure::NotAServer {
            server: self.server.clone(),
            error: error.to_string(),
        })
    }

    /// The body as received, on one line.
    pub fn json(&self) -> String {
        String::from_utf8_lossy(&self.body).trim().to_owned()
    }
}

impl fmt::Debug for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Api").finish_non_exhaustive()
    }
}

/// The query with its question mark; empty without parameters.
pub(crate) fn encode(pairs: &[(&str, &str)]) -> String {
    use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
    let mut query = String::new();
    for (name, value) in pairs {
        query.push(if query.is_empty() { '?' } else { '&' });
        query.push_str(name);
        query.push('=');
        query.extend(utf8_percent_encode(value, NON_ALPHANUMERIC));
    }
    query
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_holds_any_text() {
        assert_eq!(encode(&[]), "");
        assert_eq!(
            encode(&[("state", "all"), ("label", "team:a&b=ü")]),
            "?state=all&label=team%3Aa%26b%3D%C3%BC"
        );
    }
}
