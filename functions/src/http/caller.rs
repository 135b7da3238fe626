//! Who sends a request, and whether the caller may do it.
//!
//! Every route asks here for its caller and names the scope that it needs; nothing else gives it an
//! owner. A caller is known by, in this order:
//!
//! 1. what stands in front of the function has found out ([`authorizer`]): the one-machine server
//!    knows its own user;
//! 2. an API token.
//!
//! It fails closed: without either, a request is refused, unless a setting says that there is no
//! sign-in at all.

use std::{collections::HashMap, time::Duration};

use aws_lambda_events::apigw::ApiGatewayWebsocketProxyRequest;
use containerlease_domain::{
    identity::{Identity, Role, Scope, Subject, TokenState, TokenText},
    names::Owner,
    time::Time,
};
use containerlease_service::store::Store;
use containerlease_settings::SignIn;
use http::{HeaderMap, header};
use lambda_http::{Request, RequestExt, request::RequestContext};
use serde_json::{Map, Value};

use crate::{app::App, http::problem::Problem};

/// How long a request waits for the record of its token's use.
const USE_LIMIT: Duration = Duration::from_millis(200);

/// The caller of a request, who may do what needs `scope`.
pub async fn caller(app: &App, request: &Request, scope: Scope) -> Result<Identity, Problem> {
    let identity = any_caller(app, request).await?;
    demand(&identity, scope)?;
    Ok(identity)
}

/// The caller of a request, whatever the caller may do.
pub async fn any_caller(app: &App, request: &Request) -> Result<Identity, Problem> {
    let fields = match request.request_context_ref() {
        Some(RequestContext::ApiGatewayV2(context)) => context.authorizer.as_ref(),
        _ => None,
    };
    let fields = fields.map(|authorizer| &authorizer.fields);
    known(app, fields, request.headers()).await
}

/// The caller of a WebSocket's first request, who may do what needs `scope`.
pub async fn caller_of_socket(
    app: &App,
    event: &ApiGatewayWebsocketProxyRequest,
    scope: Scope,
) -> Result<Identity, Problem> {
    let fields = &event.request_context.authorizer.fields;
    let fields = Some(fields).filter(|fields| !fields.is_empty());
    let identity = known(app, fields, &event.headers).await?;
    demand(&identity, scope)?;
    Ok(identity)
}

/// The caller that an authorizer's fields name or, without an authorizer, that the headers identify.
async fn known(
    app: &App,
    fields: Option<&HashMap<String, Value>>,
    headers: &HeaderMap,
) -> Result<Identity, Problem> {
    match (fields, app.sign_in) {
        (Some(fields), _) => identity_in(fields).ok_or_else(Problem::unknown_caller),
        (None, SignIn::None) => Ok(Identity::local()),
        // Boxed, as a future within every route's.
        (None, SignIn::Required) => Box::pin(identify(&app.store, headers)).await,
    }
}

/// Refuses a caller who may not do what needs `scope`.
pub fn demand(identity: &Identity, scope: Scope) -> Result<(), Problem> {
    if identity.may(scope) {
        Ok(())
    } else {
        Err(Problem::not_allowed(&format!(
            "This needs the scope {scope}; you have: {}.",
            identity.scopes
        )))
    }
}

/// The holder of the API token in a request's headers.
pub async fn identify(store: &Store, headers: &HeaderMap) -> Result<Identity, Problem> {
    if !headers.contains_key(header::AUTHORIZATION) {
        return Err(Problem::sign_in_needed());
    }
    let text = bearer(headers).and_then(|token| token.parse().ok());
    let text: TokenText = text.ok_or_else(Problem::invalid_token)?;
    let now = Time::now();
    let token = store.token(text.id()).await?;
    let token = token.ok_or_else(Problem::invalid_token)?;
    let identity = token.identify(&text, now);
    let identity = identity.ok_or_else(Problem::invalid_token)?;
    // Nobody is refused because that could not be written, and what is reserved on a full disk is for
    // the ends of leases.
    if token.use_is_news(now) && store.room().shortage().is_none() {
        let recorded = store.token_used(&token.id, now);
        match tokio::time::timeout(USE_LIMIT, recorded).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(token = %token.id, %error, "a use is not recorded"),
            Err(_) => tracing::warn!(token = %token.id, "a use is not recorded in time"),
        }
    }
    Ok(identity)
}

