use std::collections::BTreeSet;

use containerlease_domain::{
    catalogue::Catalogue,
    policy::Policy,
    request::{Exec, MakeToken, Provision, Refused, Renew},
};
use http::Method;

use super::*;
use crate::{
    http::{problem::Kind, router::route},
    routes::description::DESCRIPTION,
};

#[test]
fn what_is_kept_is_what_is_made() {
    assert!(
        document() == DESCRIPTION,
        "docs/openapi.json is out of date; run `make openapi`"
    );
}

#[test]
fn every_operation_is_routed_and_every_route_is_described() {
    let described: Vec<_> = all()
        .map(|operation| (operation.method, operation.path))
        .collect();
    for (method, path) in &described {
        assert!(route(method, path).is_ok(), "{method} {path}");
    }
    for (_, path) in &described {
        for method in [
            Method::GET,
            Method::POST,
            Method::PUT,
            Method::PATCH,
            Method::DELETE,
        ] {
            let is_described = described.contains(&(method.clone(), path));
            assert_eq!(
                route(&method, path).is_ok(),
                is_described,
                "{method} {path}"
            );
        }
    }
    let template = include_str!("../../../template.yaml");
    let on_aws: Vec<_> = described
        .iter()
        .filter(|(_, path)| !path.starts_with("/api/tokens"))
        .collect();
    for (method, path) in &on_aws {
        let event = format!("Method: {method}, Path: '{path}'");
        assert!(template.contains(&event), "template.yaml has no {event}");
    }
    let events = template.matches("{ApiId: !Ref HttpApi, Method: ").count();
    assert_eq!(
        events,
        on_aws.len(),
        "template.yaml has routes that are not described"
    );
}

#[test]
fn every_reference_and_link_leads_somewhere() {
    let document: Value = serde_json::from_str(DESCRIPTION).unwrap();
    let ids: BTreeSet<_> = all().map(|operation| operation.id).collect();
    assert_eq!(ids.len(), all().count());
    let mut rest = vec![&document];
    while let Some(value) = rest.pop() {
        if let Some(reference) = value["$ref"].as_str() {
            let pointer = reference.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{reference}");
        }
        if let Some(id) = value["operationId"].as_str() {
            assert!(ids.contains(id), "{id}");
        }
        match value {
            Value::Array(items) => rest.extend(items),
            Value::Object(fields) => rest.extend(fields.values()),
            _ => {}
        }
    }
}

#[test]
fn every_kind_of_problem_is_described() {
    let document: Value = serde_json::from_str(DESCRIPTION).unwrap();
    let types = document["components"]["schemas"]["ProblemType"]["enum"].as_array();
    let types: Vec<_> = types
        .unwrap()
        .iter()
        .map(|urn| urn.as_str().unwrap())
        .collect();
    let kinds: Vec<_> = Kind::ALL.iter().map(|kind| kind.urn()).collect();
    assert_eq!(types, kinds);
    // Problems outside every operation.
    let elsewhere = [
        Kind::RouteNotFound,
        Kind::MethodNotAllowed,
        Kind::WebsocketExpected,
        Kind::TooManyLogs,
        Kind::TooSlow,
        Kind::TargetTooLong,
    ];
    for kind in Kind::ALL {
        let of_operation = all().any(|operation| operation.problems.contains(kind));
        let known = of_operation || answers::ANYWHERE.contains(kind) || elsewhere.contains(kind);
        assert!(known, "no operation answers {kind:?}");
    }
}

/// The fields that a parser knows, as it lists them to whoever sends another.
fn known(refused: Refused) -> BTreeSet<String> {
    let Refused::Fields(faults) = refused else {
        panic!("it is refused for a field");
    };
    let detail = faults.into_iter().find(|fault| fault.field == "zzz");
    let detail = detail.expect("the field is unknown").detail;
    let (_, known) = detail.split_once("the fields are ").unwrap();
    known
        .trim_end_matches('.')
        .split(", ")
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_field_that_a_parser_knows_is_described_and_no_other() {
    let (catalogue, policy) = (Catalogue::embedded(), Policy::default());
    let provision = br#"{"imageType": "redis", "durationMinutes": 5, "zzz": 1}"#;
    let provision = Provision::parse(provision, &catalogue, &policy).err();
    let renew = Renew::parse(br#"{"durationMinutes": 5, "zzz": 1}"#, policy.longest_lease);
    let exec = Exec::parse(br#"{"command": ["ls"], "zzz": 1}"#).err();
    let token = MakeToken::parse(br#"{"name": "x", "zzz": 1}"#).err();
    let document: Value = serde_json::from_str(DESCRIPTION).unwrap();
    for (schema, refused) in [
        ("Provision", provision),
        ("Renew", renew.err()),
        ("Exec", exec),
        ("MakeToken", token),
    ] {
        let fields = document["components"]["schemas"][schema]["properties"].as_object();
        let described: BTreeSet<_> = fields.unwrap().keys().cloned().collect();
        assert_eq!(known(refused.unwrap()), described, "{schema}");
    }
}
