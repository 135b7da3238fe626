//! `POST /api/provision`.

use std::time::Duration;

use containerlease_domain::{names::Owner, time::Time};
use containerlease_testkit::{Fault, TestApp, TestAppOptions, events::Event};
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::{MINUTE, alpine, alpine_with, get, inspect, lease, millis, wait_for};

#[tokio::test]
async fn the_founding_request_is_answered_with_a_running_container() {
    let test = TestApp::new().await;
    let before = Time::now().as_millis();
    let answer = Event::saved("provision-ubuntu").provision(&test.app).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    assert_eq!(answer.headers["content-type"], "application/json");
    assert_eq!(answer.headers["cache-control"], "no-store");
    let body = &answer.body;
    let (created, expires) = (millis(body, "createdAt"), millis(body, "expiryTime"));
    assert!((before..=Time::now().as_millis()).contains(&created));
    assert_eq!(expires - created, 5 * 60 * 1000);
    assert_eq!(
        millis(body, "maximumExpiryTime") - created,
        24 * 60 * 60 * 1000
    );
    assert!(millis(body, "serverTime") >= created);
    assert!(millis(body, "startedAt") >= created);
    assert_eq!(body["imageType"], "ubuntu");
    assert_eq!(body["state"], "running");
    assert_eq!(body["reason"], Value::Null);

    let container = inspect(&test, &answer.id()).await;
    assert_eq!(container["State"]["Running"], true, "{container}");
    let config = &container["HostConfig"];
    assert_eq!(config["Memory"], 256 * 1024 * 1024);
    assert_eq!(config["MemorySwap"], 256 * 1024 * 1024, "no swap");
    assert_eq!(config["NanoCpus"], 500_000_000);
    assert_eq!(config["PidsLimit"], 256);
    assert_eq!(config["CapDrop"], json!(["ALL"]));
    let capabilities = ["CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID"];
    assert_eq!(sorted(&config["CapAdd"]), capabilities);
    assert_eq!(config["SecurityOpt"][0], "no-new-privileges");
    assert_eq!(
        config["Ulimits"],
        json!([
            {"Name": "nofile", "Hard": 16_384, "Soft": 16_384},
            {"Name": "core", "Hard": 0, "Soft": 0},
            {"Name": "fsize", "Hard": 4_294_967_296_u64, "Soft": 4_294_967_296_u64},
        ])
    );
    assert_eq!(config["Init"], true);
    assert_eq!(config["Privileged"], false);
    assert!(config["Binds"].is_null(), "{}", config["Binds"]);
    assert_eq!(config["RestartPolicy"]["Name"], "no");
    assert_eq!(config["LogConfig"]["Type"], "json-file");
    assert_eq!(
        config["LogConfig"]["Config"],
        json!({"max-size": "10m", "max-file": "2"})
    );
    let deployment = test.place.deployment().as_str();
    // The image's own labels are there too.
    let labels = &container["Config"]["Labels"];
    assert_eq!(labels["containerlease.deployment"], deployment);
    assert_eq!(labels["containerlease.lease"], answer.id());
    assert_eq!(labels["containerlease.owner"], "local");
    assert_eq!(labels["containerlease.image-type"], "ubuntu");
    let hard_deadline = &body["maximumExpiryTime"];
    assert_eq!(labels["containerlease.hard-deadline"], *hard_deadline);
    test.assert_nothing_leaked(&Owner::local(), "one lease")
        .await;
}

