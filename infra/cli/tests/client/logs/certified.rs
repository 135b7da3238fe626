//! A server behind TLS, with a certificate that this machine does or does not trust.

use std::{path::Path, process::Command, sync::Arc};

use containerlease_testkit::Folder;
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_rustls::TlsAcceptor;

use super::LEASE;
use crate::{
    harness::Run,
    peer::{Act, ended, line, play},
};

/// openssl's configuration for a self-signed certificate.
const CERTIFICATE: &str = "\
[req]
distinguished_name = name
x509_extensions = extensions
prompt = no
[name]
CN = localhost
[extensions]
subjectAltName = DNS:localhost
basicConstraints = critical, CA:FALSE
";

/// Makes `name.pem` and `name.key`.
fn certify(folder: &Path, name: &str) {
    let file = |suffix: &str| folder.join(format!("{name}.{suffix}"));
    std::fs::write(file("cnf"), CERTIFICATE).expect("a file can be written");
    let made = Command::new("openssl")
        .args(["req", "-x509", "-nodes", "-days", "1", "-newkey", "ec"])
        .args(["-pkeyopt", "ec_paramgen_curve:prime256v1", "-config"])
        .arg(file("cnf"))
        .arg("-keyout")
        .arg(file("key"))
        .arg("-out")
        .arg(file("pem"))
        .output()
        .expect("there is an openssl");
    assert!(made.status.success(), "{made:?}");
}

/// A server with the certificate `name.pem` that plays the list on each connection.
async fn serve(folder: &Path, name: &str, list: Vec<Act>) -> (u16, JoinHandle<()>) {
    let file = |suffix: &str| folder.join(format!("{name}.{suffix}"));
    let certificate = CertificateDer::from_pem_file(file("pem")).expect("it was made");
    let key = PrivateKeyDer::from_pem_file(file("key")).expect("it was made");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider knows the protocol's versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .expect("the key is the certificate's");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await;
    let listener = listener.expect("there is a free loopback port");
    let port = listener.local_addr().expect("it has an address").port();
    let serving = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // A client that does not trust the certificate leaves, as the test expects.
            if let Ok(stream) = acceptor.accept(stream).await {
                play(stream, list.clone()).await;
            }
        }
    });
    (port, serving)
}

#[tokio::test]
async fn a_certificate_that_is_trusted_here_is_enough_and_no_other() {
    let folder = Folder::random();
    certify(&folder, "trusted");
    certify(&folder, "unknown");
    let list = vec![Act::Say(vec![line(1), ended()])];
    let trusted = folder.join("trusted.pem").display().to_string();
    for (name, code, said) in [
        ("trusted", 0, "the lease has ended: its time was over."),
        ("unknown", 1, "invalid peer certificate"),
    ] {
        let (port, serving) = serve(&folder, name, list.clone()).await;
        let server = format!("https://localhost:{port}");
        let variables = [
            ("CONTAINERLEASE_URL", server.as_str()),
            ("SSL_CERT_FILE", trusted.as_str()),
        ];
        let run = Run::start_with(&variables, &["logs", "-f", LEASE]);
        let outcome = run.end().await;
        assert_eq!(outcome.code, Some(code), "{outcome:?}");
        assert!(outcome.sentences()[0].contains(said), "{outcome:?}");
        serving.abort();
    }
}

#[tokio::test]
async fn a_machine_that_trusts_nobody_is_told_what_to_do() {
    let folder = Folder::random();
    let empty = folder.join("empty.pem");
    std::fs::write(&empty, "").expect("a file can be written");
    let empty = empty.display().to_string();
    let variables = [
        ("CONTAINERLEASE_URL", "https://localhost:9"),
        ("SSL_CERT_FILE", empty.as_str()),
    ];
    let outcome = Run::start_with(&variables, &["logs", LEASE]).end().await;
    assert_eq!(outcome.code, Some(1));
    assert!(
        outcome.sentences()[0].contains("SSL_CERT_FILE"),
        "{outcome:?}"
    );
}
