use super::*;
use crate::lease::Lease;
use proptest::prelude::*;

#[test]
fn a_url_is_https_and_names_a_host_of_the_public_internet() {
    for (url, private, expected) in [
        (
            "https://example.org/hook?a=b",
            false,
            Ok("https://example.org/hook?a=b"),
        ),
        (
            "HTTPS://Example.ORG:8443",
            false,
            Ok("https://example.org:8443/"),
        ),
        (
            "https://bücher.example/",
            false,
            Ok("https://xn--bcher-kva.example/"),
        ),
        (
            "https://[2606:4700::1111]/",
            false,
            Ok("https://[2606:4700::1111]/"),
        ),
        (
            "http://127.0.0.1:9009/hook",
            true,
            Ok("http://127.0.0.1:9009/hook"),
        ),
        ("http://localhost:9009/", true, Ok("http://localhost:9009/")),
        ("https://[fd12::1]/", true, Ok("https://[fd12::1]/")),
        ("http://example.org/", false, Err(UrlRefused::Scheme)),
        ("ftp://example.org/", true, Err(UrlRefused::Scheme)),
        ("file:///etc/passwd", true, Err(UrlRefused::Scheme)),
        ("example.org", false, Err(UrlRefused::NotOne)),
        ("", false, Err(UrlRefused::NotOne)),
        ("https://", false, Err(UrlRefused::NotOne)),
        ("https://exa mple.org/", false, Err(UrlRefused::NotOne)),
        (" https://example.org/", false, Err(UrlRefused::NotOne)),
        ("https://example.org/\tx", false, Err(UrlRefused::NotOne)),
        (
            "https://example.org/\r\nX: y",
            false,
            Err(UrlRefused::NotOne),
        ),
        ("https://user@example.org/", false, Err(UrlRefused::Extra)),
        ("https://:pass@example.org/", false, Err(UrlRefused::Extra)),
        ("https://@example.org/", false, Err(UrlRefused::Extra)),
        ("https:\\\\@example.org/", false, Err(UrlRefused::NotOne)),
        (
            "https://example.org#@8.8.8.8/",
            false,
            Err(UrlRefused::Extra),
        ),
        ("https://example.org/#", false, Err(UrlRefused::Extra)),
        ("https://127.0.0.1/", false, Err(UrlRefused::Host)),
        ("https://127.1/", false, Err(UrlRefused::Host)),
        ("https://2130706433/", false, Err(UrlRefused::Host)),
        ("https://0x7f.1/", false, Err(UrlRefused::Host)),
        ("https://0177.0.0.1/", false, Err(UrlRefused::Host)),
        ("https://127.0.0.1./", false, Err(UrlRefused::Host)),
        ("https://%31%32%37.0.0.1/", false, Err(UrlRefused::Host)),
        ("https://１２７.0.0.1/", false, Err(UrlRefused::Host)),
        ("https://0/", false, Err(UrlRefused::Host)),
        (
            "https://169.254.169.254/latest/meta-data/",
            false,
            Err(UrlRefused::Host),
        ),
        (
            "http://169.254.169.254/latest/meta-data/",
            true,
            Err(UrlRefused::Host),
        ),
        ("https://[::1]/", false, Err(UrlRefused::Host)),
        ("https://[::ffff:127.0.0.1]/", false, Err(UrlRefused::Host)),
        (
            "https://[64:ff9b::a9fe:a9fe]/",
            false,
            Err(UrlRefused::Host),
        ),
        ("https://[fd00:ec2::254]/", false, Err(UrlRefused::Host)),
        ("https://localhost/", false, Err(UrlRefused::Host)),
        ("https://LOCALHOST./", false, Err(UrlRefused::Host)),
        ("https://app.localhost:8080/", false, Err(UrlRefused::Host)),
    ] {
        let parsed = NotifyUrl::parse(url, private).map(|NotifyUrl(text)| text);
        assert_eq!(
            parsed.as_deref(),
            expected.as_ref().map(|url| *url),
            "{url}"
        );
    }
    let long = format!("https://example.org/{}", "a".repeat(LONGEST_URL));
    assert_eq!(NotifyUrl::parse(&long, false), Err(UrlRefused::NotOne));
    // The text is short enough, but its percent-encoded form is not.
    let grows = format!("https://example.org/{}", "ä".repeat(LONGEST_URL / 3));
    assert_eq!(NotifyUrl::parse(&grows, false), Err(UrlRefused::NotOne));
}

