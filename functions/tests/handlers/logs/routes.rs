//! The WebSocket API's routes, with the saved events.

use aws_lambda_events::apigw::ApiGatewayWebsocketProxyRequest;
use containerlease_domain::logs::Start;
use containerlease_functions::websocket::{connections, relay::RelayStart};
use containerlease_testkit::{
    TestApp,
    events::{Answer, Event, saved, saved_for},
};
use serde_json::{Value, json};

use super::{Noted, Viewer};

#[tokio::test]
async fn the_saved_events_are_read_as_what_they_are() {
    for name in [
        "logs-connect",
        "logs-connect-signed-in",
        "logs-message",
        "logs-disconnect",
    ] {
        let read: ApiGatewayWebsocketProxyRequest = serde_json::from_value(saved(name)).unwrap();
        let context = &read.request_context;
        assert!(
            context.route_key.is_some() && context.connection_id.is_some(),
            "{name}"
        );
        assert!(
            serde_json::from_value::<RelayStart>(saved(name)).is_err(),
            "{name}"
        );
    }
    assert!(serde_json::from_value::<RelayStart>(saved("relay")).is_ok());
}

#[tokio::test]
async fn a_connection_starts_a_relay_for_its_owner_after_its_cursor() {
    let test = TestApp::new().await;
    let answer = Event::saved("provision-signed-in")
        .provision(&test.app)
        .await;
    let (viewer, noted) = (Viewer::default(), Noted::default());
    let mut event = saved_for("logs-connect-signed-in", &answer.id());
    event["queryStringParameters"]["cursor"] = Value::from("1795512600123456789.0_0");
    let all = &mut event["multiValueQueryStringParameters"];
    all["cursor"] = json!(["1795512600123456789.0_0"]);
    for (name, values) in [("cursor", json!(["1", "1"])), ("curser", json!(["1"]))] {
        let mut wrong = event.clone();
        wrong["multiValueQueryStringParameters"][name] = values;
        let wrong = serde_json::from_value(wrong).unwrap();
        let refused = connections::handle(&test.app, &viewer, &noted, &wrong).await;
        assert_eq!(Answer::of(&refused).problem(), "invalid-query");
    }
    let event = serde_json::from_value(event).unwrap();
    let opened = connections::handle(&test.app, &viewer, &noted, &event).await;
    assert_eq!(Answer::of(&opened).status, 200);
    let starts = noted.all();
    assert_eq!(starts.len(), 1);
    assert_eq!(starts[0].owner.as_str(), "ada");
    assert_eq!(starts[0].lease_id.to_string(), answer.id());
    let (viewers, _) = test.app.store.viewers(&starts[0].lease_id).await.unwrap();
    assert_eq!(viewers.len(), 1);
    assert_eq!(viewers[0].connection, "CHm3acPwliACFYg=");
    let after = "1795512600123456789.0_0".parse().unwrap();
    assert_eq!(viewers[0].start, Start::After(after));
    assert!(
        viewer.lines().is_empty(),
        "nothing may be posted before it is open"
    );
}

#[tokio::test]
async fn a_message_is_answered_and_a_disconnect_accepted() {
    let test = TestApp::new().await;
    let (viewer, noted) = (Viewer::default(), Noted::default());
    for body in ["{\"action\":\"ping\"}", "ping", "hello", "{}"] {
        let mut event = saved("logs-message");
        event["body"] = Value::from(body);
        let event = serde_json::from_value(event).unwrap();
        let answer = connections::handle(&test.app, &viewer, &noted, &event).await;
        assert_eq!(Answer::of(&answer).status, 200, "{body}");
    }
    let events: Vec<_> = viewer
        .lines()
        .iter()
        .map(|line| line["event"].as_str().unwrap_or_default().to_owned())
        .collect();
    assert_eq!(events, ["pong", "pong", "error", "error"]);
    let event = serde_json::from_value(saved("logs-disconnect")).unwrap();
    let answer = connections::handle(&test.app, &viewer, &noted, &event).await;
    assert_eq!(Answer::of(&answer).status, 200);
    assert_eq!(noted.all(), []);
}
