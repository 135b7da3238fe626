//! The launcher with scripts in the server's place: what it passes on, and what it finds out.

use super::*;
use crate::Folder;

const LIMIT: Duration = Duration::from_secs(20);

/// A launcher of this script. The shell reads `serve` from its path, since to run a file that was
/// just written may fail.
fn launcher(folder: &Folder, script: &str) -> Launcher {
    fs::write(folder.join("serve"), script).unwrap();
    let socket = Path::new("/no/engine.sock");
    Launcher::new("/bin/bash", folder, "test-launcher", socket).with("PATH", folder.as_os_str())
}

const COMES_UP: &str = "echo ContainerLease is on http://127.0.0.1:1234; echo and more; \
                        echo \"log of $NAME\" >&2; exec /bin/sleep 60";

#[tokio::test]
async fn a_server_is_up_once_it_prints_its_address() {
    let folder = Folder::random();
    let launcher = launcher(&folder, COMES_UP);
    let mut server = launcher.start(LIMIT).await.unwrap();
    assert_eq!(server.address(), Some(([127, 0, 0, 1], 1234).into()));
    server.signal("TERM");
    assert!(!server.end(LIMIT).await.success());
    assert_eq!(launcher.token(), None);
    fs::create_dir(folder.join("data")).unwrap();
    fs::write(folder.join("data/token"), "t0ken\n").unwrap();
    assert_eq!(launcher.token().as_deref(), Some("t0ken"));
}

#[tokio::test]
async fn each_server_has_its_own_output_even_if_several_run_at_once() {
    let folder = Folder::random();
    let launcher = launcher(&folder, COMES_UP);
    let mut first = launcher
        .clone()
        .with("NAME", "a")
        .start(LIMIT)
        .await
        .unwrap();
    let second = launcher
        .clone()
        .with("NAME", "b")
        .start(LIMIT)
        .await
        .unwrap();
    let said = async |server: &ServerProcess, log: &str| {
        let said = within(LIMIT, async || (server.stderr() == log).then_some(())).await;
        assert!(said.is_some(), "{:?}", server.stderr());
    };
    said(&first, "log of a\n").await;
    said(&second, "log of b\n").await;
    first.kill();
    assert_eq!(launcher.log().unwrap(), "log of a\nlog of b\n");
    let pid = second.pid();
    drop(second);
    assert!(!Path::new("/proc").join(pid.to_string()).exists());
}

#[tokio::test]
async fn a_server_that_does_not_come_up_says_why() {
    let folder = Folder::random();
    let refuses = launcher(&folder, "echo 'containerlease: no' >&2; exit 3");
    let refused = refuses.start(LIMIT).await.unwrap_err().to_string();
    let expected = "the server ended with exit status: 3: containerlease: no\n";
    assert_eq!(refused, expected);
    let hangs = launcher(&folder, "exec /bin/sleep 60");
    let late = hangs.start(Duration::from_millis(50)).await.unwrap_err();
    assert_eq!(late.to_string(), "the server is not up after 50ms: ");
    let folder = folder.join("nowhere");
    let nowhere = Launcher::new("/bin/bash", &folder, "test-launcher", Path::new("/"));
    let failed = nowhere.start(LIMIT).await.unwrap_err();
    assert!(matches!(failed, StartError::NotStarted(_)), "{failed}");
}

#[tokio::test]
async fn a_server_gets_these_variables_and_no_others() {
    let folder = Folder::random();
    let launcher = launcher(
        &folder,
        "while read -r it; do echo \"$it\"; done; /usr/bin/env",
    )
    .with_all(&[("NAME", "first"), ("NAME", "last")])
    .through(Path::new("/other.sock"));
    let mut server = launcher.launch().unwrap();
    assert!(server.end(LIMIT).await.success());
    let said = server.stdout();
    // The shell sets the others.
    let mut got: Vec<_> = said
        .lines()
        .filter(|line| {
            !["PWD=", "SHLVL=", "_="]
                .iter()
                .any(|own| line.starts_with(own))
        })
        .collect();
    got.sort_unstable();
    let here = folder.display();
    let expected = [
        format!("CONTAINERLEASE_DASHBOARD={here}/no dashboard"),
        format!("CONTAINERLEASE_DATA={here}/data"),
        "CONTAINERLEASE_DEPLOYMENT=test-launcher".to_owned(),
        "CONTAINERLEASE_LISTEN=127.0.0.1:0".to_owned(),
        "DOCKER_HOST=unix:///other.sock".to_owned(),
        "NAME=last".to_owned(),
        format!("PATH={here}"),
    ];
    assert_eq!(got, expected);
}
