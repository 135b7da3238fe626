//! Runs the guard's binary on a real engine, with faults on the socket between the two.
//!
//! Other tests share the engine, so each guard here is limited to its own deployment. The
//! tests of its plan, and the soak, show that it guards all deployments by default.

use std::{
    fs,
    io::Read,
    os::unix::{fs::symlink, net::UnixDatagram},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use bollard::{
    models::ContainerCreateBody,
    query_parameters::{
        CreateContainerOptions, InspectContainerOptions, RemoveContainerOptionsBuilder,
    },
};
use containerlease_domain::{
    container::{DEPLOYMENT_LABEL, HARD_DEADLINE_LABEL, LEASE_LABEL},
    time::Time,
};
use containerlease_settings::EngineAddress;
use containerlease_testkit::{Fault, Place, Proxy};
use http::StatusCode;

/// Time limit for everything without its own; the engine is shared.
const PATIENCE: Duration = Duration::from_secs(20);
const LOOK_EVERY: Duration = Duration::from_millis(20);
const HOUR: Duration = Duration::from_secs(3_600);

#[tokio::test(flavor = "multi_thread")]
async fn what_is_overdue_goes_and_nothing_else() {
    let place = Place::new().await;
    let past = Time::now().minus(Duration::from_secs(1)).to_string();
    let future = Time::now().plus(HOUR).to_string();
    let deployment = place.deployment().as_str();

    let running = started(&place, &ours(&place, &past)).await;
    let paused = started(&place, &ours(&place, &past)).await;
    let pausing = place.docker().pause_container(&paused).await;
    pausing.expect("a running container can be paused");
    let never_started = place.stray(&ours(&place, &past)).await;

    let not_due = started(&place, &ours(&place, &future)).await;
    let no_label = started(&place, &[]).await;
    let deadline_alone = place.stray(&[(HARD_DEADLINE_LABEL, &past)]).await;
    let lease_of_nobody = place
        .stray(&[(HARD_DEADLINE_LABEL, &past), (LEASE_LABEL, "x")])
        .await;
    let deployment_alone = place.stray(&[(DEPLOYMENT_LABEL, deployment)]).await;
    let unreadable = place.stray(&ours(&place, "tomorrow")).await;
    let similar = format!("{deployment}-2");
    let anothers = place
        .stray(&[(DEPLOYMENT_LABEL, &similar), (HARD_DEADLINE_LABEL, &past)])
        .await;

    let guard = Guard::start(&place, socket(&place));
    for overdue in [&running, &paused, &never_started] {
        gone(&place, overdue, &guard).await;
    }
    // Two more rounds, in which it could wrongly remove containers.
    tokio::time::sleep(Duration::from_millis(2_200)).await;
    for (name, left) in [
        ("not due", &not_due),
        ("no label", &no_label),
        ("the deadline alone", &deadline_alone),
        ("no deployment", &lease_of_nobody),
        ("the deployment alone", &deployment_alone),
        ("unreadable", &unreadable),
        ("another deployment's", &anothers),
    ] {
        assert!(place.is_there(left).await, "{name}: {}", guard.log());
    }
    assert!(runs(&place, &not_due).await && runs(&place, &no_label).await);
    // Each is named once, not in every round.
    let log = guard.log();
    for warned in [&deployment_alone, &unreadable] {
        let lines = log.lines().filter(|line| line.contains(warned.as_str()));
        assert_eq!(lines.count(), 1, "{log}");
    }
}

/// The promise: nothing else of ours runs, and all settings are defaults except the
/// deployment, which keeps it away from other tests.
#[tokio::test(flavor = "multi_thread")]
async fn with_its_own_settings_it_ends_what_is_past_its_deadline_within_a_minute() {
    let place = Place::new().await;
    let guard = Guard::run(
        socket(&place),
        &[(
            "CONTAINERLEASE_GUARD_DEPLOYMENTS",
            place.deployment().as_str(),
        )],
    );
    guard.says("standing guard").await;
    let deadline = Time::now().plus(Duration::from_secs(5));
    let overdue = started(&place, &ours(&place, &deadline.to_string())).await;
    let no_label = started(&place, &[]).await;
    let reapers_time = deadline.plus(Duration::from_secs(20));
    while Time::now() < reapers_time {
        let is_there = place.is_there(&overdue).await;
        // Time may have passed during the round.
        assert!(is_there || Time::now() >= reapers_time, "{}", guard.log());
        tokio::time::sleep(LOOK_EVERY).await;
    }
    gone(&place, &overdue, &guard).await;
    let late = Time::now().millis_since(deadline);
    assert!(late < 60_000, "{late} ms: {}", guard.log());
    assert!(runs(&place, &no_label).await, "{}", guard.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn its_anonymous_volumes_go_with_it() {
    let place = Place::new().await;
    let past = Time::now().to_string();
    let labels = ours(&place, &past).map(|(name, value)| (name.to_owned(), value.to_owned()));
    let body = ContainerCreateBody {
        image: Some("containerlease/stand-in-alpine:1".to_owned()),
        cmd: Some(vec!["sleep".to_owned(), "60".to_owned()]),
        labels: Some(labels.into()),
        volumes: Some(vec!["/data".to_owned()]),
        ..ContainerCreateBody::default()
    };
    let docker = place.docker();
    let made = docker
        .create_container(None::<CreateContainerOptions>, body)
        .await;
    let id = made.expect("a container can be made").id;
    let details = docker.inspect_container(&id, None::<InspectContainerOptions>);
    let mounts = details.await.expect("it is there").mounts;
    let volume = mounts.and_then(|mut mounts| mounts.pop()?.name);
    let volume = volume.expect("it has a volume");
    assert!(docker.inspect_volume(&volume).await.is_ok());

    let guard = Guard::start(&place, socket(&place));
    gone(&place, &id, &guard).await;
    assert!(docker.inspect_volume(&volume).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn it_wakes_for_a_deadline_and_not_only_every_ten_seconds() {
    let place = Place::new().await;
    let deadline = Time::now().plus(Duration::from_secs(3));
    let id = started(&place, &ours(&place, &deadline.to_string())).await;
    let guard = Guard::with(
        &place,
        socket(&place),
        &[
            ("CONTAINERLEASE_GUARD_LOOK_SECONDS", "10"),
            ("CONTAINERLEASE_GUARD_GRACE_SECONDS", "1"),
        ],
    );
    while Time::now() < deadline.plus(Duration::from_secs(1)) {
        assert!(place.is_there(&id).await, "never early: {}", guard.log());
        tokio::time::sleep(LOOK_EVERY).await;
    }
    gone(&place, &id, &guard).await;
    let late = Time::now().millis_since(deadline.plus(Duration::from_secs(1)));
    assert!(late < 3_000, "{late} ms: {}", guard.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn it_waits_for_an_engine_that_is_not_there_and_for_one_that_comes_back() {
    let place = Place::new().await;
    let past = Time::now().to_string();
    let first = started(&place, &ours(&place, &past)).await;
    let folder = Folder::new();
    let path = folder.0.join("docker.sock");

    let guard = Guard::start(&place, &path);
    guard
        .says("nothing can be guarded until the engine answers")
        .await;
    let proxy = Proxy::before_unix(socket(&place));
    symlink(proxy.unix(), &path).expect("a folder of one's own can be written");
    gone(&place, &first, &guard).await;
    guard.says("the engine answers again").await;

    // The engine stops, and its socket's path stays.
    drop(proxy);
    let second = started(&place, &ours(&place, &past)).await;
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert!(place.is_there(&second).await);
    let proxy = Proxy::before_unix(socket(&place));
    fs::remove_file(&path).expect("it is ours");
    symlink(proxy.unix(), &path).expect("a folder of one's own can be written");
    gone(&place, &second, &guard).await;
    let log = guard.log();
    assert_eq!(log.matches("until the engine answers").count(), 2, "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_resists_or_hangs_does_not_keep_the_others() {
    let place = Place::new().await;
    let past = Time::now().to_string();
    let refused = started(&place, &ours(&place, &past)).await;
    let hanging = started(&place, &ours(&place, &past)).await;
    let proxy = Proxy::before_unix(socket(&place));
    let (refuses, hangs) = (refused.clone(), hanging.clone());
    proxy.on_each(move |seen| {
        if seen.is("DELETE", &refuses) {
            let message = r#"{"message":"the device is busy"}"#.to_owned();
            Fault::Answered(StatusCode::INTERNAL_SERVER_ERROR, message)
        } else if seen.is("DELETE", &hangs) {
            Fault::NeverSent(Box::new(|| {}))
        } else {
            Fault::None
        }
    });
    let mut others = Vec::new();
    for _ in 0..10 {
        others.push(place.stray(&ours(&place, &past)).await);
    }
    let begun = Instant::now();
    let guard = Guard::start(&place, proxy.unix());
    for other in &others {
        gone(&place, other, &guard).await;
    }
    // Far below the 10 s that the guard waits for the removal that hangs.
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(8), "{took:?}: {}", guard.log());
    guard
        .says("the engine answered 500: the device is busy")
        .await;
    guard.says("did not answer in 10 s").await;
    assert!(place.is_there(&refused).await && place.is_there(&hanging).await);

    proxy.heal();
    gone(&place, &refused, &guard).await;
    gone(&place, &hanging, &guard).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listing_that_fails_ends_nothing_and_is_tried_again() {
    let place = Place::new().await;
    let past = Time::now().to_string();
    let id = started(&place, &ours(&place, &past)).await;
    let proxy = Proxy::before_unix(socket(&place));
    proxy.on_each(|seen| match seen.index {
        0 => Fault::Answered(StatusCode::INTERNAL_SERVER_ERROR, "{}".to_owned()),
        1 => Fault::Cut,
        2 => Fault::Answered(StatusCode::OK, "not JSON".to_owned()),
        _ => Fault::None,
    });
    let guard = Guard::start(&place, proxy.unix());
    gone(&place, &id, &guard).await;
    assert!(
        proxy.seen()[..3]
            .iter()
            .all(|one| one.is("GET", "/containers/json"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_another_removes_at_that_moment_is_no_fault() {
    let place = Place::new().await;
    let past = Time::now().to_string();
    let id = started(&place, &ours(&place, &past)).await;
    let proxy = Proxy::before_unix(socket(&place));
    // It was listed, and is gone before the guard's removal arrives.
    let (ask, asked) = std::sync::mpsc::channel();
    let (tell, told) = std::sync::mpsc::channel();
    let told = Mutex::new(told);
    proxy.on_each(move |seen| {
        if seen.is("DELETE", "/containers/") {
            ask.send(()).ok();
            // Blocking is fine: the test's runtime has other threads.
            let told = told.lock().expect("nobody panics with it");
            tokio::task::block_in_place(|| told.recv_timeout(PATIENCE)).ok();
        }
        Fault::None
    });
    let (engine, listed) = (place.docker().clone(), id.clone());
    tokio::spawn(async move {
        let asked = tokio::task::spawn_blocking(move || asked.recv_timeout(PATIENCE));
        asked.await.expect("it does not panic").expect("it removes");
        let options = RemoveContainerOptionsBuilder::new().force(true).build();
        drop(engine.remove_container(&listed, Some(options)).await);
        tell.send(()).ok();
    });
    let guard = Guard::start(&place, proxy.unix());
    guard.says("was removed by another").await;
    assert!(!guard.log().contains("ERROR"), "{}", guard.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guard_that_was_killed_in_the_middle_goes_on_when_it_is_started_again() {
    let place = Place::new().await;
    let past = Time::now().to_string();
    let mut all = Vec::new();
    for _ in 0..3 {
        all.push(started(&place, &ours(&place, &past)).await);
    }
    let proxy = Proxy::before_unix(socket(&place));
    let (asked, was_asked) = std::sync::mpsc::channel();
    proxy.on_each(move |seen| {
        if seen.is("DELETE", "/containers/") {
            let asked = asked.clone();
            Fault::NeverSent(Box::new(move || {
                asked.send(()).ok();
            }))
        } else {
            Fault::None
        }
    });
    let mut guard = Guard::start(&place, proxy.unix());
    let asked = tokio::task::spawn_blocking(move || was_asked.recv_timeout(PATIENCE));
    asked.await.expect("it does not panic").expect("it removes");
    guard.kill();
    for id in &all {
        assert!(place.is_there(id).await);
    }
    proxy.heal();
    let guard = Guard::start(&place, proxy.unix());
    for id in &all {
        gone(&place, id, &guard).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn systemd_hears_that_it_is_ready_and_alive_also_without_an_engine() {
    let place = Place::new().await;
    let folder = Folder::new();
    let path = folder.0.join("notify");
    let systemd = UnixDatagram::bind(&path).expect("a socket can be made");
    systemd.set_read_timeout(Some(PATIENCE)).expect("it is one");
    let path = path.to_str().expect("it is text");
    let _guard = Guard::with(&place, &folder.0.join("none"), &[("NOTIFY_SOCKET", path)]);
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

/// The test's own guard, killed on drop.
struct Guard {
    child: Child,
    log: Arc<Mutex<String>>,
}

impl Guard {
    /// A guard that looks each second and leaves the reaper no time.
    fn start(place: &Place, socket: &Path) -> Self {
        Self::with(place, socket, &[])
    }

    fn with(place: &Place, socket: &Path, more: &[(&str, &str)]) -> Self {
        let ours = [
            (
                "CONTAINERLEASE_GUARD_DEPLOYMENTS",
                place.deployment().as_str(),
            ),
            ("CONTAINERLEASE_GUARD_GRACE_SECONDS", "0"),
            ("CONTAINERLEASE_GUARD_LOOK_SECONDS", "1"),
        ];
        Self::run(socket, &[&ours, more].concat())
    }

    /// A guard with only these settings.
    fn run(socket: &Path, settings: &[(&str, &str)]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_containerlease-guard"))
            .env_clear()
            .env("DOCKER_HOST", format!("unix://{}", socket.display()))
            .envs(settings.iter().copied())
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the guard's binary was built");
        let log = Arc::<Mutex<String>>::default();
        let into = Arc::clone(&log);
        let mut pipe = child.stderr.take().expect("it is piped");
        std::thread::spawn(move || {
            let mut buffer = [0; 4_096];
            while let Ok(length @ 1..) = pipe.read(&mut buffer) {
                let said = String::from_utf8_lossy(&buffer[..length]);
                into.lock().expect("nobody panics with it").push_str(&said);
            }
        });
        Self { child, log }
    }

    fn log(&self) -> String {
        self.log.lock().expect("nobody panics with it").clone()
    }

    async fn says(&self, sentence: &str) {
        let begun = Instant::now();
        while !self.log().contains(sentence) {
            assert!(begun.elapsed() < PATIENCE, "{sentence}: {}", self.log());
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    fn kill(&mut self) {
        // A guard that has ended cannot be killed, and need not be.
        drop(self.child.kill());
        self.child.wait().expect("it is our child");
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A temporary folder, removed with the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let unique = format!(
            "guard-{}",
            containerlease_domain::names::LeaseId::generate()
        );
        let folder = std::env::temp_dir().join(unique);
        fs::create_dir(&folder).expect("the folder for temporary files can be written");
        Self(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

fn socket(place: &Place) -> &Path {
    match place.engine() {
        EngineAddress::Unix(socket) => socket,
        EngineAddress::Tls { .. } => unreachable!("the testkit refuses it"),
    }
}

/// The labels of a container of this place.
fn ours<'a>(place: &'a Place, deadline: &'a str) -> [(&'a str, &'a str); 2] {
    [
        (DEPLOYMENT_LABEL, place.deployment().as_str()),
        (HARD_DEADLINE_LABEL, deadline),
    ]
}

async fn started(place: &Place, labels: &[(&str, &str)]) -> String {
    let id = place.stray(labels).await;
    let starting = place.docker().start_container(&id, None).await;
    starting.expect("a container can be started");
    id
}

async fn runs(place: &Place, id: &str) -> bool {
    let options = None::<InspectContainerOptions>;
    let details = place.docker().inspect_container(id, options).await;
    let state = details.expect("it is there").state;
    state.and_then(|state| state.running).unwrap_or_default()
}

/// Waits until the engine no longer knows it.
async fn gone(place: &Place, id: &str, guard: &Guard) {
    let begun = Instant::now();
    while place.is_there(id).await {
        assert!(begun.elapsed() < PATIENCE, "{}", guard.log());
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
