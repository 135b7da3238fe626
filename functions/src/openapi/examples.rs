//! Examples of the answers.

use std::{collections::BTreeMap, time::Duration};

use containerlease_domain::{
    catalogue::{Catalogue, Port},
    egress::Egress,
    lease::{Reason, StateName},
    names::LeaseId,
    notification::{DeliveryState, Event},
    policy::LONGEST_MINUTES,
    time::Time,
    view::ReceiptView,
};
use containerlease_settings::Settings;
use serde_json::{Value, json};

use crate::http::view::{
    Container, ContainerPort, Containers, Granted, Images, NotificationView, One, Provisioned,
    Renewed,
};

pub(super) fn provisioned() -> Value {
    json!(Provisioned {
        container: running(),
        notify_secret: None,
    })
}

pub(super) fn ended_one() -> Value {
    let container = Container {
        state: StateName::Ended,
        reason: Some(Reason::Expired),
        attempts: 1,
        receipt: Some(ReceiptView {
            reason: Reason::Expired,
            requested_at: at(1800),
            stopped_at: Some(at(1800).plus(Duration::from_millis(180))),
            removed_at: at(1800).plus(Duration::from_millis(190)),
            attempts: 1,
            overshoot_ms: Some(190),
            exit_code: Some(0),
            detail: None,
            last_lines: Vec::new(),
        }),
        ..running()
    };
    let told = NotificationView {
        id: format!("msg_{}_ended", example_id()),
        event: Event::Ended,
        state: DeliveryState::Delivered,
        attempts: 1,
        next_attempt_at: None,
        last_status: Some(204),
        last_error: None,
    };
    json!(One {
        container,
        notifications: vec![told],
    })
}

pub(super) fn containers() -> Value {
    json!(Containers {
        containers: vec![running()],
        cursor: None,
    })
}

pub(super) fn renewed() -> Value {
    json!(Renewed {
        container: Container {
            expiry_time: at(1860),
            ..running()
        },
        granted: Granted {
            duration_seconds: 1800,
            added_seconds: 60,
            capped: false,
        },
    })
}

fn running() -> Container {
    let catalogue = Catalogue::embedded();
    let redis = catalogue.get("redis").expect("it is in the catalogue");
    Container {
        id: example_id(),
        image_type: redis.image_type.clone(),
        name: Some("session cache".to_owned()),
        labels: BTreeMap::from([("team".to_owned(), "search".to_owned())]),
        image: Some(redis.image.clone()),
        stand_in: false,
        state: StateName::Running,
        created_at: at(0),
        expiry_time: at(1800),
        maximum_expiry_time: at(60 * LONGEST_MINUTES),
        started_at: Some(at(1)),
        cpu_milli: redis.cpu_milli.default,
        memory_mb: redis.memory_mb.default,
        disk_mb: Some(redis.disk_mb.default),
        egress: Egress::Open,
        ports: redis.ports.iter().map(published).collect(),
        reason: None,
        attempts: 0,
        receipt: None,
    }
}

fn published(port: &Port) -> ContainerPort {
    let url = port.scheme.as_ref();
    ContainerPort {
        port: port.clone(),
        host: "127.0.0.1".to_owned(),
        host_port: 49_153,
        url: url.map(|scheme| format!("{scheme}://127.0.0.1:49153")),
    }
}

pub(super) fn executed() -> Value {
    json!({
        "exitCode": 0, "stdout": "hello\n", "stderr": "",
        "truncated": {"stdout": false, "stderr": false},
        "timedOut": false, "stillRunning": false,
    })
}

pub(super) fn stats() -> Value {
    json!({
        "readAt": at(60),
        "cpu": {
            "usedNanoseconds": 61_523_000, "percent": 0.2, "percentOfLimit": 0.4,
            "limitMilli": 500, "measuredMilliseconds": 502,
        },
        "memory": {"usedBytes": 3_190_784, "limitBytes": 268_435_456},
        "disk": {"usedBytes": 4_096, "limitBytes": 4_294_967_296_u64},
        "network": {"receivedBytes": 1_016, "sentBytes": 0},
        "processes": {"count": 6, "limit": 128},
    })
}

pub(super) fn log_page() -> Value {
    json!({
        "entries": [{
            "timestamp": "2026-11-24T09:30:01.123456789Z",
            "level": "info",
            "message": "* Ready to accept connections",
            "stream": "stdout",
            "cursor": "1795512601123456789.0_0",
        }],
        "cursor": "1795512601123456789.0_0",
        "more": false,
        "gap": false,
        "state": "running",
    })
}

pub(super) fn images() -> Value {
    let settings = Settings::parse(|_| None).expect("every setting has a default");
    let mut images = Images::new(&Catalogue::embedded(), &settings.policy);
    images.images.truncate(1);
    json!(images)
}

/// The server's time in all examples.
pub(super) fn server_time() -> Time {
    at(60)
}

/// The time `seconds` after the start of the examples.
fn at(seconds: u64) -> Time {
    Time::from_millis(1_795_512_600_000).plus(Duration::from_secs(seconds))
}

fn example_id() -> LeaseId {
    "0193b6e0-8d5c-7cc3-9b1e-3f6f3d2a4b5c"
        .parse()
        .expect("it is an id")
}