/// Refuses a caller whose token has ended since it was identified, as it can while a body arrives.
pub async fn identify_again(store: &Store, caller: &Identity) -> Result<(), Problem> {
    match &caller.subject {
        Subject::Local => Ok(()),
        Subject::Token(id) => match store.token(id).await? {
            Some(token) if token.state(Time::now()) == TokenState::Active => Ok(()),
            _ => Err(Problem::invalid_token()),
        },
    }
}

/// The token of the one `Authorization` header, with the scheme `Bearer`. With two headers, it is
/// unclear which one counts, so there is none.
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut given = headers.get_all(header::AUTHORIZATION).iter();
    let (one, None) = (given.next()?, given.next()) else {
        return None;
    };
    let (scheme, token) = one.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// The caller as fields of an event's authorizer. They are texts, since a WebSocket's event has no
/// others.
pub fn authorizer(identity: &Identity) -> Map<String, Value> {
    let fields = [
        ("subject", identity.subject.to_string()),
        ("owner", identity.owner.as_str().to_owned()),
        ("role", identity.role.to_string()),
        ("scopes", identity.scopes.to_string()),
    ];
    let until = identity.until.map(|end| end.as_millis().to_string());
    fields
        .into_iter()
        .chain(until.map(|end| ("until", end)))
        .map(|(name, value)| (name.to_owned(), value.into()))
        .collect()
}

/// The caller in an event's authorizer; none if it is not as [`authorizer`] writes it.
fn identity_in(fields: &HashMap<String, Value>) -> Option<Identity> {
    let text = |name| fields.get(name).and_then(Value::as_str);
    let role: Role = text("role")?.parse().ok()?;
    let until = match text("until") {
        Some(millis) => Some(Time::from_millis(millis.parse().ok()?)),
        None => None,
    };
    Some(Identity {
        subject: Subject::try_from(text("subject")?.to_owned()).ok()?,
        owner: Owner::try_from(text("owner")?.to_owned()).ok()?,
        role,
        scopes: text("scopes")?.parse().ok()?,
        until,
    })
}

#[cfg(test)]
mod tests {
    use containerlease_domain::identity::Scopes;
    use http::HeaderValue;

    use super::*;

    fn fields(identity: &Identity) -> HashMap<String, Value> {
        authorizer(identity).into_iter().collect()
    }

    #[test]
    fn a_caller_is_read_as_it_is_written() {
        let whole = Identity::local();
        let narrowed = Identity {
            scopes: Scopes::of(&[Scope::Read]),
            until: Some(Time::from_millis(1_795_512_600_000)),
            ..Identity::local()
        };
        for identity in [whole, narrowed] {
            assert_eq!(identity_in(&fields(&identity)), Some(identity));
        }
    }

    #[test]
    fn a_caller_that_is_not_whole_is_nobody() {
        let whole = fields(&Identity::local());
        for missing in ["subject", "owner", "role", "scopes"] {
            let mut fields = whole.clone();
            fields.remove(missing);
            assert_eq!(identity_in(&fields), None, "{missing}");
        }
        for (name, wrong) in [
            ("subject", Value::from("ada")),
            ("owner", "".into()),
            ("owner", 7.into()),
            ("role", "root".into()),
            ("scopes", "write".into()),
            ("until", "soon".into()),
        ] {
            let mut fields = whole.clone();
            fields.insert(name.to_owned(), wrong);
            assert_eq!(identity_in(&fields), None, "{name}");
        }
    }

    #[test]
    fn a_token_is_sent_as_a_bearer_token() {
        let bearer_of = |values: &[&'static str]| {
            let values = values.iter().map(|value| HeaderValue::from_static(value));
            let all = values.map(|value| (header::AUTHORIZATION, value));
            let mut headers = HeaderMap::new();
            headers.extend(all);
            bearer(&headers).map(str::to_owned)
        };
        assert_eq!(bearer_of(&["Bearer  x "]).as_deref(), Some("x"));
        assert_eq!(bearer_of(&["bearer x"]).as_deref(), Some("x"));
        assert_eq!(bearer_of(&["Basic x"]), None);
        assert_eq!(bearer_of(&["x"]), None);
        assert_eq!(bearer_of(&[]), None);
    }
}
