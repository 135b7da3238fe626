//! Hostile programs in leases of every image type try everything they can, all at the same time:
//! nothing gets through, the host and the neighbours are unharmed, and twenty other leases end on
//! time meanwhile.
//!
//! The attempts are in `from_inside/*.sh`. `make test` runs them in two image types, which together
//! have all tools; `make attack` runs them in all.
//!
//! | variable | what it is |
//! |---|---|
//! | `CONTAINERLEASE_TEST_TABLE` | the file for the table of outcomes, as Markdown; with it all image types attack, and the limit of lateness is that of an otherwise idle machine |

mod host;
mod table;

use std::{path::PathBuf, time::Duration};

use containerlease_domain::{
    catalogue::{Catalogue, Image},
    time::Time,
};
use futures_util::future::join_all;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use self::{host::Host, table::Table};
use crate::harness::{PATIENCE, PROMPT, Place, Server, answer, eventually, str_of, time_of};

const ATTEMPTS: &str = concat!(
    include_str!("from_inside/tools.sh"),
    include_str!("from_inside/kernel.sh"),
    include_str!("from_inside/rights.sh"),
    include_str!("from_inside/network.sh"),
    include_str!("from_inside/resources.sh"),
);

/// Only a firewall stops these.
const TOWARDS_THE_HOST: [&str; 4] = [
    "host_program",
    "host_services",
    "host_datagrams",
    "metadata",
];

/// A name server knows neighbours on a deployment's separate networks: see SECURITY.md.
const OF_NEIGHBOURS_NAMES: &str = "names";

/// Repeated until the last of the other leases has ended.
const WHILE_OTHERS_END: &str = "processors";

/// Two image types that together have every tool: one with bash and perl, one with busybox.
const FEW: [&str; 2] = ["ubuntu", "alpine"];

/// How many other leases end meanwhile: two per second from the shortest duration on.
const OTHERS: u64 = 20;
const SHORTEST_SECONDS: u64 = 30;

/// How late they may end on an otherwise idle machine; elsewhere it is [`PROMPT`].
const LATE: Duration = Duration::from_secs(2);

/// An attempt: its function in the script, and its goal.
struct Attempt {
    function: &'static str,
    tries: &'static str,
}

fn attempts() -> Vec<Attempt> {
    let lines: Vec<_> = ATTEMPTS.lines().collect();
    let found = lines.windows(2).filter_map(|pair| {
        let tries = pair[0].strip_prefix("#: ")?;
        let function = pair[1].strip_suffix("() {");
        let function = function.unwrap_or_else(|| panic!("{tries}: {}", pair[1]));
        Some(Attempt { function, tries })
    });
    found.collect()
}

/// A lease of this test.
struct Lease {
    id: String,
    image_type: String,
    /// Its address in the leases' network.
    address: String,
    gateway: String,
    /// The ports on which it listens, and the host's ports that lead there.
    ports: Vec<Value>,
    disk_mb: u64,
    memory_mb: u64,
}

impl Lease {
    async fn provision(place: &Place, server: &Server, body: Value) -> Self {
        let made = server.provision(&body).await;
        let id = str_of(&made["id"]).to_owned();
        let found = place.engine.container_of(&id).await;
        let networks = found.and_then(|found| found.network_settings?.networks);
        let network = networks.and_then(|networks| networks.into_values().next());
        let network = network.expect("its container is on a network");
        Self {
            image_type: str_of(&made["imageType"]).to_owned(),
            address: network.ip_address.expect("it has an address"),
            gateway: network.gateway.expect("its network has a gateway"),
            ports: made["ports"].as_array().cloned().unwrap_or_default(),
            disk_mb: made["diskMB"].as_u64().expect("it is bounded"),
            memory_mb: made["memoryMB"].as_u64().expect("it is bounded"),
            id,
        }
    }

