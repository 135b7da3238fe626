//! Makes leases, and gives them the ends that a measurement needs.
//!
//! The API's durations are whole minutes, and an engine makes only a few containers a second.
//! So leases are made with a long duration. Then the conditional write of a renewal moves
//! their ends in the table to the exact millisecond.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use aws_sdk_dynamodb::Client;
use containerlease_domain::{
    lease::{Lease, State},
    names::{LeaseId, Owner},
    time::Time,
};
use containerlease_service::store::Store;
use containerlease_table::Key;
use futures_util::{StreamExt, TryStreamExt, stream};

use crate::{Fallible, figures::number, say, server::Api};

/// The image type of all measured leases: its program does nothing, so that only the engine
/// and the product are measured.
pub const IMAGE: &str = "alpine";

/// The grace of that type, in seconds.
pub const GRACE: i32 = 1;

/// Number of leases made concurrently. The engine's throughput is flat from 4 to 8.
const MADE_AT_ONCE: usize = 6;

const LONG: u64 = 120;

/// Makes leases that end in two hours, which is later than any measurement.
pub async fn make(api: &Api, count: usize) -> Fallible<Vec<LeaseId>> {
    let begun = Instant::now();
    let ids: Vec<_> = stream::iter((0..count).map(|_| api.provision(IMAGE, LONG)))
        .buffer_unordered(MADE_AT_ONCE)
        .try_collect()
        .await?;
    let seconds = begun.elapsed().as_secs_f64();
    let rate = number(count) / seconds;
    say(format!(
        "  made {count} leases in {seconds:.0} s, {rate:.1} a second"
    ));
    Ok(ids)
}

/// Sets the end of each lease.
pub async fn move_ends(store: &Store, ends: &[(LeaseId, Time)]) -> Fallible<()> {
    let owner = &Owner::local();
    stream::iter(ends.iter().map(|(id, end)| async move {
        let lease = store.get(owner, id).await?.ok_or("a lease is not there")?;
        Ok(store.renew(&lease, *end, Time::now()).await.map(drop)?)
    }))
    .buffer_unordered(MADE_AT_ONCE)
    .try_collect()
    .await
}

/// The earliest end for leases whose ends are moved now. A run of the reaper sees each before
/// that, as it sees every lease of at least a minute.
pub fn soonest_end(leases: usize, tick: Duration) -> Time {
    let moving = Duration::from_millis(20) * u32::try_from(leases).unwrap_or(u32::MAX);
    Time::now().plus(moving + tick + Duration::from_secs(6))
}

/// Waits until all have ended, and returns the leases.
pub async fn ended(store: &Store, ids: &[LeaseId], limit: Duration) -> Fallible<Vec<Lease>> {
    let begun = Instant::now();
    let owner = &Owner::local();
    loop {
        let leases: Vec<Lease> = stream::iter(ids.iter().map(|id| async move {
            let lease = store.get(owner, id).await?;
            lease.ok_or_else(|| crate::Problem::from("a lease is not there"))
        }))
        .buffer_unordered(MADE_AT_ONCE)
        .try_collect()
        .await?;
        let left = leases
            .iter()
            .filter(|lease| !matches!(lease.state, State::Ended(_)));
        match left.count() {
            0 => return Ok(leases),
            left if begun.elapsed() > limit => {
                return Err(format!("{left} leases have not ended after {limit:?}").into());
            }
            _ => tokio::time::sleep(Duration::from_millis(500)).await,
        }
    }
}

/// Waits until `time`.
pub async fn sleep_until(time: Time) {
    tokio::time::sleep(Time::now().until(time)).await;
}

/// The ids of all leases ever made, in any state.
pub async fn all_ids(table: SocketAddr, key: &Key) -> Fallible<Vec<LeaseId>> {
    let aws = containerlease_testkit::table::aws_at(table, key).await;
    let scan = Client::new(&aws)
        .scan()
        .table_name(containerlease_testkit::table::NAME)
        .projection_expression("sk")
        .into_paginator()
        .items()
        .send();
    let items = scan.try_collect().await?;
    let ids = items.iter().filter_map(|item| {
        let id = item.get("sk")?.as_s().ok()?.strip_prefix("lease#")?;
        id.parse().ok()
    });
    Ok(ids.collect())
}
