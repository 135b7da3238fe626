use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::{catalogue::Catalogue, egress::Egress, policy::Policy};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn policy() -> Policy {
    Policy::default()
}

fn provision(body: &Value) -> Result<Provision, Refused> {
    Provision::parse(
        body.to_string().as_bytes(),
        &Catalogue::embedded(),
        &policy(),
    )
}

fn faults(body: &Value) -> Vec<(String, String)> {
    match provision(body) {
        Err(Refused::Fields(faults)) => faults.into_iter().map(|f| (f.field, f.detail)).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_founding_body_is_enough() {
    let parsed = provision(&json!({"imageType": "ubuntu", "durationMinutes": 5})).unwrap();
    assert_eq!(parsed.image.image_type.as_str(), "ubuntu");
    assert_eq!(parsed.duration, Duration::from_secs(300));
    assert_eq!(parsed.cpu_milli, parsed.image.cpu_milli.default);
    assert_eq!(parsed.command, parsed.image.command);
}

#[test]
fn every_optional_field_is_taken() {
    let parsed = provision(&json!({
        "imageType": "redis", "durationMinutes": 1, "name": "cache for Zoë",
        "cpuMilli": 250, "memoryMB": 64, "diskMB": 100, "egress": "none",
        "command": ["redis-server", "--save", ""],
        "env": {"TOKEN": "x"}, "labels": {"team/a": "Zoë: search", "tmp": ""},
        "ports": [8080, {"containerPort": 9, "scheme": "http"}, {"containerPort": 6379}],
    }))
    .unwrap();
    assert_eq!(parsed.name.as_deref(), Some("cache for Zoë"));
    assert_eq!(parsed.labels["team/a"], "Zoë: search");
    assert_eq!(parsed.labels["tmp"], "");
    let ports = parsed.ports.iter().map(|port| {
        assert_eq!(port.protocol, "tcp");
        (port.container_port, port.scheme.as_deref())
    });
    let expected = [(6379, Some("redis")), (8080, None), (9, Some("http"))];
    assert_eq!(ports.collect::<Vec<_>>(), expected);
    assert_eq!((parsed.cpu_milli, parsed.memory_mb), (250, 64));
    assert_eq!((parsed.disk_mb, parsed.egress), (100, Egress::None));
    assert_eq!(parsed.command.unwrap().len(), 3);
    assert_eq!(parsed.env["TOKEN"], "x");
}

#[test]
fn a_whole_number_is_one_however_it_is_written() {
    let body = r#"{"imageType": "redis", "durationMinutes": 5.0, "cpuMilli": 2.5e2,
                       "memoryMB": 64.0, "ports": [8080.0]}"#;
    let parsed = Provision::parse(body.as_bytes(), &Catalogue::embedded(), &policy()).unwrap();
    assert_eq!(parsed.duration, Duration::from_secs(300));
    assert_eq!((parsed.cpu_milli, parsed.memory_mb), (250, 64));
    assert_eq!(parsed.ports[1].container_port, 8080);
    for none in ["1.5", "-1.0", "-0.5", "1e300", "9007199254740992.5"] {
        assert_eq!(whole(&none.parse().unwrap()), None, "{none}");
    }
}

#[test]
fn an_unknown_image_type_is_told_the_choice() {
    for wrong in [
        json!("windows"),
        json!(""),
        json!("../redis"),
        json!(7),
        json!(null),
    ] {
        let faults = faults(&json!({"imageType": wrong, "durationMinutes": 5}));
        assert_eq!(faults.len(), 1);
        assert_eq!(faults[0].0, "imageType");
        assert!(
            faults[0].1.contains("choose one of ubuntu, "),
            "{}",
            faults[0].1
        );
    }
}

#[test]
fn all_faults_come_at_once() {
    let fields: Vec<_> = faults(&json!({
        "imageTyp": "redis", "durationMinutes": 0, "name": " x", "command": [],
        "env": {"1A": "x"}, "cpuMilli": 1,
    }))
    .into_iter()
    .map(|(field, _)| field)
    .collect();
    assert_eq!(
        fields,
        [
            "command",
            "durationMinutes",
            "env",
            "imageTyp",
            "imageType",
            "name"
        ]
    );
}

#[test]
fn amounts_are_held_against_the_image() {
    let image = Catalogue::embedded().get("redis").unwrap().clone();
    let body = |field: &str, value: Value| {
        let mut body = json!({"imageType": "redis", "durationMinutes": 5});
        body[field] = value;
        body
    };
    for (field, most) in [
        ("cpuMilli", image.cpu_milli.maximum),
        ("memoryMB", image.memory_mb.maximum),
        ("diskMB", image.disk_mb.maximum),
    ] {
        assert!(provision(&body(field, json!(most))).is_ok());
        for wrong in [
            json!(0),
            json!(most + 1),
            json!(-1),
            json!(99.5),
            json!("64"),
        ] {
            assert_eq!(faults(&body(field, wrong))[0].0, field);
        }
    }
}

#[test]
fn egress_is_open_or_none_where_the_operator_says_nothing() {
    assert_eq!(provision(&redis(&json!({}))).unwrap().egress, Egress::Open);
    for wrong in [json!("closed"), json!(""), json!(1), json!([])] {
        let [(field, sentence)] = &faults(&redis(&json!({"egress": wrong})))[..] else {
            panic!("{wrong} is one fault");
        };
        assert_eq!(field, "egress");
        assert!(sentence.contains("choose one of open, none."), "{sentence}");
    }
}

#[test]
fn a_list_is_taken_where_the_operator_allows_it_and_his_first_is_for_who_says_nothing() {
    let policy = Policy {
        egress: vec!["web".parse().unwrap(), Egress::Open],
        ..policy()
    };
    let parse = |more: &Value| {
        let body = redis(more).to_string();
        Provision::parse(body.as_bytes(), &Catalogue::embedded(), &policy)
    };
    let of = |more: &Value| parse(more).unwrap().egress;
    assert_eq!(of(&json!({})).as_str(), "web");
    assert_eq!(of(&json!({"egress": "web"})).as_str(), "web");
    assert_eq!(of(&json!({"egress": "open"})), Egress::Open);
    assert_eq!(of(&json!({"egress": "none"})), Egress::None);
    assert!(parse(&json!({"egress": "db"})).is_err());
}

fn redis(more: &Value) -> Value {
    let mut body = json!({"imageType": "redis", "durationMinutes": 5});
    let more = more.as_object().unwrap().clone();
    body.as_object_mut().unwrap().extend(more);
    body
}

#[test]
fn a_preset_is_a_size_and_what_is_asked_for_by_itself_wins() {
    let image = Catalogue::embedded().get("redis").unwrap().clone();
    for preset in &image.presets {
        let parsed = provision(&redis(&json!({"preset": preset.name}))).unwrap();
        assert_eq!(parsed.cpu_milli, preset.cpu_milli);
        assert_eq!(parsed.memory_mb, preset.memory_mb);
    }
    let parsed = provision(&redis(&json!({"preset": "large", "memoryMB": 77}))).unwrap();
    assert_eq!(parsed.memory_mb, 77);
    assert_eq!(parsed.cpu_milli, image.preset("large").unwrap().cpu_milli);
    for wrong in [json!("huge"), json!(""), json!(1), json!(["small"])] {
        let faults = faults(&redis(&json!({"preset": wrong})));
        assert_eq!(faults[0].0, "preset");
        assert!(
            faults[0].1.ends_with("choose one of small, medium, large."),
            "{faults:?}"
        );
    }
}

#[test]
fn labels_have_their_bounds() {
    let many = |count: usize| {
        let labels = (0..count).map(|index| (format!("l{index}"), json!("")));
        Value::Object(labels.collect())
    };
    for good in [
        json!({}),
        json!({"0": "", &*"k".repeat(63): "v".repeat(255)}),
        json!({"a.b_c/d-e": "é".repeat(255)}),
        many(16),
    ] {
        assert!(
            provision(&redis(&json!({"labels": good}))).is_ok(),
            "{good}"
        );
    }
    for wrong in [
        json!([]),
        json!("a=b"),
        json!({"a": 1}),
        json!({"a": null}),
        json!({"": ""}),
        json!({"A": ""}),
        json!({"-a": ""}),
        json!({"a b": ""}),
        json!({"a:b": ""}),
        json!({"é": ""}),
        json!({&*"k".repeat(64): ""}),
        json!({"a": "v".repeat(256)}),
        json!({"a": "x\ny"}),
        many(17),
    ] {
        let faults = faults(&redis(&json!({"labels": wrong})));
        assert_eq!(faults[0].0, "labels", "{wrong}");
    }
}

#[test]
fn the_same_request_is_the_same_however_it_is_written() {
    let canonical = |body: &str| {
        let parsed = Provision::parse(body.as_bytes(), &Catalogue::embedded(), &policy());
        parsed.unwrap().canonical
    };
    let one = canonical(
        r#"{"imageType": "redis", "durationMinutes": 5, "env": {"A": "1", "B": "2"},
                "ports": [80]}"#,
    );
    let other = canonical(
        r#"{"name": null, "env": {"B": "2", "A": "\u0031"}, "durationMinutes": 5,
                "ports": [{"scheme": null, "containerPort": 80}], "imageType": "redis"}"#,
    );
    assert_eq!(one, other);
    // A request that names today's defaults differs from one that names none.
    let default = redis(&json!({"memoryMB": 256})).to_string();
    assert_ne!(
        canonical(&redis(&json!({})).to_string()),
        canonical(&default)
    );
    for different in [
        json!({"durationMinutes": 6}),
        json!({"name": "x"}),
        json!({"preset": "small"}),
        json!({"cpuMilli": 500}),
        json!({"command": ["redis-server"]}),
        json!({"env": {"A": "1"}}),
        json!({"labels": {"a": ""}}),
        json!({"ports": [6379]}),
    ] {
        let different = canonical(&redis(&different).to_string());
        assert_ne!(canonical(&redis(&json!({})).to_string()), different);
    }
}

