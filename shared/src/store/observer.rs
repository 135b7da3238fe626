//! Who is told of each lease that this process ends, whoever asked for the end: the one place
//! by which every end comes is the write of its receipt.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use super::Store;
use crate::lease::Receipt;

type Observe = dyn Fn(&Receipt) + Send + Sync;

/// The observer of a store's ends; none at first.
#[derive(Clone, Default)]
pub(super) struct EndObserver(Arc<OnceLock<Box<Observe>>>);

impl EndObserver {
    pub(super) fn see(&self, receipt: &Receipt) {
        if let Some(observe) = self.0.get() {
            observe(receipt);
        }
    }
}

impl fmt::Debug for EndObserver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let observer = self.0.get().map(|_| "an observer");
        f.debug_tuple("EndObserver").field(&observer).finish()
    }
}

impl Store {
    /// Has `observe` called with the receipt of each lease that is ended by way of this store
    /// or of its clones from now on.
    ///
    /// # Panics
    ///
    /// Where there is an observer already.
    pub fn observe_ends(&self, observe: impl Fn(&Receipt) + Send + Sync + 'static) {
        let set = self.end_observer.0.set(Box::new(observe));
        assert!(set.is_ok(), "a store has one observer");
    }
}
