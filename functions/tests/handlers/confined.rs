//! No leased program escapes the engine's own confinement.

use containerlease_domain::catalogue::Catalogue;
use containerlease_testkit::{TestApp, events::Event};
use serde_json::{Value, json};

use crate::{alpine_with, exec::shell, inspect, lease, wait_for};

/// The engine's own `AppArmor` profile, if its machine has `AppArmor`.
const PROFILE: &str = "docker-default";

/// Whether the engine lists that security option.
async fn has(test: &TestApp, name: &str) -> bool {
    let info = test.place.docker().info().await;
    let options = info.expect("the engine says what it is").security_options;
    (options.iter().flatten()).any(|option| option.contains(&format!("name={name}")))
}

#[tokio::test]
#[expect(clippy::print_stderr, reason = "a test that tries nothing says so")]
async fn root_in_a_container_is_nobody_outside_where_the_engine_maps_users() {
    let test = TestApp::new().await;
    if !has(&test, "userns").await {
        containerlease_testkit::assert_may_skip("the engine maps no users");
        eprintln!("not tried: the engine maps no users");
        return;
    }
    let id = lease(&test).await;
    let answer = shell(&test, &id, "id -u; cat /proc/self/uid_map", json!({})).await;
    let said = answer.body["stdout"].as_str().unwrap_or_default();
    let words: Vec<_> = said.split_whitespace().collect();
    // The user id inside; then the map: first id inside, first id outside, count.
    let ["0", "0", outside, _] = words[..] else {
        panic!("{said}");
    };
    assert!(
        outside.parse().is_ok_and(|user: u32| user >= 100_000),
        "{said}"
    );
}

#[tokio::test]
async fn no_image_type_is_unconfined_or_privileged() {
    let test = TestApp::new().await;
    let apparmor = has(&test, "apparmor").await;
    for image in Catalogue::embedded().images() {
        let name = image.image_type.as_str();
        let asked = alpine_with(json!({"imageType": name}));
        let container = inspect(&test, &asked.provision(&test.app).await.id()).await;
        let config = &container["HostConfig"];
        let options = config["SecurityOpt"].as_array().expect("there are options");
        let options: Vec<_> = options.iter().filter_map(Value::as_str).collect();
        assert_eq!(options.len(), 2, "{name}: {options:?}");
        assert_eq!(options[0], "no-new-privileges", "{name}");
        assert!(options[1].starts_with("seccomp={"), "{name}: {options:?}");
        for option in options {
            assert!(!option.contains("unconfined"), "{name}: {option}");
        }
        let profile = container["AppArmorProfile"].as_str().unwrap_or_default();
        assert_eq!(profile, if apparmor { PROFILE } else { "" }, "{name}");
        assert_eq!(config["Privileged"], false, "{name}");
        // An option that lifts this protection would leave no list.
        for paths in ["MaskedPaths", "ReadonlyPaths"] {
            let paths = config[paths].as_array();
            assert!(
                paths.is_some_and(|paths| !paths.is_empty()),
                "{name}: {config}"
            );
        }
        for mode in ["PidMode", "UsernsMode", "UTSMode"] {
            assert!(
                matches!(config[mode].as_str(), None | Some("")),
                "{name}: {mode}"
            );
        }
        assert_eq!(config["IpcMode"], "private", "{name}");
        let devices = config["Devices"].as_array();
        assert!(devices.is_none_or(Vec::is_empty), "{name}: {config}");
    }
}

#[tokio::test]
async fn a_command_that_is_run_inside_is_confined_like_its_container() {
    let test = TestApp::new().await;
    let id = lease(&test).await;
    if has(&test, "apparmor").await {
        let answer = shell(&test, &id, "cat /proc/self/attr/current", json!({})).await;
        let said = answer.body["stdout"].as_str().unwrap_or_default();
        assert!(said.starts_with(PROFILE), "{answer:?}");
    }
    let answer = shell(
        &test,
        &id,
        "grep -E 'NoNewPrivs|Seccomp:|CapBnd' /proc/self/status",
        json!({}),
    );
    let answer = answer.await;
    assert_eq!(
        answer.body["stdout"], "CapBnd:\t0000000000000000\nNoNewPrivs:\t1\nSeccomp:\t2\n",
        "{answer:?}"
    );
    let body = json!({"command": ["sleep", "3"]});
    let running = Event::about("exec", &id).body(&body).exec(&test.app);
    let looking = async {
        let mut commands = Vec::new();
        wait_for("the engine knows of the command", async || {
            let known = inspect(&test, &id).await["ExecIDs"].clone();
            commands = serde_json::from_value::<Vec<String>>(known).unwrap_or_default();
            !commands.is_empty()
        })
        .await;
        let command = test.place.docker().inspect_exec(&commands[0]).await;
        let command = command.expect("it still runs").process_config;
        command.expect("the engine says how it runs").privileged
    };
    let (answer, privileged) = tokio::join!(running, looking);
    assert_eq!(answer.body["exitCode"], 0, "{answer:?}");
    assert_eq!(privileged, Some(false));
}
