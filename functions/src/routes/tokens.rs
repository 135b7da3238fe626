//! `/api/tokens`: API tokens, made, listed and revoked. On one machine only, so far.

use containerlease_domain::{
    identity::{Identity, Role, Scope, Scopes, Subject, Token, TokenId, TokenState, TokenText},
    request::MakeToken,
    time::Time,
};
use http::{Method, StatusCode};
use lambda_http::{Body, Request, RequestExt, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    app::App,
    http::{
        answer::{answer, body},
        caller::{any_caller, caller, demand},
        problem::Problem,
    },
};

/// From how many tokens that can be used an owner gets no more. More would be a program that forgets
/// its tokens.
const MOST_ACTIVE: usize = 100;

/// A token, without its secret.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Token)]
pub(crate) struct TokenView {
    id: TokenId,
    /// What it is for.
    name: String,
    /// Whose leases its holder sees and makes.
    owner: String,
    role: Role,
    /// What its holder may do.
    #[schema(value_type = Vec<Scope>)]
    scopes: Scopes,
    state: TokenState,
    created_at: Time,
    /// Who made it.
    #[schema(value_type = String)]
    created_by: Subject,
    expires_at: Time,
    #[schema(required)]
    revoked_at: Option<Time>,
    /// When it was last used, to the hour.
    #[schema(required)]
    last_used_at: Option<Time>,
}

/// A new token, with its secret. Nothing shows the secret again.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MadeToken {
    /// The whole token, which a program sends as `Authorization: Bearer TOKEN`.
    #[schema(example = "cl_5f0c2a9d41be_\
        0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0")]
    secret: String,
    token: TokenView,
}

/// Tokens, newest first.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Tokens {
    tokens: Vec<TokenView>,
}

/// Answers every route of this function.
pub async fn handle(app: &App, request: Request) -> Response<Body> {
    match *request.method() {
        Method::POST => answer(&request, StatusCode::CREATED, made(app, &request).await),
        Method::DELETE => answer(&request, StatusCode::OK, revoked(app, &request).await),
        _ => answer(&request, StatusCode::OK, listed(app, &request).await),
    }
}

async fn made(app: &App, request: &Request) -> Result<MadeToken, Problem> {
    let caller = caller(app, request, Scope::Admin).await?;
    let now = Time::now();
    let wanted = MakeToken::parse(body(request)?)?.by(&caller, now)?;
    let tokens = app.store.tokens().await?.items;
    let active = tokens
        .iter()
        .filter(|token| token.owner == wanted.owner && token.state(now) == TokenState::Active);
    if active.count() >= MOST_ACTIVE {
        return Err(Problem::too_many_tokens(MOST_ACTIVE));
    }
    let text = TokenText::generate().map_err(|error| {
        tracing::error!(%error, "could not make a token");
        Problem::internal()
    })?;
    let token = Token::new(wanted, &text, &caller, now);
    app.store.add_token(&token).await?;
    tracing::info!(
        token = %token.id, owner = token.owner.as_str(), role = %token.role,
        by = %caller.subject, "made a token"
    );
    Ok(MadeToken {
        secret: text.reveal().to_owned(),
        token: TokenView::of(token, now),
    })
}

async fn listed(app: &App, request: &Request) -> Result<Tokens, Problem> {
    let caller = caller(app, request, Scope::Read).await?;
    let now = Time::now();
    let mut tokens = app.store.tokens().await?.items;
    tokens.retain(|token| may_see(&caller, token));
    tokens.sort_by(|a, b| (b.created_at, &b.id).cmp(&(a.created_at, &a.id)));
    let tokens = tokens.into_iter().map(|token| TokenView::of(token, now));
    Ok(Tokens {
        tokens: tokens.collect(),
    })
}

/// An admin revokes every token, and every other caller the one that it presents.
async fn revoked(app: &App, request: &Request) -> Result<TokenView, Problem> {
    let caller = any_caller(app, request).await?;
    let now = Time::now();
    let id: TokenId = request
        .path_parameters_ref()
        .and_then(|parameters| parameters.first("id"))
        .and_then(|id| id.parse().ok())
        .ok_or_else(Problem::token_not_found)?;
    let is_its_own = caller.subject == Subject::Token(id.clone());
    let token = app.store.token(&id).await?;
    let token = token.filter(|token| is_its_own || may_see(&caller, token));
    let token = token.ok_or_else(Problem::token_not_found)?;
    if !is_its_own {
        demand(&caller, Scope::Admin)?;
    }
    let token = app.store.revoke_token(token, now).await?;
    tracing::info!(token = %token.id, by = %caller.subject, "revoked a token");
    Ok(TokenView::of(token, now))
}

/// Whether the caller sees that the token is there.
fn may_see(caller: &Identity, token: &Token) -> bool {
    caller.may(Scope::Admin) || caller.owner == token.owner
}

impl TokenView {
    fn of(token: Token, now: Time) -> Self {
        Self {
            state: token.state(now),
            scopes: token.scopes(),
            id: token.id,
            name: token.name,
            owner: token.owner.as_str().to_owned(),
            role: token.role,
            created_at: token.created_at,
            created_by: token.created_by,
            expires_at: token.expires_at,
            revoked_at: token.revoked_at,
            last_used_at: token.last_used_at,
        }
    }
}
