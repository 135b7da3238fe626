//! Reads a request's body, up to a limit.
//!
//! A body that is too large is refused while it still arrives. The client may look for the answer
//! only after sending everything, and never sees it if the connection closes first. So the server
//! reads and discards the rest, for a while.

use std::time::Duration;

use axum::body::{Body, Bytes};
use containerlease_domain::request::BODY_LIMIT;
use containerlease_functions::http::problem::Problem;
use futures_util::StreamExt as _;
use http::{HeaderMap, header};
use tokio::time::timeout;

/// Time limit for a body to arrive.
const BODY_TIME: Duration = Duration::from_secs(20);

/// How long, and how many bytes, the rest of a too large body is read.
const REST_TIME: Duration = Duration::from_secs(10);
const REST_LIMIT: usize = 64 * 1024 * 1024;

/// Reads the body to its end.
pub(crate) async fn read(headers: &HeaderMap, body: Body) -> Result<Bytes, Problem> {
    let announced = headers.get(header::CONTENT_LENGTH);
    let announced = announced.and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    let mut chunks = body.into_data_stream();
    let mut taken = Vec::new();
    let reading = async {
        if announced.is_some_and(|length| length > BODY_LIMIT) {
            return Err(Problem::body_too_large());
        }
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.map_err(|error| {
                tracing::debug!(%error, "a body could not be read");
                Problem::broken_body()
            })?;
            if taken.len() + chunk.len() > BODY_LIMIT {
                return Err(Problem::body_too_large());
            }
            taken.extend_from_slice(&chunk);
        }
        Ok(())
    };
    match timeout(BODY_TIME, reading).await {
        Ok(Ok(())) => Ok(taken.into()),
        Ok(Err(problem)) => {
            // With `Expect`, the client waits for the server's consent and sends no body now.
            if !headers.contains_key(header::EXPECT) {
                tokio::spawn(timeout(REST_TIME, throw_away(chunks)));
            }
            Err(problem)
        }
        Err(_) => Err(Problem::too_slow()),
    }
}

async fn throw_away(mut chunks: axum::body::BodyDataStream) {
    let mut thrown = 0;
    while let Some(Ok(chunk)) = chunks.next().await {
        thrown += chunk.len();
        if thrown > REST_LIMIT {
            return;
        }
    }
}
