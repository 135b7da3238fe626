//! The `cleanup` function: one run of the reaper per event of the schedule.

use std::time::Duration;

use containerlease_domain::time::Time;
use containerlease_functions::{
    app::{App, init_log},
    enqueue,
    jobs::cleanup,
    metrics,
};
use containerlease_service::reaper::{CleanupError, Reaper};
use lambda_runtime::{Diagnostic, Error, LambdaEvent, service_fn};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

/// How long DynamoDB's global index may lag behind its table, usually a second.
const INDEX_LAG: Duration = Duration::from_secs(3);

#[tokio::main]
async fn main() -> Result<(), Error> {
    init_log();
    let (app, settings, _) = App::from_env().await?;
    let reaper = &Reaper {
        index_lag: INDEX_LAG,
        ..cleanup::reaper(&app, settings.look_ahead, CancellationToken::new())
    };
    let (app, deployment) = (&app, &settings.deployment);
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Value>| async move {
        let cut_off = i64::try_from(event.context.deadline)
            .map_or_else(|_| Time::now().plus(settings.look_ahead), Time::from_millis);
        // Both run at once, so that an engine that does not answer delays no message.
        let (report, ()) = tokio::join!(
            Box::pin(cleanup::handle(reaper, cut_off)),
            enqueue::ahead(app)
        );
        let report = report.map_err(named)?;
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

/// A failed run, for the dead-letter queue: the kind of the error, and what was attempted. The
/// log has the rest.
fn named(error: CleanupError) -> Diagnostic {
    let CleanupError::Store(error) = error;
    Diagnostic {
        error_type: format!("{:?}", error.kind),
        error_message: format!("the table could not be used: {}", error.attempted),
    }
}
