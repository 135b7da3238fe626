//! DynamoDB, embedded: the table of the one-machine server, of the tests and of the
//! measurements.
//!
//! The AWS SDK calls it inside the process, where nobody else can. What other processes call
//! it for, `sam local` and the measurements, goes through a [`Door`] on a loopback port, which
//! is opened for that alone and asks for a key.
//!
//! - [`operations`]: DynamoDB's operations on the database, each with its JSON.
//! - [`inside`]: what the SDK takes for an HTTP client and is none.
//! - [`door`]: the operations over TCP.

mod door;
mod inside;
mod operations;

use aws_config::{ConfigLoader, Region};
use aws_sdk_dynamodb::config::Credentials;

pub use door::{Door, Key, endpoint};
pub use dynoxide::Database;
pub use inside::Inside;

/// Settings with which the SDK calls `database` inside this process.
pub fn inside(aws: ConfigLoader, database: Database) -> ConfigLoader {
    by_way_of(aws, Inside::of(database))
}

/// Settings with which the SDK calls the database that `inside` leads to.
pub fn by_way_of(aws: ConfigLoader, inside: Inside) -> ConfigLoader {
    // A name that leads nowhere, where a request should ever go astray.
    local(aws)
        .endpoint_url("http://table.invalid")
        .http_client(inside)
}

/// Settings with which the SDK calls the table whose door, or what stands before it, is at
/// `address`.
pub fn through_door(aws: ConfigLoader, address: std::net::SocketAddr, key: &Key) -> ConfigLoader {
    local(aws).endpoint_url(endpoint(address, key))
}

fn local(aws: ConfigLoader) -> ConfigLoader {
    let credentials = Credentials::new("unused", "unused", None, None, "embedded table");
    aws.region(Region::new("local"))
        .credentials_provider(credentials)
}
