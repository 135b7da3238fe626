//! The observer of each lease that this process ends, whoever asked for the end. Every end writes
//! its receipt through the store, so it is called there.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use containerlease_domain::lease::Receipt;

use super::Store;

type Observe = dyn Fn(&Receipt) + Send + Sync;

/// The observer of a store's ends; initially none.
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
    /// From now on, calls `observe` with the receipt of each lease that ends through this store or
    /// its clones.
    ///
    /// # Panics
    ///
    /// If there is an observer already.
    pub fn observe_ends(&self, observe: impl Fn(&Receipt) + Send + Sync + 'static) {
        let set = self.end_observer.0.set(Box::new(observe));
        assert!(set.is_ok(), "a store has one observer");
    }
}
