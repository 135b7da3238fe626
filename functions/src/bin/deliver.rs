//! The `deliver` function: sends the notifications that its queue says are due.

use aws_lambda_events::sqs::SqsEvent;
use containerlease_domain::time::Time;
use containerlease_functions::{
    app::{App, init_log},
    jobs::{cleanup, deliver},
    metrics,
};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> Result<(), Error> {
    init_log();
    let (app, settings, _) = App::from_env().await?;
    let deliverer = &cleanup::deliverer(&app, CancellationToken::new());
    let deployment = &settings.deployment;
    lambda_runtime::run(service_fn(move |event: LambdaEvent<SqsEvent>| async move {
        let cut_off = i64::try_from(event.context.deadline).unwrap_or(i64::MAX);
        let cut_off = Time::from_millis(cut_off);
        let (response, deliveries) = deliver::handle(deliverer, event.payload, cut_off).await;
        metrics::write(&[metrics::of_deliveries(&deliveries, deployment, Time::now())]);
        Ok::<_, Error>(response)
    }))
    .await
}
