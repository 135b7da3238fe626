//! `containerlease inspect`: everything known about leases.

use clap::Args;

use crate::{
    api::Api,
    console::Console,
    failure::Failure,
    find::{Called, Finder},
    rm::all_or_some,
};

/// Show everything known about leases, as a JSON array
///
/// For a lease that has ended, this includes its receipt.
#[derive(Clone, Debug, Args)]
pub struct Arguments {
    /// The leases: ids, beginnings of ids, or names
    #[arg(value_name = "LEASE", required = true)]
    leases: Vec<Called>,
}

pub async fn run(api: &Api, arguments: &Arguments, console: &mut Console) -> Result<(), Failure> {
    let mut finder = Finder::of(api);
    let mut found = Vec::new();
    let mut failures = Vec::new();
    for called in &arguments.leases {
        let lease = match finder.find(called).await {
            Ok(id) => api.lease(&id).await,
            Err(failure) => Err(failure),
        };
        match lease {
            Ok(listed) => found.push(listed.json),
            Err(failure) => failures.push(failure),
        }
    }
    let text = indented(&format!("[{}]", found.join(",")));
    console.print_line(&text)?;
    all_or_some(failures, arguments.leases.len(), console)
}

/// The same JSON indented, with its fields in the order received.
fn indented(json: &str) -> String {
    let mut from = serde_json::Deserializer::from_str(json);
    let mut text = Vec::new();
    let mut to = serde_json::Serializer::pretty(&mut text);
    serde_transcode::transcode(&mut from, &mut to).expect("what was read as JSON is JSON");
    String::from_utf8(text).expect("JSON is text")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_keep_their_order() {
        let json = r#"[{"id":"x","createdAt":1.50,"a":[null,{"z":{},"b":[]}]}]"#;
        assert_eq!(
            indented(json),
            "[\n  {\n    \"id\": \"x\",\n    \"createdAt\": 1.5,\n    \"a\": [\n      null,\n      \
             {\n        \"z\": {},\n        \"b\": []\n      }\n    ]\n  }\n]"
        );
    }
}
