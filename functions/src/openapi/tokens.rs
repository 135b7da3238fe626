//! The operations on callers and their tokens.

use containerlease_domain::{
    identity::{Role, Scope, TokenId},
    request::{
        NAME_LENGTH,
        make_token::{TOKEN_DAYS, TOKEN_DAYS_RANGE},
    },
};
use http::Method;
use serde_json::{Map, Value, json};

use super::{
    answers::{Answer, reference, schema_of},
    operations::Operation,
    parameters, requests,
    security::Needs,
};
use crate::http::problem::Kind::{
    BodyTooLarge, InvalidBody, InvalidRequest, StorageFull, StoreUnavailable, TokenNotFound,
    TooManyTokens,
};

/// The operations on callers and tokens.
pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation {
            id: "getMe",
            needs: Needs::Caller,
            method: Method::GET,
            path: "/api/me",
            tag: "tokens",
            summary: "See who you are",
            description: "Has your owner, your role and your scopes.",
            parameters: vec![],
            body: None,
            answers: vec![Answer::timed(200, "The caller.", "Me").example(json!({
                "subject": format!("token:{ID}"), "owner": "search", "role": "user",
                "scopes": ["read", "lease"], "expiresAt": "2027-02-22T09:30:00Z",
            }))],
            problems: &[StoreUnavailable],
        },
        Operation {
            id: "listTokens",
            needs: Needs::Scope(Scope::Read),
            method: Method::GET,
            path: "/api/tokens",
            tag: "tokens",
            summary: "List tokens",
            description: "Lists your owner's tokens, newest first; the list of a caller with the \
                scope `admin` has those of all owners. A token's record stays for 30 days after \
                its end.",
            parameters: vec![],
            body: None,
            answers: vec![
                Answer::timed(200, "Tokens, without their secrets.", "Tokens")
                    .example(json!({"tokens": [token()]})),
            ],
            problems: &[StoreUnavailable],
        },
        Operation {
            id: "makeToken",
            needs: Needs::Scope(Scope::Admin),
            method: Method::POST,
            path: "/api/tokens",
            tag: "tokens",
            summary: "Make a token",
            description: "The answer has the whole token, which nothing shows again. It never lives \
                longer than the token that makes it.",
            parameters: vec![],
            body: Some(requests::body(
                "MakeToken",
                &[
                    json!({"name": "laptop"}),
                    json!({
                        "name": "nightly tests", "owner": "search", "role": "user",
                        "scopes": ["read", "lease"], "expiresInDays": 30,
                    }),
                ],
            )),
            answers: vec![
                Answer::timed(201, "The token, with its secret.", "MadeToken").example(json!({
                    "secret": format!("cl_{ID}_{}", "0f1e2d3c4b5a6978".repeat(4)),
                    "token": token(),
                })),
            ],
            problems: &[
                InvalidBody,
                InvalidRequest,
                TooManyTokens,
                BodyTooLarge,
                StoreUnavailable,
                StorageFull,
            ],
        },
        Operation {
            id: "revokeToken",
            needs: Needs::Caller,
            method: Method::DELETE,
            path: "/api/tokens/{id}",
            tag: "tokens",
            summary: "Revoke a token",
            description: "From now on it is refused, and the logs that its holder watches are \
                closed within 5 seconds. An admin revokes every token; every other caller the \
                one that it presents.",
            parameters: vec![parameters::token_id()],
            body: None,
            answers: vec![{
                let mut revoked = token();
                revoked["state"] = "revoked".into();
                revoked["revokedAt"] = "2026-11-24T09:31:00Z".into();
                Answer::timed(200, "The token.", "Token").example(revoked)
            }],
            problems: &[TokenNotFound, StoreUnavailable, StorageFull],
        },
    ]
}

const ID: &str = "5f0c2a9d41be";

fn token() -> Value {
    json!({
        "id": ID, "name": "nightly tests", "owner": "search", "role": "user",
        "scopes": ["read", "lease"], "state": "active",
        "createdAt": "2026-11-24T09:30:00Z", "createdBy": "local",
        "expiresAt": "2027-02-22T09:30:00Z", "revokedAt": null, "lastUsedAt": null,
    })
}

/// The schemas of requests.
pub(super) fn schemas() -> Map<String, Value> {
    let mut token_id = schema_of::<TokenId>();
    token_id["pattern"] = "^[0-9a-f]{12}$".into();
    let (least, most) = TOKEN_DAYS_RANGE.into_inner();
    let make_token = json!({
        "type": "object",
        "required": ["name"],
        "additionalProperties": false,
        "properties": {
            "name": {
                "type": "string",
                "minLength": 1,
                "maxLength": NAME_LENGTH,
                "pattern": requests::name(),
                "description": "What it is for: letters, digits, spaces, dots, underscores or \
                    hyphens, without a space at either end.",
            },
            "owner": {
                "type": ["string", "null"],
                "minLength": 1,
                "maxLength": 128,
                "pattern": "^[A-Za-z0-9][A-Za-z0-9._@-]*$",
                "description": "Whose leases its holder sees and makes; your own owner if left \
                    out. Only an admin names another.",
            },
            "role": {
                "oneOf": [reference("Role"), {"type": "null"}],
                "description": "`user` if left out.",
            },
            "scopes": {
                "type": ["array", "null"],
                "minItems": 1,
                "items": reference("Scope"),
                "description": "What its holder may do, among the role's scopes; all of them if \
                    left out.",
            },
            "expiresInDays": {
                "type": ["integer", "null"],
                "minimum": least,
                "maximum": most,
                "default": TOKEN_DAYS,
                "description": "After how many days it ends.",
            },
        },
    });
    Map::from_iter([
        ("MakeToken".to_owned(), make_token),
        ("Role".to_owned(), schema_of::<Role>()),
        ("Scope".to_owned(), schema_of::<Scope>()),
        ("TokenId".to_owned(), token_id),
    ])
}
