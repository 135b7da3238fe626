//! What the engine in memory answers, path by path.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    sync::{Arc, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use containerlease_domain::time::Time;
use http_body_util::{BodyExt as _, Collected, Full};
use hyper::{Request, Response, StatusCode, body::Incoming};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use super::{Container, Shared, State, Status, container::has_label};

/// A status with JSON, or with an error message.
type Answer = Result<(StatusCode, Value), (StatusCode, String)>;

impl Shared {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        // Ignore poisoning: every change leaves the state consistent.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Most pauses are short, and some are long.
    async fn pause(&self) {
        let share = {
            let mut random = self.random.lock().unwrap_or_else(PoisonError::into_inner);
            random.f64().powi(3)
        };
        let pause = self.longest_pause.mul_f64(share);
        if pause >= Duration::from_micros(500) {
            tokio::time::sleep(pause).await;
        }
    }

    fn start(&self, name: &str) -> Answer {
        let mut state = self.state();
        let container = state.get(name).ok_or_else(|| no_such(name))?;
        if container.status == Status::Running {
            return Ok((StatusCode::NOT_MODIFIED, Value::Null));
        }
        container.status = Status::Running;
        Ok((StatusCode::NO_CONTENT, Value::Null))
    }

    async fn stop(&self, name: &str) -> Answer {
        {
            let mut state = self.state();
            let container = state.get(name).ok_or_else(|| no_such(name))?;
            container.stops_asked += 1;
            container.touch();
        }
        self.pause().await;
        let mut state = self.state();
        let container = state.get(name).ok_or_else(|| no_such(name))?;
        if container.status != Status::Running {
            return Ok((StatusCode::NOT_MODIFIED, Value::Null));
        }
        container.stop(143);
        Ok((StatusCode::NO_CONTENT, Value::Null))
    }

    async fn remove(&self, name: &str, force: bool) -> Answer {
        let id = {
            let mut state = self.state();
            let refused = state.removals_refused;
            let container = state.get(name).ok_or_else(|| no_such(name))?;
            container.removals_asked += 1;
            let id = container.id.clone();
            match container.status {
                Status::Removing => {
                    let text = format!("removal of container {name} is already in progress");
                    return Err((StatusCode::CONFLICT, text));
                }
                Status::Running if !force => {
                    let text = format!(
                        "You cannot remove a running container {id}. Stop the container before \
                         attempting removal or force remove"
                    );
                    return Err((StatusCode::CONFLICT, text));
                }
                _ => {}
            }
            container.touch();
            container.stop(137);
            if refused {
                let text = format!("container {id}: driver failed to remove root filesystem");
                return Err((StatusCode::INTERNAL_SERVER_ERROR, text));
            }
            container.status = Status::Removing;
            id
        };
        self.pause().await;
        self.state().remove(&id);
        Ok((StatusCode::NO_CONTENT, Value::Null))
    }

    fn create(&self, name: &str, body: &[u8]) -> Answer {
        let mut state = self.state();
        if let Some(taken) = state.get(name) {
            let text = format!(
                "Conflict. The container name \"/{name}\" is already in use by container \
                 \"{}\". You have to remove (or rename) that container to be able to reuse that \
                 name.",
                taken.id
            );
            return Err((StatusCode::CONFLICT, text));
        }
        let index = state.add(name, labels_of(body), Time::now());
        let id = &state.containers[index].id;
        Ok((StatusCode::CREATED, json!({"Id": id, "Warnings": []})))
    }

    fn create_network(&self, body: &[u8]) -> Answer {
        let asked: Value = serde_json::from_slice(body).unwrap_or_default();
        let name = asked["Name"].as_str().unwrap_or_default().to_owned();
        let mut state = self.state();
        if state.networks.iter().any(|(taken, ..)| *taken == name) {
            let text = format!("network with name {name} already exists");
            return Err((StatusCode::CONFLICT, text));
        }
        let id = format!("{:064x}", state.networks.len());
        let made = json!({"Id": id, "Warning": ""});
        state.networks.push((name, id, labels_of(body)));
        Ok((StatusCode::CREATED, made))
    }
}

