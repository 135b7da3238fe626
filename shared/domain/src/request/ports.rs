//! The ports that a caller requests in addition to the image's.

use serde_json::Value;

use super::{Fields, kind, quoted, whole};
use crate::catalogue::Port;

pub const PORTS: usize = 16;

/// The allowed schemes for the URL of a port: protocols that programs in containers speak. This is
/// an allow list because a click on any other scheme may start a program on the viewer's computer.
pub const SCHEMES: [&str; 25] = [
    "amqp",
    "amqps",
    "bolt",
    "clickhouse",
    "cql",
    "grpc",
    "grpcs",
    "http",
    "https",
    "kafka",
    "ldap",
    "ldaps",
    "memcached",
    "mongodb",
    "mqtt",
    "mqtts",
    "mysql",
    "nats",
    "postgres",
    "postgresql",
    "redis",
    "rediss",
    "tcp",
    "ws",
    "wss",
];

/// The image's ports and the caller's. A port in both lists stays one port, with the caller's
/// scheme if there is one.
pub(super) fn all(of_image: &[Port], asked: Vec<Port>) -> Vec<Port> {
    let mut ports = of_image.to_vec();
    for port in asked {
        let same = |other: &&mut Port| other.container_port == port.container_port;
        match ports.iter_mut().find(same) {
            Some(own) => own.scheme = port.scheme.or_else(|| own.scheme.take()),
            None => ports.push(port),
        }
    }
    ports
}

impl Fields {
    pub(super) fn ports(&mut self) -> Vec<Port> {
        const FIELD: &str = "ports";
        let ports = match self.take(FIELD) {
            None => return Vec::new(),
            Some(Value::Array(entries)) if entries.len() > PORTS => {
                Err(format!("It must have at most {PORTS} ports."))
            }
            Some(Value::Array(entries)) => entries.iter().map(port).collect(),
            Some(other) => Err(format!(
                "It is {}; give a list of port numbers, or of objects such as \
                 {{\"containerPort\": 8080, \"scheme\": \"http\"}}.",
                kind(&other)
            )),
        };
        let once = |ports: Vec<Port>| {
            for (index, port) in ports.iter().enumerate() {
                let number = port.container_port;
                if ports[..index].iter().any(|it| it.container_port == number) {
                    return Err(format!("It has the port {number} more than once."));
                }
            }
            Ok(ports)
        };
        self.keep(FIELD, ports.and_then(once)).unwrap_or_default()
    }
}

/// Parses one entry of a list of ports; the error says what is wrong.
fn port(entry: &Value) -> Result<Port, String> {
    let (number, scheme) = match entry {
        Value::Number(_) => (entry, None),
        Value::Object(fields) => {
            let known = ["containerPort", "scheme"];
            if let Some(field) = fields.keys().find(|field| !known.contains(&field.as_str())) {
                return Err(format!(
                    "A port has no field {}; its fields are containerPort and scheme.",
                    quoted(field)
                ));
            }
            let scheme = fields.get("scheme").filter(|scheme| !scheme.is_null());
            (fields.get("containerPort").unwrap_or(&Value::Null), scheme)
        }
        other => {
            let kind = kind(other);
            return Err(format!(
                "A port is a number or an object, and one is {kind}."
            ));
        }
    };
    let container_port = number
        .as_number()
        .and_then(whole)
        .and_then(|number| u16::try_from(number).ok());
    let container_port = container_port
        .filter(|number| *number > 0)
        .ok_or("A port is a whole number from 1 to 65535.")?;
    let scheme = match scheme {
        None => None,
        Some(Value::String(scheme)) if SCHEMES.contains(&scheme.as_str()) => Some(scheme.clone()),
        Some(_) => return Err(format!("A scheme is one of {}.", SCHEMES.join(", "))),
    };
    Ok(Port {
        container_port,
        protocol: "tcp".to_owned(),
        scheme,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::request::FieldFault;

    fn ports(asked: &Value) -> Result<Vec<Port>, Vec<FieldFault>> {
        let body = json!({"ports": asked}).to_string();
        let mut fields = Fields::parse(body.as_bytes()).unwrap();
        let ports = fields.ports();
        if fields.faults.is_empty() {
            Ok(ports)
        } else {
            Err(fields.faults)
        }
    }

    #[test]
    fn ports_have_their_bounds() {
        let many: Vec<u16> = (1..=16).collect();
        for good in [json!([]), json!([1, 65_535]), json!(many)] {
            assert!(ports(&good).is_ok(), "{good}");
        }
        let too_many: Vec<u16> = (1..=17).collect();
        for wrong in [
            json!(80),
            json!("80"),
            json!(["80"]),
            json!([0]),
            json!([65_536]),
            json!([-1]),
            json!([80.5]),
            json!([80, {"containerPort": 80}]),
            json!([{}]),
            json!([{"containerPort": 80, "hostPort": 80}]),
            json!([{"containerPort": 80, "scheme": "HTTP"}]),
            json!([{"containerPort": 80, "scheme": "http://"}]),
            json!([{"containerPort": 80, "scheme": ""}]),
            json!([{"containerPort": 80, "scheme": 7}]),
            json!([{"containerPort": 80, "scheme": "javascript"}]),
            json!([{"containerPort": 80, "scheme": "file"}]),
            json!([{"containerPort": 80, "scheme": "view-source"}]),
            json!([{"containerPort": 80, "scheme": "ssh"}]),
            json!([{"containerPort": 80, "scheme": "x-apple.systempreferences"}]),
            json!(too_many),
        ] {
            let faults = ports(&wrong).unwrap_err();
            assert_eq!(faults[0].field, "ports", "{wrong}");
        }
    }

    #[test]
    fn every_scheme_of_the_list_is_taken_and_the_catalogues_are_among_them() {
        for scheme in SCHEMES {
            let asked = json!([{"containerPort": 80, "scheme": scheme}]);
            assert_eq!(ports(&asked).unwrap()[0].scheme.as_deref(), Some(scheme));
        }
        for image in crate::catalogue::Catalogue::embedded().images() {
            for scheme in image.ports.iter().filter_map(|port| port.scheme.as_deref()) {
                assert!(SCHEMES.contains(&scheme), "{scheme}");
            }
        }
    }
}
