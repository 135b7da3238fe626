//! A lease for tests, which change what they are about.

use std::{collections::BTreeMap, time::Duration};

use super::{Lease, State};
use crate::{
    catalogue::ImageType,
    egress::Egress,
    names::{LeaseId, Owner},
    time::Time,
};

impl Lease {
    /// A running lease of `image_type` that was made at `now` for ten minutes, of at most an hour.
    /// It has no container yet.
    pub fn sample(image_type: &str, now: Time) -> Self {
        const MINUTE: Duration = Duration::from_secs(60);
        Self {
            id: LeaseId::generate(),
            owner: Owner::local(),
            version: 1,
            image_type: ImageType::for_tests(image_type),
            name: None,
            labels: BTreeMap::new(),
            created_at: now,
            expires_at: now.plus(10 * MINUTE),
            hard_deadline: now.plus(60 * MINUTE),
            cpu_milli: 500,
            memory_mb: 256,
            disk_mb: Some(1024),
            egress: Egress::Open,
            amounts_counted: true,
            webhook: None,
            placement: None,
            state: State::Running,
        }
    }
}
