//! Tests that the reaper is never late, never early, never leaks and never sticks.
//!
//! - [`counts`]: the reaper corrects a wrong count while leases come and go.
//! - [`model`]: a walk through every state and event finds no dead end; the table takes no other
//!   change.
//! - [`strays`]: the reaper does not guess that a container has no lease.
//! - [`races`]: thousands of simultaneous renewals, deletes, ends and ticks.
//!
//! They are a program of their own because they keep the machine busy, which would delay the
//! handlers' tests.

mod counts;
mod model;
mod races;
mod strays;

use std::{net::Ipv4Addr, sync::Arc, time::Duration};

use containerlease_domain::{
    catalogue::Catalogue,
    lease::Lease,
    names::{Deployment, Owner},
    time::Time,
};
use containerlease_service::{
    docker::Host,
    leasing::end::Deps,
    notify::{deliver::Deliverer, webhook_client::WebhookClient},
    reaper::{Reaper, Report, run},
    store::Store,
};
use containerlease_settings::{EngineAddress, NetworkChoice, Publish};
use containerlease_testkit::{Table, table};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// A process of the product. It has its own clients, as each concurrent invocation on Lambda
/// has.
#[derive(Clone, Debug)]
struct Process {
    store: Arc<Store>,
    host: Arc<Host>,
    catalogue: Arc<Catalogue>,
}

impl Process {
    fn new(table: &Table, engine: &EngineAddress, deployment: &Deployment) -> Self {
        let aws = table.aws();
        let publish = Publish::at(Ipv4Addr::LOCALHOST.into());
        let host = Host::new(
            engine,
            aws,
            deployment.clone(),
            publish,
            NetworkChoice::Auto,
        );
        Self {
            store: Arc::new(Store::new(aws, table::NAME)),
            host: Arc::new(host.expect("the engine's client can be made")),
            catalogue: Arc::new(Catalogue::embedded()),
        }
    }

    fn deps(&self) -> Deps<'_> {
        Deps {
            store: &self.store,
            host: &self.host,
            catalogue: &self.catalogue,
            history: MINUTE,
        }
    }

    /// A run of the reaper that takes on what falls due in the next `look_ahead`.
    async fn reap(self, look_ahead: Duration) -> Report {
        self.reap_for(look_ahead, 5 * MINUTE).await
    }

    /// Such a run with a limited time.
    async fn reap_for(self, look_ahead: Duration, time: Duration) -> Report {
        let now = Time::now();
        let report = run(&self.reaper(look_ahead), now, now.plus(time)).await;
        report.expect("the reaper runs")
    }

    fn reaper(self, look_ahead: Duration) -> Reaper {
        let stopping = CancellationToken::new();
        Reaper {
            deliverer: Deliverer {
                store: Arc::clone(&self.store),
                webhook_client: Arc::new(WebhookClient::new(false)),
                turns: Arc::default(),
                in_hand: Arc::default(),
                show: |_| Value::Null,
                history: MINUTE,
                stopping: stopping.clone(),
            },
            store: self.store,
            host: self.host,
            catalogue: self.catalogue,
            history: MINUTE,
            longest_lease: 60 * MINUTE,
            look_ahead,
            index_lag: Duration::ZERO,
            measures_disks: false,
            ends_in_hand: Arc::default(),
            stopping,
        }
    }
}

/// A new alpine lease of ten minutes, with a hard deadline in an hour.
fn lease(owner: Owner) -> Lease {
    let catalogue = Catalogue::embedded();
    let image = catalogue.get("alpine").expect("there is an alpine");
    let now = Time::now();
    Lease {
        owner,
        expires_at: now.plus(10 * MINUTE),
        hard_deadline: now.plus(60 * MINUTE),
        cpu_milli: image.cpu_milli.default,
        memory_mb: image.memory_mb.default,
        disk_mb: Some(image.disk_mb.default),
        ..Lease::sample("alpine", now)
    }
}
