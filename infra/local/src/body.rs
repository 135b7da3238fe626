//! A request's body, as far as it is taken.
//!
//! What is too large is refused while it still arrives. Whoever sends it may look for the
//! answer only when all is sent, and never sees it where the connection is closed before: so
//! the rest is read and thrown away, for a while.

use std::time::Duration;

use axum::body::{Body, Bytes};
use containerlease_functions::problem::Problem;
use containerlease_shared::request::BODY_LIMIT;
use futures_util::StreamExt as _;
use http::{HeaderMap, header};
use tokio::time::timeout;

/// How long a body may take to arrive.
const BODY_TIME: Duration = Duration::from_secs(20);

/// For how long, and how much in bytes, the rest of a body that is too large is read.
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
            // Who asks first whether to send it at all sends nothing now.
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
