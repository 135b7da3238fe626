//! Whether the table can be written at all, where this process is its only server: its disk
//! may be full, or gone.
//!
//! On AWS nobody says so, and there is always room.

use std::{
    fmt,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU8, Ordering},
    },
};

use super::{Store, StoreError, StoreErrorKind};

/// What stands in the way of a table on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shortage {
    /// Its disk is full: it takes what leases need to end, from what was kept for that.
    DiskFull,
    /// It takes no write.
    Unwritable,
    /// Its folder is gone, so that whatever is written is lost with this process.
    Vanished,
}

type Probe = dyn Fn() -> Option<Shortage> + Send + Sync;

/// The room of a table; there is some as long as nobody says otherwise.
#[derive(Clone, Default)]
pub struct Room(Arc<Inner>);

#[derive(Default)]
struct Inner {
    /// None is 0.
    shortage: AtomicU8,
    probe: OnceLock<Box<Probe>>,
}

impl Room {
    /// What was last said to stand in the way.
    pub fn shortage(&self) -> Option<Shortage> {
        let all = [Shortage::DiskFull, Shortage::Unwritable, Shortage::Vanished];
        let noted = self.0.shortage.load(Ordering::Relaxed);
        let index = usize::from(noted).checked_sub(1)?;
        all.get(index).copied()
    }

    /// Says what stands in the way now.
    pub fn note(&self, shortage: Option<Shortage>) {
        let noted = match shortage {
            None => 0,
            Some(Shortage::DiskFull) => 1,
            Some(Shortage::Unwritable) => 2,
            Some(Shortage::Vanished) => 3,
        };
        self.0.shortage.store(noted, Ordering::Relaxed);
    }

    /// Has `probe` called where somebody wants to know how it is just now. It may take as long
    /// as the disk does.
    ///
    /// # Panics
    ///
    /// Where there is a probe already.
    pub fn probe_with(&self, probe: impl Fn() -> Option<Shortage> + Send + Sync + 'static) {
        let set = self.0.probe.set(Box::new(probe));
        assert!(set.is_ok(), "a room has one probe");
    }

    /// What stands in the way just now.
    async fn probe(&self) -> Option<Shortage> {
        if self.0.probe.get().is_some() {
            let inner = Arc::clone(&self.0);
            let probing = move || inner.probe.get().and_then(|probe| probe());
            // One that panics has found nothing out.
            let probed = tokio::task::spawn_blocking(probing).await;
            self.note(probed.unwrap_or(Some(Shortage::Unwritable)));
        }
        self.shortage()
    }
}

impl fmt::Debug for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Room").field(&self.shortage()).finish()
    }
}

impl Store {
    /// Whether there is room for more.
    pub fn room(&self) -> &Room {
        &self.room
    }

    /// Refuses what may only be written while there is room to spare.
    pub(super) fn needs_room(&self, attempted: &'static str) -> Result<(), StoreError> {
        refused(attempted, self.room.shortage())
    }

    /// Whether the table can be written, for readiness; on AWS that is not tried.
    pub(super) async fn check_room(&self) -> Result<(), StoreError> {
        refused(
            "looking whether the table can be written",
            self.room.probe().await,
        )
    }
}

fn refused(attempted: &'static str, shortage: Option<Shortage>) -> Result<(), StoreError> {
    shortage.map_or(Ok(()), |shortage| {
        Err(StoreError {
            attempted,
            kind: StoreErrorKind::NoRoom(shortage),
            message: format!("there is no room: {shortage:?}"),
        })
    })
}
