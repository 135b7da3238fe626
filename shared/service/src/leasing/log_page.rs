//! A page of a lease's log, read by one request: from the engine while the container exists, from
//! the kept log afterwards.

use std::time::Duration;

use containerlease_domain::{
    lease::StateName,
    logs::{self, Assembler, Filling, Page, Query},
    names::{ContainerName, LeaseId, Owner},
};
use futures_util::StreamExt as _;
use thiserror::Error;
use tokio::time::{Instant, timeout, timeout_at};

use crate::{
    docker::{Host, HostError, Read},
    log_relay::start,
    store::{Store, StoreError},
};

/// Time limit for searching a log. The next page continues where the search stopped.
const SEARCH_LIMIT: Duration = Duration::from_secs(8);

/// Time limit for reading a page. API Gateway waits for 29 s.
const LIMIT: Duration = Duration::from_secs(20);

/// A page of a log, with its context.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogPage {
    pub page: Page,
    /// The lease's state. The log of an ended lease gets no more lines.
    pub state: StateName,
    /// Whether lines before the first one may be missing, because the log is not kept that far
    /// back.
    pub gap: bool,
}

/// Why a log was not read.
#[derive(Debug, Error)]
pub enum LogPageError {
    #[error("the owner has no such lease")]
    NotFound,
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Host(#[from] HostError),
}

/// Reads the page that `query` asks for, from the log of the owner's lease.
pub async fn log_page(
    store: &Store,
    host: &Host,
    owner: &Owner,
    id: &LeaseId,
    query: &Query,
) -> Result<LogPage, LogPageError> {
    let lease = store.get(owner, id).await?.ok_or(LogPageError::NotFound)?;
    let state = lease.state_name();
    if state != StateName::Ended {
        let name = lease.container();
        let read = timeout(LIMIT, of_engine(host, &name, query));
        let timed_out = HostError::TimedOut {
            attempted: "reading a page of a log",
        };
        match read.await.unwrap_or(Err(timed_out)) {
            Ok(page) => {
                return Ok(LogPage {
                    gap: page.gap,
                    page,
                    state,
                });
            }
            // There is no container yet, or it is gone.
            Err(HostError::NotFound { .. } | HostError::RemovalInProgress) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let Some(kept) = store.kept_log(id).await? else {
        let nothing = Filling::after(query.start.without_a_log(), query);
        return Ok(LogPage {
            page: nothing.finish(),
            state,
            gap: state != StateName::Provisioning,
        });
    };
    let cursor = kept.resolve(&query.start);
    let gap = kept.has_gap_after(&cursor);
    let mut filling = Filling::after(cursor, query);
    for entry in kept.entries {
        if !filling.take(entry) {
            break;
        }
    }
    Ok(LogPage {
        page: filling.finish(),
        state,
        gap,
    })
}

/// Reads a page from the container's log. An incomplete last line is left to a later page.
async fn of_engine(host: &Host, name: &ContainerName, query: &Query) -> Result<Page, HostError> {
    let cursor = start::resolve(host, name, &query.start).await?;
    let mut pieces = host
        .read_log(name, Read::Since(cursor.since_second()))
        .await?;
    let mut filling = Filling::after(cursor, query);
    let mut assembler = Assembler::after(cursor);
    let until = Instant::now() + SEARCH_LIMIT;
    loop {
        let Ok(piece) = timeout_at(until, pieces.next()).await else {
            return Ok(filling.cut_off());
        };
        let Some(piece) = piece.transpose()? else {
            return Ok(filling.finish());
        };
        if piece.anew {
            assembler.begin_anew();
        }
        let stream = logs::stream_of(piece.stderr);
        if let Some(entry) = assembler.take(stream, &piece.bytes)
            && !filling.take(entry)
        {
            return Ok(filling.finish());
        }
    }
}