#[test]
fn a_key_that_is_there_twice_is_named_at_every_depth() {
    for (body, named) in [
        (
            r#"{"imageType":"redis","durationMinutes":5,"durationMinutes":500}"#,
            "durationMinutes",
        ),
        (
            r#"{"imageType":"redis","image\u0054ype":"redis","durationMinutes":5}"#,
            "imageType",
        ),
        (
            r#"{"name":null,"name":"x","imageType":"redis","durationMinutes":5}"#,
            "name",
        ),
        (
            r#"{"imageType":"redis","durationMinutes":5,"env":{"A":"1","A":"1"}}"#,
            "env A",
        ),
        (
            r#"{"imageType":"redis","durationMinutes":5,"labels":{"a":"","b":"","a":""}}"#,
            "labels a",
        ),
        (
            r#"{"imageType":"redis","durationMinutes":5,"ports":[80,{"scheme":null,"containerPort":1,"scheme":"http"}]}"#,
            "ports scheme",
        ),
    ] {
        let refused = Provision::parse(body.as_bytes(), &Catalogue::embedded(), &policy());
        let Err(Refused::Fields(faults)) = refused else {
            panic!("{body}: {refused:?}")
        };
        let (field, key) = named.split_once(' ').unwrap_or((named, named));
        let detail = format!("The key \"{key}\" is given more than once.");
        let expected = FieldFault {
            field: field.to_owned(),
            detail,
        };
        assert_eq!(faults, [expected], "{body}");
    }
    let twice = br#"{"durationMinutes": 5, "durationMinutes": 5, "durationMinutes": 5, "x": 1}"#;
    let Err(Refused::Fields(faults)) = Renew::parse(twice, DAY) else {
        panic!("it was taken")
    };
    assert_eq!(faults.len(), 2, "{faults:?}");
}

