use containerlease_domain::lease::{Facts, Reason, Receipt};
use containerlease_domain::names::Holder;
use containerlease_domain::webhook::{NotifyUrl, Secret};

use super::*;

fn lease(state: State) -> Lease {
    let created = Time::from_millis(1_000);
    Lease {
        id: LeaseId::generate(),
        owner: Owner::local(),
        version: 7,
        image_type: ImageType::for_tests("redis"),
        name: Some("mine".to_owned()),
        labels: BTreeMap::from([("team".to_owned(), String::new())]),
        created_at: created,
        expires_at: Time::from_millis(61_000),
        hard_deadline: Time::from_millis(601_000),
        cpu_milli: 500,
        memory_mb: 256,
        disk_mb: Some(1024),
        egress: Egress::None,
        amounts_counted: true,
        webhook: Some(Webhook {
            url: NotifyUrl::parse("https://example.org/hook", false).unwrap(),
            secret: Secret::generate(),
            warn_seconds: Some(30),
        }),
        placement: Some(Placement {
            container: ContainerName::listed_by_engine("0a1b"),
            started_at: created,
            image: "redis:7".to_owned(),
            stand_in: false,
            ports: vec![],
            credentials: Some(containerlease_domain::lease::Credentials {
                container_port: 6379,
                user: "default".to_owned(),
                password: containerlease_domain::lease::Password::generate(),
            }),
        }),
        state,
    }
}

fn every_state() -> [State; 5] {
    let ending = Ending {
        reason: Reason::Expired,
        requested_at: Time::from_millis(61_000),
        attempts: 2,
        next_attempt_at: Time::from_millis(181_000),
        holder: Some(Holder::generate()),
        facts: Facts {
            stopped_at: Some(Time::from_millis(61_500)),
            exit_code: Some(137),
            out_of_memory: true,
            last_lines: vec!["it is too much".to_owned()],
            removal_began_at: Some(Time::from_millis(61_600)),
        },
    };
    let receipt = Receipt {
        reason: Reason::Expired,
        requested_at: Time::from_millis(61_000),
        stopped_at: None,
        removed_at: Time::from_millis(61_700),
        attempts: 2,
        overshoot_ms: Some(700),
        exit_code: None,
        out_of_memory: true,
        last_lines: vec!["it was like this".to_owned()],
    };
    [
        State::Provisioning,
        State::Running,
        State::Ending(ending.clone()),
        State::Quarantined(ending),
        State::Ended(receipt),
    ]
}

#[test]
fn a_lease_in_any_state_comes_back_as_it_went() {
    for state in every_state() {
        let lease = lease(state);
        let attributes = Item::of(&lease, None).into_attributes();
        let back = Item::from_attributes(attributes).unwrap().into_lease();
        assert_eq!(back, Ok(lease));
    }
}

#[test]
fn a_write_knows_every_attribute_of_an_item() {
    for state in every_state() {
        let attributes = Item::of(&lease(state), Some(Time::from_millis(1))).into_attributes();
        for name in attributes
            .keys()
            .filter(|name| !["pk", "sk"].contains(&name.as_str()))
        {
            assert!(ATTRIBUTES.contains(&name.as_str()), "{name}");
        }
    }
}

#[test]
fn only_leases_that_have_not_ended_are_in_the_indexes() {
    for state in every_state() {
        let lease = lease(state);
        let attributes = Item::of(&lease, None).into_attributes();
        let active = lease.state_name() != StateName::Ended;
        for index_key in ["activeSk", "duePk", "dueAt"] {
            assert_eq!(attributes.contains_key(index_key), active, "{index_key}");
        }
    }
}

#[test]
fn what_an_earlier_program_has_written_is_read() {
    let lease = lease(State::Running);
    let mut attributes = Item::of(&lease, None).into_attributes();
    for later in ["labels", "amountsCounted", "webhook", "diskMb", "egress"] {
        attributes.remove(later).unwrap();
    }
    let earlier = Lease {
        labels: BTreeMap::new(),
        amounts_counted: false,
        webhook: None,
        disk_mb: None,
        egress: Egress::Open,
        ..lease
    };
    let back = Item::from_attributes(attributes).unwrap().into_lease();
    assert_eq!(back, Ok(earlier));
}

#[test]
fn a_reason_that_is_no_more_is_read_as_a_failure() {
    let [.., ending, _, ended] = every_state();
    for (state, part) in [(ending, "ending"), (ended, "receipt")] {
        let mut attributes = Item::of(&lease(state.clone()), None).into_attributes();
        let AttributeValue::M(part) = attributes.get_mut(part).unwrap() else {
            panic!("it is no map");
        };
        part.insert("reason".to_owned(), text("orphaned"));
        let back = Item::from_attributes(attributes).unwrap().into_lease();
        let reason = match back.unwrap().state {
            State::Ending(ending) => ending.reason,
            State::Ended(receipt) => receipt.reason,
            other => panic!("{other:?}"),
        };
        assert_eq!(reason, Reason::Failed);
    }
}

#[test]
fn an_end_that_an_earlier_program_has_claimed_is_read() {
    let [.., ending, _, _] = every_state();
    let mut attributes = Item::of(&lease(ending), None).into_attributes();
    let AttributeValue::M(part) = attributes.get_mut("ending").unwrap() else {
        panic!("it is no map");
    };
    for later in ["holder", "outOfMemory", "lastLines", "removalBeganAt"] {
        part.remove(later).unwrap();
    }
    let AttributeValue::M(placement) = attributes.get_mut("placement").unwrap() else {
        panic!("it is no map");
    };
    placement.remove("container").unwrap();
    let back = Item::from_attributes(attributes)
        .unwrap()
        .into_lease()
        .unwrap();
    assert_eq!(back.container(), ContainerName::of_lease(&back.id));
    let ending = back.ending().unwrap();
    assert_eq!(ending.holder, None);
    assert_eq!(ending.facts.exit_code, Some(137));
    assert_eq!(ending.facts.removal_began_at, None);
}

#[test]
fn an_item_that_makes_no_sense_says_what_is_wrong() {
    let mut item = Item::of(&lease(State::Running), None);
    item.state = StateName::Ended;
    assert_eq!(
        item.into_lease(),
        Err("it ended without a receipt".to_owned())
    );
}
