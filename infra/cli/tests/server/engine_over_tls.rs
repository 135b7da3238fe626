//! The engine over TCP with mutual TLS, and everything that can be wrong with its certificates.
//!
//! | variable | meaning |
//! |---|---|
//! | `CONTAINERLEASE_TEST_TLS_HOST` | the engine, as `DOCKER_HOST` has it; the same one as on the usual socket |
//! | `CONTAINERLEASE_TEST_CERTIFICATES` | the folder with `ca.pem`, `cert.pem` and `key.pem` of a client |

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use http::{Method, StatusCode};
use serde_json::json;

use crate::harness::{Place, Server, Viewer, answer, eventually, str_of};

struct Engine {
    host: String,
    certificates: PathBuf,
}

/// The engine over TCP, prepared by the test script.
fn engine() -> Engine {
    Engine {
        host: variable("CONTAINERLEASE_TEST_TLS_HOST"),
        certificates: variable("CONTAINERLEASE_TEST_CERTIFICATES").into(),
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the settings are the server's; these two are the tests' alone"
)]
fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| {
        panic!(
            "{name} is not set: CONTAINERLEASE_TEST_TLS_HOST names an engine over TCP with \
             mutual TLS, such as tcp://127.0.0.1:2376, and CONTAINERLEASE_TEST_CERTIFICATES \
             the folder with ca.pem, cert.pem and key.pem for it"
        )
    })
}