pub(super) async fn answer(
    request: Request<Incoming>,
    shared: Arc<Shared>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map(Collected::to_bytes);
    let body = body.unwrap_or_default();
    let path = parts.uri.path().trim_matches('/');
    let mut segments: Vec<&str> = path.split('/').collect();
    if segments[0].starts_with("v1.") {
        segments.remove(0);
    }
    let query = |name: &str| {
        let pairs = parts.uri.query().unwrap_or_default().split('&');
        let mut pairs = pairs.filter_map(|pair| pair.split_once('='));
        let (_, value) = pairs.find(|(key, _)| *key == name)?;
        Some(percent_decode_str(value).decode_utf8_lossy().into_owned())
    };
    let labels = || {
        let filters: Value = serde_json::from_str(&query("filters")?).ok()?;
        let labels = filters["label"].as_array()?.iter();
        let labels = labels.filter_map(|label| Some(label.as_str()?.to_owned()));
        Some(labels.collect::<Vec<_>>())
    };
    shared.pause().await;
    let answer = match (parts.method.as_str(), segments.as_slice()) {
        ("GET", ["version"]) => Ok((
            StatusCode::OK,
            json!({"Version": "in memory", "ApiVersion": "1.41"}),
        )),
        // Too large for any race to fill.
        ("GET", ["info"]) => Ok((
            StatusCode::OK,
            json!({"NCPU": 1_000, "MemTotal": 1_u64 << 42}),
        )),
        ("GET", ["networks"]) => {
            let labels = labels().unwrap_or_default();
            let state = shared.state();
            let networks = state.networks.iter();
            let listed = networks
                .filter(|(.., its)| labels.iter().all(|label| has_label(its, label)))
                .map(|(name, id, labels)| json!({"Name": name, "Id": id, "Labels": labels}));
            Ok((StatusCode::OK, listed.collect()))
        }
        ("POST", ["networks", "create"]) => shared.create_network(&body),
        ("GET", ["containers", "json"]) => {
            let labels = labels().unwrap_or_default();
            let all = query("all").is_some_and(|all| all == "true");
            let state = shared.state();
            let listed = (state.containers.iter())
                .filter(|container| container.is_there())
                .filter(|container| all || container.status == Status::Running)
                .filter(|container| labels.iter().all(|label| container.has(label)))
                .map(Container::listed);
            Ok((StatusCode::OK, listed.collect()))
        }
        ("POST", ["containers", "create"]) => {
            shared.create(&query("name").unwrap_or_default(), &body)
        }
        ("POST", ["containers", name, "start"]) => shared.start(name),
        ("POST", ["containers", name, "stop"]) => shared.stop(name).await,
        ("GET", ["containers", name, "json"]) => match shared.state().get(name) {
            Some(container) => Ok((StatusCode::OK, container.inspected())),
            None => Err(no_such(name)),
        },
        ("GET", ["containers", name, "logs"]) => {
            let stamped = query("timestamps").is_some_and(|stamped| stamped == "true");
            let log = shared.state().get(name).map(|it| it.framed_log(stamped));
            match log {
                Some(log) => return Ok(Response::new(Full::from(log))),
                None => Err(no_such(name)),
            }
        }
        ("DELETE", ["containers", name]) => {
            let force = query("force").is_some_and(|force| force == "true");
            shared.remove(name, force).await
        }
        _ => Err((StatusCode::NOT_FOUND, "page not found".to_owned())),
    };
    shared.pause().await;
    let (status, body) = answer.unwrap_or_else(|(status, text)| (status, json!({"message": text})));
    let body = match body {
        Value::Null => Bytes::new(),
        body => Bytes::from(body.to_string()),
    };
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    Ok(response)
}

fn no_such(name: &str) -> (StatusCode, String) {
    (StatusCode::NOT_FOUND, format!("No such container: {name}"))
}

fn labels_of(body: &[u8]) -> BTreeMap<String, String> {
    let asked: Value = serde_json::from_slice(body).unwrap_or_default();
    serde_json::from_value(asked["Labels"].clone()).unwrap_or_default()
}
