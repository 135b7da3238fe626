//! Reserves disk space for the table, and handles a full disk.
//!
//! A file beside the table, [`RESERVE`], takes up space. When a write to the table fails for lack
//! of space, the server gives up a slice of the reserve and writes again, so leases still end, with
//! their receipts, on a disk that another program has filled. Meanwhile no new lease is made. Once
//! there is space, the server refills the reserve and makes leases again.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::{FileExt as _, MetadataExt as _},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use containerlease_domain::time::Time;
use containerlease_service::store::{Room, Shortage};
use containerlease_table::Database;
use dynoxide::{AttributeValue, actions::put_item::PutItemRequest};
use tokio_util::sync::CancellationToken;

use crate::folder::{FILE, RESERVE, private_file};

/// The size of the reserve. An end rewrites some pages, first in the table's journal, which grows
/// to a few MB before it is reused.
const RESERVE_BYTES: u64 = 16 << 20;

/// The size of a slice. Several are given up if another program fills the disk faster.
const SLICE: u64 = 1 << 20;

/// How much must be free besides, or no lease is made.
const SPARE: u64 = 4 << 20;

/// How often to check the disk.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// How long a probe's result is reused, so that frequent requests do not cost a write each.
const KNOWN_FOR: Duration = Duration::from_millis(500);

/// The table's file and its disk.
#[derive(Clone)]
pub(crate) struct Place(Arc<Inner>);

struct Inner {
    folder: PathBuf,
    table: Identity,
    reserve: Mutex<Reserve>,
    room: Room,
}

/// The system's identity of a file: its device and inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity(u64, u64);

impl Identity {
    pub(crate) fn of(metadata: &fs::Metadata) -> Self {
        Self(metadata.dev(), metadata.ino())
    }
}

#[derive(Default)]
struct Reserve {
    /// `None` if it could not be created yet.
    file: Option<File>,
    kept: u64,
    /// When the table was last probed, and the result.
    probed: Option<(Instant, Option<Shortage>)>,
}

impl Place {
    /// The place of the table in `folder`, with its reserve if there is space.
    pub(crate) fn take(folder: &Path, table: Identity, room: Room) -> Self {
        let place = Self(Arc::new(Inner {
            folder: folder.to_owned(),
            table,
            reserve: Mutex::default(),
            room,
        }));
        place.look();
        place
    }

    /// Answers each request for the table's present state with a test write.
    pub(crate) fn answer_probes(&self, database: Database, table: String) {
        let place = self.clone();
        let room = &self.0.room;
        room.probe_with(move || place.probe(&database, &table));
    }

    /// Gives up a slice of the reserve for a failed write. False if nothing is left.
    pub(crate) fn give_way(&self) -> bool {
        let mut reserve = self.reserve();
        let left = reserve.kept.saturating_sub(SLICE);
        let given = match &reserve.file {
            Some(file) if reserve.kept > 0 => file.set_len(left),
            _ => Err(io::ErrorKind::StorageFull.into()),
        };
        let shortage = match given {
            Ok(()) => {
                reserve.kept = left;
                tracing::warn!(
                    left,
                    "the disk is full: gave up space that was kept for the table"
                );
                Shortage::DiskFull
            }
            Err(error) => {
                tracing::warn!(%error, "there is no space left to give up for the table");
                Shortage::Unwritable
            }
        };
        self.note(Some(shortage));
        shortage == Shortage::DiskFull
    }

