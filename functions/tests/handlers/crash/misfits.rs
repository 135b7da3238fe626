//! A table and an engine that do not match.

use containerlease_domain::{
    capacity::Limits,
    container::{DEPLOYMENT_LABEL, HARD_DEADLINE_LABEL, LEASE_LABEL, OWNER_LABEL},
    lease::Lease,
    names::{ContainerName, LeaseId},
    time::Time,
};
use containerlease_service::docker::Recipe;
use containerlease_testkit::TestApp;

use crate::{MINUTE, SECOND, wait_until_exited};

/// Makes every mismatch of table and engine that the reaper corrects: a container without a
/// lease that was seen before, another that was not, a sighting of a container that is gone, a
/// lease whose container vanished, and a lease whose program has ended. Also makes a healthy
/// lease, and returns its id.
pub(super) async fn misfits(test: &TestApp) -> String {
    let deployment = test.place.deployment().as_str();
    let of_no_lease = LeaseId::generate().to_string();
    let past = Time::now().minus(SECOND).to_string();
    let labels = [
        (DEPLOYMENT_LABEL, deployment),
        (LEASE_LABEL, of_no_lease.as_str()),
        (OWNER_LABEL, "local"),
        (HARD_DEADLINE_LABEL, past.as_str()),
    ];
    test.place.stray(&labels).await;
    test.reap_strays(61 * SECOND).await;
    test.place.stray(&labels).await;
    let gone = ContainerName::listed_by_engine("0a").expect("it is hexadecimal");
    let store = test.table.store();
    let sighted = store.sighted(&gone, Time::now()).await;
    sighted.expect("the table can be written");

    let image = test.app.catalogue.get("alpine");
    let image = image.expect("there is an alpine");
    let now = Time::now();
    let mut ids = vec![];
    let names = ["as it should be", "failed", "vanished"];
    for (name, command) in
        names
            .into_iter()
            .zip([Some("sleep 600"), Some("echo its last words; exit 3"), None])
    {
        let lease = Lease {
            name: Some(name.to_owned()),
            expires_at: now.plus(5 * MINUTE),
            hard_deadline: now.plus(60 * MINUTE),
            cpu_milli: 250,
            memory_mb: 128,
            ..Lease::sample("alpine", now)
        };
        let created = store.create(&lease, &Limits::default(), None).await;
        created.expect("the table can be written");
        ids.push(lease.id.to_string());
        if let Some(command) = command {
            let recipe = Recipe {
                image,
                command: Some(&["sh", "-c", command].map(str::to_owned)),
                env: &image.env,
                ports: &image.ports,
            };
            let host = &test.app.host;
            let made = host.create(&lease, &recipe).await;
            made.expect("a container can be made");
            let started = host.start(&ContainerName::of_lease(&lease.id)).await;
            started.expect("a container can be started");
        }
    }
    wait_until_exited(test, &ids[1]).await;
    ids.swap_remove(0)
}
