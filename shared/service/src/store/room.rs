//! Whether the table can be written, where this process is its only server: its disk may be full or
//! missing.
//!
//! On AWS there is always room.

use std::{
    fmt,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU8, Ordering},
    },
};

use super::{Store, StoreError, StoreErrorKind};

/// Why a table on this machine cannot be written as usual.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shortage {
    /// Its disk is full: it only takes what leases need to end, from a reserve.
    DiskFull,
    /// It takes no write.
    Unwritable,
    /// Its folder is gone, so this process loses whatever it writes.
    Vanished,
}

type Probe = dyn Fn() -> Option<Shortage> + Send + Sync;

/// The room of a table; there is room until a shortage is reported.
#[derive(Clone, Default)]
pub struct Room(Arc<Inner>);

#[derive(Default)]
struct Inner {
    /// 0 means no shortage.
    shortage: AtomicU8,
    probe: OnceLock<Box<Probe>>,
}

impl Room {
    /// The shortage last reported.
    pub fn shortage(&self) -> Option<Shortage> {
        let all = [Shortage::DiskFull, Shortage::Unwritable, Shortage::Vanished];
        let noted = self.0.shortage.load(Ordering::Relaxed);
        let index = usize::from(noted).checked_sub(1)?;
        all.get(index).copied()
    }

    /// Reports the current shortage, or that there is none.
    pub fn note(&self, shortage: Option<Shortage>) {
        let noted = match shortage {
            None => 0,
            Some(Shortage::DiskFull) => 1,
            Some(Shortage::Unwritable) => 2,
            Some(Shortage::Vanished) => 3,
        };
        self.0.shortage.store(noted, Ordering::Relaxed);
    }

    /// Sets the `probe` that finds the shortage at this moment. It may take as long as the disk
    /// does.
    ///
    /// # Panics
    ///
    /// If there is a probe already.
    pub fn probe_with(&self, probe: impl Fn() -> Option<Shortage> + Send + Sync + 'static) {
        let set = self.0.probe.set(Box::new(probe));
        assert!(set.is_ok(), "a room has one probe");
    }

    /// The shortage at this moment.
    async fn probe(&self) -> Option<Shortage> {
        if self.0.probe.get().is_some() {
            let inner = Arc::clone(&self.0);
            let probing = move || inner.probe.get().and_then(|probe| probe());
            // A probe that panics has found nothing out.
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
    /// The table's room, where shortages are reported.
    pub fn room(&self) -> &Room {
        &self.room
    }

    /// Refuses a write that is only allowed while no shortage exists.
    pub(super) fn needs_room(&self, attempted: &'static str) -> Result<(), StoreError> {
        refused(attempted, self.room.shortage())
    }

    /// Checks for readiness that the table can be written; on AWS this is not tried.
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
