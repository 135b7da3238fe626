//! The HTTP API's routes. The one-machine server uses this table. On AWS API Gateway has the
//! routes from `template.yaml`, and passes unmatched requests to the `list` function, so that
//! they get our own problems.

use http::Method;
use percent_encoding::percent_decode_str;

use crate::http::problem::Problem;

/// The index of a lease's or a token's id among a path's segments, the first of which is empty.
const ID: usize = 3;

/// A function of the HTTP API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    Provision,
    Renew,
    Delete,
    Exec,
    Tokens,
    List,
}

/// The function for a path and a method, and the id from the path. On failure, the
/// problem names the methods that the path takes. A path that takes `GET` also takes `HEAD`.
pub fn route(method: &Method, path: &str) -> Result<(Function, Option<String>), Problem> {
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    let (id, functions): (Option<&str>, &[(Method, Function)]) = match segments.as_slice() {
        ["api", "provision"] => (None, &[(Method::POST, Function::Provision)]),
        ["api", "containers" | "images" | "me" | "openapi.json"] | ["healthz" | "readyz"] => {
            (None, &[(Method::GET, Function::List)])
        }
        ["api", "containers", id] => (
            Some(id),
            &[
                (Method::GET, Function::List),
                (Method::DELETE, Function::Delete),
            ],
        ),
        ["api", "tokens"] => (
            None,
            &[
                (Method::GET, Function::Tokens),
                (Method::POST, Function::Tokens),
            ],
        ),
        ["api", "tokens", id] => (Some(id), &[(Method::DELETE, Function::Tokens)]),
        ["api", "containers", id, "renew"] => (Some(id), &[(Method::POST, Function::Renew)]),
        ["api", "containers", id, "exec"] => (Some(id), &[(Method::POST, Function::Exec)]),
        ["api", "containers", id, "logs" | "stats"] => (Some(id), &[(Method::GET, Function::List)]),
        _ => return Err(Problem::route_not_found()),
    };
    let asked = match *method {
        Method::HEAD => &Method::GET,
        _ => method,
    };
    let function = functions.iter().find(|(allowed, _)| allowed == asked);
    let Some((_, function)) = function else {
        let allowed = functions.iter().map(|(method, _)| match *method {
            Method::GET => "GET, HEAD",
            _ => method.as_str(),
        });
        let allowed: Vec<_> = allowed.collect();
        return Err(Problem::method_not_allowed(&allowed.join(", ")));
    };
    let id = id.map(|id| percent_decode_str(id).decode_utf8_lossy().into_owned());
    Ok((*function, id))
}

/// The pattern of a route's path, such as `/api/containers/{id}`.
pub fn pattern(path: &str, has_id: bool) -> String {
    let segments = path.split('/').enumerate();
    let segments = segments.map(|(index, it)| if has_id && index == ID { "{id}" } else { it });
    segments.collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_has_no_id() {
        for (path, expected) in [
            ("/api/provision", "/api/provision"),
            ("/api/containers/a%2Fb", "/api/containers/{id}"),
            ("/api/containers/renew/renew", "/api/containers/{id}/renew"),
            ("/api/containers/", "/api/containers/{id}"),
        ] {
            let allowed = [Method::GET, Method::POST];
            let routed = allowed.iter().find_map(|method| route(method, path).ok());
            let (_, id) = routed.unwrap();
            assert_eq!(pattern(path, id.is_some()), expected);
        }
    }

    #[test]
    fn a_path_with_another_method_is_told_which_it_takes() {
        let refused = |method, path| {
            route(&method, path)
                .err()
                .map(|p| (p.kind.name(), p.detail))
        };
        assert!(refused(Method::POST, "/api/provision").is_none());
        assert_eq!(
            refused(Method::GET, "/api/provision"),
            Some(("method-not-allowed", "Use POST.".to_owned()))
        );
        assert_eq!(
            refused(Method::PATCH, "/api/containers/x"),
            Some(("method-not-allowed", "Use GET, HEAD, DELETE.".to_owned()))
        );
        assert!(refused(Method::HEAD, "/api/containers/x").is_none());
        assert_eq!(
            refused(Method::HEAD, "/api/provision"),
            Some(("method-not-allowed", "Use POST.".to_owned()))
        );
        for nowhere in ["/api/", "/api/containers/", "/api/containers/a/b", "/api/x"] {
            let name = refused(Method::GET, nowhere).map(|(name, _)| name);
            if nowhere == "/api/containers/" {
                assert_eq!(name, None, "an empty id is refused by the handler");
            } else {
                assert_eq!(name, Some("route-not-found"), "{nowhere}");
            }
        }
    }

    #[test]
    fn an_id_is_decoded_before_it_is_parsed() {
        let (_, id) = route(&Method::GET, "/api/containers/..%2Fimages%2Fx")
            .ok()
            .unwrap();
        assert_eq!(id.as_deref(), Some("../images/x"));
    }
}