    /// Runs `script` in its container through the API, as its owner would.
    async fn run(&self, server: &Server, script: &str, function: &str) -> Result<String, String> {
        let run = r#"script=$(cat); exec </dev/null; eval "$script"; "$1""#;
        let body = json!({
            "command": ["sh", "-c", run, "attempts", function],
            "stdin": script,
            "timeoutSeconds": 25,
        });
        let path = format!("/api/containers/{}/exec", self.id);
        let answer = answer(server.request(Method::POST, &path).json(&body)).await;
        if answer.status != StatusCode::OK {
            return Err(answer.text);
        }
        let said = answer.json();
        if said["timedOut"] == true {
            return Err(format!("its time was over: {said}"));
        }
        match str_of(&said["stdout"]).trim() {
            "" => Err(format!("it said nothing: {said}")),
            came => Ok(came.to_owned()),
        }
    }

    async fn has_ended(&self, server: &Server) -> Value {
        eventually("its end", 3 * PATIENCE, async || {
            let lease = server.lease(&self.id).await;
            (lease["state"] == "ended").then_some(lease)
        })
        .await
    }
}

/// The variables for one attacker's attempts: whom to attack, and its own limits.
fn told(attacker: &Lease, all: &[&Lease], host: &Host, server: &Server) -> String {
    let others = all.iter().filter(|other| other.id != attacker.id);
    let ports = others.flat_map(|other| other.ports.iter().map(move |port| (other, port)));
    let (mut neighbours, mut published) = (Vec::new(), Vec::new());
    for (other, port) in ports {
        neighbours.push(format!("{}:{}", other.address, port["containerPort"]));
        published.push(port["hostPort"].to_string());
    }
    let image = Catalogue::embedded();
    let image = image.get(&attacker.image_type).expect("it is leased");
    let variables = [
        ("GATEWAY", attacker.gateway.clone()),
        ("NEIGHBOURS", neighbours.join(" ")),
        ("PUBLISHED", published.join(" ")),
        ("HOST_ADDRESS", host.address.clone()),
        ("HOST_PORT", host.port().to_string()),
        ("API_PORT", server.address.port().to_string()),
        ("ENGINE_PORT", "2376".to_owned()),
        ("CANARY", host.canary.clone()),
        ("CANARY_FILES", host.canary_files()),
        (
            "HOST_PIDS",
            format!("{} {}", server.process.pid(), std::process::id()),
        ),
        ("DISK_MB", attacker.disk_mb.to_string()),
        ("MEMORY_MB", attacker.memory_mb.to_string()),
        ("PROCESSES", image.processes.to_string()),
    ];
    let variables = variables.map(|(name, value)| format!("{name}='{value}'\n"));
    variables.concat() + ATTEMPTS
}

/// One attacker's attempts, in sequence, until the others have ended.
async fn attack(
    server: &Server,
    attacker: &Lease,
    script: &str,
    attempts: &[Attempt],
    until: Time,
) -> Vec<Result<String, String>> {
    let mut came = Vec::new();
    for attempt in attempts {
        came.push(attacker.run(server, script, attempt.function).await);
    }
    while Time::now() < until {
        let again = attacker.run(server, script, WHILE_OTHERS_END).await;
        assert_eq!(again.as_deref(), Ok("held"), "{}", attacker.image_type);
    }
    came
}

#[expect(
    clippy::disallowed_methods,
    reason = "what is to be tried, and where it is written, is asked of the tests alone"
)]
fn variable(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).map(PathBuf::from)
}

/// The image types that attack.
fn attacking(catalogue: &Catalogue, all: bool) -> Vec<&Image> {
    let images = catalogue.images().iter();
    images
        .filter(|image| all || FEW.contains(&image.image_type.as_str()))
        .collect()
}

