//! The deadline rules of a lease, above all at their boundaries, and with clocks that step back
//! and forward.

use std::time::Duration;

use containerlease_domain::{
    lease::{CLAIM_LIMIT, Lease, PROVISION_LIMIT, Reason, RenewRefused, State, backoff},
    time::Time,
};
use proptest::{collection::vec, prelude::*};

use crate::{MINUTE, NOW, gone, lease, now};

/// Milliseconds around zero, often close to it.
fn step() -> impl Strategy<Value = i64> {
    prop_oneof![2 => -1..=1_i64, 1 => -100_000..100_000_i64, 1 => -10_000_000..10_000_000_i64]
}

fn any_duration() -> impl Strategy<Value = Duration> {
    let millis = prop_oneof![1 => 0..=2_u64, 3 => 0..10_000_000_u64];
    millis.prop_map(Duration::from_millis)
}

/// A running lease that ends at any time up to its deadline.
fn any_lease() -> impl Strategy<Value = Lease> {
    (0..=3_600_000_i64).prop_map(|lived| Lease {
        created_at: NOW,
        expires_at: now(lived),
        hard_deadline: NOW.plus(60 * MINUTE),
        ..lease("any")
    })
}

fn at(lease: &Lease, step: i64) -> Time {
    Time::from_millis(lease.expires_at.as_millis() + step)
}

proptest! {
    #![proptest_config(crate::many())]

    #[test]
    fn a_renewal_is_granted_before_the_end_and_refused_from_it_on(
        lease in any_lease(),
        step in step(),
        duration in any_duration(),
    ) {
        let now = at(&lease, step);
        let granted = lease.renewed_until(duration, now);
        prop_assert_eq!(granted.is_ok(), step < 0);
        prop_assert_eq!(lease.is_expired(now), step >= 0);
        match granted {
            Ok(end) => {
                prop_assert!(end >= lease.expires_at, "it was shortened");
                prop_assert!(end <= lease.hard_deadline, "it passes its deadline");
                prop_assert!(end <= now.plus(duration).max(lease.expires_at), "it is too long");
                let enough = now.plus(duration).min(lease.hard_deadline);
                prop_assert!(end >= enough, "it is too short");
            }
            Err(refused) => prop_assert_eq!(refused, RenewRefused::Over),
        }
    }

    #[test]
    fn renewals_never_shorten_however_the_clock_steps(
        lease in any_lease(),
        renewals in vec((step(), any_duration()), 1..12),
    ) {
        let mut lease = lease;
        for (step, duration) in renewals {
            let before = lease.clone();
            if let Ok(end) = lease.renewed_until(duration, at(&lease, step)) {
                lease = lease.renewed(end);
                prop_assert_eq!(lease.version, before.version + 1);
            }
            prop_assert!(before.expires_at <= lease.expires_at);
            prop_assert!(lease.expires_at <= lease.hard_deadline);
            prop_assert_eq!(lease.hard_deadline, before.hard_deadline);
            prop_assert_eq!(lease.due_at(), Some(lease.expires_at));
        }
    }

    #[test]
    fn what_is_claimed_stays_claimed_however_the_clock_steps(
        lease in any_lease(),
        steps in vec((step(), 0.0..=1.0_f64), 1..12),
    ) {
        let mut now = lease.expires_at;
        let mut lease = lease.claimed(Reason::Expired, now).expect("it runs");
        for (attempts, (step, jitter)) in (1..).zip(steps) {
            prop_assert_eq!(lease.due_at(), Some(now.plus(CLAIM_LIMIT)));
            prop_assert_eq!(lease.renewed_until(MINUTE, now), Err(RenewRefused::Over));
            now = Time::from_millis(now.as_millis() + step);
            let failed = lease.attempt_failed(now, jitter).expect("it is ending");
            let due = failed.due_at().expect("it is tried again");
            prop_assert!(now < due && due <= now.plus(5 * MINUTE), "{failed:?}");
            prop_assert_eq!(due, now.plus(backoff(attempts, jitter)));
            lease = failed.claimed(Reason::Deleted, now).expect("it is ending");
        }
        let removed_at = Time::from_millis(now.as_millis());
        let late = removed_at.millis_since(lease.expires_at);
        let ended = lease.ended(&gone(removed_at)).expect("it is ending");
        prop_assert_eq!(ended.due_at(), None);
        let State::Ended(receipt) = ended.state else {
            return Err(TestCaseError::fail("it has not ended"));
        };
        prop_assert_eq!(receipt.reason, Reason::Expired);
        prop_assert_eq!(receipt.overshoot_ms, Some(late));
    }

    #[test]
    fn an_abandoned_provision_falls_due_and_never_after_its_end(lived in 0..3_600_000_i64) {
        let lease = Lease {
            created_at: NOW,
            expires_at: now(lived),
            state: State::Provisioning,
            ..lease("any")
        };
        let due = lease.due_at().expect("it falls due");
        prop_assert!(due <= lease.expires_at && due <= NOW.plus(PROVISION_LIMIT));
        prop_assert_eq!(lease.renewed_until(MINUTE, NOW), Err(RenewRefused::NotYetRunning));
    }

    #[test]
    fn a_pause_is_never_longer_than_five_minutes_and_never_shorter_than_half(
        attempts: u32,
        jitter: f64,
    ) {
        let pause = backoff(attempts, jitter);
        let full = backoff(attempts, 1.0);
        prop_assert!(full / 2 <= pause && pause <= full, "{pause:?} of {full:?}");
        prop_assert!(pause >= Duration::from_millis(2_500) && full <= 5 * MINUTE);
        prop_assert!(backoff(attempts.saturating_add(1), 1.0) >= full);
    }
}