#[test]
fn what_a_parser_would_mend_and_what_leads_to_another_service_is_refused() {
    for (url, private, expected) in [
        ("https://8.8.8.8:443/", false, Ok("https://8.8.8.8/")),
        ("https://8.8.8.8:22/", false, Err(UrlRefused::Port)),
        ("https://8.8.8.8:022/", false, Err(UrlRefused::Port)),
        ("https://example.org:0/", false, Err(UrlRefused::Port)),
        ("https://example.org:80/", false, Err(UrlRefused::Port)),
        ("https://example.org:25/", false, Err(UrlRefused::Port)),
        ("https://example.org:2375/", false, Err(UrlRefused::Port)),
        ("https://example.org:6379/", false, Err(UrlRefused::Port)),
        ("http://127.0.0.1:6379/", true, Err(UrlRefused::Port)),
        ("http://127.0.0.1:22/", true, Err(UrlRefused::Port)),
        ("http://127.0.0.1/", true, Ok("http://127.0.0.1/")),
        ("https:///x", false, Err(UrlRefused::NotOne)),
        ("https:////example.org/x", false, Err(UrlRefused::NotOne)),
        ("https:example.org", false, Err(UrlRefused::NotOne)),
        ("https:/example.org", false, Err(UrlRefused::NotOne)),
        ("https:\\\\example.org", false, Err(UrlRefused::NotOne)),
        ("https://\\example.org", false, Err(UrlRefused::NotOne)),
        ("https://example.org\\x", false, Err(UrlRefused::NotOne)),
        (
            "https://example.org\\@8.8.8.8",
            false,
            Err(UrlRefused::NotOne),
        ),
        ("https://example.org/x?a\\b", false, Err(UrlRefused::NotOne)),
        ("https://?x", false, Err(UrlRefused::NotOne)),
    ] {
        let parsed = NotifyUrl::parse(url, private).map(|NotifyUrl(text)| text);
        let expected = expected.map(str::to_owned);
        assert_eq!(parsed, expected, "{url}");
    }
}

proptest! {
    #[test]
    fn no_spelling_of_an_address_that_is_not_public_is_taken(bits: u32) {
        let v4 = std::net::Ipv4Addr::from_bits(bits);
        let [a, b, c, d] = v4.octets();
        let low = bits & 0xffff;
        for host in [
            v4.to_string(),
            bits.to_string(),
            format!("{bits:#x}"),
            format!("{bits:#o}").replace("0o", "0"),
            format!("{a:#x}.{b}.{low}"),
            format!("{a}.{b}.{c}.{d}."),
            format!("[::ffff:{v4}]"),
        ] {
            let parsed = NotifyUrl::parse(&format!("https://{host}/"), false);
            prop_assert_eq!(parsed.is_ok(), address::is_public(v4.into()), "{}", host);
        }
    }

    #[test]
    fn whatever_is_taken_can_be_sent_to(text in "https://[a-z0-9.]{1,20}[ -~]{0,40}") {
        if let Ok(url) = NotifyUrl::parse(&text, false) {
            let uri = url.uri().expect("it was parsed");
            prop_assert_eq!(uri.scheme_str(), Some("https"));
            prop_assert!(!uri.authority().expect("it has a host").as_str().contains('@'));
        }
    }
}

#[test]
fn a_secret_is_24_to_64_bytes_and_comes_back_as_it_went() {
    for (bytes, good) in [(23, false), (24, true), (64, true), (65, false)] {
        let text = format!("{SECRET_PREFIX}{}", BASE64.encode(vec![7; bytes]));
        let secret = text.parse::<Secret>();
        assert_eq!(secret.is_ok(), good, "{bytes}");
        if let Ok(secret) = secret {
            assert_eq!(String::from(secret), text);
        }
    }
    for bad in [
        "",
        "whsec_",
        "whsec_!",
        &BASE64.encode([7; 32]),
        "whsec_ AAAA",
    ] {
        assert_eq!(bad.parse::<Secret>(), Err(NotASecret), "{bad}");
    }
    let made = String::from(Secret::generate());
    assert!(made.parse::<Secret>().is_ok());
    assert_ne!(made, String::from(Secret::generate()));
}

/// The specification's own example.
#[test]
fn a_signature_is_that_of_standard_webhooks() {
    let secret: Secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".parse().unwrap();
    let id = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    let signature = secret.sign(id, 1_614_265_330, r#"{"test": 2432232314}"#);
    assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}

#[test]
fn neither_the_secret_nor_the_url_is_printed() {
    let mut lease = Lease::sample("redis", Time::from_millis(0));
    lease.webhook = Some(Webhook {
        url: NotifyUrl::parse("https://example.org/t0ken", false).unwrap(),
        secret: Secret::generate(),
        warn_seconds: Some(120),
    });
    let secret = String::from(lease.webhook.clone().unwrap().secret);
    let webhook = lease.webhook.as_ref().unwrap();
    for printed in [
        format!("{lease:?}"),
        format!("{:?} {:?}", webhook.secret, webhook.url),
    ] {
        assert!(
            !printed.contains(&secret[SECRET_PREFIX.len()..]),
            "{printed}"
        );
        assert!(!printed.contains("t0ken"), "{printed}");
    }
}
