//! `GET /api/containers/{id}/logs`: a page of a lease's log.

use containerlease_domain::{
    identity::Scope,
    lease::StateName,
    logs::{Cursor, Entry, NotAQuery, NotAStart, Query},
    time::Time,
};
use containerlease_service::leasing::log_page;
use lambda_http::{Request, RequestExt as _};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    app::App,
    http::{answer::lease_id, caller::caller, parameters::check_names, problem::Problem},
};

const PARAMETERS: [&str; 6] = ["cursor", "level", "limit", "search", "since", "tail"];

/// Lines of a log, the same as its viewers get.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct LogPage {
    entries: Vec<Entry>,
    /// Where to continue; lines that the filters left out count as read.
    #[schema(value_type = String, example = "1795512600123456789.0_0")]
    cursor: Cursor,
    /// Whether the log already has more lines after the cursor.
    more: bool,
    /// Whether lines before or among these may be missing.
    gap: bool,
    state: StateName,
}

pub(crate) async fn log_page(app: &App, request: &Request) -> Result<LogPage, Problem> {
    let (owner, id) = (
        caller(app, request, Scope::Read).await?.owner,
        lease_id(request)?,
    );
    let parameters = request.query_string_parameters();
    check_names(&parameters, &PARAMETERS)?;
    let parameter = |name: &str| parameters.first(name);
    let query = Query::parse(parameter, Time::now()).map_err(|error| match error {
        NotAQuery::Start(NotAStart::Cursor(_)) => Problem::invalid_cursor(),
        other => Problem::invalid_log_view(&other),
    })?;
    let read = log_page::log_page(&app.store, &app.host, &owner, &id, &query).await?;
    Ok(LogPage {
        entries: read.page.entries,
        cursor: read.page.cursor,
        more: read.page.more,
        gap: read.gap,
        state: read.state,
    })
}
