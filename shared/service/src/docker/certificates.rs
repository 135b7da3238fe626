//! The client's certificate and key, and the CA of the engine's certificate: from a folder, or from
//! a secret in Secrets Manager.

use std::{fmt, path::Path, time::Duration};

use aws_sdk_secretsmanager::{Client, config::timeout::TimeoutConfig, error::DisplayErrorContext};
use containerlease_settings::CertificateSource;
use serde::Deserialize;

use super::error::HostError;

/// PEM texts and their source.
#[derive(PartialEq, Eq)]
pub(super) struct Certificates {
    from: CertificateSource,
    pub(super) ca: Vec<u8>,
    pub(super) cert: Vec<u8>,
    pub(super) key: Vec<u8>,
}

impl fmt::Debug for Certificates {
    /// Omits the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificates")
            .field("from", &self.from)
            .finish_non_exhaustive()
    }
}

impl Certificates {
    /// The error for one of the texts, `ca`, `cert` or `key`, without its content.
    pub(super) fn unusable(&self, text: &str, problem: &dyn fmt::Display) -> HostError {
        match &self.from {
            CertificateSource::Folder(folder) => of_file(folder, text, problem),
            CertificateSource::Secret(secret) => HostError::Certificates(format!(
                "{text} of the secret {secret} cannot be used: {problem}"
            )),
        }
    }
}

/// The current content of `source`.
pub(super) async fn of(
    secrets: &Client,
    source: &CertificateSource,
) -> Result<Certificates, HostError> {
    match source {
        CertificateSource::Folder(folder) => of_folder(folder),
        CertificateSource::Secret(secret) => of_secret(secrets, secret).await,
    }
}

/// The content of the folder `folder`.
pub(super) fn of_folder(folder: &Path) -> Result<Certificates, HostError> {
    let read = |text: &str| {
        std::fs::read(folder.join(file_name(text)))
            .map_err(|problem| of_file(folder, text, &problem))
    };
    Ok(Certificates {
        from: CertificateSource::Folder(folder.to_owned()),
        ca: read("ca")?,
        cert: read("cert")?,
        key: read("key")?,
    })
}

fn file_name(text: &str) -> String {
    format!("{text}.pem")
}

fn of_file(folder: &Path, text: &str, problem: &dyn fmt::Display) -> HostError {
    let file = folder.join(file_name(text));
    HostError::Certificates(format!("{} cannot be used: {problem}", file.display()))
}

/// A client for [`of`], with the AWS settings `aws`.
pub(super) fn secrets(aws: &aws_config::SdkConfig) -> Client {
    let time_limits = TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(2))
        .operation_timeout(Duration::from_secs(5))
        .build();
    let config = aws_sdk_secretsmanager::config::Builder::from(aws)
        .timeout_config(time_limits)
        .build();
    Client::from_conf(config)
}

/// The current content of the secret named `secret`.
async fn of_secret(client: &Client, secret: &str) -> Result<Certificates, HostError> {
    #[derive(Deserialize)]
    struct Texts {
        ca: String,
        cert: String,
        key: String,
    }
    let answer = client.get_secret_value().secret_id(secret).send().await;
    let answer = answer.map_err(|error| {
        let problem = DisplayErrorContext(error);
        HostError::Secret(format!("the secret {secret} cannot be read: {problem}"))
    })?;
    // The error must not reveal any of the content.
    let texts: Texts = answer
        .secret_string()
        .and_then(|text| serde_json::from_str(text).ok())
        .ok_or_else(|| {
            HostError::Certificates(format!(
                "the secret {secret} is not JSON with the texts ca, cert and key"
            ))
        })?;
    Ok(Certificates {
        from: CertificateSource::Secret(secret.to_owned()),
        ca: texts.ca.into_bytes(),
        cert: texts.cert.into_bytes(),
        key: texts.key.into_bytes(),
    })
}
