use bollard::{
    Docker,
    errors::Error,
    models::ContainerCreateBody,
    query_parameters::{
        CreateContainerOptionsBuilder, InspectContainerOptions, ListContainersOptionsBuilder,
        RemoveContainerOptionsBuilder, StopContainerOptionsBuilder,
    },
};
use futures_util::future::join_all;

use super::*;
use crate::{Place, place};

/// An engine's answer: its status, and the part of its message that the product reads.
fn said<T>(answer: &Result<T, Error>) -> String {
    let Err(Error::DockerResponseServerError {
        status_code,
        message,
    }) = answer
    else {
        return if answer.is_ok() { "ok" } else { "no answer" }.to_owned();
    };
    let known = [
        "already in use",
        "is already in progress",
        "No such container",
    ];
    let known = known.iter().find(|known| message.contains(*known));
    format!("{status_code} {}", known.unwrap_or(&"otherwise"))
}

/// Makes every call that the product makes, and records the answers.
async fn interview(docker: &Docker, deployment: &Deployment) -> Vec<(&'static str, String)> {
    let name = &format!("containerlease-{}", LeaseId::generate());
    let labels = [(DEPLOYMENT_LABEL, deployment.as_str())]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
    let body = ContainerCreateBody {
        image: Some("containerlease/stand-in-alpine:1".to_owned()),
        cmd: Some(vec!["sleep".to_owned(), "60".to_owned()]),
        labels: Some(labels.into()),
        ..ContainerCreateBody::default()
    };
    let create = async || {
        let options = CreateContainerOptionsBuilder::new().name(name).build();
        docker.create_container(Some(options), body.clone()).await
    };
    let start = async || docker.start_container(name, None).await;
    let stop = async || {
        let at_once = StopContainerOptionsBuilder::new().t(0).build();
        docker.stop_container(name, Some(at_once)).await
    };
    let remove = async |force| {
        let options = RemoveContainerOptionsBuilder::new().force(force).v(true);
        docker.remove_container(name, Some(options.build())).await
    };
    let inspect = async || {
        let options = None::<InspectContainerOptions>;
        docker.inspect_container(name, options).await
    };
    let listed = async |label: &str| {
        let filters = HashMap::from([("label", vec![label.to_owned()])]);
        let options = ListContainersOptionsBuilder::new()
            .all(true)
            .filters(&filters);
        let listed = docker.list_containers(Some(options.build())).await;
        let listed = listed.expect("containers can be listed").into_iter();
        let states = listed.map(|it| format!("{:?} {:?}", it.names, it.state));
        states.collect::<String>().replace(name.as_str(), "it")
    };
    let ours = format!("{DEPLOYMENT_LABEL}={}", deployment.as_str());
    let mut answers = vec![
        ("inspect none", said(&inspect().await)),
        ("start none", said(&start().await)),
        ("stop none", said(&stop().await)),
        ("remove none", said(&remove(true).await)),
        ("create", said(&create().await)),
        ("create again", said(&create().await)),
        ("stop what never ran", said(&stop().await)),
        ("list what never ran", listed(&ours).await),
        ("start", said(&start().await)),
        ("start again", said(&start().await)),
        ("list", listed(&ours).await),
        (
            "list others",
            listed("containerlease.deployment=other").await,
        ),
        ("remove without force", said(&remove(false).await)),
        ("stop", said(&stop().await)),
        ("stop again", said(&stop().await)),
        ("list what has stopped", listed(&ours).await),
        ("start what has stopped", said(&start().await)),
    ];
    let state = inspect().await.expect("it is there").state;
    let state = state.expect("it has a state");
    answers.push(("inspect", format!("{:?} {:?}", state.running, state.status)));
    let removals = join_all((0..4).map(|_| remove(true))).await;
    let done = removals.iter().filter(|removal| removal.is_ok()).count();
    answers.push(("removals at once that were done", done.to_string()));
    let others = removals.iter().filter(|removal| removal.is_err());
    let others = others
        .map(said)
        .all(|other| other == "409 is already in progress" || other == "404 No such container");
    answers.push(("the others know", others.to_string()));
    answers.push(("inspect what is gone", said(&inspect().await)));
    answers.push(("list what is gone", listed(&ours).await));
    answers
}

#[tokio::test]
async fn it_answers_as_a_real_engine_does() {
    let place = Place::new().await;
    let real = interview(place.docker(), place.deployment()).await;
    let engine = Engine::new(1, Duration::from_millis(20));
    let docker = place::connect(&engine.address());
    let played = interview(&docker, place.deployment()).await;
    assert_eq!(played, real);
}

#[tokio::test]
async fn it_remembers_what_was_asked_of_a_container() {
    let engine = Engine::new(1, Duration::ZERO);
    let docker = place::connect(&engine.address());
    let id = engine.stray("stray", &[], Time::now());
    assert_eq!(engine.containers()[0].status, Status::Created);
    docker
        .stop_container(&id, None)
        .await
        .expect("304 is success");
    engine.refuse_removals(true);
    assert!(docker.remove_container(&id, None).await.is_err());
    engine.refuse_removals(false);
    let removed = docker.remove_container("stray", None).await;
    removed.expect("it can be removed");
    let container = &engine.containers()[0];
    assert!(!container.is_there());
    assert_eq!((container.stops_asked, container.removals_asked), (1, 2));
    assert!(
        container.touched_at <= container.removed_at,
        "{container:?}"
    );
}
