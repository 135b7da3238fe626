//! Some runs of the reaper, as text for a reader.

use containerlease_domain::{
    container::{ManagedContainer, Stopped},
    lease::{Lease, Reason, State},
    plan::{Plan, plan},
};
use insta::assert_snapshot;

use super::{container, other, sighting, until};
use crate::{MINUTE, NOW, SECOND, ending, lease, now};

/// The plan as text, one line per action, with times relative to [`NOW`].
fn printed(plan: &Plan) -> String {
    let ends = plan.ends.iter().map(|end| {
        let name = end.lease.name.as_deref().unwrap_or("?");
        let millis = end.at.millis_since(NOW);
        format!("at {millis:>6} ms  end {name}: {:?}", end.reason)
    });
    let noted = plan.sightings.iter();
    let noted = noted.map(|container| format!("note {}", container.as_str()));
    let orphans = plan.orphans.iter().map(|orphan| {
        let sure = match orphan.lease {
            Some(_) => ", if its lease has ended or its time is over",
            None => ", if its time is over",
        };
        format!("remove {}{sure}", orphan.name.as_str())
    });
    let forgotten = plan.forgotten.iter();
    let forgotten = forgotten.map(|container| format!("forget {}", container.as_str()));
    let lines: Vec<_> = ends.chain(noted).chain(orphans).chain(forgotten).collect();
    if lines.is_empty() {
        "nothing".to_owned()
    } else {
        lines.join("\n")
    }
}

#[test]
fn a_quiet_minute() {
    let lease = lease("redis");
    let there = [container("01", Some(&lease))];
    let plan = plan(vec![lease], Some(&there), &[], NOW, until());
    assert_snapshot!(printed(&plan), @"nothing");
}

#[test]
fn a_minute_with_a_copy_of_a_leased_container() {
    // An image made from a leased container keeps its labels, and so does a container of it.
    let lease = lease("redis");
    let copy = ManagedContainer {
        stopped: Some(Stopped::sample(Some(0))),
        ..container("02", Some(&lease))
    };
    let original = container("01", Some(&lease));
    for there in [[original.clone(), copy.clone()], [copy, original]] {
        let plan = plan(vec![lease.clone()], Some(&there), &[], NOW, until());
        assert_eq!(printed(&plan), "nothing");
    }
}

#[test]
fn a_minute_with_a_container_that_names_another_owner() {
    let lease = lease("redis");
    let crossed = ManagedContainer {
        lease: Some((other(), lease.id)),
        ..container("01", None)
    };
    let plan = plan(vec![lease], Some(&[crossed]), &[], NOW, until());
    assert_snapshot!(printed(&plan), @"
    at      0 ms  end redis: Lost
    note 01
    ");
}

#[test]
fn a_minute_in_which_everything_happens() {
    let with = |name: &str, state: State| Lease {
        state,
        ..lease(name)
    };
    let ends_in = |name: &str, millis| Lease {
        expires_at: now(millis),
        ..lease(name)
    };
    let leases = [
        lease("lives on"),
        ends_in("ends next minute", 65_001),
        ends_in("ends with the window", 65_000),
        ends_in("ends in a moment", 1),
        ends_in("ends now", 0),
        ends_in("should have ended", -10_000),
        Lease {
            created_at: NOW.minus(5 * SECOND),
            ..with("is being provisioned", State::Provisioning)
        },
        with("was abandoned", State::Provisioning),
        with(
            "is being deleted",
            State::Ending(ending(Reason::Deleted, now(100_000))),
        ),
        with(
            "is tried again",
            State::Ending(ending(Reason::Deleted, now(7_500))),
        ),
        with(
            "is stuck",
            State::Quarantined(ending(Reason::Expired, now(-1))),
        ),
        lease("vanished"),
        lease("died"),
    ];
    let mut there: Vec<_> = (leases.iter().zip(1..))
        .filter(|(lease, _)| lease.name.as_deref() != Some("vanished"))
        .map(|(lease, number)| container(&format!("{number:02}"), Some(lease)))
        .collect();
    let died = Some(Stopped::sample(Some(1)));
    there.last_mut().expect("there are some").stopped = died;
    let of_no_lease = lease("was never written");
    let strays = [
        container("a0", Some(&of_no_lease)),
        container("a1", Some(&of_no_lease)),
        container("a2", None),
        ManagedContainer {
            created_at: now(-59_999),
            ..container("a3", Some(&of_no_lease))
        },
    ];
    let sightings = [
        sighting(&strays[1], now(-60_000)),
        sighting(&strays[2], now(-60_000)),
        sighting(&there[0], now(-60_000)),
        sighting(&container("af", None), now(-60_000)),
    ];
    there.extend(strays);
    let plan = plan(leases.into(), Some(&there), &sightings, NOW, until());
    assert_snapshot!(printed(&plan), @"
    at      0 ms  end ends now: Expired
    at      0 ms  end should have ended: Expired
    at      0 ms  end was abandoned: Failed
    at      0 ms  end is stuck: Expired
    at      0 ms  end vanished: Lost
    at      0 ms  end died: Failed
    at      1 ms  end ends in a moment: Expired
    at   7500 ms  end is tried again: Deleted
    at  30000 ms  end is being provisioned: Failed
    at  65000 ms  end ends with the window: Expired
    note a0
    remove a1, if its lease has ended or its time is over
    remove a2, if its time is over
    forget 01
    forget af
    ");
}

#[test]
fn a_minute_in_which_the_engine_cannot_be_listed() {
    let due = Lease {
        expires_at: now(20_000),
        ..lease("ends soon")
    };
    let strange = container("a0", None);
    let seen = [sighting(&strange, now(-60_000))];
    let plan = plan(vec![lease("vanished?"), due], None, &seen, NOW, until());
    assert_snapshot!(printed(&plan), @"at  20000 ms  end ends soon: Expired");
}

#[test]
fn a_strange_container_from_its_making_to_its_end() {
    let strange = container("a0", Some(&lease("was never written")));
    let mut sightings = vec![];
    let mut story = vec![];
    for seconds in [0, 60, 120, 180] {
        let tick = strange.created_at.plus(seconds * SECOND);
        let there = if seconds < 180 {
            vec![strange.clone()]
        } else {
            vec![]
        };
        let plan = plan(
            vec![],
            Some(&there),
            &sightings,
            tick,
            tick.plus(65 * SECOND),
        );
        story.push(format!("{seconds} s: {}", printed(&plan)));
        sightings.extend(plan.sightings.iter().map(|_| sighting(&strange, tick)));
    }
    assert_snapshot!(story.join("\n"), @"
    0 s: nothing
    60 s: note a0
    120 s: remove a0, if its lease has ended or its time is over
    180 s: forget a0
    ");
}

#[test]
fn a_lease_that_leaps_into_the_next_window_is_ended_in_that() {
    let mut lease = Lease {
        expires_at: now(30_000),
        ..lease("renewed")
    };
    let there = [container("01", Some(&lease))];
    let mut story = vec![];
    for minute in 0..2_u32 {
        let tick = NOW.plus(minute * MINUTE);
        let plan = plan(
            vec![lease.clone()],
            Some(&there),
            &[],
            tick,
            tick.plus(65 * SECOND),
        );
        story.push(printed(&plan));
        if minute == 0 {
            let renewed = lease.renewed_until(MINUTE, now(29_999));
            lease = lease.renewed(renewed.expect("it lives for a millisecond"));
        }
    }
    assert_snapshot!(story.join("\n"), @"
    at  30000 ms  end renewed: Expired
    at  89999 ms  end renewed: Expired
    ");
}
