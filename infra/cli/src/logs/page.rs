//! The log so far, over HTTP: page by page to its end, also after the lease has ended.

use std::io::Write;

use containerlease_domain::{logs::PAGE_LIMIT, names::LeaseId};

use super::{
    decode::{Object, object},
    output::Output,
    view::View,
};
use crate::{
    api::{Api, Request, answer::LogPage},
    failure::Failure,
};

/// Shows the log so far. If the container keeps writing, this stops at the current end, as docker
/// does.
pub(super) async fn show<O: Write, E: Write>(
    api: &Api,
    lease: &LeaseId,
    mut view: View,
    mut output: Output<O, E>,
) -> Result<(), Failure> {
    let mut first = true;
    loop {
        let query = view.query();
        let and = if query.is_empty() { '?' } else { '&' };
        let path = format!("/containers/{lease}/logs{query}{and}limit={PAGE_LIMIT}");
        let page: LogPage = api.settle(&Request::get(path)).await?.read()?;
        if first && page.gap {
            output.tell("earlier lines are not kept any more");
        }
        first = false;
        for entry in &page.entries {
            match object(entry.get()) {
                Ok(Object::Line(line)) => {
                    if view.take(&line.cursor) {
                        output.line(&line)?;
                    }
                }
                _ => output.malformed(),
            }
        }
        output.flush()?;
        // Also skip past lines that the server read and filtered out.
        view.go_on_after(page.cursor);
        if !page.more {
            return Ok(());
        }
    }
}
