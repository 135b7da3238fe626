//! DynamoDB's operations, by name, as JSON.
//!
//! They are those that the product and its tests use, and what one looks around with.

use dynoxide::{Database, DynoxideError};
use serde::{Serialize, de::DeserializeOwned};

/// What DynamoDB answers: a status, and JSON.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
    /// Whether it was a write that the disk did not take.
    pub(crate) unwritten: bool,
}

/// What a write is answered that the disk does not take: DynamoDB has no such word. The same
/// write fails again, so it is no fault of the kind that clients try again by themselves.
const UNWRITABLE: &str =
    r#"{"__type":"com.amazonaws.dynamodb.v20120810#TableUnwritableException"}"#;

/// Carries out what the header `X-Amz-Target` and the body of a request say.
///
/// It takes as long as the disk does, and must not be called where others wait for the thread.
pub(crate) fn carry_out(database: &Database, target: &str, body: &[u8]) -> Answer {
    let operation = target.strip_prefix("DynamoDB_20120810.").unwrap_or(target);
    let done = match operation {
        "BatchGetItem" => call(body, |request| database.batch_get_item(request)),
        "BatchWriteItem" => call(body, |request| database.batch_write_item(request)),
        "CreateTable" => call(body, |request| database.create_table(request)),
        "DeleteItem" => call(body, |request| database.delete_item(request)),
        "DescribeTable" => call(body, |request| database.describe_table(request)),
        "DescribeTimeToLive" => call(body, |request| database.describe_time_to_live(request)),
        "GetItem" => call(body, |request| database.get_item(request)),
        "ListTables" => call(body, |request| database.list_tables(request)),
        "PutItem" => call(body, |request| database.put_item(request)),
        "Query" => call(body, |request| database.query(request)),
        "Scan" => call(body, |request| database.scan(request)),
        "TransactGetItems" => call(body, |request| database.transact_get_items(request)),
        "TransactWriteItems" => call(body, |request| database.transact_write_items(request)),
        "UpdateItem" => call(body, |request| database.update_item(request)),
        "UpdateTimeToLive" => call(body, |request| database.update_time_to_live(request)),
        _ => {
            return Answer {
                status: 400,
                body: r#"{"__type":"com.amazon.coral.service#UnknownOperationException"}"#
                    .to_owned(),
                unwritten: false,
            };
        }
    };
    match done {
        Ok(body) => Answer {
            status: 200,
            body,
            unwritten: false,
        },
        Err(error) if writes(operation) && is_of_the_disk(&error) => {
            tracing::warn!(%error, operation, "the disk does not take a write");
            Answer {
                status: 400,
                body: UNWRITABLE.to_owned(),
                unwritten: true,
            }
        }
        Err(error) => Answer {
            status: error.status_code(),
            body: error.to_json(),
            unwritten: false,
        },
    }
}

fn writes(operation: &str) -> bool {
    ["Put", "Update", "Delete", "BatchWrite", "TransactWrite"]
        .iter()
        .any(|verb| operation.starts_with(verb))
}

/// Whether it is the disk that an operation failed on. The library passes on the words
/// that its database has for it: `SQLITE_FULL`, `SQLITE_IOERR`, `SQLITE_READONLY` and `SQLITE_CANTOPEN`.
fn is_of_the_disk(error: &DynoxideError) -> bool {
    const WORDS: [&str; 5] = [
        "disk is full",
        "disk I/O error",
        "backend: I/O error",
        "readonly database",
        "unable to open database file",
    ];
    let said = error.to_string();
    error.status_code() == 500 && WORDS.iter().any(|words| said.contains(words))
}

fn call<Q: DeserializeOwned, A: Serialize>(
    body: &[u8],
    operation: impl FnOnce(Q) -> Result<A, DynoxideError>,
) -> Result<String, DynoxideError> {
    let request = serde_json::from_slice(body)
        .map_err(|error| DynoxideError::SerializationException(error.to_string()))?;
    let answer = operation(request)?;
    serde_json::to_string(&answer)
        .map_err(|error| DynoxideError::InternalServerError(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_requests_are_refused_as_dynamodb_refuses_them() {
        let database = Database::memory().unwrap();
        let said = |operation: &str, body: &str| {
            let target = format!("DynamoDB_20120810.{operation}");
            let answer = carry_out(&database, &target, body.as_bytes());
            (answer.status, answer.body)
        };
        let (status, body) = said("DropEverything", "{}");
        assert_eq!(status, 400);
        assert!(body.contains("UnknownOperationException"), "{body}");
        let (status, body) = said("GetItem", "no JSON");
        assert_eq!(status, 400);
        assert!(body.contains("SerializationException"), "{body}");
        let (status, body) = said("GetItem", r#"{"TableName":"none","Key":{"pk":{"S":"a"}}}"#);
        assert_eq!(status, 400);
        assert!(body.contains("ResourceNotFoundException"), "{body}");
        let (status, body) = said("ListTables", "{}");
        assert_eq!((status, body.as_str()), (200, r#"{"TableNames":[]}"#));
    }
}