#[tokio::test]
async fn containers_are_on_a_network_on_which_they_cannot_reach_each_other() {
    let test = TestAppOptions::default().on_own_network().build().await;
    let app = &test.app;
    // Two at once: neither may make a second network of the same name.
    let (a, b) = tokio::join!(alpine().provision(app), alpine().provision(app));
    assert_eq!((a.status, b.status), (201, 201));
    let networks = test.place.networks().await;
    assert_eq!(networks.len(), 1, "{networks:?}");
    let network = serde_json::to_value(&networks[0]).unwrap();
    assert_eq!(network["Driver"], "bridge");
    assert_eq!(
        network["Options"]["com.docker.network.bridge.enable_icc"],
        "false"
    );
    for id in [a.id(), b.id()] {
        let on = inspect(&test, &id).await["NetworkSettings"]["Networks"].clone();
        let on: Vec<_> = on.as_object().unwrap().keys().cloned().collect();
        assert_eq!(on, [test.place.deployment().as_str()]);
    }
}

#[tokio::test]
async fn processes_that_start_at_once_on_a_new_deployment_can_all_lease() {
    let test = TestAppOptions::default().on_own_network().build().await;
    let apps: Vec<_> = (0..6).map(|_| test.another_process()).collect();
    let answers = join_all(apps.iter().map(|app| alpine().provision(app))).await;
    for answer in &answers {
        assert_eq!(answer.status, 201, "{answer:?}");
    }
    // With two networks of one name, no container could be made any more.
    lease(&test).await;
}

#[tokio::test]
async fn what_is_asked_for_is_given_and_a_port_answers() {
    let test = TestApp::new().await;
    let answer = Event::saved("provision-redis").provision(&test.app).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let body = &answer.body;
    assert_eq!(body["name"], "cache");
    assert_eq!(
        (&body["memoryMB"], &body["cpuMilli"]),
        (&json!(128), &json!(250))
    );
    assert_eq!(
        millis(body, "expiryTime") - millis(body, "createdAt"),
        30 * 60 * 1000
    );
    let port = &body["ports"][0];
    assert_eq!(port["containerPort"], 6379);
    assert_eq!(port["host"], "127.0.0.1");
    let host_port = port["hostPort"].as_u64().unwrap();
    let url = port["url"].as_str().unwrap();
    assert!(url.starts_with("redis://default:"), "{url}");
    assert!(url.ends_with(&format!("@127.0.0.1:{host_port}")), "{url}");

    let container = inspect(&test, &answer.id()).await;
    assert_eq!(container["HostConfig"]["Memory"], 128 * 1024 * 1024);
    assert_eq!(container["HostConfig"]["NanoCpus"], 250_000_000);
    assert_eq!(
        container["NetworkSettings"]["Ports"]["6379/tcp"],
        json!([{"HostIp": "127.0.0.1", "HostPort": host_port.to_string()}])
    );
    crate::passwords::wait_for_redis(host_port, "PING", "-NOAUTH ").await;
}

#[tokio::test]
async fn command_and_env_reach_the_program_and_no_answer() {
    let test = TestApp::new().await;
    let answer = alpine_with(json!({
        "command": ["sh", "-c", "test \"$KEY\" = hunter2 && sleep 60"],
        "env": {"KEY": "hunter2"},
    }));
    let answer = answer.provision(&test.app).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let id = answer.id();
    let container = inspect(&test, &id).await;
    assert_eq!(container["State"]["Running"], true, "{container}");
    let listed = Event::saved("list").list(&test.app).await;
    let got = get(&test, &id).await;
    for shown in [&answer.body, &listed.body, &got] {
        assert!(!shown.to_string().contains("hunter2"), "{shown}");
    }
}

#[tokio::test]
async fn a_preset_is_given_and_what_is_asked_for_by_itself_wins() {
    let test = TestApp::new().await;
    let answer = alpine_with(json!({"preset": "small", "memoryMB": 48}));
    let answer = answer.provision(&test.app).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let given = (&answer.body["cpuMilli"], &answer.body["memoryMB"]);
    assert_eq!(given, (&json!(100), &json!(48)));
    let config = inspect(&test, &answer.id()).await["HostConfig"].clone();
    assert_eq!(config["NanoCpus"], 100_000_000);
    assert_eq!(config["Memory"], 48 * 1024 * 1024);
}

