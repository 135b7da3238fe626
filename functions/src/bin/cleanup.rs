//! The `cleanup` function: one run of the reaper per event of the schedule.

use containerlease_functions::{
    app::{App, init_log},
    cleanup, metrics,
};
use containerlease_shared::{cleanup::CleanupError, time::Time};
use lambda_runtime::{Diagnostic, Error, LambdaEvent, service_fn};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> Result<(), Error> {
    init_log();
    let (app, settings, _) = App::from_env().await?;
    let reaper = &cleanup::reaper(&app, settings.look_ahead, CancellationToken::new());
    let deployment = &settings.deployment;
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Value>| async move {
        let cut_off = i64::try_from(event.context.deadline)
            .map_or_else(|_| Time::now().plus(settings.look_ahead), Time::from_millis);
        let report = cleanup::handle(reaper, cut_off).await.map_err(named)?;
        let expiry = reaper.host.certificate_expiry().await;
        metrics::write(&metrics::of_cleanup(
            &report,
            expiry,
            deployment,
            Time::now(),
        ));
        Ok::<_, Diagnostic>(report)
    }))
    .await
}

/// What a run that could do nothing leaves in the queue of failures: a name, and what was
/// attempted. The rest is in the log.
fn named(error: CleanupError) -> Diagnostic {
    let CleanupError::Store(error) = error;
    Diagnostic {
        error_type: format!("{:?}", error.kind),
        error_message: format!("the table could not be used: {}", error.attempted),
    }
}
