//! Places for log relays, of which the number is limited.
//!
//! | item | `pk` | `sk` |
//! |---|---|---|
//! | a place, and the log whose relay holds it | `relays` | `place#NUMBER` |
//!
//! A relay renews a short hold on its place, so a dead relay's place becomes free again.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use containerlease_domain::{names::LeaseId, time::Time};

use super::{Store, StoreError, hold::Hold, record, text};

const PARTITION: &str = "relays";
const PREFIX: &str = "place#";

/// Number of tries to take a place while others keep taking it first.
const TRIES: u32 = 8;

/// A place as held by a relay.
struct Place {
    number: u32,
    lease: String,
    held_until: Time,
}

impl Store {
    /// Takes one of the `places` for the relay of a lease's log until `until`, or extends its hold
    /// on the one it has. False if none is free.
    pub async fn take_relay_place(
        &self,
        lease: &LeaseId,
        places: u32,
        now: Time,
        until: Time,
    ) -> Result<bool, StoreError> {
        let name = lease.to_string();
        for _ in 0..TRIES {
            let taken = self.relay_places().await?;
            let own = taken.iter().find(|place| place.lease == name);
            if own.is_some_and(|place| place.held_until >= until) {
                return Ok(true);
            }
            let number = match own {
                Some(place) => place.number,
                None => match free(&taken, places, now) {
                    Some(number) => number,
                    None => return Ok(false),
                },
            };
            if self.hold_relay_place(number, &name, now, until).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn relay_places(&self) -> Result<Vec<Place>, StoreError> {
        let query = self
            .client
            .query()
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", text(PARTITION))
            .consistent_read(true);
        let items = self.items("looking for a relay's place", query).await?;
        Ok(items.iter().filter_map(place).collect())
    }

    /// Holds a place if it is free or the lease's own; returns whether it was.
    async fn hold_relay_place(
        &self,
        place: u32,
        lease: &str,
        now: Time,
        until: Time,
    ) -> Result<bool, StoreError> {
        let hold = Hold {
            key: record::key(PARTITION.to_owned(), format!("{PREFIX}{place:04}")),
            holder: ("lease", lease),
            until,
        };
        self.take_hold("taking a relay's place", hold, now).await
    }
}

/// A random free place, since many may look for one at once.
fn free(taken: &[Place], places: u32, now: Time) -> Option<u32> {
    let is_free = |number: &u32| {
        let mut held = taken.iter().filter(|place| place.held_until > now);
        !held.any(|place| place.number == *number)
    };
    let free: Vec<_> = (0..places).filter(is_free).collect();
    fastrand::choice(free)
}

/// The place of an item; none if this program did not write it.
fn place(item: &HashMap<String, AttributeValue>) -> Option<Place> {
    let number = item.get("sk")?.as_s().ok()?.strip_prefix(PREFIX)?;
    let until = item.get("heldUntil")?.as_n().ok()?.parse().ok()?;
    Some(Place {
        number: number.parse().ok()?,
        lease: item.get("lease")?.as_s().ok()?.clone(),
        held_until: Time::from_millis(until),
    })
}
