//! The ports that a webhook may be sent to. Pure.
//!
//! A request can do harm even to a service that does not speak HTTP: a mail server, a database or
//! an engine may read its lines as commands. So of the well-known ports below 1024 only the web's
//! own are allowed, and from 1024 on all but the ports of other known services. That list has the
//! blocked ports of the Fetch standard (<https://fetch.spec.whatwg.org/#port-blocking>), and the
//! ports of databases, queues, engines and clusters that trust anybody who can reach them.

/// The last well-known port. Only a system's own services may listen on these.
const WELL_KNOWN: u16 = 1023;

const HTTP: u16 = 80;
const HTTPS: u16 = 443;

/// The ports of other protocols, and of HTTP services that obey anybody who can reach them.
const OTHERS: [u16; 53] = [
    1080, 1433, 1521, 1719, 1720, 1723, 1883, 2049, 2181, 2375, 2376, 2377, 2379, 2380, 3128, 3306,
    3389, 3659, 4045, 4190, 4222, 4243, 5060, 5061, 5432, 5672, 5900, 5984, 5985, 5986, 6000, 6379,
    6443, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 7001, 8500, 9042, 9092, 9200, 9300,
    10_080, 10_250, 10_255, 11_211, 27_017, 50_000,
];

/// Whether a webhook may be sent to this port. `private` also allows the port of plain HTTP.
pub(super) fn is_allowed(port: u16, private: bool) -> bool {
    match port {
        HTTPS => true,
        HTTP => private,
        0..=WELL_KNOWN => false,
        _ => !OTHERS.contains(&port),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_of_the_web_are_allowed_and_those_of_other_services_are_not() {
        for port in [443, 1024, 3000, 8000, 8080, 8443, 9000, 32_768, 65_535] {
            assert!(is_allowed(port, false), "{port}");
            assert!(is_allowed(port, true), "{port}");
        }
        for port in [
            0, 1, 22, 23, 25, 53, 110, 143, 445, 465, 587, 993, 1023, 2375, 5432, 6379,
        ] {
            assert!(!is_allowed(port, false), "{port}");
            assert!(!is_allowed(port, true), "{port}");
        }
        assert!(is_allowed(80, true) && !is_allowed(80, false));
    }
}