/// Checks that the server is up, reports the engine's fault, and leases nothing.
pub(crate) async fn cannot_lease(server: &Server, detail: &str) {
    // The banner says it right below its first lines.
    eventually("the banner", Duration::from_secs(20), async || {
        let banner = server.process.stdout();
        let wanted = format!("NOT USABLE: {detail} Nothing can be leased until it is.");
        banner.contains(&wanted).then_some(())
    })
    .await;
    assert_eq!(server.get("/healthz").await.status, StatusCode::OK);
    let ready = server.get("/readyz").await;
    assert_eq!(ready.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(ready.json()["engine"]["detail"], detail);
    assert_eq!(ready.json()["table"]["state"], "ok");

    let refused = server
        .request(Method::POST, "/api/provision")
        .json(&json!({"imageType": "alpine", "durationMinutes": 1}));
    let refused = answer(refused).await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(
        refused.json()["type"],
        "urn:containerlease:problem:engine-unavailable"
    );
    assert_eq!(refused.header("retry-after"), "10");
}

#[tokio::test]
async fn the_job_is_done_over_mutual_tls() {
    let engine = engine();
    let place = Place::new().await.with("DOCKER_HOST", &engine.host).with(
        "DOCKER_CERT_PATH",
        engine.certificates.display().to_string(),
    );
    let server = place.start().await;
    assert_eq!(server.get("/readyz").await.status, StatusCode::OK);
    eventually("the banner", Duration::from_secs(20), async || {
        let banner = server.process.stdout();
        banner.contains("with mutual TLS (Docker ").then_some(())
    })
    .await;
    let lease = server
        .provision(&json!({"imageType": "redis", "durationMinutes": 5}))
        .await;
    let id = str_of(&lease["id"]);
    assert_eq!(lease["ports"].as_array().map(Vec::len), Some(1));
    assert_eq!(place.containers().await.len(), 1);
    let mut viewer = Viewer::open(&server, id, None).await;
    viewer.line(|line| line["stream"] == "stdout").await;
    // A command's input ends, and its output follows afterwards.
    let script = "cat; sleep 2; echo after the end";
    let executed = server
        .request(Method::POST, &format!("/api/containers/{id}/exec"))
        .json(&json!({"command": ["sh", "-c", script], "stdin": "x".repeat(30_000)}));
    let executed = answer(executed).await;
    assert_eq!(executed.status, StatusCode::OK);
    let stdout = str_of(&executed.json()["stdout"]).to_owned();
    assert_eq!(stdout, format!("{}after the end\n", "x".repeat(30_000)));
    let deleted = server.delete(&format!("/api/containers/{id}")).await;
    assert_eq!(deleted.json()["success"], true);
    assert_eq!(place.containers().await, []);
    viewer.line(|line| line["event"] == "ended").await;
}

#[tokio::test]
async fn a_client_certificate_of_another_ca_is_refused_by_the_engine() {
    let engine = engine();
    let place = Place::new().await;
    let folder = other_authority(&place.folder.join("certificates"));
    fs::copy(engine.certificates.join("ca.pem"), folder.join("ca.pem")).unwrap();
    let server = place
        .start_with(&[
            ("DOCKER_HOST", &engine.host),
            ("DOCKER_CERT_PATH", &folder.display().to_string()),
        ])
        .await;
    cannot_lease(&server, "The engine refuses our client certificate.").await;
}

/// Certificates are read again at most every 10 s; the test waits for that.
#[tokio::test]
async fn a_certificate_that_was_replaced_is_used_without_a_restart() {
    let engine = engine();
    let place = Place::new().await;
    let folder = other_authority(&place.folder.join("certificates"));
    let server = place
        .start_with(&[
            ("DOCKER_HOST", &engine.host),
            ("DOCKER_CERT_PATH", &folder.display().to_string()),
        ])
        .await;
    assert_eq!(
        server.get("/readyz").await.status,
        StatusCode::SERVICE_UNAVAILABLE
    );
    for file in ["ca.pem", "cert.pem", "key.pem"] {
        fs::copy(engine.certificates.join(file), folder.join(file)).unwrap();
    }
    eventually("a ready engine", Duration::from_secs(20), async || {
        let ready = server.get("/readyz").await;
        (ready.status == StatusCode::OK).then_some(())
    })
    .await;
    server
        .provision(&json!({"imageType": "alpine", "durationMinutes": 1}))
        .await;
}

#[tokio::test]
async fn an_engine_of_another_ca_is_not_trusted() {
    let engine = engine();
    let place = Place::new().await;
    let folder = other_authority(&place.folder.join("certificates"));
    for file in ["cert.pem", "key.pem"] {
        fs::copy(engine.certificates.join(file), folder.join(file)).unwrap();
    }
    let server = place
        .start_with(&[
            ("DOCKER_HOST", &engine.host),
            ("DOCKER_CERT_PATH", &folder.display().to_string()),
        ])
        .await;
    cannot_lease(&server, "We do not trust the engine's certificate.").await;
}

/// These need no engine: the certificates are read before it is called.
#[tokio::test]
async fn certificates_that_cannot_be_read_stop_the_server_and_are_named() {
    let place = Place::new().await;
    let folder = other_authority(&place.folder.join("certificates"));
    let host = "tcp://127.0.0.1:2376";
    let path = folder.display().to_string();
    for file in ["ca.pem", "cert.pem", "key.pem"] {
        let file = folder.join(file);
        let content = fs::read(&file).unwrap();
        for broken in [None, Some(""), Some("-----BEGIN NOTHING-----\n")] {
            match broken {
                None => fs::remove_file(&file).unwrap(),
                Some(text) => fs::write(&file, text).unwrap(),
            }
            let mut process = place.launch(&[
                ("RUST_LOG", "off"),
                ("DOCKER_HOST", host),
                ("DOCKER_CERT_PATH", &path),
            ]);
            let status = process.end(Duration::from_secs(10)).await;
            let said = process.stderr();
            assert_eq!(status.code(), Some(1), "{said}");
            assert_eq!(said.lines().count(), 1, "{said}");
            let named = format!("containerlease: {} cannot be used: ", file.display());
            assert!(said.starts_with(&named), "{said}");
        }
        fs::write(&file, content).unwrap();
    }
}

#[tokio::test]
async fn an_engine_over_tcp_without_certificates_is_not_called() {
    let place = Place::new().await;
    let mut process = place.launch(&[("RUST_LOG", "off"), ("DOCKER_HOST", "tcp://127.0.0.1:2376")]);
    let status = process.end(Duration::from_secs(10)).await;
    assert_eq!(status.code(), Some(1));
    assert_eq!(
        process.stderr(),
        "containerlease: DOCKER_HOST is \"tcp://127.0.0.1:2376\": an engine over TCP is reached \
         by mutual TLS only: set DOCKER_CERT_PATH to the folder with ca.pem, cert.pem and \
         key.pem, or CONTAINERLEASE_DOCKER_SECRET to a secret that holds them\n"
    );
}

/// Makes an authority unknown to the engine, and a client certificate signed by it.
fn other_authority(folder: &Path) -> PathBuf {
    fs::create_dir_all(folder).expect("the folder can be made");
    let openssl = |arguments: &str| {
        let done = Command::new("openssl")
            .args(arguments.split_whitespace())
            .current_dir(folder)
            .stdin(Stdio::null())
            .output()
            .expect("the tests need openssl");
        assert!(done.status.success(), "openssl {arguments}: {done:?}");
    };
    for key in ["ca-key.pem", "key.pem"] {
        openssl(&format!(
            "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out {key}"
        ));
    }
    openssl("req -x509 -new -key ca-key.pem -subj /CN=another -days 2 -out ca.pem");
    openssl("req -new -key key.pem -subj /CN=client -out request.pem");
    // Without an extension openssl makes a version 1 certificate, which would be refused for that
    // alone.
    fs::write(folder.join("extensions"), "extendedKeyUsage = clientAuth\n")
        .expect("the folder can be written");
    openssl(
        "x509 -req -in request.pem -CA ca.pem -CAkey ca-key.pem -CAcreateserial -days 2 \
         -extfile extensions -out cert.pem",
    );
    folder.to_owned()
}