#[tokio::test]
async fn labels_are_the_lease_s_and_not_the_container_s() {
    let test = TestApp::new().await;
    let labels = json!({"team": "search", "run/1": "Zoë: a b"});
    let answer = alpine_with(json!({"labels": labels}));
    let answer = answer.provision(&test.app).await;
    assert_eq!(answer.body["labels"], labels, "{answer:?}");
    let id = answer.id();
    assert_eq!(get(&test, &id).await["labels"], labels);
    let container = inspect(&test, &id).await;
    let on_container = container["Config"]["Labels"].as_object().unwrap();
    assert!(!on_container.contains_key("team"), "{on_container:?}");
    Event::about("delete", &id).delete(&test.app).await;
    assert_eq!(get(&test, &id).await["labels"], labels);
}

#[tokio::test]
async fn ports_of_one_s_choice_are_published_and_answer() {
    let test = TestApp::new().await;
    let serve = "mkdir /tmp/www; echo hello > /tmp/www/index.html; \
                 httpd -p 8000 -h /tmp/www; exec httpd -f -p 8001 -h /tmp/www";
    let answer = alpine_with(json!({
        "ports": [8000, {"containerPort": 8001, "scheme": "http"}],
        "command": ["sh", "-c", serve],
    }));
    let answer = answer.provision(&test.app).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let ports = answer.body["ports"].as_array().unwrap();
    assert_eq!(ports.len(), 2, "{ports:?}");
    assert_eq!(ports[0]["containerPort"], 8000);
    assert_eq!(ports[0]["url"], Value::Null);
    let host_port = ports[1]["hostPort"].as_u64().unwrap();
    assert_eq!(ports[1]["url"], format!("http://127.0.0.1:{host_port}"));
    for port in ports {
        let address = format!("{}:{}", port["host"].as_str().unwrap(), port["hostPort"]);
        wait_for("the port answers", async || {
            let address = address.clone();
            let asked = move || -> std::io::Result<String> {
                use std::io::{Read as _, Write as _};
                let mut stream = std::net::TcpStream::connect(address)?;
                stream.set_read_timeout(Some(Duration::from_secs(1)))?;
                stream.write_all(b"GET /index.html HTTP/1.0\r\n\r\n")?;
                let mut reply = String::new();
                stream.read_to_string(&mut reply)?;
                Ok(reply)
            };
            let reply = tokio::task::spawn_blocking(asked).await.unwrap();
            reply.is_ok_and(|reply| reply.ends_with("hello\n"))
        })
        .await;
    }
    // The image's own port stays, in addition to the new one.
    let redis = json!({"imageType": "redis", "durationMinutes": 5, "ports": [9, 6379]});
    let answer = Event::saved("provision-redis").body(&redis);
    let answer = answer.provision(&test.app).await;
    let ports = answer.body["ports"].as_array().unwrap();
    let numbers: Vec<_> = ports.iter().map(|port| &port["containerPort"]).collect();
    assert_eq!(numbers, [&json!(6379), &json!(9)], "{answer:?}");
    assert!(ports[0]["url"].as_str().unwrap().starts_with("redis://"));
}

/// A host behind address translation, such as a public EC2 machine, has its public address on
/// no network card, so nothing can bind to it.
#[tokio::test]
async fn ports_are_bound_to_one_address_and_callers_are_told_another() {
    let plan = TestAppOptions::default().advertising("127.0.0.2", "leases.example.org");
    let test = plan.build().await;
    let answer = alpine_with(json!({
        "ports": [{"containerPort": 8001, "scheme": "http"}],
        "command": ["httpd", "-f", "-p", "8001"],
    }));
    let answer = answer.provision(&test.app).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let lease = get(&test, &answer.id()).await;
    let bound = &inspect(&test, &answer.id()).await["NetworkSettings"]["Ports"]["8001/tcp"];
    let host_port = lease["ports"][0]["hostPort"].as_u64().unwrap();
    assert_eq!(
        *bound,
        json!([{"HostIp": "127.0.0.2", "HostPort": host_port.to_string()}])
    );
    let told = json!([{
        "containerPort": 8001, "protocol": "tcp", "scheme": "http",
        "host": "leases.example.org", "hostPort": host_port,
        "url": format!("http://leases.example.org:{host_port}"),
    }]);
    assert_eq!(lease["ports"], told);
    assert_eq!(answer.body["ports"], told);
    let there = format!("127.0.0.2:{host_port}");
    wait_for("the port answers", async || {
        tokio::net::TcpStream::connect(&there).await.is_ok()
    })
    .await;
}

