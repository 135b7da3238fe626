//! The requests and their outcomes: rate, errors and duration.
//!
//! All labels are bounded: a route is the pattern of its path and never the path, an outcome
//! is one of three or a problem's name, and an image type is one of the catalogue.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    extract::{Request, State},
    middleware::Next,
};
use containerlease_domain::catalogue::ImageType;
use containerlease_functions::http::{problem::Kind, router};
use http::{Method, Response, StatusCode};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, histogram::Histogram},
    registry::Registry,
};

use super::{Metrics, registered, registered_in_seconds};

/// From a read of the table to a command that uses all its time.
const REQUEST_BUCKETS: [f64; 10] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];

/// From a container of a small image to a request that waits for another with the same key.
const PROVISION_BUCKETS: [f64; 8] = [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0];

/// The route of a request that matches none, and the image type of one that names none.
const NONE: &str = "none";

/// Where a viewer's connection is opened.
const WATCH: &str = "/ws/logs/{id}";

/// Counts answered requests.
pub(crate) async fn count_requests(
    State(metrics): State<Arc<Metrics>>,
    request: Request,
    next: Next,
) -> axum::response::Response {
    let asked = Asked::now(request.method(), request.uri().path());
    let response = next.run(request).await;
    metrics.count_request(asked.answered(&response));
    response
}

/// The counters of requests.
#[derive(Debug)]
pub(super) struct Requests {
    answered: Family<AnsweredAs, Counter>,
    problems: Family<ProblemOf, Counter>,
    took: Family<Took, Histogram, fn() -> Histogram>,
    provisions: Family<ProvisionedAs, Counter>,
    provisioning: Family<OfImage, Histogram, fn() -> Histogram>,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct AnsweredAs {
    method: String,
    route: String,
    status: u16,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ProblemOf {
    route: String,
    problem: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Took {
    method: String,
    route: String,
    outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ProvisionedAs {
    image_type: String,
    outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfImage {
    image_type: String,
}

/// A request before its answer.
#[derive(Clone, Debug)]
struct Asked {
    /// Its method and the pattern of its path; `none` if no route matches.
    method: String,
    route: String,
    began: Instant,
}

/// An answered request.
#[derive(Debug)]
pub(super) struct Answered {
    asked: Asked,
    status: StatusCode,
    /// The problem that it was answered with, if any.
    problem: Option<Kind>,
    /// The image type, if the request was for a lease.
    image_type: Option<ImageType>,
    took: Duration,
}

impl Asked {
    /// A request that has just arrived.
    fn now(method: &Method, path: &str) -> Self {
        let (method, route) = match router::route(method, path) {
            Ok((_, id)) => (method.to_string(), router::pattern(path, id.is_some())),
            Err(_) if *method == Method::GET && path.starts_with("/ws/logs/") => {
                (method.to_string(), WATCH.to_owned())
            }
            Err(_) => (NONE.to_owned(), NONE.to_owned()),
        };
        Self {
            method,
            route,
            began: Instant::now(),
        }
    }

    /// The request with its answer, timed now.
    fn answered<B>(self, response: &Response<B>) -> Answered {
        Answered {
            took: self.began.elapsed(),
            status: response.status(),
            problem: response.extensions().get().copied(),
            image_type: response.extensions().get().cloned(),
            asked: self,
        }
    }
}

impl Requests {
    pub(super) fn new(registry: &mut Registry) -> Self {
        let answered = registered(
            registry,
            "requests",
            "Requests to the API that were answered",
        );
        let problems = registered(
            registry,
            "problems",
            "Requests to the API that were answered with a problem, by its name",
        );
        let took = registered_in_seconds(
            registry,
            "request_duration",
            "From a request to its answer; ok, refused because of the request, or failed \
             because of the server",
            Family::new_with_constructor(of_requests as fn() -> Histogram),
        );
        let provisions = registered(
            registry,
            "provisions",
            "Leases that were asked for; leased, or the name of the problem",
        );
        let provisioning = registered_in_seconds(
            registry,
            "provision_duration",
            "From the request for a lease to its container running",
            Family::new_with_constructor(of_provisions as fn() -> Histogram),
        );
        Self {
            answered,
            problems,
            took,
            provisions,
            provisioning,
        }
    }

    pub(super) fn count(&self, answered: Answered) {
        let Answered {
            asked: Asked { method, route, .. },
            status,
            problem,
            image_type,
            took,
        } = answered;
        let seconds = took.as_secs_f64();
        if method == "POST" && route == "/api/provision" {
            let image_type = image_type.map_or(NONE.to_owned(), |it| it.as_str().to_owned());
            let leased = problem.is_none() && status.is_success();
            let outcome = match problem {
                Some(kind) => kind.name(),
                None if leased => "leased",
                None => Kind::Internal.name(),
            };
            if leased {
                let of_image = OfImage {
                    image_type: image_type.clone(),
                };
                self.provisioning.get_or_create(&of_image).observe(seconds);
            }
            let provisioned = ProvisionedAs {
                image_type,
                outcome,
            };
            self.provisions.get_or_create(&provisioned).inc();
        }
        if let Some(kind) = problem {
            let problem = ProblemOf {
                route: route.clone(),
                problem: kind.name(),
            };
            self.problems.get_or_create(&problem).inc();
        }
        let took = Took {
            method: method.clone(),
            route: route.clone(),
            outcome: outcome(status),
        };
        self.took.get_or_create(&took).observe(seconds);
        let answered = AnsweredAs {
            method,
            route,
            status: status.as_u16(),
        };
        self.answered.get_or_create(&answered).inc();
    }
}

fn outcome(status: StatusCode) -> &'static str {
    if status.is_server_error() {
        "failed"
    } else if status.is_client_error() {
        "refused"
    } else {
        "ok"
    }
}

fn of_requests() -> Histogram {
    Histogram::new(REQUEST_BUCKETS)
}

fn of_provisions() -> Histogram {
    Histogram::new(PROVISION_BUCKETS)
}
