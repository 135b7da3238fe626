//! Only the server can reach the table: it has no socket, and no other user can read its files.

use std::{
    fs,
    net::SocketAddr,
    os::unix::fs::{DirBuilderExt as _, PermissionsExt as _},
    path::Path,
};

use containerlease_table::Key;
use http::{Method, StatusCode};

use crate::harness::{PATIENCE, Place};

/// The TCP sockets on which this process listens.
pub(crate) fn listening(pid: u32) -> Vec<SocketAddr> {
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).expect("it is ours");
    let inodes: Vec<String> = descriptors
        .filter_map(|descriptor| fs::read_link(descriptor.ok()?.path()).ok())
        .filter_map(|target| {
            let target = target.to_str()?;
            Some(
                target
                    .strip_prefix("socket:[")?
                    .strip_suffix(']')?
                    .to_owned(),
            )
        })
        .collect();
    let mut all = Vec::new();
    for family in ["tcp", "tcp6"] {
        let table = fs::read_to_string(format!("/proc/{pid}/net/{family}"));
        for line in table.expect("it is Linux").lines().skip(1) {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let (local, state, inode) = (fields[1], fields[3], fields[9]);
            if state == "0A" && inodes.iter().any(|ours| ours == inode) {
                assert_eq!(family, "tcp", "{line}");
                let (address, port) = local.split_once(':').expect("it has a port");
                let address = u32::from_str_radix(address, 16).expect("it is hexadecimal");
                let port = u16::from_str_radix(port, 16).expect("it is hexadecimal");
                all.push((address.to_le_bytes(), port).into());
            }
        }
    }
    all
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path)
        .expect("it is there")
        .permissions()
        .mode()
        & 0o777
}

/// The files of a data folder whose mode admits other users.
fn open_to_others(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("it is there");
    let files = entries.map(|entry| entry.expect("it can be listed").path());
    let open = files.filter(|file| mode(file) != 0o600);
    open.map(|file| format!("{} {:o}", file.display(), mode(&file)))
        .collect()
}

#[tokio::test]
async fn no_socket_leads_to_it() {
    let place = Place::new().await;
    let server = place.start().await;
    assert_eq!(server.get("/api/containers").await.status, StatusCode::OK);
    assert_eq!(listening(server.process.pid()), [server.address]);
    assert!(!place.folder.join("data/table-endpoint").exists());
}

#[tokio::test]
async fn a_port_that_is_asked_for_opens_to_its_key_alone() {
    let place = Place::new().await;
    let mut server = place
        .start_with(&[("CONTAINERLEASE_TABLE_PORT", "0")])
        .await;
    let file = place.folder.join("data/table-endpoint");
    assert_eq!(mode(&file), 0o600);
    let endpoint = fs::read_to_string(&file).expect("it is there");
    let (_, rest) = endpoint.split_once("http://").expect("it is a URL");
    let (address, key) = rest.split_once('/').expect("it has a path");
    let address: SocketAddr = address.parse().expect("it is an address");
    assert_eq!(listening(server.process.pid()).len(), 2);

    let client = reqwest::Client::new();
    let ask = |url: &str, more: &[(&'static str, &'static str)]| {
        let scan = client
            .request(Method::POST, url)
            .header("x-amz-target", "DynamoDB_20120810.Scan")
            .header("content-type", "text/plain")
            .body(r#"{"TableName":"containerlease"}"#);
        let scan = more
            .iter()
            .fold(scan, |scan, (name, value)| scan.header(*name, *value));
        scan.send()
    };
    assert_eq!(ask(&endpoint, &[]).await.unwrap().status(), StatusCode::OK);
    let without = format!("http://{address}/");
    let wrong = format!("{without}{}", "0".repeat(key.len()));
    for (url, more) in [
        (without.as_str(), vec![]),
        (wrong.as_str(), vec![]),
        (endpoint.as_str(), vec![("origin", "http://evil.example")]),
        (endpoint.as_str(), vec![("origin", "null")]),
        (endpoint.as_str(), vec![("host", "evil.example")]),
    ] {
        let answer = ask(url, &more).await.unwrap();
        assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{url} {more:?}");
        let allowed = answer.headers().get("access-control-allow-origin");
        assert!(allowed.is_none(), "{allowed:?}");
    }

    let aws = containerlease_testkit::table::aws_at(address, &Key::told(key)).await;
    let store = containerlease_service::store::Store::new(&aws, "containerlease");
    store.check().await.expect("the SDK takes the URL");
    server.signal("TERM");
    assert!(server.process.end(PATIENCE).await.success());
    let said = server.process.stdout() + &server.process.stderr();
    assert!(!said.contains(key), "{said}");
    assert!(!file.exists(), "a key that opens nothing stays");
}

#[tokio::test]
async fn what_another_user_has_put_into_its_folder_is_not_taken() {
    let place = Place::new().await;
    let data = place.folder.join("data");
    let victim = place.folder.join("victim");
    fs::create_dir(&data).expect("it can be made");
    fs::write(&victim, "precious").expect("it can be written");
    std::os::unix::fs::symlink(&victim, data.join("reserve")).expect("it can be made");
    // It works without the reserve.
    drop(place.start().await);
    assert_eq!(
        fs::read_to_string(&victim).expect("it is there"),
        "precious"
    );

    fs::remove_file(data.join("reserve")).expect("it is there");
    let token = data.join("token");
    fs::remove_file(&token).expect("the server has made it");
    fs::write(&token, "a".repeat(64)).expect("it can be written");
    if std::os::unix::fs::chown(&token, Some(65_534), None).is_err() {
        containerlease_testkit::assert_may_skip("only root can make another user's file");
        return;
    }
    let mut refused = place.launch(&[("RUST_LOG", "off")]);
    assert!(!refused.end(PATIENCE).await.success());
    let said = refused.stderr();
    assert!(
        said.contains("token") && said.contains("another user"),
        "{said}"
    );
}

#[tokio::test]
async fn other_users_cannot_read_its_files() {
    let place = Place::new().await;
    let data = place.folder.join("data");
    // As earlier releases left it.
    let mut folder = fs::DirBuilder::new();
    folder.mode(0o755).create(&data).unwrap();
    fs::write(data.join("table.sqlite"), "").unwrap();
    fs::set_permissions(data.join("table.sqlite"), fs::Permissions::from_mode(0o644)).unwrap();
    let server = place.start().await;
    assert_eq!(mode(&data), 0o700);
    assert_eq!(open_to_others(&data), [""; 0]);
    drop(server);
    let below = place.folder.join("made/by/it");
    let _server = place
        .start_with(&[("CONTAINERLEASE_DATA", below.to_str().unwrap())])
        .await;
    assert_eq!(mode(&below), 0o700);
    assert_eq!(open_to_others(&below), [""; 0]);
}

#[tokio::test]
async fn a_folder_that_others_need_stays_open_and_the_files_are_closed() {
    let place = Place::new().await;
    let data = place.folder.join("data");
    let mut folder = fs::DirBuilder::new();
    folder.mode(0o755).create(&data).unwrap();
    let others = data.join("somebody's notes");
    fs::write(&others, "").unwrap();
    fs::set_permissions(&others, fs::Permissions::from_mode(0o644)).unwrap();
    let _server = place.start().await;
    assert_eq!((mode(&data), mode(&others)), (0o755, 0o644));
    assert_eq!(
        open_to_others(&data).len(),
        1,
        "{:?}",
        open_to_others(&data)
    );
}
