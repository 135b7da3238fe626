//! Room for the table: what is kept for it on its disk, and what is done when that is full.
//!
//! A file beside the table, [`RESERVE`], takes up space that nobody else gets. When the table
//! cannot be written for want of space, a slice of it is given up and the write is made again,
//! so that leases go on ending, with their receipts, on a disk that somebody else has filled.
//! No lease is made meanwhile. Once there is space again the reserve is filled up, and leases
//! are made.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::{FileExt as _, MetadataExt as _},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use containerlease_shared::{
    store::{Room, Shortage},
    time::Time,
};
use containerlease_table::Database;
use dynoxide::{AttributeValue, actions::put_item::PutItemRequest};
use tokio_util::sync::CancellationToken;

use crate::folder::{FILE, RESERVE, private_file};

/// How much it keeps. An end rewrites some pages, which the table's journal takes before they
/// get to their place; the journal is a few MB long before it begins again.
const KEPT: u64 = 16 << 20;

/// How much of it is given up at a time: whoever fills the disk may be quicker than we are.
const SLICE: u64 = 1 << 20;

/// How much must be free besides, or no lease is made.
const SPARE: u64 = 4 << 20;

/// How often it is looked after.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// How long what a probe has found is taken for true: whoever asks often costs no write each.
const KNOWN_FOR: Duration = Duration::from_millis(500);

/// The table's place on its disk.
#[derive(Clone)]
pub(crate) struct Place(Arc<Inner>);

struct Inner {
    folder: PathBuf,
    table: Identity,
    reserve: Mutex<Reserve>,
    room: Room,
}

/// What the system knows a file by: its device and its number there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity(u64, u64);

impl Identity {
    pub(crate) fn of(metadata: &fs::Metadata) -> Self {
        Self(metadata.dev(), metadata.ino())
    }
}

#[derive(Default)]
struct Reserve {
    /// None where it could not be made yet.
    file: Option<File>,
    kept: u64,
    /// When the table was last tried, and what came of it.
    probed: Option<(Instant, Option<Shortage>)>,
}

impl Place {
    /// The place of the table in `folder`, with its reserve if there is space for it.
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

    /// Has the table tried with a write wherever somebody wants to know how it is just now.
    pub(crate) fn answer_probes(&self, database: Database, table: String) {
        let place = self.clone();
        let room = &self.0.room;
        room.probe_with(move || place.probe(&database, &table));
    }

    /// Gives up a slice of the reserve for a write that was refused. Says whether it had any.
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

    /// Looks after the reserve until `ending` is cancelled.
    pub(crate) async fn keep(self, database: Database, table: String, ending: CancellationToken) {
        loop {
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                () = ending.cancelled() => return,
            }
            let (place, database, table) = (self.clone(), database.clone(), table.clone());
            let looked = tokio::task::spawn_blocking(move || {
                // What could not be written may be again; it is not tried for nothing.
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

    /// Fills the reserve up as far as there is space, and notes whether there is enough.
    fn look(&self) {
        let shortage = if self.is_there() {
            self.fill()
        } else {
            Some(Shortage::Vanished)
        };
        self.note(shortage);
    }

    /// What stands in the way just now: tries the table with a write.
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

    /// Whether the table's file is the one that this process has opened.
    fn is_there(&self) -> bool {
        let found = fs::metadata(self.0.folder.join(FILE));
        found.is_ok_and(|found| Identity::of(&found) == self.0.table)
    }

    /// Fills the reserve up, if there is space for all of it and some to spare.
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
        // Somebody else may have cut it short.
        reserve.kept = file.metadata()?.len().min(KEPT);
        if free(&self.0.folder)? < KEPT - reserve.kept + SPARE {
            return Ok(false);
        }
        let slice = vec![0; usize::try_from(SLICE).unwrap_or_default()];
        while reserve.kept < KEPT {
            // Written, since a file with holes keeps nothing.
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

/// How many bytes of the folder's disk this user may still write.
fn free(folder: &Path) -> io::Result<u64> {
    let disk = rustix::fs::statvfs(folder)?;
    Ok(disk.f_bavail * disk.f_frsize)
}
