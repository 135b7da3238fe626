//! What the AWS SDK takes for an HTTP client, and calls the database with.

use std::{fmt, sync::Arc};

use aws_smithy_runtime_api::{
    client::{
        http::{
            HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings,
            SharedHttpConnector,
        },
        orchestrator::{HttpRequest, HttpResponse},
        result::ConnectorError,
        runtime_components::RuntimeComponents,
    },
    http::{Response, StatusCode},
};
use aws_smithy_types::body::SdkBody;
use dynoxide::Database;
use tokio::sync::Semaphore;

use crate::operations::carry_out;

/// Leads the SDK to a database in this process. No socket is opened.
#[derive(Clone)]
pub struct Inside {
    database: Database,
    /// Who calls waits here in the order of coming, and not in threads that contend for it.
    turns: Arc<Semaphore>,
    relief: Option<Arc<Relief>>,
}

/// How many calls are in threads at once. The database itself takes one after the other; a
/// second is ready when the first is done.
const AT_ONCE: usize = 2;

/// What makes room on a disk that has not taken a write, and says whether it has.
type Relief = dyn Fn() -> bool + Send + Sync;

impl Inside {
    /// Leads to that database.
    pub fn of(database: Database) -> Self {
        Self {
            database,
            turns: Arc::new(Semaphore::new(AT_ONCE)),
            relief: None,
        }
    }

    /// A write that the disk does not take is made again as long as `relief` has made room.
    #[must_use]
    pub fn relieved_by(self, relief: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self {
            relief: Some(Arc::new(relief)),
            ..self
        }
    }

    async fn answer(self, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
        let turn = Arc::clone(&self.turns).acquire_owned().await;
        let turn = turn.map_err(|error| ConnectorError::other(error.into(), None))?;
        // A call that waits for the disk must not hold up what else this thread has to do; one
        // that has begun is finished, also when its caller has gone.
        let answer = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            let target = request.headers().get("x-amz-target").unwrap_or_default();
            let body = request.body().bytes().unwrap_or_default();
            loop {
                let answer = carry_out(&self.database, target, body);
                let relieved = || self.relief.as_ref().is_some_and(|relief| relief());
                if !answer.unwritten || !relieved() {
                    return answer;
                }
            }
        });
        let answer = answer
            .await
            .map_err(|error| ConnectorError::other(error.into(), None))?;
        let status = StatusCode::try_from(answer.status)
            .map_err(|error| ConnectorError::other(error.into(), None))?;
        let mut response = Response::new(status, SdkBody::from(answer.body));
        response
            .headers_mut()
            .insert("content-type", "application/x-amz-json-1.0");
        Ok(response)
    }
}

impl fmt::Debug for Inside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inside").finish_non_exhaustive()
    }
}

impl HttpConnector for Inside {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        HttpConnectorFuture::new(self.clone().answer(request))
    }
}

impl HttpClient for Inside {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}
