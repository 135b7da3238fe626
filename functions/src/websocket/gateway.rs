//! Viewers on AWS: their connections are API Gateway's, and relays are asynchronous
//! invocations of the `relay` function.

use std::{convert::Infallible, sync::Arc, time::Duration};

use aws_config::SdkConfig;
use aws_sdk_apigatewaymanagement::{
    Client as Management, error::SdkError, operation::post_to_connection::PostToConnectionError,
    primitives::Blob,
};
use aws_sdk_lambda::{Client as Lambda, types::InvocationType};
use containerlease_domain::{names::LeaseId, time::Time};
use containerlease_service::{
    log_relay::{Closing, Connections, PostError},
    store::{Store, StoreError},
};

use crate::websocket::relay::{RelayStart, Relays, StartFailed};

/// How long a relay may take to start. Lambda drops an invocation that it could not begin
/// within a minute.
const START_LIMIT: Duration = Duration::from_secs(60);

/// How long a running relay keeps its place without renewing its hold.
const PLACE_HELD: Duration = Duration::from_secs(30);

/// How often a relay renews its hold.
const HOLD_AGAIN: Duration = Duration::from_secs(10);

/// The longest frame of lines. API Gateway splits messages into parts of 32 KB, and refuses
/// messages above 128 KB. Its documentation does not say whether a KB has 1,000 or 1,024 bytes.
const FRAME_LIMIT: usize = 31 * 1024;

/// The status with which AWS throttles.
const TOO_MANY_REQUESTS: u16 = 429;

/// Viewers' connections at API Gateway.
#[derive(Clone, Debug)]
pub struct Gateway(Management);

impl Gateway {
    /// The connections of the WebSocket API at `endpoint`.
    pub fn new(config: &SdkConfig, endpoint: &str) -> Self {
        let config = aws_sdk_apigatewaymanagement::config::Builder::from(config)
            .endpoint_url(endpoint)
            .build();
        Self(Management::from_conf(config))
    }
}

impl Connections for Gateway {
    const FRAME_LIMIT: usize = FRAME_LIMIT;

    async fn post(&self, connection: &str, frame: String) -> Result<(), PostError> {
        let sent = self
            .0
            .post_to_connection()
            .connection_id(connection)
            .data(Blob::new(frame))
            .send()
            .await;
        match sent {
            Ok(_) => Ok(()),
            Err(error) => {
                let status = error.raw_response().map(|answer| answer.status().as_u16());
                match error.into_service_error() {
                    PostToConnectionError::GoneException(_) => Err(PostError::Gone),
                    PostToConnectionError::LimitExceededException(_) => Err(PostError::Busy),
                    _ if status == Some(TOO_MANY_REQUESTS) => Err(PostError::Busy),
                    other => Err(PostError::Failed(other.to_string())),
                }
            }
        }
    }

    /// API Gateway closes with its own code, so the reason is ignored.
    async fn close(&self, connection: &str, _: Option<Closing>) -> Result<(), PostError> {
        let closed = self.0.delete_connection().connection_id(connection).send();
        match closed.await.map_err(SdkError::into_service_error) {
            Ok(_) => Ok(()),
            Err(error) if error.is_gone_exception() => Ok(()),
            Err(error) => Err(PostError::Failed(error.to_string())),
        }
    }
}

/// Places for relays, one for each watched log. They leave a part of the account's
/// concurrency to everything else, even if none can be reserved.
#[derive(Clone, Debug)]
pub struct Places {
    store: Arc<Store>,
    /// The number of places; `None` for no limit.
    most: Option<u32>,
}

impl Places {
    pub fn new(store: Arc<Store>, most: Option<u32>) -> Self {
        Self { store, most }
    }

    /// Takes a place for a log's relay, or renews the one that it has. Returns whether the
    /// relay has a place.
    async fn take(&self, lease: &LeaseId, held_for: Duration) -> Result<bool, StoreError> {
        let Some(most) = self.most else {
            return Ok(true);
        };
        let now = Time::now();
        self.store
            .take_relay_place(lease, most, now, now.plus(held_for))
            .await
    }

    /// Keeps the place of a log's relay while `relaying` runs. Afterwards the place frees up
    /// when its last hold expires.
    pub async fn keep<T>(&self, lease: &LeaseId, relaying: impl Future<Output = T>) -> T {
        // A slow table must not delay the log.
        tokio::select! {
            done = relaying => done,
            never = self.hold(lease) => match never {},
        }
    }

    async fn hold(&self, lease: &LeaseId) -> Infallible {
        let mut hold_again = tokio::time::interval(HOLD_AGAIN);
        loop {
            hold_again.tick().await;
            match self.take(lease, PLACE_HELD).await {
                Ok(true) => {}
                // The relay started late; it serves the log all the same.
                Ok(false) => tracing::warn!(%lease, "a relay has no place"),
                Err(error) => tracing::warn!(%lease, %error, "a relay could not keep its place"),
            }
        }
    }
}

/// Relays as asynchronous invocations of a function.
#[derive(Clone, Debug)]
pub struct Invocations {
    pub lambda: Lambda,
    pub places: Places,
    /// The name or ARN of the function.
    pub function: String,
}

impl Relays for Invocations {
    async fn start(&self, start: RelayStart) -> Result<(), StartFailed> {
        let failed = |error: String| StartFailed::Failed(error);
        match self.places.take(&start.lease_id, START_LIMIT).await {
            Ok(true) => {}
            Ok(false) => return Err(StartFailed::Full),
            Err(error) => return Err(failed(error.to_string())),
        }
        let payload = serde_json::to_vec(&start).map_err(|error| failed(error.to_string()))?;
        self.lambda
            .invoke()
            .function_name(&self.function)
            .invocation_type(InvocationType::Event)
            .payload(Blob::new(payload))
            .send()
            .await
            .map(drop)
            .map_err(|error| failed(error.into_service_error().to_string()))
    }
}
