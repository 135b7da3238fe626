//! The reaper corrects a wrong count, as after a partial restore of the table, while leases
//! come and go. From then on the count stays exact.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use containerlease_domain::{
    capacity::{Amounts, Limits, Whose},
    lease::Reason,
    names::{Deployment, Owner},
    time::Time,
};
use containerlease_service::{leasing::end, reaper::recount, store::Recount};
use containerlease_testkit::{Engine, Table};
use futures_util::future::join_all;

use crate::{MINUTE, Process, lease};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_spoiled_count_is_mended_while_leases_come_and_go_and_ends_exact() {
    let table = Table::in_memory().await;
    let engine = Engine::new(7, Duration::from_millis(20));
    let deployment: Deployment = "counts".parse().expect("the name keeps to its bounds");
    let owners = ["ada", "bob", "local"].map(|name| Owner::try_from(name.to_owned()).unwrap());
    let mended = AtomicBool::new(false);
    // Each owner makes and ends leases until the counts are corrected, and for a while after
    // that. In the end each leaves one lease.
    let churn = owners.iter().flat_map(|owner| [owner, owner]).map(|owner| {
        let process = Process::new(&table, &engine.address(), &deployment);
        let (engine, deployment, mended) = (&engine, &deployment, &mended);
        async move {
            let mut after = 0;
            while after < 5 {
                let one = lease(owner.clone());
                let created = process.store.create(&one, &Limits::default(), None).await;
                created.expect("the lease can be written");
                engine.run(&one, deployment);
                let ended = end::claim_and_end(process.deps(), &one, Reason::Deleted).await;
                ended.expect("the lease ends");
                after += u32::from(mended.load(Ordering::SeqCst));
                tokio::time::sleep(Duration::from_millis(fastrand::u64(200..500))).await;
            }
            let last = lease(owner.clone());
            let created = process.store.create(&last, &Limits::default(), None).await;
            created.expect("the lease can be written");
        }
    });
    let mending = async {
        for owner in &owners {
            table
                .spoil_count(&format!("owner#{}", owner.as_str()), "quota")
                .await;
        }
        table.spoil_count("host", "counted").await;
        let reaper = Process::new(&table, &engine.address(), &deployment).reaper(MINUTE);
        let mut left = owners.len() + 1;
        for _ in 0..2_000 {
            let leases = reaper.store.active().await.expect("the table can be read");
            let found = recount(&reaper, &leases.items, Time::now().plus(MINUTE)).await;
            left -= found;
            if left == 0 {
                break;
            }
        }
        assert_eq!(left, 0, "counts stayed spoiled");
        mended.store(true, Ordering::SeqCst);
    };
    let all = async { tokio::join!(join_all(churn), mending) };
    let done = tokio::time::timeout(2 * MINUTE, all).await;
    done.expect("counts are mended under churn");

    let store = table.store();
    let mut together = Amounts::default();
    for owner in &owners {
        let leases = store.active_of(owner).await.unwrap();
        assert_eq!(leases.len(), 2);
        let held = leases.iter().map(|lease| Whose::Owner.counts(lease));
        let held = held.fold(Amounts::default(), Amounts::plus);
        assert_eq!(store.counted(owner).await.unwrap(), held, "{owner:?}");
        together = together.plus(held);
        assert_eq!(store.recount_owner(owner).await.unwrap(), Recount::Right);
    }
    assert_eq!(store.counted_on_host().await.unwrap(), together);
    let again = store
        .recount_by_index(&owners, Duration::from_millis(1))
        .await;
    let again = again.unwrap();
    assert!(
        again.iter().all(|(_, recount)| *recount == Recount::Right),
        "{again:?}"
    );
}

#[tokio::test]
async fn an_unreadable_lease_keeps_a_count_from_being_mended() {
    let table = Table::in_memory().await;
    let store = table.store();
    let one = lease(Owner::local());
    store.create(&one, &Limits::default(), None).await.unwrap();
    table.spoil_count("owner#local", "quota").await;
    let spoiled = store.counted(&one.owner).await.unwrap();
    table.put_into_unknown_state(&one).await;
    let recount = store.recount_owner(&one.owner).await.unwrap();
    assert_eq!(recount, Recount::Unsettled);
    let all = store.recount_by_index(&[], Duration::ZERO).await.unwrap();
    assert_eq!(all, [(None, Recount::Unsettled)]);
    assert_eq!(store.counted(&one.owner).await.unwrap(), spoiled);
}
