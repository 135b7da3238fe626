use super::*;

fn settings(pairs: &[(&str, &str)]) -> Result<Settings, SettingsError> {
    Settings::parse(lookup(pairs))
}

fn lookup(pairs: &[(&str, &str)]) -> impl Fn(&str) -> Option<String> {
    move |variable| {
        pairs
            .iter()
            .find(|(name, _)| *name == variable)
            .map(|(_, value)| (*value).to_owned())
    }
}

#[test]
fn the_defaults_are_those_of_the_table_above() {
    let defaults = settings(&[]).unwrap();
    assert_eq!(defaults.policy, Policy::default());
    assert_eq!(defaults.deployment.as_str(), "containerlease");
    assert_eq!(defaults.table, "containerlease");
    assert_eq!(defaults.policy.longest_lease, Duration::from_secs(86_400));
    assert_eq!(defaults.policy.leases_per_owner, 20);
    assert_eq!(defaults.policy.owner_cpu_milli, 40_000);
    assert_eq!(defaults.policy.owner_memory_mb, 40_960);
    assert_eq!(defaults.policy.host_cpu_milli, None);
    assert_eq!(defaults.policy.host_memory_mb, None);
    assert_eq!(defaults.policy.owner_disk_mb, 204_800);
    assert_eq!(defaults.policy.host_disk_mb, None);
    assert_eq!(defaults.network, NetworkChoice::Auto);
    assert_eq!(defaults.runtime, None);
    assert_eq!(defaults.policy.history, Duration::from_secs(86_400));
    assert!(!defaults.policy.private_webhooks);
    assert_eq!(defaults.look_ahead, Duration::from_secs(65));
    assert_eq!(defaults.publish.advertised_host, "127.0.0.1");
    assert_eq!(defaults.relay_time, None);
    assert_eq!(
        defaults.engine,
        EngineAddress::Unix("/var/run/docker.sock".into())
    );
    let local = LocalSettings::parse(lookup(&[])).unwrap();
    assert_eq!(local.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(local.tick, Duration::from_secs(60));
    let url = CommandLineSettings::parse(lookup(&[])).url;
    assert_eq!(url, format!("http://{}", local.listen));
}

#[test]
fn a_terminal_is_shown_colours_unless_they_are_unwanted() {
    for (variables, colours) in [
        (&[][..], true),
        (&[("NO_COLOR", "")], true),
        (&[("NO_COLOR", "1")], false),
        (&[("TERM", "dumb")], false),
        (&[("TERM", "xterm")], true),
    ] {
        let settings = CommandLineSettings::parse(lookup(variables));
        assert_eq!(settings.colours, colours, "{variables:?}");
    }
}

#[test]
fn an_empty_variable_counts_as_not_set() {
    assert_eq!(settings(&[("CONTAINERLEASE_TABLE", "")]), settings(&[]));
    assert_eq!(
        settings(&[("CONTAINERLEASE_RELAY_SECONDS", "")]),
        settings(&[])
    );
}

#[test]
fn a_wrong_value_is_named_with_what_would_be_right() {
    for (variable, value, said) in [
        (
            "CONTAINERLEASE_DEPLOYMENT",
            "My App",
            "1 to 32 of the characters",
        ),
        (
            "CONTAINERLEASE_MAX_MINUTES",
            "0",
            "whole number from 1 to 525600",
        ),
        (
            "CONTAINERLEASE_MAX_MINUTES",
            "ten",
            "whole number from 1 to 525600",
        ),
        (
            "CONTAINERLEASE_MAX_LEASES",
            "-1",
            "whole number from 1 to 100000",
        ),
        (
            "CONTAINERLEASE_OWNER_CPU_MILLI",
            "0",
            "whole number from 1 to 1000000000",
        ),
        (
            "CONTAINERLEASE_OWNER_MEMORY_MB",
            "1.5",
            "whole number from 1 to 1000000000",
        ),
        (
            "CONTAINERLEASE_HOST_CPU_MILLI",
            "two",
            "whole number from 1 to 1000000000",
        ),
        (
            "CONTAINERLEASE_HOST_MEMORY_MB",
            "0",
            "whole number from 1 to 1000000000",
        ),
        (
            "CONTAINERLEASE_HOST_CONTAINERS",
            "1001",
            "whole number from 1 to 1000",
        ),
        (
            "CONTAINERLEASE_HISTORY_HOURS",
            "0",
            "whole number from 1 to 87600",
        ),
        (
            "CONTAINERLEASE_LOOK_AHEAD_SECONDS",
            "601",
            "whole number from 0 to 600",
        ),
        (
            "CONTAINERLEASE_PUBLISH_ADDRESS",
            "localhost",
            "invalid IP address",
        ),
        (
            "CONTAINERLEASE_RELAY_SECONDS",
            "0",
            "whole number from 6 to 86400",
        ),
        ("CONTAINERLEASE_RUNTIME", "/bin/runsc", "1 to 64 letters"),
        ("CONTAINERLEASE_WEBHOOK_PRIVATE", "yes", "`true` or `false`"),
        ("DOCKER_HOST", "ssh://host", "begin with unix:// or tcp://"),
        ("DOCKER_HOST", "unix://docker.sock", "must be absolute"),
        ("DOCKER_HOST", "tcp://host", "a host and a port"),
        ("DOCKER_HOST", "tcp://a b:1", "a host and a port"),
        ("DOCKER_HOST", "tcp://u@host:1", "a host and a port"),
        ("DOCKER_HOST", "tcp://host:2375", "mutual TLS only"),
    ] {
        let error = settings(&[(variable, value)]).expect_err(value);
        assert_eq!(error.variable, variable);
        assert!(error.problem.contains(said), "{error}");
    }
}

#[test]
fn an_engine_over_tcp_comes_with_its_certificates() {
    let tls = settings(&[
        ("DOCKER_HOST", "tcp://127.0.0.1:2376"),
        ("DOCKER_CERT_PATH", "/certs"),
    ]);
    assert_eq!(
        tls.unwrap().engine,
        EngineAddress::Tls {
            authority: "127.0.0.1:2376".to_owned(),
            certificates: CertificateSource::Folder("/certs".into())
        }
    );
}

#[test]
fn the_server_listens_on_loopback_only() {
    for wrong in ["0.0.0.0:8080", "[::]:8080", "192.0.2.1:80"] {
        let error = LocalSettings::parse(lookup(&[("CONTAINERLEASE_LISTEN", wrong)]));
        assert!(error.unwrap_err().problem.contains("loopback"), "{wrong}");
    }
    assert!(LocalSettings::parse(lookup(&[("CONTAINERLEASE_LISTEN", "[::1]:9")])).is_ok());
    assert!(LocalSettings::parse(lookup(&[("CONTAINERLEASE_LISTEN", "8080")])).is_err());
}

#[test]
fn the_guard_uses_a_socket_only_and_has_its_bounds() {
    let guard = |pairs: &[_]| GuardSettings::parse(lookup(pairs));
    let defaults = guard(&[]).unwrap();
    assert_eq!(
        defaults,
        GuardSettings {
            socket: "/var/run/docker.sock".into(),
            deployments: Vec::new(),
            grace: Duration::from_secs(20),
            look_every: Duration::from_secs(10),
            longest_lease: None,
        }
    );
    let set = guard(&[
        ("CONTAINERLEASE_GUARD_DEPLOYMENTS", "prod, dev,"),
        ("CONTAINERLEASE_MAX_MINUTES", "30"),
    ]);
    let set = set.unwrap();
    assert_eq!(set.deployments, ["prod", "dev"].map(|n| n.parse().unwrap()));
    assert_eq!(set.longest_lease, Some(Duration::from_secs(1_800)));
    let over_tls = [
        ("DOCKER_HOST", "tcp://127.0.0.1:2376"),
        ("DOCKER_CERT_PATH", "/certs"),
    ];
    assert!(
        guard(&over_tls)
            .unwrap_err()
            .problem
            .contains("socket only")
    );
    for (variable, value) in [
        ("CONTAINERLEASE_GUARD_DEPLOYMENTS", "prod,My App"),
        ("CONTAINERLEASE_GUARD_GRACE_SECONDS", "21"),
        ("CONTAINERLEASE_GUARD_LOOK_SECONDS", "0"),
        ("CONTAINERLEASE_GUARD_LOOK_SECONDS", "11"),
        ("CONTAINERLEASE_MAX_MINUTES", "0"),
    ] {
        let error = guard(&[(variable, value)]).unwrap_err();
        assert_eq!(error.variable, variable);
    }
}
