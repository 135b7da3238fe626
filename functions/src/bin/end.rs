//! The `end` function: ends the leases that its queue says are due.

use aws_lambda_events::sqs::SqsEvent;
use containerlease_domain::time::Time;
use containerlease_functions::{
    app::{App, init_log},
    jobs::end,
    metrics,
};
use lambda_runtime::{Error, LambdaEvent, service_fn};

#[tokio::main]
async fn main() -> Result<(), Error> {
    init_log();
    let (app, settings, _) = App::from_env().await?;
    let (app, deployment) = (&app, &settings.deployment);
    lambda_runtime::run(service_fn(move |event: LambdaEvent<SqsEvent>| async move {
        let (response, ends) = end::handle(app, event.payload).await;
        metrics::write(&metrics::of_ends(&ends, deployment, Time::now()));
        Ok::<_, Error>(response)
    }))
    .await
}
