use std::time::Duration;

use super::*;
use crate::lease::Reason;

const NOW: Time = Time::from_millis(1_000_000);
const MINUTE: Duration = Duration::from_secs(60);

fn lease(minutes: u32, cpu_milli: u32, memory_mb: u32) -> Lease {
    Lease {
        expires_at: NOW.plus(minutes * MINUTE),
        hard_deadline: NOW.plus(600 * MINUTE),
        cpu_milli,
        memory_mb,
        disk_mb: Some(1),
        ..Lease::sample("redis", NOW)
    }
}

fn bounds(leases: u32, cpu_milli: u32, memory_mb: u32) -> Bounds {
    Bounds {
        leases: Some(leases),
        cpu_milli: Some(cpu_milli),
        memory_mb: Some(memory_mb),
        disk_mb: None,
    }
}

fn shortage(bounds: Bounds, asked: &Lease, leases: &[Lease]) -> Option<Shortage> {
    let counted = leases.iter().map(|lease| Whose::Owner.counts(lease));
    let counted = counted.fold(Amounts::default(), Amounts::plus);
    let asked = Whose::Owner.counts(asked);
    Shortage::of(Whose::Owner, bounds, counted, asked, leases, NOW)
}

#[test]
fn what_fits_exactly_fits() {
    let held = [lease(5, 500, 256), lease(9, 500, 256)];
    let asked = lease(1, 500, 256);
    assert_eq!(shortage(bounds(3, 1_500, 768), &asked, &held), None);
    assert_eq!(shortage(Bounds::default(), &asked, &held), None);
    for (bounds, full) in [
        (bounds(2, 1_500, 768), Resource::Leases),
        (bounds(3, 1_499, 768), Resource::CpuMilli),
        (bounds(3, 1_500, 767), Resource::MemoryMb),
    ] {
        let shortage = shortage(bounds, &asked, &held).unwrap();
        assert_eq!(shortage.full, [full]);
        assert_eq!(shortage.frees_up_at, Some(NOW.plus(5 * MINUTE)));
        assert!(!shortage.never);
    }
}

#[test]
fn it_frees_up_when_enough_has_ended_and_not_before() {
    let held = [lease(9, 100, 512), lease(3, 100, 128), lease(5, 100, 256)];
    let at = |memory_mb| {
        let shortage = shortage(bounds(9, 9_000, 900), &lease(1, 100, memory_mb), &held);
        shortage.unwrap().frees_up_at
    };
    assert_eq!(at(128), Some(NOW.plus(3 * MINUTE)));
    assert_eq!(at(200), Some(NOW.plus(5 * MINUTE)));
    assert_eq!(at(900), Some(NOW.plus(9 * MINUTE)));
    assert_eq!(at(901), None);
}

#[test]
fn what_is_more_than_there_is_never_fits() {
    let shortage = shortage(bounds(1, 100, 64), &lease(1, 200, 128), &[]).unwrap();
    assert_eq!(shortage.full, [Resource::CpuMilli, Resource::MemoryMb]);
    assert!(shortage.never);
    assert_eq!(shortage.frees_up_at, None);
}

#[test]
fn an_end_under_way_has_no_known_time_and_one_that_is_late_is_now() {
    let ending = lease(5, 100, 64).claimed(Reason::Deleted, NOW).unwrap();
    let asked = lease(1, 100, 64);
    let unknown = shortage(bounds(1, 900, 900), &asked, &[ending]).unwrap();
    assert_eq!((unknown.frees_up_at, unknown.never), (None, false));
    let late = Lease {
        expires_at: NOW.minus(MINUTE),
        ..lease(0, 100, 64)
    };
    let late = shortage(bounds(1, 900, 900), &asked, &[late]).unwrap();
    assert_eq!(late.frees_up_at, Some(NOW));
}

#[test]
fn a_lease_from_before_amounts_were_counted_counts_as_one_lease() {
    let earlier = Lease {
        amounts_counted: false,
        ..lease(5, 500, 256)
    };
    let one = Amounts {
        leases: 1,
        ..Amounts::default()
    };
    assert_eq!(Whose::Owner.counts(&earlier), one);
    assert_eq!(Whose::Host.counts(&earlier), Amounts::default());
    let counted = lease(5, 500, 256);
    assert_eq!(Whose::Owner.counts(&counted), Whose::Host.counts(&counted));
}

#[test]
fn a_machine_keeps_a_tenth_of_its_memory_and_promises_its_cpus_often() {
    let machine = Machine {
        cpus: 2,
        memory: 10 * 1024 * 1024 * 1024,
        addresses: None,
    };
    let bounds = machine.bounds();
    assert_eq!(bounds.leases, Some(MOST_CONTAINERS));
    assert_eq!(bounds.cpu_milli, Some(16_000));
    assert_eq!(bounds.memory_mb, Some(9_215));
}

#[test]
fn what_the_operator_says_of_the_host_goes_before_its_machine() {
    let policy = Policy {
        host_cpu_milli: Some(700),
        ..Policy::default()
    };
    let machine = Machine {
        cpus: 1,
        memory: 1024 * 1024 * 1024,
        addresses: Some(61),
    };
    let limits = Limits::new(&policy, Some(machine));
    assert_eq!(limits.host.cpu_milli, Some(700));
    assert_eq!(limits.host.memory_mb, machine.bounds().memory_mb);
    assert_eq!(limits.owner.leases, Some(20));
    assert_eq!(limits.host.leases, Some(61));
    let large = Machine {
        addresses: Some(65_533),
        ..machine
    };
    assert_eq!(large.bounds().leases, Some(MOST_CONTAINERS));
    let unasked = Limits::new(&policy, None);
    assert_eq!(unasked.host.leases, Some(MOST_CONTAINERS));
}
