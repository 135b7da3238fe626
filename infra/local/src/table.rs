//! DynamoDB, embedded in this process, on a file in the data folder.

use std::{
    fs::{self, File, TryLockError},
    io::{self, Write as _},
    path::PathBuf,
};

use containerlease_service::store::{Room, StoreError};
use containerlease_settings::LocalSettings;
use containerlease_table::{Database, Door, Key};
use thiserror::Error;

use crate::{
    folder::{ENDPOINT, FILE, LOCK, make_private, private_file},
    room::{Identity, Place},
};

/// The embedded table. This process calls it directly; others may if a port is set.
pub(crate) struct Table {
    database: Database,
    folder: PathBuf,
    /// The system's identity of the table's file, whatever file has its path.
    identity: Identity,
    door: Option<Door>,
    /// Held while the table is open; the system releases it if the process dies.
    _lock: File,
}

/// Why the table cannot be opened, and what to do.
#[derive(Debug, Error)]
pub enum TableError {
    #[error(
        "the data folder {} cannot be written ({error}): choose another with CONTAINERLEASE_DATA",
        path.display()
    )]
    Folder { path: PathBuf, error: io::Error },
    #[error(
        "another server uses the data folder {}: stop it, or choose another with \
         CONTAINERLEASE_DATA",
        .0.display()
    )]
    InUse(PathBuf),
    #[error("the table in {} cannot be opened: {error}", path.display())]
    Database { path: PathBuf, error: String },
    #[error(
        "cannot listen on the loopback port {port} for the table ({error}): choose another \
         with CONTAINERLEASE_TABLE_PORT"
    )]
    Listen { port: u16, error: io::Error },
    #[error("the table cannot be created: {0}")]
    Create(#[from] StoreError),
}

impl Table {
    /// Opens the table in the data folder, which is created for this user alone if it is missing;
    /// also serves it on a port if the settings name one.
    pub(crate) async fn open(settings: &LocalSettings) -> Result<Self, TableError> {
        let folder = settings.data.as_path();
        let unwritable = |error| TableError::Folder {
            path: folder.to_owned(),
            error,
        };
        make_private(folder).map_err(unwritable)?;
        let lock = private_file(&folder.join(LOCK)).map_err(unwritable)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(TableError::InUse(folder.to_owned())),
            Err(TryLockError::Error(error)) => return Err(unwritable(error)),
        }
        let file = folder.join(FILE);
        // The files that SQLite creates beside it get the same mode.
        let opened = private_file(&file).map_err(unwritable)?;
        let identity = Identity::of(&opened.metadata().map_err(unwritable)?);
        let database =
            Database::new(&file.to_string_lossy()).map_err(|error| TableError::Database {
                path: file,
                error: error.to_string(),
            })?;
        let mut table = Self {
            database,
            folder: folder.to_owned(),
            identity,
            door: None,
            _lock: lock,
        };
        if let Some(port) = settings.table_port {
            let key = settings.table_key.as_deref();
            let key = key.map_or_else(Key::generate, Key::told);
            let door = Door::open(table.database(), port, key).await;
            let door = door.map_err(|error| TableError::Listen { port, error })?;
            let mut file = private_file(&folder.join(ENDPOINT)).map_err(unwritable)?;
            let written = file.set_len(0);
            let written = written.and_then(|()| file.write_all(door.endpoint().as_bytes()));
            written.map_err(unwritable)?;
            table.door = Some(door);
        }
        Ok(table)
    }

    /// Its place on the disk, with its reserve; `room` learns of shortages.
    pub(crate) fn place(&self, room: Room) -> Place {
        Place::take(&self.folder, self.identity, room)
    }

    /// The address for other processes, without the key.
    pub(crate) fn address(&self) -> Option<std::net::SocketAddr> {
        self.door.as_ref().map(Door::address)
    }

    /// The database itself, for the SDK and for TTL purging.
    pub(crate) fn database(&self) -> Database {
        self.database.clone()
    }

    /// Closes the table to other processes.
    pub(crate) fn close(self) {
        if self.door.is_some() {
            // The key in it is no longer valid.
            drop(fs::remove_file(self.folder.join(ENDPOINT)));
        }
    }
}
