//! Turns: one bound for all deliveries of a process, shared fairly.
//!
//! A receiver that hangs blocks each delivery for ten seconds. So neither one receiver nor one
//! owner may have more than a part of the places, and a free place goes to the owner with the
//! fewest.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::oneshot;

use containerlease_domain::{names::Owner, notification::Notification};

/// How many deliveries may run at once. They wait for others most of the time.
const AT_ONCE: usize = 64;

/// How many of these may belong to one owner, and how many may go to one receiver.
const OF_ONE_OWNER: usize = 16;
const TO_ONE_RECEIVER: usize = 8;

/// The places of a process's deliveries.
#[derive(Debug, Default)]
pub struct Turns(Mutex<Places>);

#[derive(Debug, Default)]
struct Places {
    taken: usize,
    by_owner: HashMap<Owner, usize>,
    by_receiver: HashMap<String, usize>,
    /// In order of arrival.
    waiting: Vec<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    between: Between,
    admit: oneshot::Sender<Turn>,
}

/// A delivery's owner and receiver. Notifications of an earlier program name no receiver.
#[derive(Clone, Debug)]
struct Between {
    owner: Owner,
    receiver: Option<String>,
}

/// A place, held until dropped.
#[derive(Debug)]
pub(super) struct Turn {
    turns: Arc<Turns>,
    between: Between,
}

impl Turns {
    /// Waits for a place.
    pub(super) async fn turn(self: &Arc<Self>, of: &Notification) -> Turn {
        let between = Between {
            owner: of.owner.clone(),
            receiver: of.receiver.clone(),
        };
        let (admit, admitted) = oneshot::channel();
        self.change(|places| places.waiting.push(Waiting { between, admit }));
        admitted.await.expect("who waits is admitted one day")
    }

    /// Changes the places, then admits those who can have one.
    fn change(self: &Arc<Self>, change: impl FnOnce(&mut Places)) {
        let admitted: Vec<_> = {
            let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            change(&mut places);
            places.waiting.retain(|waiting| !waiting.admit.is_closed());
            std::iter::from_fn(|| places.next()).collect()
        };
        for Waiting { between, admit } in admitted {
            let turns = Arc::clone(self);
            // If the waiter has gone, its place is dropped and so free again at once.
            drop(admit.send(Turn { turns, between }));
        }
    }
}

impl Places {
    /// Takes the next candidate off the queue and gives it a place.
    fn next(&mut self) -> Option<Waiting> {
        if self.taken >= AT_ONCE {
            return None;
        }
        let candidates = self.waiting.iter().enumerate();
        let (_, index) = candidates
            .filter_map(|(index, waiting)| Some((self.share_of(&waiting.between)?, index)))
            .min()?;
        let next = self.waiting.remove(index);
        self.taken += 1;
        *self.by_owner.entry(next.between.owner.clone()).or_default() += 1;
        if let Some(receiver) = &next.between.receiver {
            *self.by_receiver.entry(receiver.clone()).or_default() += 1;
        }
        Some(next)
    }

    /// How many places its owner and its receiver have; none if either is at its limit.
    fn share_of(&self, between: &Between) -> Option<(usize, usize)> {
        let of_owner = self.by_owner.get(&between.owner).copied().unwrap_or(0);
        let receiver = between.receiver.as_ref();
        let to_receiver = receiver.and_then(|receiver| self.by_receiver.get(receiver));
        let to_receiver = to_receiver.copied().unwrap_or(0);
        let in_bounds = of_owner < OF_ONE_OWNER && to_receiver < TO_ONE_RECEIVER;
        in_bounds.then_some((of_owner, to_receiver))
    }

    fn free(&mut self, between: &Between) {
        self.taken -= 1;
        one_less(&mut self.by_owner, &between.owner);
        if let Some(receiver) = &between.receiver {
            one_less(&mut self.by_receiver, receiver);
        }
    }
}

/// Decrements a count, and removes it at zero.
fn one_less<K: Eq + Hash>(counts: &mut HashMap<K, usize>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let between = self.between.clone();
        self.turns.change(|places| places.free(&between));
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;
    use containerlease_domain::{
        names::LeaseId,
        notification::{DeliveryState, Event},
        time::Time,
    };

    fn of(owner: &str, receiver: &str) -> Notification {
        Notification {
            lease: LeaseId::generate(),
            owner: Owner::try_from(owner.to_owned()).unwrap(),
            receiver: Some(receiver.to_owned()),
            event: Event::Ended,
            at: Time::from_millis(0),
            state: DeliveryState::Pending,
            attempts: 0,
            next_attempt_at: None,
            last_status: None,
            last_error: None,
        }
    }

    /// Turns of this owner to this receiver, as many as may run at once.
    fn all(turns: &Arc<Turns>, owner: &str, receiver: &str) -> Vec<Turn> {
        std::iter::from_fn(|| turns.turn(&of(owner, receiver)).now_or_never()).collect()
    }

    #[tokio::test]
    async fn one_receiver_and_one_owner_have_a_part_only() {
        let turns = Arc::new(Turns::default());
        let first = all(&turns, "a", "x");
        assert_eq!(first.len(), TO_ONE_RECEIVER);
        let second = all(&turns, "a", "y");
        assert_eq!(second.len(), OF_ONE_OWNER - TO_ONE_RECEIVER);
        assert_eq!(all(&turns, "a", "z").len(), 0);
        let others = all(&turns, "b", "x");
        assert_eq!(others.len(), 0, "the receiver is not there twice");
        assert_eq!(all(&turns, "b", "z").len(), TO_ONE_RECEIVER);
        drop(first);
        assert_eq!(all(&turns, "b", "x").len(), TO_ONE_RECEIVER);
        drop(second);
    }

    #[tokio::test]
    async fn a_free_place_goes_to_the_owner_with_the_fewest() {
        let turns = Arc::new(Turns::default());
        let mut held = Vec::new();
        for owner in ["a", "b", "c", "d"] {
            for receiver in ["1", "2"] {
                held.extend(all(&turns, owner, &format!("{owner}{receiver}")));
            }
        }
        assert_eq!(held.len(), AT_ONCE);
        // Many of an owner who has places wait before one of an owner who has none.
        let queue: Vec<_> = (0..1_000)
            .map(|_| {
                let turns = Arc::clone(&turns);
                tokio::spawn(async move { drop(turns.turn(&of("a", "a3")).await) })
            })
            .collect();
        tokio::task::yield_now().await;
        let of_another = of("e", "e1");
        let late = turns.turn(&of_another);
        tokio::pin!(late);
        assert!(late.as_mut().now_or_never().is_none());
        drop(held.pop());
        assert!(late.now_or_never().is_some());
        drop(held);
        for one in queue {
            one.await.unwrap();
        }
    }
}
