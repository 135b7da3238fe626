//! The work in progress in this process, so that a later run does not start the same work again.

use std::{
    collections::HashSet,
    hash::Hash,
    sync::{Arc, Mutex, PoisonError},
};

/// The things in progress.
#[derive(Debug)]
pub struct InHand<T: Eq + Hash>(Mutex<HashSet<T>>);

/// One thing in progress, until this is dropped.
#[derive(Debug)]
pub(crate) struct Hold<T: Eq + Hash + Clone> {
    of: Arc<InHand<T>>,
    thing: T,
}

impl<T: Eq + Hash> Default for InHand<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Eq + Hash + Clone> InHand<T> {
    /// Marks a thing as in progress; none if it already is.
    pub(crate) fn take(self: &Arc<Self>, thing: T) -> Option<Hold<T>> {
        let is_new = self.change(|things| things.insert(thing.clone()));
        is_new.then(|| Hold {
            of: Arc::clone(self),
            thing,
        })
    }

    fn change<A>(&self, change: impl FnOnce(&mut HashSet<T>) -> A) -> A {
        // A poisoned lock does no harm: no single change leaves the set half done.
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<T: Eq + Hash + Clone> Drop for Hold<T> {
    fn drop(&mut self) {
        self.of.change(|things| things.remove(&self.thing));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thing_is_in_one_hand_at_a_time() {
        let all = Arc::new(InHand::default());
        let first = all.take(7);
        assert!(first.is_some());
        assert!(all.take(7).is_none());
        assert!(all.take(8).is_some());
        drop(first);
        assert!(all.take(7).is_some());
    }
}