/// The attempts that can be made here.
#[expect(
    clippy::print_stderr,
    reason = "whoever runs the tests wants to know what was not tried"
)]
async fn tried_here(place: &Place) -> Vec<Attempt> {
    let mut attempts = attempts();
    if variable("CONTAINERLEASE_TEST_FIREWALL").is_none() {
        containerlease_testkit::assert_may_skip("the engine has no firewall of ours");
        eprintln!("not tried, since the engine has no firewall of ours: {TOWARDS_THE_HOST:?}");
        attempts.retain(|attempt| !TOWARDS_THE_HOST.contains(&attempt.function));
    }
    if !place.engine.networks().await.is_empty() {
        containerlease_testkit::assert_may_skip("the default bridge keeps nobody apart");
        eprintln!("not tried, since the engine's name server answers: {OF_NEIGHBOURS_NAMES}");
        attempts.retain(|attempt| attempt.function != OF_NEIGHBOURS_NAMES);
    }
    attempts
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_image_type_lets_a_program_out_and_other_leases_end_on_time() {
    let table_file = variable("CONTAINERLEASE_TEST_TABLE");
    let all = table_file.is_some() || variable("CONTAINERLEASE_TEST_ALL").is_some();
    let place = Place::new().await;
    let server = place
        .start_with(&[("CONTAINERLEASE_MAX_LEASES", "60")])
        .await;
    let catalogue = Catalogue::embedded();
    let image_types = attacking(&catalogue, all);
    let lease = |image: &Image| {
        let body = json!({"imageType": image.image_type, "durationMinutes": 10});
        Lease::provision(&place, &server, body)
    };
    let peaceful = catalogue.images().iter();
    let peaceful = peaceful.filter(|image| !image.ports.is_empty());
    let peaceful = join_all(peaceful.map(lease)).await;
    let attackers = join_all(image_types.iter().map(|image| lease(image))).await;
    let doomed = || {
        let body = json!({"imageType": "alpine", "durationMinutes": 10, "diskMB": 64});
        Lease::provision(&place, &server, body)
    };
    let (filler, killer) = tokio::join!(doomed(), doomed());
    for neighbour in &peaceful {
        host::answers(neighbour).await;
    }
    let host = Host::look(&place).await;
    let attempts = tried_here(&place).await;

    let others = (0..OTHERS).map(|n| {
        let seconds = SHORTEST_SECONDS + n / 2;
        let body = json!({"imageType": "alpine", "durationSeconds": seconds});
        Lease::provision(&place, &server, body)
    });
    let others = join_all(others).await;
    let last = server.lease(&others[others.len() - 1].id).await;
    let last = time_of(&last["expiryTime"]);

    let everybody: Vec<_> = peaceful.iter().chain(&attackers).collect();
    let attacks = attackers.iter().map(|attacker| {
        let script = told(attacker, &everybody, &host, &server);
        let (server, attempts) = (&server, &attempts);
        async move { attack(server, attacker, &script, attempts, last).await }
    });
    // These two end by their own actions.
    let fill = "for i in 1 2; do dd if=/dev/zero of=/file$i bs=1M count=48; done";
    let doomed = async {
        drop(filler.run(&server, fill, "true").await);
        drop(killer.run(&server, "kill -9 -1", "true").await);
    };
    let (came, ()) = tokio::join!(join_all(attacks), doomed);

    let mut table = Table::new(&attempts, &attackers, came);
    let filled = filler.has_ended(&server).await;
    assert_eq!(filled["reason"], "evicted", "{filled}");
    table.also("alpine", "fill its disk: it is evicted");
    let killed = killer.has_ended(&server).await;
    assert_eq!(killed["reason"], "failed", "{killed}");
    table.also("alpine", "kill all processes that it sees: its lease ends");
    let alone = table_file.is_some();
    let latest = assert_on_time(&server, &others, if alone { LATE } else { PROMPT }).await;
    table.show(latest, table_file.as_deref());
    table.assert_held(all);

    for neighbour in &peaceful {
        host::answers(neighbour).await;
    }
    host.assert_unharmed(&place, &server, &attackers).await;
    for lease in everybody {
        let ended = server
            .delete(&format!("/api/containers/{}", lease.id))
            .await;
        assert!(ended.status.is_success(), "{}", ended.text);
    }
    host.assert_nothing_left(&place).await;
    assert_eq!(server.leases().await, [] as [Value; 0]);
}

/// Checks that none of them ended early or late; returns the latest overshoot.
async fn assert_on_time(server: &Server, others: &[Lease], bound: Duration) -> Duration {
    let mut latest = Duration::ZERO;
    for other in others {
        let lease = other.has_ended(server).await;
        let receipt = &lease["receipt"];
        assert_eq!(receipt["reason"], "expired", "{lease}");
        let expiry = time_of(&lease["expiryTime"]);
        assert!(time_of(&receipt["requestedAt"]) >= expiry, "{lease}");
        let late = receipt["overshootMs"].as_u64().map(Duration::from_millis);
        let late = late.expect("it is not early");
        assert!(late <= bound, "{late:?} late: {lease}");
        latest = latest.max(late);
    }
    latest
}
