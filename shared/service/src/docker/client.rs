//! The engine's client library, with certificate rotation.
//!
//! The first call to the engine reads the certificate, so a function that never calls it never
//! reads the secret. When the two sides no longer trust each other, the certificate is read again.
//! A replaced one is used at once, and the call that noticed is retried, so a rotation needs no
//! deploy and fails no call.

use std::{future::Future, sync::Arc, time::Duration};

use bollard::{Docker, errors::Error as ClientError};
use bytes::Bytes;
use containerlease_domain::time::Time;
use containerlease_settings::{CertificateSource, EngineAddress};
use tokio::{sync::Mutex, time::Instant};

use super::{
    certificates::{self, Certificates},
    error::{self, HostError},
    transport::{self, Expiry, Way},
};

/// Minimum time between two reads of the certificate, so that a permanently wrong one does not cost
/// a read of the secret with each call.
const BETWEEN_READS: Duration = Duration::from_secs(10);

/// How often a request is retried whose connection was closed before it was sent. The other side
/// may have stated the reason; on a new connection its answer may get through.
const UNSENT_RETRIES: u32 = 3;

/// The engine's client, which manages its certificate.
#[derive(Debug)]
pub(super) struct Client {
    address: EngineAddress,
    secrets: aws_sdk_secretsmanager::Client,
    /// None before the first call if the certificate is in a secret.
    current: Mutex<Option<Current>>,
}

#[derive(Clone, Debug)]
struct Current {
    way: Way,
    /// None over the engine's socket.
    tls: Option<Arc<Tls>>,
    read_at: Instant,
}

#[derive(Debug)]
struct Tls {
    certificates: Certificates,
    expiry: Expiry,
}

impl Client {
    /// A client of the engine at `address`. Sends nothing; only reads certificates from a folder.
    pub(super) fn new(
        address: &EngineAddress,
        aws: &aws_config::SdkConfig,
    ) -> Result<Self, HostError> {
        let current = match address {
            EngineAddress::Unix(path) => Some(Current {
                way: transport::over_socket(path)?,
                tls: None,
                read_at: Instant::now(),
            }),
            EngineAddress::Tls {
                authority,
                certificates: CertificateSource::Folder(folder),
            } => Some(over_tls(authority, certificates::of_folder(folder)?)?),
            EngineAddress::Tls {
                certificates: CertificateSource::Secret(_),
                ..
            } => None,
        };
        Ok(Self {
            address: address.clone(),
            secrets: certificates::secrets(aws),
            current: Mutex::new(current),
        })
    }

    /// Makes a call that may take `limit`. If the two sides do not trust each other, the engine has
    /// not received the request, so it is made once more with a newer certificate.
    pub(super) async fn call<T, F>(
        &self,
        attempted: &'static str,
        limit: Duration,
        call: impl Fn(Docker) -> F,
    ) -> Result<T, HostError>
    where
        F: Future<Output = Result<T, ClientError>>,
    {
        let call = |way: Way| call(way.docker);
        self.call_on(attempted, limit, call).await
    }

    /// The engine's raw answer to a GET of `path`.
    pub(super) async fn get(
        &self,
        attempted: &'static str,
        limit: Duration,
        path: &str,
    ) -> Result<Bytes, HostError> {
        let get = |way: Way| async move { way.get(path).await };
        self.call_on(attempted, limit, get).await
    }

    async fn call_on<T, F>(
        &self,
        attempted: &'static str,
        limit: Duration,
        call: impl Fn(Way) -> F,
    ) -> Result<T, HostError>
    where
        F: Future<Output = Result<T, ClientError>>,
    {
        let sent = async |way: Way| {
            let mut tries_left = UNSENT_RETRIES;
            loop {
                let answer = call(way.clone()).await;
                if tries_left == 0 || !answer.as_ref().is_err_and(error::was_not_sent) {
                    return answer;
                }
                tries_left -= 1;
            }
        };
        let call = |way| error::limited(attempted, limit, sent(way));
        let used = self.current().await?;
        let answer = call(used.way.clone()).await;
        if !matches!(answer, Err(HostError::Tls { .. })) {
            return answer;
        }
        match self.newer_than(&used).await {
            Some(newer) => call(newer.way).await,
            None => answer,
        }
    }

    /// The current client library, for a call that answers with a stream.
    pub(super) async fn docker(&self) -> Result<Docker, HostError> {
        self.current().await.map(|current| current.way.docker)
    }

    /// When the first certificate that a connection needs expires: ours, the CA, or the engine's
    /// own once seen. None over a socket, or before the first call.
    pub(super) async fn first_expiry(&self) -> Option<Time> {
        let current = self.current.lock().await;
        current.as_ref()?.tls.as_ref()?.expiry.first()
    }

    async fn current(&self) -> Result<Current, HostError> {
        let mut current = self.current.lock().await;
        if let Some(current) = &*current {
            return Ok(current.clone());
        }
        let (authority, source) = self.tls();
        // Boxed: it is large, and most callers that wait for it rarely need it.
        let read = Box::pin(certificates::of(&self.secrets, source)).await?;
        Ok(current.insert(over_tls(authority, read)?).clone())
    }

    /// A client with a certificate newer than that of `used`, if there is one by now.
    async fn newer_than(&self, used: &Current) -> Option<Current> {
        let used = used.tls.as_ref()?;
        let mut current = self.current.lock().await;
        let now = current.as_mut()?;
        let tls = now.tls.as_ref()?;
        if !Arc::ptr_eq(tls, used) {
            return Some(now.clone());
        }
        if now.read_at.elapsed() < BETWEEN_READS {
            return None;
        }
        now.read_at = Instant::now();
        let (authority, source) = self.tls();
        let read = Box::pin(certificates::of(&self.secrets, source)).await;
        let newer = read.and_then(|read| {
            if read == tls.certificates {
                return Ok(None);
            }
            over_tls(authority, read).map(Some)
        });
        match newer {
            Ok(Some(newer)) => {
                tracing::info!("the engine's certificate was replaced; the new one is used");
                *now = newer.clone();
                Some(newer)
            }
            Ok(None) => None,
            Err(error) => {
                tracing::warn!(%error, "could not read the certificate again");
                None
            }
        }
    }

    fn tls(&self) -> (&str, &CertificateSource) {
        match &self.address {
            EngineAddress::Tls {
                authority,
                certificates,
            } => (authority, certificates),
            EngineAddress::Unix(_) => unreachable!("over a socket there is no certificate"),
        }
    }
}

fn over_tls(authority: &str, certificates: Certificates) -> Result<Current, HostError> {
    let (way, expiry) = transport::over_tls(authority, &certificates)?;
    let tls = Tls {
        certificates,
        expiry,
    };
    Ok(Current {
        way,
        tls: Some(Arc::new(tls)),
        read_at: Instant::now(),
    })
}
