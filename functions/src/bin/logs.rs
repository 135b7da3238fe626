//! The `logs` function: the WebSocket API's routes.

use aws_lambda_events::apigw::ApiGatewayWebsocketProxyRequest;
use containerlease_functions::{
    app::{App, init_log},
    websocket::{
        connections,
        gateway::{Gateway, Invocations, Places},
    },
};
use lambda_http::{Body, Response};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::{Value, json};

#[tokio::main]
async fn main() -> Result<(), Error> {
    init_log();
    let (app, settings, aws) = App::from_env().await?;
    let gateway = &Gateway::new(&aws, settings.connections_endpoint()?);
    let function = settings.relay_function.clone();
    let relays = &Invocations {
        lambda: aws_sdk_lambda::Client::new(&aws),
        places: Places::new(app.store.clone(), settings.max_relays),
        function: function.ok_or("CONTAINERLEASE_RELAY_FUNCTION must name the relay function")?,
    };
    let app = &app;
    lambda_runtime::run(service_fn(
        move |event: LambdaEvent<ApiGatewayWebsocketProxyRequest>| async move {
            let response = connections::handle(app, gateway, relays, &event.payload).await;
            let route = event.payload.request_context.route_key.as_deref();
            tracing::info!(route, status = response.status().as_u16(), "answered");
            Ok::<_, Error>(proxy_response(&response))
        },
    ))
    .await
}

/// A response in the format of API Gateway's WebSocket integrations.
fn proxy_response(response: &Response<Body>) -> Value {
    let body = match response.body() {
        Body::Text(text) => text.as_str(),
        _ => "",
    };
    json!({"statusCode": response.status().as_u16(), "body": body})
}
