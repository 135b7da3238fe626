//! A server that cannot start says why in one sentence, and what to do.

use std::{net::TcpListener, time::Duration};

use containerlease_testkit::ServerProcess;

use crate::harness::{Place, written};

/// Checks that a server gives up with one sentence, and returns it.
async fn refusal(mut process: ServerProcess) -> String {
    let status = process.end(Duration::from_secs(10)).await;
    let said = process.stderr();
    assert_eq!(status.code(), Some(1), "{said}");
    assert_eq!(process.stdout(), "", "it does not greet before it is up");
    let sentence = said.strip_prefix("containerlease: ");
    let sentence = sentence.and_then(|rest| rest.strip_suffix('\n'));
    let sentence = sentence.unwrap_or_else(|| panic!("{said:?} is not one sentence"));
    assert!(!sentence.contains('\n'), "{said}");
    sentence.to_owned()
}

/// Without the log, standard error holds only the sentence.
const NO_LOG: (&str, &str) = ("RUST_LOG", "off");

#[tokio::test]
async fn a_port_that_is_taken_is_named() {
    let place = Place::new().await;
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let said = refusal(place.launch(&[NO_LOG, ("CONTAINERLEASE_LISTEN", &address)])).await;
    assert!(said.starts_with(&format!("cannot listen on {address} (")));
    assert!(said.ends_with("choose another address with CONTAINERLEASE_LISTEN"));
    assert!(
        !place.folder.join("data").exists(),
        "the data was not touched"
    );
}

#[tokio::test]
async fn a_table_port_that_is_taken_is_named() {
    let place = Place::new().await;
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let said = refusal(place.launch(&[NO_LOG, ("CONTAINERLEASE_TABLE_PORT", &port)])).await;
    assert!(said.contains(&port), "{said}");
    assert!(
        said.ends_with("choose another with CONTAINERLEASE_TABLE_PORT"),
        "{said}"
    );
}

/// The tests may run as root, who may write everywhere except below a file.
#[tokio::test]
async fn a_data_folder_that_cannot_be_written_is_named() {
    let place = Place::new().await;
    let below_a_file = written(&place.folder.join("file"), "") + "/data";
    let said = refusal(place.launch(&[NO_LOG, ("CONTAINERLEASE_DATA", &below_a_file)])).await;
    assert!(
        said.starts_with(&format!("the data folder {below_a_file} cannot be written")),
        "{said}"
    );
    assert!(
        said.ends_with("choose another with CONTAINERLEASE_DATA"),
        "{said}"
    );
}

#[tokio::test]
async fn two_servers_do_not_share_a_data_folder() {
    let place = Place::new().await;
    let first = place.start().await;
    let said = refusal(place.launch(&[NO_LOG])).await;
    assert!(
        said.starts_with("another server uses the data folder "),
        "{said}"
    );
    assert_eq!(first.get("/healthz").await.status, 200);
    drop(first);
    place.start().await;
}

#[tokio::test]
async fn it_refuses_to_listen_to_the_whole_network() {
    let place = Place::new().await;
    for everywhere in ["0.0.0.0:0", "[::]:0"] {
        let said = refusal(place.launch(&[NO_LOG, ("CONTAINERLEASE_LISTEN", everywhere)])).await;
        assert!(said.starts_with("CONTAINERLEASE_LISTEN is "), "{said}");
        assert!(said.contains("loopback"), "{said}");
    }
}

#[tokio::test]
async fn a_wrong_setting_is_named() {
    let place = Place::new().await;
    for (variable, value) in [
        ("CONTAINERLEASE_TICK_SECONDS", "0"),
        ("CONTAINERLEASE_DEPLOYMENT", "My App"),
        ("DOCKER_HOST", "ssh://somewhere"),
    ] {
        let said = refusal(place.launch(&[NO_LOG, (variable, value)])).await;
        assert!(
            said.starts_with(&format!("{variable} is {value:?}: ")),
            "{said}"
        );
    }
}

#[tokio::test]
async fn a_data_folder_of_something_else_is_not_taken_over() {
    let place = Place::new().await;
    let table = place.folder.join("data/table.sqlite");
    written(&table, "these are somebody's notes");
    let said = refusal(place.launch(&[NO_LOG])).await;
    assert!(said.starts_with("the table in "), "{said}");
    assert_eq!(
        std::fs::read_to_string(&table).unwrap(),
        "these are somebody's notes"
    );
}

/// A server starts even without its engine: it must end its leases once the engine is back.
#[tokio::test]
async fn an_engine_that_is_not_there_is_said_and_does_not_stop_the_server() {
    let place = Place::new().await;
    let nowhere = format!("unix://{}", place.folder.join("docker.sock").display());
    let server = place.start_with(&[("DOCKER_HOST", &nowhere)]).await;
    crate::engine_over_tls::cannot_lease(&server, "The engine cannot be reached.").await;
}