    /// Maintains the reserve until `ending` is cancelled.
    pub(crate) async fn keep(self, database: Database, table: String, ending: CancellationToken) {
        loop {
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                () = ending.cancelled() => return,
            }
            let (place, database, table) = (self.clone(), database.clone(), table.clone());
            let looked = tokio::task::spawn_blocking(move || {
                // After failed writes, probe whether they work again; otherwise skip the probe,
                // which costs a write.
                if place.0.room.shortage() == Some(Shortage::Unwritable) {
                    place.probe(&database, &table);
                } else {
                    place.look();
                }
            });
            if let Err(error) = looked.await {
                tracing::error!(%error, "the look at the disk ended badly");
            }
        }
    }

    /// Refills the reserve as far as there is space, and notes whether that is enough.
    fn look(&self) {
        let shortage = if self.is_there() {
            self.fill()
        } else {
            Some(Shortage::Vanished)
        };
        self.note(shortage);
    }

    /// The present shortage, if any: tests the table with a write.
    fn probe(&self, database: &Database, table: &str) -> Option<Shortage> {
        if let Some((at, found)) = self.reserve().probed
            && at.elapsed() < KNOWN_FOR
        {
            return found;
        }
        let written = || {
            let now = AttributeValue::S(Time::now().to_string());
            let key = |name: &str| AttributeValue::S(name.to_owned());
            let item = [
                ("pk".to_owned(), key("disk")),
                ("sk".to_owned(), key("probe")),
                ("at".to_owned(), now),
            ];
            database.put_item(PutItemRequest {
                table_name: table.to_owned(),
                item: item.into(),
                ..PutItemRequest::default()
            })
        };
        let found = if !self.is_there() {
            Some(Shortage::Vanished)
        } else if let Some(shortage) = self.fill() {
            Some(shortage)
        } else if let Err(error) = written() {
            tracing::warn!(%error, "the table takes no write");
            Some(Shortage::Unwritable)
        } else {
            None
        };
        self.reserve().probed = Some((Instant::now(), found));
        self.note(found);
        found
    }

    /// Whether the file at the table's path is the one that this process opened.
    fn is_there(&self) -> bool {
        let found = fs::metadata(self.0.folder.join(FILE));
        found.is_ok_and(|found| Identity::of(&found) == self.0.table)
    }

    /// Refills the reserve, if there is space for all of it and the spare.
    fn fill(&self) -> Option<Shortage> {
        let filled = self.try_to_fill();
        match filled {
            Ok(true) => None,
            Ok(false) => Some(Shortage::DiskFull),
            Err(error) if error.kind() == io::ErrorKind::StorageFull => Some(Shortage::DiskFull),
            Err(error) => {
                tracing::warn!(%error, "could not keep space for the table");
                Some(Shortage::Unwritable)
            }
        }
    }

    fn try_to_fill(&self) -> io::Result<bool> {
        let mut reserve = self.reserve();
        let file = match reserve.file.take() {
            Some(file) => file,
            None => private_file(&self.0.folder.join(RESERVE))?,
        };
        let file = reserve.file.insert(file).try_clone()?;
        // Another program may have truncated it.
        reserve.kept = file.metadata()?.len().min(RESERVE_BYTES);
        if free(&self.0.folder)? < RESERVE_BYTES - reserve.kept + SPARE {
            return Ok(false);
        }
        let slice = vec![0; usize::try_from(SLICE).unwrap_or_default()];
        while reserve.kept < RESERVE_BYTES {
            // Writes data, since a sparse file reserves nothing.
            if let Err(error) = file.write_all_at(&slice, reserve.kept) {
                file.set_len(reserve.kept)?;
                return Err(error);
            }
            reserve.kept += SLICE;
        }
        Ok(true)
    }

    fn note(&self, shortage: Option<Shortage>) {
        let before = self.0.room.shortage();
        self.0.room.note(shortage);
        match (before, shortage) {
            (None, Some(shortage)) => {
                tracing::error!(
                    ?shortage,
                    "the table lacks room: no lease is made until it has"
                );
            }
            (Some(_), None) => tracing::info!("the table has room again"),
            _ => {}
        }
    }

    fn reserve(&self) -> std::sync::MutexGuard<'_, Reserve> {
        self.0
            .reserve
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many bytes this user may still write on the folder's disk.
fn free(folder: &Path) -> io::Result<u64> {
    let disk = rustix::fs::statvfs(folder)?;
    Ok(disk.f_bavail * disk.f_frsize)
}
