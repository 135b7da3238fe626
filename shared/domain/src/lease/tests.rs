use super::*;

const CREATED: Time = Time::from_millis(1_000_000);
const MINUTE: Duration = Duration::from_secs(60);

fn gone(removed_at: Time) -> Gone {
    Gone::at(removed_at)
}

fn running() -> Lease {
    Lease {
        expires_at: CREATED.plus(MINUTE),
        hard_deadline: CREATED.plus(10 * MINUTE),
        ..Lease::sample("redis", CREATED)
    }
}

fn in_state(name: StateName) -> Lease {
    let running = running();
    let ending = running.claimed(Reason::Deleted, CREATED).unwrap();
    match name {
        StateName::Provisioning => Lease {
            state: State::Provisioning,
            ..running
        },
        StateName::Running => running,
        StateName::Ending => ending,
        StateName::Quarantined => {
            let State::Ending(fields) = ending.state.clone() else {
                unreachable!("a claimed lease is ending")
            };
            Lease {
                state: State::Quarantined(fields),
                ..ending
            }
        }
        StateName::Ended => ending.ended(&gone(CREATED)).unwrap(),
    }
}

#[test]
fn a_lease_lives_until_its_end_and_not_at_it() {
    let lease = running();
    assert!(!lease.is_expired(Time::from_millis(lease.expires_at.as_millis() - 1)));
    assert!(lease.is_expired(lease.expires_at));
}

#[test]
fn renewing_counts_from_now_keeps_under_the_deadline_and_never_shortens() {
    let lease = running();
    let now = CREATED.plus(30 * Duration::from_secs(1));
    assert_eq!(
        lease.renewed_until(2 * MINUTE, now),
        Ok(now.plus(2 * MINUTE))
    );
    assert_eq!(
        lease.renewed_until(60 * MINUTE, now),
        Ok(lease.hard_deadline)
    );
    assert_eq!(
        lease.renewed_until(Duration::from_secs(1), now),
        Ok(lease.expires_at)
    );
}

#[test]
fn renewing_is_refused_at_the_end_and_in_every_other_state() {
    let lease = running();
    assert_eq!(
        lease.renewed_until(MINUTE, lease.expires_at),
        Err(RenewRefused::Over)
    );
    assert_eq!(
        in_state(StateName::Provisioning).renewed_until(MINUTE, CREATED),
        Err(RenewRefused::NotYetRunning)
    );
    for over in [StateName::Ending, StateName::Quarantined, StateName::Ended] {
        assert_eq!(
            in_state(over).renewed_until(MINUTE, CREATED),
            Err(RenewRefused::Over)
        );
    }
}

#[test]
fn the_methods_do_what_the_table_says_in_every_state() {
    for name in StateName::ALL {
        let lease = in_state(name);
        assert_eq!(lease.state_name(), name);
        let claimed = lease.claimed(Reason::Deleted, CREATED);
        assert_eq!(
            claimed.map(|l| l.state_name()),
            name.after(LeaseEvent::Claimed)
        );
        let ended = lease.ended(&gone(CREATED));
        assert_eq!(
            ended.map(|l| l.state_name()),
            name.after(LeaseEvent::Removed)
        );
        let postponed = lease.postponed(CREATED);
        let after = name.after(LeaseEvent::Postponed);
        assert_eq!(postponed.map(|l| l.state_name()), after);
        let failed = lease.attempt_failed(CREATED, 0.0);
        assert_eq!(
            failed.map(|l| l.state_name()),
            name.after(LeaseEvent::AttemptFailed)
        );
    }
}

#[test]
fn every_state_but_the_last_is_moved_on_by_the_reaper() {
    for name in StateName::ALL {
        let moves_on = name != StateName::Ended;
        let lease = in_state(name);
        assert_eq!(lease.due_at().is_some(), moves_on, "{name:?}");
        assert_eq!(lease.reason_when_due().is_some(), moves_on, "{name:?}");
        assert_eq!(
            name.after(LeaseEvent::Claimed).is_some(),
            moves_on,
            "{name:?}"
        );
    }
}

#[test]
fn a_claim_that_came_late_lasts_from_then_on_and_says_when_its_end_was_set_out_on() {
    let begun = CREATED.plus(Duration::from_secs(60));
    let now = begun.plus(5 * CLAIM_LIMIT);
    let late = running().claimed(Reason::Expired, now).unwrap();
    let late = late.set_out_at(begun);
    let ending = late.ending().unwrap();
    assert_eq!(ending.requested_at, begun);
    assert_eq!(ending.next_attempt_at, now.plus(CLAIM_LIMIT));
    let again = late.claimed(Reason::Expired, now).unwrap().set_out_at(now);
    assert_eq!(again.ending().unwrap().requested_at, begun);
}

