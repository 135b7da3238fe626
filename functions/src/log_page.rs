//! `GET /api/containers/{id}/logs`: a part of a lease's log.

use containerlease_shared::{
    lease::StateName,
    log_page,
    logs::{Cursor, Entry, NotAQuery, NotAStart, Query},
    request::FieldFault,
    time::Time,
};
use lambda_http::{Request, RequestExt as _, aws_lambda_events::query_map::QueryMap};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    answer::{lease_id, owner},
    app::App,
    problem::Problem,
};

const PARAMETERS: [&str; 6] = ["cursor", "level", "limit", "search", "since", "tail"];

/// Lines of a log, as its viewers have them.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct LogPage {
    entries: Vec<Entry>,
    /// Where to go on, whatever was left out.
    #[schema(value_type = String, example = "1795512600123456789.0_0")]
    cursor: Cursor,
    /// Whether there is more after the cursor already.
    more: bool,
    /// Whether lines before the first one may be missing.
    gap: bool,
    state: StateName,
}

pub(crate) async fn log_page(app: &App, request: &Request) -> Result<LogPage, Problem> {
    let (owner, id) = (owner(request)?, lease_id(request)?);
    let parameters = request.query_string_parameters();
    check_names(&parameters)?;
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

/// A parameter that is misspelt, or there twice, must not be ignored.
fn check_names(parameters: &QueryMap) -> Result<(), Problem> {
    let mut seen = Vec::new();
    let mut faults = Vec::new();
    for (name, _) in parameters.iter() {
        if !PARAMETERS.contains(&name) {
            faults.push(FieldFault::unknown_parameter(name, &PARAMETERS));
        } else if seen.contains(&name) {
            faults.push(FieldFault::repeated_parameter(name));
        }
        seen.push(name);
    }
    if faults.is_empty() {
        Ok(())
    } else {
        Err(Problem::invalid_query(&faults))
    }
}
