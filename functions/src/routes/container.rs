//! `GET /api/containers/{id}`: one lease, with what its owner was told of it.

use containerlease_domain::identity::Scope;
use lambda_http::Request;

use crate::{
    app::App,
    http::{
        answer::lease_id,
        caller::caller,
        problem::Problem,
        view::{Container, One},
    },
};

/// The lease that the caller asks for.
pub(super) async fn container(app: &App, request: &Request) -> Result<One, Problem> {
    let caller = caller(app, request, Scope::Read).await?;
    let id = lease_id(request)?;
    let lease = app.store.get(&caller.owner, &id).await?;
    let lease = lease.ok_or_else(Problem::lease_not_found)?;
    let notifications = if lease.webhook.is_some() {
        app.store.notifications_of(&id).await?
    } else {
        Vec::new()
    };
    Ok(One {
        container: Container::for_caller(&lease, &caller),
        notifications: notifications.into_iter().map(Into::into).collect(),
    })
}
