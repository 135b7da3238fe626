//! The follow: reads a container's log from the engine once, for all of its viewers.
//!
//! The latest lines are held in a [`Ring`], bounded in bytes, from which every viewer takes lines
//! at its own pace. The fastest viewer sets the reading pace: until it has taken the ring's oldest
//! line, nothing more is read, and the engine's stream waits. A slower viewer falls out of the
//! ring. It then reads from the engine by itself, and returns to the ring once it has the lines
//! that the ring lost.
//!
//! A viewer may also ask the follow not to wait ([`Reader::let_it_run`]), so that it is known how
//! far behind the viewer is.

mod reading;

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use containerlease_domain::{
    logs::{Cursor, KeptLog},
    names::{LeaseId, Owner},
    view::ReceiptView,
};
use tokio::{
    sync::{Notify, watch},
    task::AbortHandle,
};

use super::{
    RelayError,
    ring::{Ahead, Line, Ring, Taken},
};
use crate::{docker::Host, store::Store};
use reading::Reading;

/// Capacity of a ring, in bytes of lines.
const RING_BYTES: usize = 1024 * 1024;

/// How many pieces of the log are taken at once from what the engine has sent already. A piece has
/// at most 16 KiB.
const PIECES_AT_ONCE: usize = 64;

/// How long an engine may be unreachable before a follow gives up.
const ENGINE_PATIENCE: Duration = Duration::from_secs(20);

/// All logs that this process follows, each followed once.
#[derive(Debug)]
pub struct Follows {
    store: Arc<Store>,
    host: Arc<Host>,
    running: Mutex<HashMap<LeaseId, Weak<Follow>>>,
    counts: Arc<Counts>,
}

/// Counters of follows, viewers and posts.
#[derive(Debug, Default)]
pub struct Counts {
    /// Logs being read from the engine now.
    pub reads: AtomicI64,
    /// Viewers being served now.
    pub viewers: AtomicI64,
    /// Frames posted to viewers so far.
    pub posts: AtomicU64,
    /// Lines in these frames.
    pub lines: AtomicU64,
}

/// Counts one more until it is dropped.
#[derive(Debug)]
pub(super) struct Counted<'c>(&'c AtomicI64);

impl<'c> Counted<'c> {
    pub(super) fn one(count: &'c AtomicI64) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Follows {
    /// No follows yet.
    pub fn new(store: Arc<Store>, host: Arc<Host>) -> Self {
        Self {
            store,
            host,
            running: Mutex::default(),
            counts: Arc::default(),
        }
    }

    /// The counters.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    pub(super) fn host(&self) -> &Host {
        &self.host
    }

    /// The kept log of an ended lease.
    pub(super) async fn kept(&self, lease: &LeaseId) -> Option<KeptLog> {
        kept(&self.store, lease).await
    }

    /// The follow of a lease's log: the running one, or a new one that begins at `cursor`.
    pub(super) fn join(&self, owner: &Owner, lease: LeaseId, cursor: Cursor) -> Arc<Follow> {
        let mut running = lock(&self.running);
        running.retain(|_, follow| follow.strong_count() > 0);
        let present = running.get(&lease).and_then(Weak::upgrade);
        if let Some(follow) = present.filter(|follow| !follow.has_ended()) {
            return follow;
        }
        let shared = Arc::new(Shared {
            state: Mutex::new(FollowState {
                ring: Ring::empty_at(cursor),
                places: HashMap::new(),
                hurried_by: HashSet::new(),
                next_reader: 0,
            }),
            head: watch::Sender::new(Head::default()),
            taken: Notify::new(),
        });
        let reading = Reading {
            store: Arc::clone(&self.store),
            host: Arc::clone(&self.host),
            counts: Arc::clone(&self.counts),
            owner: owner.clone(),
            lease,
            shared: Arc::clone(&shared),
        };
        let task = tokio::spawn(reading.run()).abort_handle();
        let follow = Arc::new(Follow { shared, task });
        running.insert(lease, Arc::downgrade(&follow));
        follow
    }
}

/// A follow that runs while somebody holds it.
#[derive(Debug)]
pub(super) struct Follow {
    shared: Arc<Shared>,
    task: AbortHandle,
}

