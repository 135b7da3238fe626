//! Deletes records whose TTL is over, as DynamoDB does by itself on AWS.
//!
//! It scans the table in small steps and rests ten times as long as each step took. So other users
//! of the table wait for one step at most, and purging takes at most a tenth of the table's time.
//! Nothing depends on a record being gone.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use containerlease_domain::time::Time;
use dynoxide::{
    AttributeValue, Database, DynoxideError,
    actions::{delete_item::DeleteItemRequest, scan::ScanRequest},
};
use tokio_util::sync::CancellationToken;

/// Records per step.
const STEP: usize = 50;

/// Rest after a step, as a multiple of its duration, and at least.
const REST: u32 = 10;
const SHORTEST_REST: Duration = Duration::from_millis(20);

/// Rest after a whole scan.
const BETWEEN: Duration = Duration::from_secs(60);

/// A record's key.
type Key = HashMap<String, AttributeValue>;

/// Purges until `ending` is cancelled.
pub(crate) async fn run(database: Database, table: String, ending: CancellationToken) {
    let mut after = None;
    let mut purged = 0;
    loop {
        let (database, table) = (database.clone(), table.clone());
        let now = Time::now();
        let step = move || {
            let begun = Instant::now();
            step(&database, &table, after, now).map(|step| (step, begun.elapsed()))
        };
        let rest = match tokio::task::spawn_blocking(step).await {
            Ok(Ok((step, took))) => {
                purged += step.purged;
                after = step.last;
                (took * REST).max(SHORTEST_REST)
            }
            Ok(Err(error)) => {
                tracing::warn!(%error, "could not purge records");
                after = None;
                BETWEEN
            }
            Err(error) => {
                tracing::error!(%error, "the purge ended badly");
                after = None;
                BETWEEN
            }
        };
        let rest = if after.is_some() { rest } else { BETWEEN };
        if after.is_none() && purged > 0 {
            tracing::info!(purged, "purged records of ended leases");
            purged = 0;
        }
        tokio::select! {
            () = tokio::time::sleep(rest) => {}
            () = ending.cancelled() => return,
        }
    }
}

/// The result of a step.
struct Step {
    purged: usize,
    /// The last record scanned; none at the table's end.
    last: Option<Key>,
}