#[test]
fn json_is_read_as_ever() {
    for text in [
        "null",
        "true",
        "-1",
        "18446744073709551615",
        "1e300",
        "5.0",
        r#""\ud83d\ude00""#,
        "[]",
        r#"[1,[{"a":{}}],"x"]"#,
        r#"{"a":[null,false,-0.5],"":{"b":"c"}}"#,
    ] {
        let (value, faults) = json::read(text.as_bytes()).unwrap();
        assert_eq!(
            value,
            serde_json::from_str::<Value>(text).unwrap(),
            "{text}"
        );
        assert_eq!(faults, [], "{text}");
    }
    for wrong in ["", "{", "{}x", "[1,]", "\"\\ud800\"", &"[".repeat(1_000)] {
        assert!(json::read(wrong.as_bytes()).is_err(), "{wrong}");
    }
}

#[test]
fn a_secret_is_never_repeated() {
    let said = faults(&json!({
        "imageType": "redis", "durationMinutes": 5, "env": {"KEY": "hunter2\u{0}"},
    }));
    assert!(!format!("{said:?}").contains("hunter2"));
}

#[test]
fn what_is_not_an_object_is_told_so() {
    for (body, said) in [
        ("", "The body is empty; send a JSON object."),
        ("[]", "The body is a list; send a JSON object."),
        ("\"x\"", "The body is text; send a JSON object."),
    ] {
        assert_eq!(
            Renew::parse(body.as_bytes(), DAY),
            Err(Refused::NotAnObject(said.to_owned()))
        );
    }
    let Err(Refused::NotAnObject(said)) = Renew::parse(b"{\"durationMinutes\": 5", DAY) else {
        panic!("half a body was taken")
    };
    assert!(said.starts_with("The body is not JSON: "), "{said}");
    assert!(Renew::parse(&[0xff, 0xfe], DAY).is_err());
}

#[test]
fn a_long_text_is_cut_before_it_is_repeated() {
    let long = "é".repeat(50_000);
    let said = &faults(&json!({"imageType": long, "durationMinutes": 5}))[0].1;
    assert!(said.len() < 300, "{}", said.len());
}