impl Drop for Follow {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// State shared by the reading task and the viewers.
#[derive(Debug)]
struct Shared {
    state: Mutex<FollowState>,
    /// Tells viewers about new lines.
    head: watch::Sender<Head>,
    /// Tells the reading task that there is room.
    taken: Notify,
}

#[derive(Debug)]
struct FollowState {
    ring: Ring,
    /// The viewers that take from the ring, each with the number of the line that it takes next.
    places: HashMap<u64, u64>,
    /// The viewers that asked the reading not to wait.
    hurried_by: HashSet<u64>,
    next_reader: u64,
}

/// How far a follow is.
#[derive(Clone, Debug, Default)]
pub(super) struct Head {
    /// Number of lines read.
    pub(super) lines: u64,
    /// Why no more will come.
    pub(super) end: Option<End>,
}

/// Why a follow ended.
#[derive(Clone, Debug)]
pub(super) enum End {
    LeaseEnded {
        receipt: Arc<ReceiptView>,
        /// Whether lines after the last one may be missing.
        gap: bool,
    },
    Failed(RelayError),
}

impl FollowState {
    /// Drops lines until there is room. False if there is none, because even the fastest viewer has
    /// not taken them.
    fn make_room(&mut self) -> bool {
        while self.ring.bytes >= RING_BYTES {
            let fastest = self.places.values().max();
            if self.hurried_by.is_empty() && fastest.is_none_or(|next| *next <= self.ring.first) {
                return false;
            }
            self.ring.forget_first();
        }
        true
    }
}

impl Follow {
    fn has_ended(&self) -> bool {
        self.shared.head.borrow().end.is_some()
    }

    /// A viewer's handle on this follow; it takes nothing yet.
    pub(super) fn reader(self: &Arc<Self>) -> Reader {
        let mut state = lock(&self.shared.state);
        let key = state.next_reader;
        state.next_reader += 1;
        drop(state);
        Reader {
            key,
            head: self.shared.head.subscribe(),
            follow: Arc::clone(self),
        }
    }
}

/// A viewer's handle on a follow.
#[derive(Debug)]
pub(super) struct Reader {
    key: u64,
    head: watch::Receiver<Head>,
    follow: Arc<Follow>,
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.leave();
    }
}

impl Reader {
    /// Takes a place in the ring after `cursor`. If the ring has lost the next line, returns where
    /// the follow is.
    pub(super) fn take_place(&self, cursor: &Cursor) -> Result<(), Ahead> {
        let mut state = lock(&self.follow.shared.state);
        if !cursor.covers(&state.ring.before) {
            return Err(Ahead {
                cursor: state.ring.after,
                lines: state.ring.end(),
            });
        }
        // Lines before the cursor are skipped when they are taken.
        let next = state.ring.first;
        state.places.insert(self.key, next);
        state.hurried_by.remove(&self.key);
        Ok(())
    }

    /// Gives up the place in the ring.
    pub(super) fn leave(&self) {
        let mut state = lock(&self.follow.shared.state);
        state.places.remove(&self.key);
        state.hurried_by.remove(&self.key);
        drop(state);
        self.follow.shared.taken.notify_one();
    }

    /// Lets the reading run as fast as the container writes, until this viewer takes a place again
    /// or leaves.
    pub(super) fn let_it_run(&self) {
        lock(&self.follow.shared.state).hurried_by.insert(self.key);
        self.follow.shared.taken.notify_one();
    }

    /// Passes lines to `taker` until it wants no more.
    pub(super) fn take(&self, mut taker: impl FnMut(&Line) -> bool) -> Taken {
        let mut state = lock(&self.follow.shared.state);
        let FollowState { ring, places, .. } = &mut *state;
        let Some(next) = places.get_mut(&self.key) else {
            return Taken::FallenOut { next: None };
        };
        let Some(has) = next.checked_sub(ring.first) else {
            let next = places.remove(&self.key);
            return Taken::FallenOut { next };
        };
        let mut taken = Taken::All;
        let has = usize::try_from(has).expect("the ring holds what was taken from it");
        for line in ring.lines.range(has..) {
            *next += 1;
            if !taker(line) {
                taken = Taken::Enough;
                break;
            }
        }
        drop(state);
        self.follow.shared.taken.notify_one();
        taken
    }

    /// The number of the line that this viewer takes next, in the follow's count.
    pub(super) fn next(&self) -> Option<u64> {
        let state = lock(&self.follow.shared.state);
        state.places.get(&self.key).copied()
    }

    /// The position before the ring's first line, with that line's number, for a viewer whose
    /// earlier lines the engine no longer has.
    pub(super) fn oldest(&self) -> Ahead {
        let state = lock(&self.follow.shared.state);
        Ahead {
            cursor: state.ring.before,
            lines: state.ring.first,
        }
    }

    /// How far the follow is now.
    pub(super) fn head(&self) -> Head {
        self.head.borrow().clone()
    }

    /// Waits until the follow has progressed since the last call.
    pub(super) async fn farther(&mut self) {
        // `self` holds the follow, and the follow holds the sender.
        drop(self.head.changed().await);
    }
}

/// The kept log; none if it cannot be read, so that no viewer is held up.
async fn kept(store: &Store, lease: &LeaseId) -> Option<KeptLog> {
    let kept = store.kept_log(lease).await;
    kept.unwrap_or_else(|error| {
        tracing::warn!(%lease, %error, "could not read a log that was kept");
        None
    })
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // The locked state is consistent after every change.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
