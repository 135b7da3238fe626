//! `GET /api/containers`: the leases of an owner.

use containerlease_domain::{
    identity::Scope,
    lease::Lease,
    request::list::{Cursor, List},
};
use lambda_http::{Request, RequestExt};

use crate::{
    app::App,
    http::{
        caller::caller,
        problem::Problem,
        view::{Container, Containers},
    },
};

/// The leases that the caller asks for.
pub(super) async fn containers(app: &App, request: &Request) -> Result<Containers, Problem> {
    let caller = caller(app, request, Scope::Read).await?;
    let owner = &caller.owner;
    let query = request.query_string_parameters_ref();
    let asked = List::parse(query.into_iter().flat_map(|it| it.iter()), &app.catalogue);
    let asked = asked.map_err(|faults| Problem::invalid_query(&faults))?;
    let (leases, last) = match asked.page {
        // How many leases have ended does not slow this read down.
        None => {
            let mut active = app.store.active_of(owner).await?;
            active.retain(|lease| asked.wants(lease));
            (active, None)
        }
        Some(page) => {
            let after = page.cursor.map(|Cursor(lease)| lease);
            let wanted = |lease: &Lease| asked.wants(lease);
            let page = app.store.page_of(owner, after, page.limit, wanted).await?;
            (page.leases, page.last)
        }
    };
    let shown = leases.iter().map(|it| Container::for_caller(it, &caller));
    Ok(Containers {
        containers: shown.collect(),
        cursor: last.map(Cursor),
    })
}
