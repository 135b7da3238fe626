//! DynamoDB, embedded in this process, on a file under the data folder.

use std::{
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
};

use containerlease_shared::store::StoreError;
use dynoxide::Database;
use thiserror::Error;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

/// The embedded table's server, on a loopback port.
pub(crate) struct Table {
    database: Database,
    endpoint: String,
    stop: CancellationToken,
    server: JoinHandle<Result<(), String>>,
    /// Held as long as the table is open; the system lets go of it when the process dies.
    _lock: File,
}

/// Why the table cannot be opened, each with what to do.
#[derive(Debug, Error)]
pub enum TableError {
    #[error(
        "the data folder {} cannot be written ({error}): choose another with CONTAINERLEASE_DATA",
        path.display()
    )]
    Folder {
        path: PathBuf,
        error: std::io::Error,
    },
    #[error(
        "another server uses the data folder {}: stop it, or choose another with \
         CONTAINERLEASE_DATA",
        .0.display()
    )]
    InUse(PathBuf),
    #[error("the table in {} cannot be opened: {error}", path.display())]
    Database { path: PathBuf, error: String },
    #[error(
        "the loopback port {port} for the table cannot be listened on ({error}): choose another \
         with CONTAINERLEASE_TABLE_PORT"
    )]
    Listen { port: u16, error: std::io::Error },
    #[error("the table cannot be made: {0}")]
    Create(#[from] StoreError),
}

impl Table {
    /// Opens the table in `folder`, which is made if it is not there, and serves it on
    /// `port` of the loopback address; 0 for any free one.
    pub(crate) async fn open(folder: &Path, port: u16) -> Result<Self, TableError> {
        let unwritable = |error| TableError::Folder {
            path: folder.to_owned(),
            error,
        };
        fs::create_dir_all(folder).map_err(unwritable)?;
        let lock = File::create(folder.join("lock")).map_err(unwritable)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(TableError::InUse(folder.to_owned())),
            Err(TryLockError::Error(error)) => return Err(unwritable(error)),
        }
        let file = folder.join("table.sqlite");
        let database =
            Database::new(&file.to_string_lossy()).map_err(|error| TableError::Database {
                path: file,
                error: error.to_string(),
            })?;

        let listen = |error| TableError::Listen { port, error };
        let listener = TcpListener::bind(("127.0.0.1", port))
            .await
            .map_err(listen)?;
        let endpoint = format!("http://{}", listener.local_addr().map_err(listen)?);
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let server = tokio::spawn(dynoxide::server::serve_with_shutdown(
            listener,
            database.clone(),
            async move { stopped.cancelled().await },
        ));
        Ok(Self {
            database,
            endpoint,
            stop,
            server,
            _lock: lock,
        })
    }

    /// Where the AWS SDK reaches it.
    pub(crate) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The database itself, for what AWS does by itself: purging by TTL.
    pub(crate) fn database(&self) -> Database {
        self.database.clone()
    }

    /// Stops serving and closes the file.
    pub(crate) async fn close(self) {
        self.stop.cancel();
        let limit = std::time::Duration::from_secs(2);
        if tokio::time::timeout(limit, self.server).await.is_err() {
            tracing::debug!("the table's last connection was cut off");
        }
    }
}