#[test]
fn the_first_reason_and_time_of_an_end_stay() {
    let later = CREATED.plus(MINUTE);
    let lease = running().claimed(Reason::Expired, CREATED).unwrap();
    let again = lease.claimed(Reason::Deleted, later).unwrap();
    let State::Ending(ending) = &again.state else {
        panic!("{:?}", again.state)
    };
    assert_eq!(ending.reason, Reason::Expired);
    assert_eq!(ending.requested_at, CREATED);
    assert_eq!(ending.attempts, 2);
    assert_eq!(ending.next_attempt_at, later.plus(CLAIM_LIMIT));
}

#[test]
fn who_holds_a_claim_keeps_it_and_what_was_found() {
    let holder = Holder::generate();
    let claimed = running().claimed(Reason::Deleted, CREATED).unwrap();
    let claimed = claimed.held_by(&holder);
    let facts = Facts {
        exit_code: Some(3),
        ..Facts::default()
    };
    let later = CREATED.plus(CLAIM_BEAT);
    let held = claimed.held(Some(&facts), later).unwrap();
    assert_eq!(held.due_at(), Some(later.plus(CLAIM_LIMIT)));
    assert_eq!(held.version, claimed.version + 1);
    let again = held.held(None, later.plus(CLAIM_BEAT)).unwrap();
    assert_eq!(again.ending().unwrap().facts, facts);
    assert_eq!(again.ending().unwrap().holder, Some(holder));
    let failed = again.attempt_failed(later, 0.0).unwrap();
    assert_eq!(failed.ending().unwrap().holder, None);
    assert_eq!(failed.ending().unwrap().facts, facts);
    let released = again.released(later).unwrap();
    assert_eq!(released.due_at(), Some(later));
    assert_eq!(released.ending().unwrap().holder, None);
    assert_eq!(running().held(None, later), None);
    assert_eq!(running().released(later), None);
}

#[test]
fn no_overshoot_is_made_up_where_nobody_saw_the_container_go() {
    let claimed = running().claimed(Reason::Expired, CREATED).unwrap();
    let gone = Gone {
        seen_going: false,
        ..Gone::at(CREATED.plus(5 * MINUTE))
    };
    let State::Ended(receipt) = claimed.ended(&gone).unwrap().state else {
        panic!("it has not ended")
    };
    assert_eq!(receipt.overshoot_ms, None);
    assert_eq!(receipt.removed_at, gone.removed_at);
}

#[test]
fn a_lease_is_quarantined_after_its_last_attempt_and_stays_so() {
    let mut lease = running().claimed(Reason::Expired, CREATED).unwrap();
    for attempt in 1..ATTEMPTS_BEFORE_QUARANTINE {
        lease = lease.attempt_failed(CREATED, 0.5).unwrap();
        assert_eq!(lease.state_name(), StateName::Ending, "attempt {attempt}");
        lease = lease.claimed(Reason::Expired, CREATED).unwrap();
    }
    lease = lease.attempt_failed(CREATED, 0.5).unwrap();
    assert_eq!(lease.state_name(), StateName::Quarantined);
    lease = lease.claimed(Reason::Expired, CREATED).unwrap();
    assert_eq!(lease.state_name(), StateName::Quarantined);
    let ended = lease.ended(&gone(CREATED)).unwrap();
    assert_eq!(ended.state_name(), StateName::Ended);
}

#[test]
fn an_end_that_was_postponed_is_due_at_once_and_counts_for_nothing() {
    let mut lease = running();
    for _ in 0..2 * ATTEMPTS_BEFORE_QUARANTINE {
        let claimed = lease.claimed(Reason::Expired, CREATED).unwrap();
        lease = claimed.postponed(CREATED).unwrap();
        assert_eq!(lease.state_name(), StateName::Ending);
        assert_eq!(lease.due_at(), Some(CREATED));
    }
    let ending = lease.ending().unwrap();
    assert_eq!((ending.attempts, &ending.holder), (0, &None));
}

#[test]
fn only_an_expired_lease_has_an_overshoot() {
    let lease = running();
    let late = lease.expires_at.plus(Duration::from_millis(340));
    let receipt = |reason| {
        let claimed = lease.claimed(reason, lease.expires_at).unwrap();
        match claimed.ended(&gone(late)).unwrap().state {
            State::Ended(receipt) => receipt,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(receipt(Reason::Expired).overshoot_ms, Some(340));
    assert_eq!(receipt(Reason::Deleted).overshoot_ms, None);
}

#[test]
fn backoff_doubles_up_to_its_bound_and_jitter_takes_at_most_half() {
    assert_eq!(backoff(1, 1.0), Duration::from_secs(5));
    assert_eq!(backoff(2, 1.0), Duration::from_secs(10));
    assert_eq!(backoff(3, 0.0), Duration::from_secs(10));
    assert_eq!(backoff(40, 1.0), Duration::from_secs(300));
    assert_eq!(backoff(0, 1.0), Duration::from_secs(5));
}

#[test]
fn a_provision_that_was_abandoned_falls_due_before_its_lease_would_end() {
    let lease = in_state(StateName::Provisioning);
    assert_eq!(lease.due_at(), Some(CREATED.plus(PROVISION_LIMIT)));
    assert_eq!(lease.reason_when_due(), Some(Reason::Failed));
}