#[tokio::test]
async fn of_many_at_once_exactly_the_quota_is_leased() {
    let test = TestAppOptions::default().most_leases(3).build().await;
    let answers = join_all((0..8).map(|_| alpine().provision(&test.app))).await;
    let made = answers.iter().filter(|answer| answer.status == 201).count();
    let refused = answers.iter().filter(|answer| answer.status == 429).count();
    assert_eq!((made, refused), (3, 5), "{answers:?}");
    test.assert_nothing_leaked(&Owner::local(), "eight at once")
        .await;
}

#[tokio::test]
async fn an_answer_that_the_table_loses_is_neither_an_error_nor_counted_twice() {
    let test = TestApp::proxied().await;
    for lost in ["TransactWriteItems", "UpdateItem"] {
        let already = std::sync::atomic::AtomicBool::new(false);
        test.table_proxy().on_each(move |seen| {
            let first = seen.is_operation(lost)
                && !already.swap(true, std::sync::atomic::Ordering::Relaxed);
            if first {
                Fault::AnswerLost
            } else {
                Fault::None
            }
        });
        let answer = alpine().provision(&test.app).await;
        assert_eq!(answer.status, 201, "{lost}: {answer:?}");
        test.assert_nothing_leaked(&Owner::local(), lost).await;
    }
}

#[tokio::test]
async fn an_answer_that_the_engine_loses_leaves_nothing() {
    let test = TestAppOptions::default()
        .proxied()
        .on_own_network()
        .build()
        .await;
    for lost in ["/networks/create", "/containers/create", "/start"] {
        test.engine_proxy().on_each(move |seen| {
            if seen.is("POST", lost) {
                Fault::AnswerLost
            } else {
                Fault::None
            }
        });
        let answer = alpine().provision(&test.app).await;
        assert_eq!(answer.problem(), "engine-unavailable", "{lost}: {answer:?}");
        test.assert_nothing_leaked(&Owner::local(), lost).await;
    }
}

#[tokio::test]
async fn a_lease_is_good_for_the_longest_time_and_not_a_minute_more() {
    let test = TestAppOptions::default().most_minutes(10).build().await;
    let answer = alpine_with(json!({"durationMinutes": 10}));
    let answer = answer.provision(&test.app).await;
    assert_eq!(answer.body["expiryTime"], answer.body["maximumExpiryTime"]);
    let answer = alpine_with(json!({"durationMinutes": 11}));
    let answer = answer.provision(&test.app).await;
    crate::assert_refused(&answer, "invalid-request");
}

#[tokio::test]
async fn leases_of_two_deployments_on_one_engine_do_not_meet() {
    let (here, there) = (TestApp::new().await, TestApp::new().await);
    let id = lease(&here).await;
    there.two_ticks().await;
    there.table.age(MINUTE).await;
    there.reap_strays(5 * MINUTE).await;
    assert_eq!(inspect(&here, &id).await["State"]["Running"], true);
}

fn sorted(list: &Value) -> Vec<String> {
    let mut texts: Vec<String> = serde_json::from_value(list.clone()).expect("it is a list");
    for text in &mut texts {
        // Newer engines prefix the names.
        *text = text.trim_start_matches("CAP_").to_owned();
    }
    texts.sort();
    texts
}
