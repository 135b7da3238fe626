use std::collections::BTreeMap;

use super::*;
use crate::time::Time;

fn parsed(query: &[(&'static str, &'static str)]) -> Result<List, Vec<FieldFault>> {
    List::parse(query.iter().copied(), &Catalogue::embedded())
}

fn faults(query: &[(&'static str, &'static str)]) -> Vec<String> {
    let faults = parsed(query).expect_err("it is wrong");
    faults.into_iter().map(|fault| fault.field).collect()
}

fn lease(state: StateName) -> Lease {
    use crate::lease::{Gone, Reason};
    let now = Time::from_millis(1_000_000);
    let running = Lease {
        labels: BTreeMap::from([("team".to_owned(), "a:b".to_owned())]),
        expires_at: now,
        hard_deadline: now,
        cpu_milli: 100,
        memory_mb: 64,
        ..Lease::sample("redis", now)
    };
    let ending = running.claimed(Reason::Deleted, now).unwrap();
    match state {
        StateName::Running => running,
        StateName::Ending => ending,
        StateName::Ended => {
            let gone = Gone::at(now);
            ending.ended(&gone).unwrap()
        }
        other => unreachable!("{other:?} is not needed here"),
    }
}

#[test]
fn without_parameters_it_is_what_has_not_ended() {
    let list = parsed(&[]).unwrap();
    assert_eq!(list.page, None);
    assert!(list.wants(&lease(StateName::Running)));
    assert!(list.wants(&lease(StateName::Ending)));
    assert!(!list.wants(&lease(StateName::Ended)));
}

#[test]
fn a_state_picks_and_the_history_comes_in_pages() {
    let wants = |state: &'static str| {
        let list = parsed(&[("state", state)]).unwrap();
        let states = [StateName::Running, StateName::Ending, StateName::Ended];
        (list.page, states.map(|state| list.wants(&lease(state))))
    };
    let first = Some(PageAsked {
        cursor: None,
        limit: 50,
    });
    assert_eq!(wants("active"), (None, [true, true, false]));
    assert_eq!(wants("running"), (None, [true, false, false]));
    assert_eq!(wants("quarantined"), (None, [false, false, false]));
    assert_eq!(wants("ended"), (first, [false, false, true]));
    assert_eq!(wants("all"), (first, [true, true, true]));
}

#[test]
fn filters_must_all_fit() {
    let lease = lease(StateName::Running);
    let fits = |query: &[(&'static str, &'static str)]| parsed(query).unwrap().wants(&lease);
    assert!(fits(&[("imageType", "redis")]));
    assert!(!fits(&[("imageType", "nginx")]));
    assert!(fits(&[("label", "team")]));
    assert!(fits(&[("label", "team:a:b"), ("label", "team")]));
    assert!(!fits(&[("label", "team:a")]));
    assert!(!fits(&[("label", "team:")]));
    assert!(!fits(&[("label", "team"), ("label", "other")]));
    assert!(!fits(&[("label", "team"), ("imageType", "nginx")]));
}

#[test]
fn a_cursor_goes_out_and_comes_back() {
    let cursor = Cursor(LeaseId::generate());
    let text = cursor.to_string();
    assert_eq!(text.parse(), Ok(cursor));
    assert_eq!(text.len(), 32);
    for wrong in [
        String::new(),
        cursor.0.to_string(),
        text.to_uppercase(),
        format!("{text}0"),
        "0".repeat(32),
        "lease#".to_owned(),
    ] {
        assert_eq!(wrong.parse::<Cursor>(), Err(NotACursor), "{wrong}");
    }
}

#[test]
fn every_fault_is_named_at_once() {
    assert_eq!(
        faults(&[
            ("state", "gone"),
            ("limits", "1"),
            ("imageType", "windows"),
            ("label", "A"),
        ]),
        ["imageType", "label", "limits", "state"]
    );
    for limit in ["0", "101", "-1", "1.5", "ten", ""] {
        assert_eq!(faults(&[("state", "all"), ("limit", limit)]), ["limit"]);
    }
    assert_eq!(faults(&[("state", "all"), ("cursor", "x")]), ["cursor"]);
    assert_eq!(faults(&[("state", "all"), ("state", "all")]), ["state"]);
    assert_eq!(
        faults(&[("limit", "5"), ("cursor", "x")]),
        ["cursor", "limit"],
        "what has not ended comes whole"
    );
    assert_eq!(faults(&[("label", "a"); 17]), ["label"]);
    assert_eq!(faults(&[("a\nb", "")])[0], "a\\nb");
}
