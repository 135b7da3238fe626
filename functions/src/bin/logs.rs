//! The `logs` function: the WebSocket API's routes, and the relay as an asynchronous
//! invocation of this same function.

use std::{sync::Arc, time::Duration};

use aws_sdk_apigatewaymanagement::{
    Client as Management, error::SdkError, operation::post_to_connection::PostToConnectionError,
    primitives::Blob,
};
use aws_sdk_lambda::{Client as Lambda, types::InvocationType};
use containerlease_functions::{
    app::{App, init_log},
    logs::{self, Event},
    metrics,
    relay::{self, RelayStart, Relays, StartFailed, Terms},
};
use containerlease_shared::{
    relay::{Closing, Connections, PostError},
    time::Time,
};
use lambda_http::{Body, Response};
use lambda_runtime::{Diagnostic, Error, LambdaEvent, service_fn};
use serde_json::{Value, json};

#[tokio::main]
async fn main() -> Result<(), Error> {
    init_log();
    let (app, settings, aws) = App::from_env().await?;
    let endpoint = settings
        .connections_endpoint
        .as_deref()
        .ok_or("CONTAINERLEASE_CONNECTIONS_ENDPOINT must be set to the WebSocket API's address")?;
    let config = aws_sdk_apigatewaymanagement::config::Builder::from(&aws)
        .endpoint_url(endpoint)
        .build();
    let gateway = &Gateway(Management::from_conf(config));
    let lambda = &Lambda::new(&aws);
    let (app, settings) = (&app, &settings);
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Value>| async move {
        let relays = Invocations {
            lambda: lambda.clone(),
            function: event.context.invoked_function_arn.clone(),
        };
        let asked = serde_json::from_value(event.payload).map_err(|_| Diagnostic {
            error_type: "UnknownEvent".to_owned(),
            error_message: "neither an event of the WebSocket API nor the start of a relay"
                .to_owned(),
        })?;
        match asked {
            Event::WebSocket(event) => {
                let response = logs::handle(app, gateway, &relays, &event).await;
                Ok::<_, Diagnostic>(proxy_response(&response))
            }
            Event::Relay(start) => {
                let limit = settings.relay_time.map(|time| Time::now().plus(time));
                let cut_off = i64::try_from(event.context.deadline)
                    .map(Time::from_millis)
                    .ok();
                let cut_off = [limit, cut_off].into_iter().flatten().min();
                let terms = Terms {
                    relay: event.context.request_id,
                    cut_off,
                    look: LOOK,
                    nudged: Arc::default(),
                };
                // A relay that failed has closed its connections, or is found dead by its
                // viewers' clients: Lambda must not try the same invocation once more.
                let relayed = relay::run(app, gateway, &relays, start, terms).await;
                let failed = match relayed {
                    Ok(lost) => lost > 0,
                    Err(error) => {
                        tracing::error!(%error, "a relay could not go on");
                        true
                    }
                };
                metrics::write(&[metrics::of_relay(failed, &settings.deployment, Time::now())]);
                Ok(json!({"relayed": !failed}))
            }
        }
    }))
    .await
}

/// How often a relay looks for viewers that came or left: a viewer that joins a log which
/// others watch waits for so long at most.
const LOOK: Duration = Duration::from_secs(1);

/// API Gateway's end of viewers' connections.
#[derive(Clone)]
struct Gateway(Management);

impl Connections for Gateway {
    async fn post(&self, connection: &str, frame: String) -> Result<(), PostError> {
        let sent = self
            .0
            .post_to_connection()
            .connection_id(connection)
            .data(Blob::new(frame))
            .send()
            .await;
        match sent {
            Ok(_) => Ok(()),
            Err(error) => match error.into_service_error() {
                PostToConnectionError::GoneException(_) => Err(PostError::Gone),
                other => Err(PostError::Failed(other.to_string())),
            },
        }
    }

    /// API Gateway closes with a code of its own.
    async fn close(&self, connection: &str, _: Option<Closing>) -> Result<(), PostError> {
        let closed = self.0.delete_connection().connection_id(connection).send();
        match closed.await.map_err(SdkError::into_service_error) {
            Ok(_) => Ok(()),
            Err(error) if error.is_gone_exception() => Ok(()),
            Err(error) => Err(PostError::Failed(error.to_string())),
        }
    }
}

/// Relays as asynchronous invocations of this function.
struct Invocations {
    lambda: Lambda,
    function: String,
}

impl Relays for Invocations {
    async fn start(&self, start: RelayStart) -> Result<(), StartFailed> {
        let payload = serde_json::to_vec(&start).map_err(|e| StartFailed(e.to_string()))?;
        self.lambda
            .invoke()
            .function_name(&self.function)
            .invocation_type(InvocationType::Event)
            .payload(Blob::new(payload))
            .send()
            .await
            .map(drop)
            .map_err(|error| StartFailed(error.into_service_error().to_string()))
    }
}

/// A response in the form in which API Gateway takes it from a WebSocket integration.
fn proxy_response(response: &Response<Body>) -> Value {
    let body = match response.body() {
        Body::Text(text) => text.as_str(),
        _ => "",
    };
    json!({"statusCode": response.status().as_u16(), "body": body})
}