/// Scans the next few records after `after`, and deletes those that were due at `now`.
fn step(
    database: &Database,
    table: &str,
    after: Option<Key>,
    now: Time,
) -> Result<Step, DynoxideError> {
    let now = AttributeValue::N(now.as_millis().div_euclid(1000).to_string());
    let values = HashMap::from([(":now".to_owned(), now)]);
    let over = Some("purgeAt < :now".to_owned());
    let page = database.scan(ScanRequest {
        table_name: table.to_owned(),
        filter_expression: over.clone(),
        projection_expression: Some("pk, sk".to_owned()),
        expression_attribute_values: Some(values.clone()),
        exclusive_start_key: after,
        limit: Some(STEP),
        ..ScanRequest::default()
    })?;
    let mut purged = 0;
    for key in page.items.unwrap_or_default() {
        // A record that was rewritten since the scan stays.
        let deleted = database.delete_item(DeleteItemRequest {
            table_name: table.to_owned(),
            key,
            condition_expression: over.clone(),
            expression_attribute_values: Some(values.clone()),
            ..DeleteItemRequest::default()
        });
        match deleted {
            Ok(_) => purged += 1,
            Err(DynoxideError::ConditionalCheckFailedException(..)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(Step {
        purged,
        last: page.last_evaluated_key,
    })
}

#[cfg(test)]
mod tests {
    use dynoxide::{
        ImportOptions,
        actions::{get_item::GetItemRequest, put_item::PutItemRequest},
    };

    use super::*;

    const TABLE: &str = "containerlease";

    async fn table(database: &Database) {
        // Built as the server builds it.
        let aws = containerlease_functions::app::aws_defaults();
        let aws = containerlease_table::inside(aws, database.clone());
        let store = containerlease_service::store::Store::new(&aws.load().await, TABLE);
        store.create_table().await.unwrap();
    }

    /// The record of an ended lease, of realistic size.
    fn ended(number: usize, purge_at: i64) -> Key {
        let text = |text: String| AttributeValue::S(text);
        HashMap::from([
            ("pk".to_owned(), text("owner#local".to_owned())),
            ("sk".to_owned(), text(format!("lease#{number:012}"))),
            (
                "purgeAt".to_owned(),
                AttributeValue::N(purge_at.to_string()),
            ),
            ("state".to_owned(), text("ended".to_owned())),
            ("receipt".to_owned(), text("x".repeat(600))),
        ])
    }

    fn seconds(time: Time) -> i64 {
        time.as_millis().div_euclid(1000)
    }

    #[tokio::test]
    async fn what_is_over_goes_step_by_step_and_the_rest_stays() {
        let database = Database::memory().unwrap();
        table(&database).await;
        let now = Time::now();
        let hour = Duration::from_secs(3_600);
        let items = (0..3 * STEP + 7).map(|number| {
            let over = number % 3 == 0;
            let at = if over {
                now.minus(hour)
            } else {
                now.plus(hour)
            };
            ended(number, seconds(at))
        });
        let items: Vec<_> = items.collect();
        let total = items.len();
        let import = database.import_items(TABLE, items, ImportOptions::default());
        import.unwrap();
        let (mut after, mut purged, mut steps) = (None, 0, 0);
        loop {
            let step = step(&database, TABLE, after, now).unwrap();
            purged += step.purged;
            steps += 1;
            after = step.last;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(purged, total.div_ceil(3));
        assert!((4..=5).contains(&steps), "{steps} steps");
        let again = step(&database, TABLE, None, now).unwrap();
        assert_eq!(again.purged, 0);
        let left = database.scan(ScanRequest {
            table_name: TABLE.to_owned(),
            ..ScanRequest::default()
        });
        assert_eq!(left.unwrap().count, total - purged);
    }

    /// How a million records of ended leases slow down the table, with the library's own sweep and
    /// with ours. `cargo test -p containerlease-local -- --ignored --nocapture`
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    #[ignore = "it writes a gigabyte and takes minutes"]
    #[expect(
        clippy::print_stdout,
        reason = "it measures, and somebody reads the figures"
    )]
    async fn nobody_waits_for_a_purge_among_a_million_records() {
        const RECORDS: usize = 1_000_000;
        let random = fastrand::u64(..);
        let folder = std::env::temp_dir().join(format!("containerlease-purge-{random}"));
        std::fs::create_dir(&folder).unwrap();
        let database = Database::new(&folder.join("table.sqlite").to_string_lossy()).unwrap();
        table(&database).await;
        let later = seconds(Time::now().plus(Duration::from_secs(86_400)));
        database.enable_bulk_loading().unwrap();
        let begun = Instant::now();
        for first in (0..RECORDS).step_by(10_000) {
            let items = (first..first + 10_000).map(|number| ended(number, later));
            let options = ImportOptions::default();
            database
                .import_items(TABLE, items.collect(), options)
                .unwrap();
        }
        database.disable_bulk_loading().unwrap();
        println!("{RECORDS} records written in {:?}", begun.elapsed());

        for ours in [false, true] {
            let ending = CancellationToken::new();
            let purging = database.clone();
            let begun = Instant::now();
            let purge = if ours {
                tokio::spawn(run(purging, TABLE.to_owned(), ending.clone()))
            } else {
                tokio::task::spawn_blocking(move || drop(purging.sweep_ttl()))
            };
            let mut waits = Vec::new();
            while begun.elapsed() < Duration::from_secs(30) {
                let asking = database.clone();
                let asked = Instant::now();
                let asking = tokio::task::spawn_blocking(move || {
                    let item = ended(RECORDS + 1, later);
                    let key = item.clone().into_iter().filter(|(name, _)| name.len() == 2);
                    let put = PutItemRequest {
                        table_name: TABLE.to_owned(),
                        item: item.clone(),
                        ..PutItemRequest::default()
                    };
                    asking.put_item(put).unwrap();
                    let get = GetItemRequest {
                        table_name: TABLE.to_owned(),
                        key: key.collect(),
                        ..GetItemRequest::default()
                    };
                    asking.get_item(get).unwrap();
                });
                asking.await.unwrap();
                waits.push(asked.elapsed());
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            waits.sort_unstable();
            let at = |percent: usize| waits[(waits.len() * percent / 100).min(waits.len() - 1)];
            println!(
                "{}: {} writes and reads, p50 {:?}, p99 {:?}, max {:?}; the sweep {}",
                if ours { "ours" } else { "the library's" },
                waits.len(),
                at(50),
                at(99),
                waits[waits.len() - 1],
                if purge.is_finished() {
                    "was over"
                } else {
                    "went on"
                },
            );
            if ours {
                assert!(waits[waits.len() - 1] < Duration::from_secs(1));
            }
            ending.cancel();
            drop(purge.await);
        }
        std::fs::remove_dir_all(folder).unwrap();
    }
}
