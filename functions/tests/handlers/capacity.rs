//! Owners' quotas and the host's capacity: exact counts, and correct refusals.

use bollard::models::{Ipam, IpamConfig, NetworkCreateRequest};
use containerlease_domain::{
    capacity::{Amounts, Limits},
    container::DEPLOYMENT_LABEL,
    lease::{Lease, State},
    names::{LeaseId, Owner},
    time::Time,
};
use containerlease_testkit::{
    Fault, TestApp, TestAppOptions,
    events::{Answer, Event},
};
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::{MINUTE, alpine, alpine_with, assert_refused, get, lease, millis, wait_until_exited};

/// The smallest possible lease.
fn tiny() -> Event {
    alpine_with(json!({"cpuMilli": 10, "memoryMB": 16}))
}

/// The resources that are used up.
fn full(answer: &Answer) -> &Value {
    &answer.body["full"]
}

fn retry_after(answer: &Answer) -> i64 {
    let seconds = answer.headers["retry-after"].to_str();
    let seconds = seconds.expect("it is text").parse();
    seconds.expect("it is a number of seconds")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_fifty_at_once_exactly_ten_are_leased_and_the_counts_are_exact_however_they_end() {
    let test = TestAppOptions::default().most_leases(10).build().await;
    let owner = &Owner::local();
    let processes: Vec<_> = (0..4).map(|_| test.another_process()).collect();
    let answers = (0..50).map(|index| tiny().provision(&processes[index % 4]));
    let answers = join_all(answers).await;
    let (made, refused): (Vec<_>, Vec<_>) =
        answers.into_iter().partition(|answer| answer.status == 201);
    assert_eq!((made.len(), refused.len()), (10, 40), "{refused:?}");
    for answer in &refused {
        assert_refused(answer, "quota-reached");
        assert_eq!(*full(answer), json!(["leases"]), "{answer:?}");
    }
    test.assert_nothing_leaked(owner, "fifty at once").await;
    let store = test.table.store();
    let ten = Amounts {
        leases: 10,
        cpu_milli: 100,
        memory_mb: 160,
        disk_mb: 10_240,
    };
    assert_eq!(store.counted(owner).await.unwrap(), ten);
    assert_eq!(store.counted_on_host().await.unwrap(), ten);

    let ids: Vec<_> = made.iter().map(Answer::id).collect();
    // Deleted, one of them twice at once.
    let deletes = ["0", "0", "1"].map(|index| {
        let id = &ids[index.parse::<usize>().unwrap()];
        Event::about("delete", id).delete(&test.app)
    });
    join_all(deletes).await;
    test.assert_counted(owner, "deleted").await;
    // Lost.
    test.place.remove_behind_its_back(&ids[2]).await;
    // Failed, because its program ends by itself.
    let name = format!("containerlease-{}", ids[3]);
    let killed = test.place.docker().kill_container(&name, None).await;
    killed.unwrap();
    wait_until_exited(&test, &ids[3]).await;
    let (one, other) = tokio::join!(test.reap(), test.reap());
    assert_eq!((one.lost + other.lost, one.failed + other.failed), (1, 1));
    test.assert_nothing_leaked(owner, "lost and failed").await;
    // Ended leases have made room.
    let more = join_all((0..6).map(|_| tiny().provision(&test.app))).await;
    let more = more.iter().filter(|answer| answer.status == 201).count();
    assert_eq!(more, 4);
    // Expired.
    test.table.age(5 * MINUTE).await;
    let (one, other) = tokio::join!(test.reap(), test.reap());
    assert_eq!(one.expired + other.expired, 10, "{one:?} {other:?}");
    test.assert_nothing_leaked(owner, "expired").await;
    let nothing = Amounts::default();
    assert_eq!(store.counted(owner).await.unwrap(), nothing);
    assert_eq!(store.counted_on_host().await.unwrap(), nothing);
}

#[tokio::test]
async fn a_provision_that_fails_gives_its_place_back() {
    let test = TestAppOptions::default()
        .most_leases(1)
        .proxied()
        .build()
        .await;
    for part in ["/containers/create", "/start"] {
        test.engine_proxy().on_each(move |seen| {
            if seen.is("POST", part) {
                Fault::AnswerLost
            } else {
                Fault::None
            }
        });
        let failed = alpine().provision(&test.app).await;
        assert_refused(&failed, "engine-unavailable");
        test.assert_nothing_leaked(&Owner::local(), part).await;
    }
    test.engine_proxy().heal();
    lease(&test).await;
}

#[tokio::test]
async fn an_owner_s_cpu_and_memory_are_bounded_as_well() {
    let test = TestAppOptions::default()
        .with("CONTAINERLEASE_OWNER_CPU_MILLI", 500)
        .with("CONTAINERLEASE_OWNER_MEMORY_MB", 300)
        .build()
        .await;
    let lease = async |cpu: u32, memory: u32, minutes: u32| {
        let asked = json!({"cpuMilli": cpu, "memoryMB": memory, "durationMinutes": minutes});
        alpine_with(asked).provision(&test.app).await
    };
    let (long, short) = (lease(200, 100, 9).await, lease(200, 100, 3).await);
    assert_eq!((long.status, short.status), (201, 201));
    for (cpu, memory, what, frees_up) in [
        (200, 100, json!(["cpuMilli"]), &short),
        (100, 200, json!(["memoryMB"]), &short),
        (400, 100, json!(["cpuMilli"]), &long),
        (300, 250, json!(["cpuMilli", "memoryMB"]), &long),
    ] {
        let answer = lease(cpu, memory, 1).await;
        assert_refused(&answer, "quota-reached");
        assert_eq!(*full(&answer), what, "{answer:?}");
        let frees_up_at = &answer.body["freesUpAt"];
        assert_eq!(*frees_up_at, frees_up.body["expiryTime"], "{answer:?}");
        let left = (millis(&answer.body, "freesUpAt") - Time::now().as_millis()) / 1000;
        assert!(
            (left..left + 5).contains(&retry_after(&answer)),
            "{answer:?}"
        );
    }
    // A request that could never fit says so, without advice to wait.
    let never = lease(501, 100, 1).await;
    assert_eq!((never.status, never.problem()), (429, "quota-reached"));
    assert_eq!(never.body["freesUpAt"], Value::Null);
    assert!(!never.headers.contains_key("retry-after"), "{never:?}");
    // Each owner has their own quota.
    let hers = alpine_with(json!({"cpuMilli": 500})).from_owner("ada");
    assert_eq!(hers.provision(&test.app).await.status, 201);

    Event::about("delete", &short.id()).delete(&test.app).await;
    assert_eq!(lease(300, 200, 1).await.status, 201);
    test.assert_counted(&Owner::local(), "bounded").await;
}

#[tokio::test]
async fn a_host_that_is_full_is_full_for_everybody() {
    let test = TestAppOptions::default()
        .with("CONTAINERLEASE_HOST_CPU_MILLI", 1_000)
        .with("CONTAINERLEASE_HOST_MEMORY_MB", 200)
        .build()
        .await;
    let first = alpine().provision(&test.app).await;
    assert_eq!(first.status, 201, "{first:?}");
    for caller in [None, Some("ada")] {
        let asked = match caller {
            Some(subject) => alpine().from_owner(subject),
            None => alpine(),
        };
        let answer = asked.provision(&test.app).await;
        assert_refused(&answer, "host-full");
        assert_eq!(*full(&answer), json!(["memoryMB"]));
        assert_eq!(answer.body["freesUpAt"], first.body["expiryTime"]);
        assert!((280..=310).contains(&retry_after(&answer)), "{answer:?}");
    }
    let small = alpine_with(json!({"memoryMB": 72, "cpuMilli": 750}));
    let small = small.from_owner("ada").provision(&test.app).await;
    assert_eq!(small.status, 201, "{small:?}");
    let none_left = tiny().provision(&test.app).await;
    assert_refused(&none_left, "host-full");
    assert_eq!(*full(&none_left), json!(["cpuMilli", "memoryMB"]));
    let never = alpine_with(json!({"memoryMB": 201}))
        .provision(&test.app)
        .await;
    assert_eq!((never.status, never.problem()), (503, "host-full"));
    assert!(!never.headers.contains_key("retry-after"), "{never:?}");
    assert_eq!(never.body["freesUpAt"], Value::Null);

    let deleted = Event::about("delete", &first.id()).delete(&test.app).await;
    assert_eq!(deleted.body["state"], "ended");
    assert_eq!(
        alpine_with(json!({"cpuMilli": 250}))
            .provision(&test.app)
            .await
            .status,
        201
    );
    test.assert_counted(&Owner::local(), "ours").await;
    let ada = Owner::try_from("ada".to_owned()).unwrap();
    test.assert_counted(&ada, "hers").await;
}

#[tokio::test]
async fn an_end_that_is_under_way_has_no_known_time() {
    let test = TestAppOptions::default()
        .most_leases(1)
        .proxied()
        .build()
        .await;
    let id = lease(&test).await;
    test.engine_proxy().on_each(|_| Fault::Cut);
    Event::about("delete", &id).delete(&test.app).await;
    assert_eq!(get(&test, &id).await["state"], "ending");
    let answer = alpine().provision(&test.app).await;
    assert_refused(&answer, "quota-reached");
    assert_eq!(answer.body["freesUpAt"], Value::Null);
    assert!(retry_after(&answer) > 0);
}

#[tokio::test]
async fn a_refusal_does_not_hang_on_the_time_that_goes_with_it() {
    let test = TestAppOptions::default()
        .most_leases(1)
        .proxied()
        .build()
        .await;
    lease(&test).await;
    test.table_proxy().on_each(|seen| {
        if seen.is_operation("Query") {
            Fault::Cut
        } else {
            Fault::None
        }
    });
    let answer = alpine().provision(&test.app).await;
    assert_refused(&answer, "quota-reached");
    assert_eq!(answer.body["freesUpAt"], Value::Null);
}

#[tokio::test]
async fn the_engine_says_how_much_there_is_and_is_asked_once() {
    let test = TestApp::proxied().await;
    let machine = test.app.host.machine().await.unwrap();
    assert!(machine.cpus >= 1 && machine.memory > 1024 * 1024 * 1024);
    lease(&test).await;
    lease(&test).await;
    let seen = test.engine_proxy().seen();
    let asked = seen.iter().filter(|seen| seen.is("GET", "/info")).count();
    assert_eq!(asked, 1, "{seen:?}");
}

/// Leases from before CPU and memory were counted: an end subtracts only what that lease's
/// start added.
#[tokio::test]
async fn a_lease_of_an_earlier_program_leaves_no_count_below_nothing() {
    let test = TestApp::new().await;
    let (owner, store) = (&Owner::local(), test.table.store());
    let image = test.app.catalogue.get("alpine").unwrap();
    let now = Time::now();
    let earlier = Lease {
        id: LeaseId::generate(),
        owner: owner.clone(),
        version: 1,
        image_type: image.image_type.clone(),
        name: None,
        labels: std::collections::BTreeMap::new(),
        created_at: now.minus(MINUTE),
        expires_at: now.plus(4 * MINUTE),
        hard_deadline: now.plus(60 * MINUTE),
        cpu_milli: 250,
        memory_mb: 128,
        disk_mb: None,
        egress: containerlease_domain::egress::Egress::Open,
        amounts_counted: false,
        webhook: None,
        placement: None,
        state: State::Running,
    };
    store
        .create(&earlier, &Limits::default(), None)
        .await
        .unwrap();
    // The items of an earlier program have no amounts.
    test.table.forget_amounts(owner).await;
    let one = Amounts {
        leases: 1,
        ..Amounts::default()
    };
    assert_eq!(store.counted(owner).await.unwrap(), one);
    assert_eq!(store.counted_on_host().await.unwrap(), Amounts::default());

    let newer = lease(&test).await;
    let both = Amounts {
        leases: 2,
        cpu_milli: 250,
        memory_mb: 128,
        disk_mb: 1024,
    };
    assert_eq!(store.counted(owner).await.unwrap(), both);
    let id = earlier.id.to_string();
    Event::about("delete", &id).delete(&test.app).await;
    assert_eq!(get(&test, &id).await["state"], "ended");
    test.assert_nothing_leaked(owner, "the earlier one").await;
    Event::about("delete", &newer).delete(&test.app).await;
    assert_eq!(store.counted(owner).await.unwrap(), Amounts::default());
    assert_eq!(store.counted_on_host().await.unwrap(), Amounts::default());
}

#[tokio::test]
async fn a_host_has_places_for_so_many_containers_only() {
    let test = TestAppOptions::default()
        .with("CONTAINERLEASE_HOST_CONTAINERS", 2)
        .build()
        .await;
    let first = tiny().provision(&test.app).await;
    let second = tiny().from_owner("ada").provision(&test.app).await;
    assert_eq!((first.status, second.status), (201, 201));
    let refused = tiny().provision(&test.app).await;
    assert_refused(&refused, "host-full");
    assert_eq!(*full(&refused), json!(["leases"]));
    assert_eq!(refused.body["freesUpAt"], first.body["expiryTime"]);
    let deleted = Event::about("delete", &first.id()).delete(&test.app).await;
    assert_eq!(deleted.body["state"], "ended");
    assert_eq!(tiny().provision(&test.app).await.status, 201);
}

#[tokio::test]
async fn a_host_whose_network_has_no_address_left_is_full() {
    let test = TestAppOptions::default().on_own_network().build().await;
    // Eight addresses: the network's own, the broadcast's, the gateway's, and five.
    let name = test.place.deployment().as_str().to_owned();
    let network = NetworkCreateRequest {
        name: name.clone(),
        driver: Some("bridge".to_owned()),
        ipam: Some(Ipam {
            config: Some(vec![IpamConfig {
                subnet: Some("10.213.77.0/29".to_owned()),
                ..IpamConfig::default()
            }]),
            ..Ipam::default()
        }),
        labels: Some([(DEPLOYMENT_LABEL.to_owned(), name)].into()),
        ..NetworkCreateRequest::default()
    };
    let made = test.place.docker().create_network(network).await;
    made.expect("the engine takes the subnet");
    let answers = join_all((0..7).map(|_| tiny().provision(&test.app))).await;
    let (made, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 201);
    assert_eq!((made.len(), refused.len()), (5, 2), "{refused:?}");
    for answer in refused {
        assert_refused(answer, "host-full");
        assert_eq!(*full(answer), json!(["leases"]), "{answer:?}");
    }
    test.assert_counted(&Owner::local(), "no address left")
        .await;
}

#[tokio::test]
async fn an_owner_is_not_refused_by_a_count_that_is_wrong() {
    let test = TestAppOptions::default().most_leases(2).build().await;
    let spoiled = lease(&test).await;
    // As in a table that lost the lease but kept its count.
    test.table
        .purge(&test.lease(&Owner::local(), &spoiled).await)
        .await;
    test.place.remove_behind_its_back(&spoiled).await;
    let (one, other) = (lease(&test).await, lease(&test).await);
    assert_refused(&alpine().provision(&test.app).await, "quota-reached");
    for id in [one, other] {
        let deleted = Event::about("delete", &id).delete(&test.app).await;
        assert_eq!(deleted.body["state"], "ended");
    }
    assert_eq!(
        test.table
            .store()
            .counted(&Owner::local())
            .await
            .unwrap()
            .leases,
        0
    );
}
