//! The `relay` function: carries the log of one lease to its viewers. It is invoked
//! asynchronously, by the `logs` function and by itself.

use std::{sync::Arc, time::Duration};

use containerlease_domain::time::Time;
use containerlease_functions::{
    app::{App, init_log},
    metrics,
    websocket::{
        gateway::{Gateway, Invocations, Places},
        relay::{self, RelayStart, Terms},
    },
};
use lambda_runtime::{Diagnostic, Error, LambdaEvent, service_fn};
use serde_json::{Value, json};

/// How often a relay looks for viewers that came or left; the longest that a new viewer of an
/// already watched log waits.
const LOOK: Duration = Duration::from_secs(1);

#[tokio::main]
async fn main() -> Result<(), Error> {
    init_log();
    let (app, settings, aws) = App::from_env().await?;
    let gateway = &Gateway::new(&aws, settings.connections_endpoint()?);
    let lambda = &aws_sdk_lambda::Client::new(&aws);
    let places = &Places::new(app.store.clone(), settings.max_relays);
    let (app, settings) = (&app, &settings);
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Value>| async move {
        let start: RelayStart = serde_json::from_value(event.payload).map_err(|_| Diagnostic {
            error_type: "UnknownEvent".to_owned(),
            error_message: "not the start of a relay".to_owned(),
        })?;
        // A relay's successor is an invocation of this same function.
        let relays = Invocations {
            lambda: lambda.clone(),
            places: places.clone(),
            function: event.context.invoked_function_arn.clone(),
        };
        let limit = settings.relay_time.map(|time| Time::now().plus(time));
        let cut_off = i64::try_from(event.context.deadline)
            .map(Time::from_millis)
            .ok();
        let terms = Terms {
            relay: event.context.request_id,
            cut_off: [limit, cut_off].into_iter().flatten().min(),
            look: LOOK,
            nudged: Arc::default(),
        };
        let lease = start.lease_id;
        // Lambda must not retry a failed relay: it has closed its connections, or its viewers'
        // clients find that it died.
        let relaying = Box::pin(relay::run(app, gateway, &relays, start, terms));
        let failed = match places.keep(&lease, relaying).await {
            Ok(lost) => lost > 0,
            Err(error) => {
                tracing::error!(%error, "a relay could not go on");
                true
            }
        };
        metrics::write(&[metrics::of_relay(failed, &settings.deployment, Time::now())]);
        Ok::<_, Diagnostic>(json!({"relayed": !failed}))
    }))
    .await
}
