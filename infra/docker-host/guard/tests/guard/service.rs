//! The guard as a service: what systemd hears of it, and the one engine that it serves.

use std::{os::unix::net::UnixDatagram, process::Command};

use containerlease_testkit::{Folder, Place, wait::PATIENCE};

use crate::Guard;

#[tokio::test(flavor = "multi_thread")]
async fn systemd_hears_that_it_is_ready_and_alive_also_without_an_engine() {
    let place = Place::new().await;
    let folder = Folder::random();
    let path = folder.join("notify");
    let systemd = UnixDatagram::bind(&path).expect("a socket can be made");
    systemd.set_read_timeout(Some(PATIENCE)).expect("it is one");
    let path = path.to_str().expect("it is text");
    let _guard = Guard::with(&place, &folder.join("none"), &[("NOTIFY_SOCKET", path)]);
    let heard = tokio::task::spawn_blocking(move || {
        let mut buffer = [0; 1_024];
        std::array::from_fn::<_, 3, _>(|_| {
            let length = systemd.recv(&mut buffer).expect("it speaks");
            String::from_utf8_lossy(&buffer[..length]).into_owned()
        })
    });
    let [ready, first, second] = heard.await.expect("it does not panic");
    assert!(ready.contains("READY=1"), "{ready}");
    for beat in [first, second] {
        assert!(beat.contains("WATCHDOG=1"), "{beat}");
        assert!(beat.contains("STATUS=listing containers"), "{beat}");
    }
}

#[test]
fn it_refuses_an_engine_over_the_network() {
    let output = Command::new(env!("CARGO_BIN_EXE_containerlease-guard"))
        .env_clear()
        .env("DOCKER_HOST", "tcp://127.0.0.1:2376")
        .env("DOCKER_CERT_PATH", "/certificates")
        .output()
        .expect("the guard's binary was built");
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("uses the engine's socket only"), "{said}");
}
