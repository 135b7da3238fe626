//! What client generators need of the description. `make clients` generates two clients and
//! drives a lease through each; these tests check, for all operations, what generators have
//! stumbled over.

use std::collections::BTreeMap;

use containerlease_domain::{
    catalogue::Catalogue,
    logs,
    request::{Refused, exec::Exec, list::List},
    time::Time,
};
use serde_json::{Value, json};

use crate::routes::description::DESCRIPTION;

/// Keywords of JSON Schema that generators ignore or turn into wrong types. A stricter first
/// item of a list became a tuple of two; a number with both bounds and a `const` became
/// nothing at all.
const HARD_WORDS: [&str; 9] = [
    "const",
    "contains",
    "dependentSchemas",
    "else",
    "if",
    "not",
    "patternProperties",
    "prefixItems",
    "then",
];

/// What some dialects of patterns lack: Unicode classes, lookahead and lookbehind.
const HARD_PATTERNS: [&str; 6] = [r"\p", r"\P", "(?=", "(?!", "(?<", "(?P"];

/// Every object of the description outside examples, with its path.
fn objects() -> Vec<(String, Value)> {
    let mut found = Vec::new();
    let document: Value = serde_json::from_str(DESCRIPTION).unwrap();
    let mut rest = vec![(String::new(), document)];
    while let Some((way, value)) = rest.pop() {
        let below: Vec<(String, Value)> = match &value {
            Value::Array(items) => (0..)
                .map(|i: usize| i.to_string())
                .zip(items.clone())
                .collect(),
            Value::Object(fields) => fields.clone().into_iter().collect(),
            _ => continue,
        };
        for (name, inner) in below {
            if name != "example" && name != "examples" {
                rest.push((format!("{way}/{name}"), inner));
            }
        }
        if value.is_object() {
            found.push((way, value));
        }
    }
    assert!(found.len() > 500, "the description is empty");
    found
}

#[test]
fn it_has_only_what_generators_understand() {
    let mut patterns = 0;
    for (way, object) in objects() {
        // Names of fields are not keywords of JSON Schema.
        let is_of_names = way.ends_with("/properties");
        for word in HARD_WORDS {
            assert!(is_of_names || object.get(word).is_none(), "{way}: {word}");
        }
        let of_null = json!(["string", "null"]);
        assert!(
            object.get("enum").is_none() || object["type"] != of_null,
            "{way}: a nullable enum of strings becomes a type for each value"
        );
        if let Some(pattern) = object.get("pattern").and_then(Value::as_str) {
            patterns += 1;
            for hard in HARD_PATTERNS {
                assert!(!pattern.contains(hard), "{way}: {hard}");
            }
        }
    }
    assert!(patterns > 5, "there are patterns");
}

#[test]
fn every_problem_is_of_one_type() {
    let problem = json!({"$ref": "#/components/schemas/Problem"});
    let mut problems = 0;
    for (way, object) in objects() {
        let Some(content) = object.get("application/problem+json") else {
            continue;
        };
        problems += 1;
        assert_eq!(content["schema"], problem, "{way}");
    }
    assert!(problems > 10, "there are problems");
}

/// An operation's query parameters that have a default, with that default.
fn defaults(path: &str) -> BTreeMap<String, String> {
    let document: Value = serde_json::from_str(DESCRIPTION).unwrap();
    let parameters = document["paths"][path]["get"]["parameters"].as_array();
    let of_query = parameters.unwrap().iter().filter(|it| it["in"] == "query");
    let declared = of_query.filter_map(|parameter| {
        let default = match &parameter["schema"]["default"] {
            Value::Null => return None,
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        Some((parameter["name"].as_str().unwrap().to_owned(), default))
    });
    declared.collect()
}

/// A generated client sends them with every request.
#[test]
fn defaults_that_are_sent_change_nothing() {
    let catalogue = Catalogue::embedded();
    let list = |pairs: &BTreeMap<String, String>| {
        let pairs = pairs
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        List::parse(pairs, &catalogue)
    };
    let sent = defaults("/api/containers");
    assert_eq!(list(&sent), list(&BTreeMap::new()));
    for more in [
        vec![("imageType", "redis"), ("label", "team")],
        vec![("state", "all"), ("limit", "1")],
        vec![
            ("state", "ended"),
            ("cursor", "0193b6e08d5c7cc39b1e3f6f3d2a4b5c"),
        ],
    ] {
        let more: BTreeMap<_, _> = more
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let mut both = sent.clone();
        both.extend(more.clone());
        assert!(list(&more).is_ok(), "{more:?}");
        assert_eq!(list(&both), list(&more));
    }

    let page = |pairs: &BTreeMap<String, String>| {
        let given = |name: &str| pairs.get(name).map(String::as_str);
        logs::Query::parse(given, Time::from_millis(1_800_000_000_000))
    };
    let sent = defaults("/api/containers/{id}/logs");
    for (name, value) in [
        ("level", "warn"),
        ("tail", "5"),
        ("since", "15m"),
        ("cursor", "1795512600123456789.0_0"),
    ] {
        let more = BTreeMap::from([(name.to_owned(), value.to_owned())]);
        let mut both = sent.clone();
        both.extend(more.clone());
        assert!(page(&more).is_ok(), "{name}");
        assert_eq!(page(&both), page(&more), "{name}");
    }

    let document: Value = serde_json::from_str(DESCRIPTION).unwrap();
    let exec = &document["components"]["schemas"]["Exec"]["properties"];
    let parsed =
        |body: Value| -> Result<Exec, Refused> { Exec::parse(body.to_string().as_bytes()) };
    let mut body = json!({"command": ["true"]});
    let plain = parsed(body.clone());
    body["timeoutSeconds"] = exec["timeoutSeconds"]["default"].clone();
    assert_eq!(parsed(body).unwrap(), plain.unwrap());
}
