use http::HeaderName;

use super::*;

fn refused_with(status: u16, headers: &[(HeaderName, &str)], body: &str) -> Failure {
    let server: Server = "http://127.0.0.1:8080".parse().unwrap();
    let headers = headers.iter().cloned();
    let headers = headers.map(|(name, value)| (name, value.parse().unwrap()));
    let status = StatusCode::from_u16(status).unwrap();
    Failure::refused(&server, status, &headers.collect(), body.as_bytes())
}

fn refused(status: u16, body: &str) -> Failure {
    refused_with(status, &[], body)
}

fn problem(status: u16, kind: &str) -> Failure {
    let body = format!(
        r#"{{"type": "urn:containerlease:problem:{kind}", "title": "It is refused",
                "detail": "Ask for less."}}"#
    );
    refused_with(status, &[(header::RETRY_AFTER, "90")], &body)
}

#[test]
fn a_refusal_is_told_in_the_servers_words() {
    let refusal = refused(
        404,
        r#"{"type": "urn:containerlease:problem:lease-not-found", "status": 404,
                "title": "There is no such lease", "detail": "It was purged."}"#,
    );
    assert_eq!(
        refusal.to_string(),
        "there is no such lease. It was purged."
    );
    assert_eq!(refusal.exit_code(), 3);
}

#[test]
fn a_refusal_of_fields_names_what_was_given_here() {
    let refusal = refused(
        400,
        r#"{"type": "urn:containerlease:problem:invalid-request", "status": 400,
                "title": "Fields are wrong", "detail": "memoryMB: Less. env.A: None.",
                "errors": [{"field": "memoryMB", "detail": "Less."},
                           {"field": "env.A", "detail": "None."}]}"#,
    );
    assert_eq!(
        refusal.to_string(),
        "fields are wrong. --memory, in mebibytes: Less. env.A: None."
    );
    assert_eq!(refusal.exit_code(), 2);
}

#[test]
fn a_refusal_without_words_is_told_by_its_status() {
    for body in ["", "Forbidden", r#"{"message": "Forbidden"}"#, "[1, 2"] {
        let refusal = refused(403, body);
        assert_eq!(
            refusal.to_string(),
            "http://127.0.0.1:8080 has refused with 403 Forbidden"
        );
        assert_eq!(refusal.exit_code(), 1);
    }
}

#[test]
fn a_gateway_that_refuses_a_websocket_says_no_more_than_not_found() {
    let mut response = http::Response::new(Some(Vec::new()));
    *response.status_mut() = StatusCode::NOT_FOUND;
    let server: Server = "http://127.0.0.1:8080".parse().unwrap();
    let response = tungstenite::Error::Http(Box::new(response));
    let refusal = Failure::to_connect(&server, response);
    assert!(refusal.to_string().contains("knows no such lease"));
    assert_eq!(refusal.exit_code(), 3);
}

#[test]
fn what_speaks_another_language_is_no_server() {
    let page = refused(200, "<!doctype html>");
    assert!(page.to_string().contains("(it answers 200 OK)"), "{page}");
    let elsewhere = refused(
        404,
        r#"{"type": "urn:containerlease:problem:route-not-found",
                "title": "There is nothing at this path", "detail": "Use another."}"#,
    );
    assert_eq!(elsewhere.exit_code(), 1);
}

#[test]
fn what_may_pass_is_told_from_what_stays() {
    for status in [408, 429, 500, 502, 503] {
        assert!(refused(status, "").is_passing(), "{status}");
    }
    for status in [400, 403] {
        assert!(!refused(status, "").is_passing(), "{status}");
    }
}

#[test]
fn a_wait_that_helps_is_told() {
    let full = problem(429, "quota-reached");
    assert_eq!(
        full.to_string(),
        "it is refused. Ask for less. Try again in 1m 30s."
    );
}

#[test]
fn scripts_can_tell_refusals_apart() {
    for (status, kind, code) in [
        (400, "invalid-request", 2),
        (404, "lease-not-found", 3),
        (429, "quota-reached", 4),
        (503, "host-full", 4),
        (503, "engine-unavailable", 1),
        (422, "cannot-run", 1),
    ] {
        assert_eq!(problem(status, kind).exit_code(), code, "{kind}");
    }
    let not_run = |kind| Failure::NotRun(Box::new(problem(422, kind))).exit_code();
    assert_eq!(not_run("cannot-run"), CANNOT_RUN);
    assert_eq!(not_run("lease-over"), NOT_RUN);
}

#[test]
fn what_may_have_been_carried_out_is_told_from_what_was_not() {
    for (status, kind) in [(500, "internal"), (409, "lease-not-running")] {
        assert!(problem(status, kind).leaves_open(), "{kind}");
    }
    assert!(refused(502, "<html>").leaves_open());
    for (status, kind) in [(503, "host-full"), (400, "invalid-request")] {
        assert!(!problem(status, kind).leaves_open(), "{kind}");
    }
    assert!(!refused(403, "").leaves_open());
}

#[test]
fn of_many_leases_some_are_named() {
    let leases = (0..7).map(|_| LeaseId::generate()).collect();
    let failure = Failure::Ambiguous {
        wanted: "web".to_owned(),
        leases,
    };
    let said = failure.to_string();
    assert!(said.starts_with("\"web\" fits 7 leases ("), "{said}");
    assert!(said.contains(" and 2 more)"), "{said}");
    assert_eq!(failure.exit_code(), 2);
}

#[test]
fn a_closed_pipe_is_no_other_fault_of_the_output() {
    let of = |kind: io::ErrorKind| Failure::from(io::Error::from(kind));
    assert!(of(io::ErrorKind::BrokenPipe).is_closed_pipe());
    assert!(!of(io::ErrorKind::StorageFull).is_closed_pipe());
    assert_eq!(of(io::ErrorKind::StorageFull).exit_code(), 1);
}

#[test]
fn a_connection_that_is_cut_while_it_opens_is_no_other_program() {
    let server: Server = "http://127.0.0.1:8080".parse().unwrap();
    let cut = tungstenite::Error::Protocol(ProtocolError::HandshakeIncomplete);
    let failure = Failure::to_connect(&server, cut);
    assert!(failure.to_string().contains("cannot be reached"));
    let other = tungstenite::Error::Protocol(ProtocolError::WrongHttpVersion);
    let failure = Failure::to_connect(&server, other);
    assert!(
        failure
            .to_string()
            .contains("is not a ContainerLease server")
    );
}
